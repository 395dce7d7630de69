"""What is good once, in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, delete, select, tuple_, update

from bezant.stores import Code, CodeKind, Taking
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import codes as table
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.upsert import insert_unless_there
from bezant.stores.sql.verbs import Store, Sweep, Swept, Verb

__all__ = ["SQLCodeStore"]

STEP = 1000
"""Rows that one transaction of a purge forgets, at most."""

c: Columns = table.c
GOOD = (
    c.kind == bindparam("of_kind", type_=c.kind.type),
    c.digest == bindparam("of", type_=c.digest.type),
    c.expires_at > bindparam("now", type_=c.expires_at.type),
)
"""A code that has not expired."""

PUT = Prepared(insert_unless_there(table))
TAKE = Prepared(
    update(table).where(*GOOD, c.taken.is_(False)).values(taken=True).returning(c.value)
)
# One that came after the attempt to take it is none that somebody else took.
SPENT = Prepared(select(c.value).where(*GOOD, c.taken.is_(True)))
PEEK = Prepared(select(c.value).where(*GOOD))
REPLACE = Prepared(
    update(table).where(*GOOD).values(value=bindparam("new_value", type_=c.value.type))
)
EXPIRED = select(c.kind, c.digest).where(c.expires_at <= bindparam("now")).limit(STEP)
PURGE = Prepared(delete(table).where(tuple_(c.kind, c.digest).in_(EXPIRED)))


@one_statement
def put(connection: Connection, code: Code, /) -> bool:
    """Store a code unless its kind and digest are there. Returns whether it was stored."""
    stored = PUT.count(
        connection,
        kind=code.kind,
        digest=code.digest,
        value=code.value,
        expires_at=code.expires_at,
        taken=False,
    )
    return stored == 1


@one_statement
def take(
    connection: Connection, kind: CodeKind, digest: str, now: float, /
) -> tuple[Taking, str | None]:
    """Take a code, atomically: of all calls, one is answered TAKEN."""
    code = {"of_kind": kind, "of": digest, "now": now}
    taken = TAKE.row(connection, **code)
    if taken is not None:
        return Taking.TAKEN, taken[0]
    spent = SPENT.row(connection, **code)
    return (Taking.UNKNOWN, None) if spent is None else (Taking.SPENT, spent[0])


@reads
def peek(connection: Connection, kind: CodeKind, digest: str, now: float, /) -> str | None:
    """The value of a code, taken or not, that has not expired."""
    row = PEEK.row(connection, of_kind=kind, of=digest, now=now)
    return None if row is None else row[0]


@one_statement
def replace(connection: Connection, kind: CodeKind, digest: str, value: str, now: float, /) -> bool:
    """Change the value of a code, taken or not, that has not expired. False when there is none."""
    return REPLACE.count(connection, of_kind=kind, of=digest, new_value=value, now=now) == 1


@one_statement
def purge(connection: Connection, now: float, /) -> Swept:
    """Forget the expired ones. Returns how many."""
    forgotten = PURGE.count(connection, now=now)
    return Swept(forgotten, more=forgotten >= STEP)


class SQLCodeStore(Store):
    """What is good once, in SQL (`bezant.stores.CodeStore`)."""

    put: Verb[[Code], bool] = Verb(put)
    take: Verb[[CodeKind, str, float], tuple[Taking, str | None]] = Verb(take)
    peek: Verb[[CodeKind, str, float], str | None] = Verb(peek)
    replace: Verb[[CodeKind, str, str, float], bool] = Verb(replace)
    purge: Sweep = Sweep(purge)
