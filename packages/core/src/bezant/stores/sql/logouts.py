"""Notices of logouts in SQL: a queue that many senders share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, Integer, bindparam, delete, insert, select, update
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from bezant.stores import LogoutNotice
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import logouts as table
from bezant.stores.sql.units import one_statement
from bezant.stores.sql.verbs import Store, Verb

__all__ = ["SQLLogoutStore"]

c: Columns = table.c
COLUMNS = (c.id, c.client_id, c.subject, c.session_id, c.created_at, c.attempts, c.due_at)
"""The fields of `LogoutNotice`, in their order."""
ONE = c.id == bindparam("of", type_=c.id.type)
UNTIL = bindparam("until", type_=c.due_at.type)


def _claim(dialect: Dialect) -> ClauseElement:
    due = (
        select(c.id)
        .where(c.due_at <= bindparam("now", type_=c.due_at.type))
        .order_by(c.due_at, c.id)
        .limit(bindparam("most", type_=Integer()))
    )
    if dialect.name != "sqlite":  # which has one writer at a time
        # What another sender holds is passed over, not waited for. As a table expression, the rows
        # are chosen once, whatever the plan.
        due = select(due.with_for_update(skip_locked=True).cte("due").c.id)
    return (
        update(table)
        .where(c.id.in_(due))
        .values(attempts=c.attempts + 1, due_at=UNTIL)
        .returning(*COLUMNS)
    )


ADD = Prepared(insert(table))
CLAIM = Prepared(_claim)
DONE = Prepared(delete(table).where(ONE))
RETRY = Prepared(update(table).where(ONE).values(due_at=UNTIL))


def add(connection: Connection, notices: Sequence[LogoutNotice], /) -> None:
    """Store notices: all of them, or none."""
    for notice in notices:
        ADD.count(connection, **asdict(notice))


@one_statement
def claim(
    connection: Connection, now: float, until: float, limit: int, /
) -> Sequence[LogoutNotice]:
    """Take up to ``limit`` notices that are due, and make them due again at ``until``, atomically:
    of several senders one gets each. They are returned with ``attempts`` counted up.
    """
    rows = CLAIM.rows(connection, now=now, until=until, most=limit)
    return [LogoutNotice(*row) for row in rows]


@one_statement
def done(connection: Connection, notice_id: str, /) -> None:
    """Forget a notice."""
    DONE.count(connection, of=notice_id)


@one_statement
def retry(connection: Connection, notice_id: str, due_at: float, /) -> None:
    """Try again later."""
    RETRY.count(connection, of=notice_id, until=due_at)


class SQLLogoutStore(Store):
    """Notices of logouts in SQL (`bezant.stores.LogoutStore`)."""

    add: Verb[[Sequence[LogoutNotice]], None] = Verb(add)
    claim: Verb[[float, float, int], Sequence[LogoutNotice]] = Verb(claim)
    done: Verb[[str], None] = Verb(done)
    retry: Verb[[str, float], None] = Verb(retry)
