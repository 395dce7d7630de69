"""Revocations in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, case, delete, select, tuple_
from sqlalchemy.sql import ClauseElement

from bezant.stores import Revocation
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import revocations as table
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.upsert import Insert, upsert
from bezant.stores.sql.verbs import Store, Sweep, Swept, Verb

__all__ = ["SQLRevocationStore"]

STEP = 1000
"""Rows that one transaction of a purge forgets, at most."""

c: Columns = table.c
TIMES = ("issued_before", "expires_at", "recorded_at")


def _keep_the_later(insert: Insert) -> ClauseElement:
    new = insert.excluded
    kept = {name: case((new[name] > c[name], new[name]), else_=c[name]) for name in TIMES}
    return insert.on_conflict_do_update(index_elements=[c.kind, c.value], set_=kept)


ADD = Prepared(upsert(table, _keep_the_later))
SINCE = Prepared(
    select(c.kind, c.value, c.issued_before, c.expires_at, c.recorded_at)
    .where(c.recorded_at >= bindparam("start"), c.expires_at > bindparam("now"))
    .order_by(c.recorded_at)
)
EXPIRED = select(c.kind, c.value).where(c.expires_at <= bindparam("now")).limit(STEP)
PURGE = Prepared(delete(table).where(tuple_(c.kind, c.value).in_(EXPIRED)))


@one_statement
def add(connection: Connection, revocation: Revocation, /) -> None:
    """Store one; of two with the same kind and value the later ``issued_before`` and ``expires_at``
    stay.
    """
    ADD.count(
        connection,
        kind=revocation.kind,
        value=revocation.value,
        issued_before=revocation.issued_before,
        expires_at=revocation.expires_at,
        recorded_at=revocation.recorded_at,
    )


@reads
def since(connection: Connection, recorded_at: float, now: float, /) -> Sequence[Revocation]:
    """Those recorded at or after a time and not expired."""
    return [Revocation(*row) for row in SINCE.rows(connection, start=recorded_at, now=now)]


@one_statement
def purge(connection: Connection, now: float, /) -> Swept:
    """Forget the expired ones. Returns how many."""
    forgotten = PURGE.count(connection, now=now)
    return Swept(forgotten, more=forgotten >= STEP)


class SQLRevocationStore(Store):
    """Revocations in SQL (`bezant.stores.RevocationStore`)."""

    add: Verb[[Revocation], None] = Verb(add)
    since: Verb[[float, float], Sequence[Revocation]] = Verb(since)
    purge: Sweep = Sweep(purge)
