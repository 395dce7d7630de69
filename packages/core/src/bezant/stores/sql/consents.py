"""Consents in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select
from sqlalchemy.sql import ClauseElement

from bezant.stores import Consent
from bezant.stores.sql.prepared import Prepared, Row
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import consents as table
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.upsert import Insert, upsert
from bezant.stores.sql.verbs import Store, Verb

__all__ = ["SQLConsentStore"]

c: Columns = table.c
MINE = c.subject == bindparam("subject", type_=c.subject.type)
ONE = (MINE, c.client_id == bindparam("client_id", type_=c.client_id.type))


def _take_the_place(insert: Insert) -> ClauseElement:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[c.subject, c.client_id],
        set_={c.scopes: new.scopes, c.given_at: new.given_at},
    )


SELECT = select(c.subject, c.client_id, c.scopes, c.given_at)
GET = Prepared(SELECT.where(*ONE))
PUT = Prepared(upsert(table, _take_the_place))
REMOVE = Prepared(delete(table).where(*ONE))
LIST = Prepared(SELECT.where(MINE).order_by(c.client_id))


@reads
def get(connection: Connection, subject: str, client_id: str, /) -> Consent | None:
    """What was consented to."""
    row = GET.row(connection, subject=subject, client_id=client_id)
    return None if row is None else _consent(row)


@one_statement
def put(connection: Connection, consent: Consent, /) -> None:
    """Store a consent in place of the one for the same subject and client."""
    PUT.count(
        connection,
        subject=consent.subject,
        client_id=consent.client_id,
        scopes=json.dumps(consent.scopes),
        given_at=consent.given_at,
    )


@one_statement
def remove(connection: Connection, subject: str, client_id: str, /) -> bool:
    """Take a consent back. Returns whether there was one."""
    return REMOVE.count(connection, subject=subject, client_id=client_id) == 1


@reads
def list_for_subject(connection: Connection, subject: str, /) -> Sequence[Consent]:
    """All of a resource owner's, by client id."""
    return [_consent(row) for row in LIST.rows(connection, subject=subject)]


class SQLConsentStore(Store):
    """Consents in SQL (`bezant.stores.ConsentStore`)."""

    get: Verb[[str, str], Consent | None] = Verb(get)
    put: Verb[[Consent], None] = Verb(put)
    remove: Verb[[str, str], bool] = Verb(remove)
    list_for_subject: Verb[[str], Sequence[Consent]] = Verb(list_for_subject)


def _consent(row: Row) -> Consent:
    subject, client_id, scopes, given_at = row
    return Consent(subject, client_id, tuple(json.loads(scopes)), given_at)
