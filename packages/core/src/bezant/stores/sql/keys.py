"""Signing keys in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, delete, select, update

from bezant.stores import StoredKey
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import keys as table
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.upsert import insert_unless_there
from bezant.stores.sql.verbs import Store, Verb

__all__ = ["SQLKeyStore"]

c: Columns = table.c
KID = bindparam("kid", type_=c.kid.type)

LOAD = Prepared(
    select(
        c.kid, c.algorithm, c.sequence, c.sealed, c.created_at, c.activates_at, c.retired_at
    ).order_by(c.sequence)
)
ADD = Prepared(insert_unless_there(table))
RETIRE = Prepared(
    update(table).where(c.kid == KID, c.retired_at.is_(None)).values(retired_at=bindparam("now"))
)
REMOVE = Prepared(delete(table).where(c.kid == KID))


@reads
def load(connection: Connection) -> Sequence[StoredKey]:
    """All keys, by sequence."""
    return [StoredKey(*row) for row in LOAD.rows(connection)]


@one_statement
def add(connection: Connection, key: StoredKey, /) -> bool:
    """Store a key unless its sequence is taken. Returns whether it was stored."""
    stored = ADD.count(
        connection,
        kid=key.kid,
        algorithm=key.algorithm,
        sequence=key.sequence,
        sealed=key.sealed,
        created_at=key.created_at,
        activates_at=key.activates_at,
        retired_at=key.retired_at,
    )
    return stored == 1


@one_statement
def retire(connection: Connection, kid: str, now: float, /) -> bool:
    """Withdraw a key. Returns False when there is none, or it was withdrawn before."""
    return RETIRE.count(connection, kid=kid, now=now) == 1


@one_statement
def remove(connection: Connection, kid: str, /) -> None:
    """Forget a key that is gone."""
    REMOVE.count(connection, kid=kid)


class SQLKeyStore(Store):
    """Signing keys in SQL (`bezant.stores.KeyStore`)."""

    load: Verb[[], Sequence[StoredKey]] = Verb(load)
    add: Verb[[StoredKey], bool] = Verb(add)
    retire: Verb[[str, float], bool] = Verb(retire)
    remove: Verb[[str], None] = Verb(remove)
