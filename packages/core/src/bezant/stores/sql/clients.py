"""Registered clients in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from bezant.clients import Client, ClientSecret
from bezant.stores.sql.prepared import Prepared, Row
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import clients as table
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.upsert import insert_unless_there
from bezant.stores.sql.verbs import Store, Verb

__all__ = ["SQLClientStore"]

c: Columns = table.c
FIELDS = [column for column in c if column is not c.client_id]

ADD = Prepared(insert_unless_there(table))
GET = Prepared(select(table).where(c.client_id == bindparam("client_id")))
LIST = Prepared(select(table).order_by(c.client_id))
REPLACE = Prepared(
    update(table)
    .where(c.client_id == bindparam("client_id"))
    .values({column: bindparam(f"new_{column.name}", type_=column.type) for column in FIELDS})
)


@one_statement
def add(connection: Connection, client: Client, /) -> bool:
    """Store a client unless its id is taken. Returns whether it was stored."""
    return ADD.count(connection, client_id=client.client_id, **_fields(client)) == 1


@reads
def get(connection: Connection, client_id: str, /) -> Client | None:
    """The client with this id, compared exactly; disabled ones too."""
    row = GET.row(connection, client_id=client_id)
    return None if row is None else _client(row)


@one_statement
def replace(connection: Connection, client: Client, /) -> bool:
    """Store a client in place of the one with its id. Returns False when there is none."""
    new = {f"new_{name}": value for name, value in _fields(client).items()}
    return REPLACE.count(connection, client_id=client.client_id, **new) == 1


@reads
def list_all(connection: Connection) -> Sequence[Client]:
    """All clients, by id."""
    return [_client(row) for row in LIST.rows(connection)]


class SQLClientStore(Store):
    """Registered clients in SQL (`bezant.stores.ClientStore`)."""

    add: Verb[[Client], bool] = Verb(add)
    get: Verb[[str], Client | None] = Verb(get)
    replace: Verb[[Client], bool] = Verb(replace)
    list_all: Verb[[], Sequence[Client]] = Verb(list_all)


def _fields(client: Client) -> dict[str, Any]:
    return {
        "grants": json.dumps(sorted(client.grants)),
        "scopes": json.dumps(client.scopes),
        "audience": json.dumps(client.audience),
        "auth_method": client.auth_method,
        "secrets": json.dumps([[secret.hashed, secret.expires_at] for secret in client.secrets]),
        "name": client.name,
        "active": client.active,
        "introspect": client.introspect,
        "access_token_ttl": client.access_token_ttl,
        "refresh_retry_window": client.refresh_retry_window,
        "redirect_uris": json.dumps(client.redirect_uris),
        "post_logout_redirect_uris": json.dumps(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "first_party": client.first_party,
        "jwks": None if client.jwks is None else json.dumps(client.jwks),
        "jwks_uri": client.jwks_uri,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
    }


def _client(row: Row) -> Client:
    (
        client_id,
        grants,
        scopes,
        audience,
        auth_method,
        secrets,
        name,
        active,
        introspect,
        ttl,
        window,
        redirect_uris,
        post_logout_redirect_uris,
        backchannel_logout_uri,
        first_party,
        jwks,
        jwks_uri,
        id_token_alg,
        userinfo_alg,
    ) = row
    return Client(
        client_id,
        grants=frozenset(json.loads(grants)),
        scopes=tuple(json.loads(scopes)),
        audience=tuple(json.loads(audience)),
        auth_method=auth_method,
        secrets=tuple(
            ClientSecret(hashed, expires_at) for hashed, expires_at in json.loads(secrets)
        ),
        name=name,
        active=bool(active),
        introspect=bool(introspect),
        access_token_ttl=ttl,
        refresh_retry_window=window,
        redirect_uris=tuple(json.loads(redirect_uris)),
        post_logout_redirect_uris=tuple(json.loads(post_logout_redirect_uris)),
        backchannel_logout_uri=backchannel_logout_uri,
        first_party=bool(first_party),
        jwks=None if jwks is None else json.loads(jwks),
        jwks_uri=jwks_uri,
        id_token_signed_response_alg=id_token_alg,
        userinfo_signed_response_alg=userinfo_alg,
    )
