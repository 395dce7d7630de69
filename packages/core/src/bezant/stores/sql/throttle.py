"""Counters of login attempts in SQL."""

from __future__ import annotations

from sqlalchemy import Connection, bindparam, case, delete, select, update
from sqlalchemy.sql import ClauseElement

from bezant.stores import ThrottleLimit
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns, allowances, attempts
from bezant.stores.sql.units import one_statement
from bezant.stores.sql.upsert import Insert, upsert
from bezant.stores.sql.verbs import Store, Sweep, Swept, Verb

__all__ = ["SQLThrottleStore"]

STEP = 1000
"""Rows of each table that one transaction of a purge forgets, at most."""

a: Columns = attempts.c
w: Columns = allowances.c


def _count_unless_blocked(insert: Insert) -> ClauseElement:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[a.key],
        set_={
            a.attempts: case((a.touched_at <= bindparam("forgotten"), 1), else_=a.attempts + 1),
            a.blocked_until: new.blocked_until,
            a.touched_at: new.touched_at,
        },
        where=a.blocked_until <= new.touched_at,
    ).returning(a.attempts)


def _replace_allowance(insert: Insert) -> ClauseElement:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[w.key], set_={w.credits: new.credits, w.expires_at: new.expires_at}
    )


COUNT = Prepared(upsert(attempts, _count_unless_blocked))
BLOCKED_UNTIL = Prepared(select(a.blocked_until).where(a.key == bindparam("of")))
BLOCK = Prepared(
    update(attempts).where(a.key == bindparam("of")).values(blocked_until=bindparam("until"))
)
REFUND = Prepared(
    update(attempts)
    .where(a.key == bindparam("of"))
    .values(attempts=case((a.attempts > 0, a.attempts - 1), else_=0), blocked_until=0.0)
)
EARN = Prepared(upsert(allowances, _replace_allowance))
SPEND = Prepared(
    update(allowances)
    .where(w.key == bindparam("of"), w.credits > 0, w.expires_at > bindparam("now"))
    .values(credits=w.credits - 1)
)
BEFORE = bindparam("before", type_=a.touched_at.type)
PURGE_ATTEMPTS = Prepared(
    delete(attempts).where(
        a.key.in_(select(a.key).where(a.touched_at < BEFORE).limit(STEP)), a.touched_at < BEFORE
    )
)
PURGE_ALLOWANCES = Prepared(
    delete(allowances).where(
        w.key.in_(select(w.key).where(w.expires_at < BEFORE).limit(STEP)), w.expires_at < BEFORE
    )
)


def attempt(connection: Connection, key: str, now: float, limit: ThrottleLimit, /) -> float:
    """Count an attempt unless the key is blocked; see `bezant.stores.ThrottleStore.attempt`."""
    counted = COUNT.row(
        connection,
        key=key,
        attempts=1,
        blocked_until=0.0,
        touched_at=now,
        forgotten=now - limit.memory,
    )
    # Counted or not, the first statement holds the row until the transaction ends.
    if counted is None:
        blocked = BLOCKED_UNTIL.row(connection, of=key)
        return blocked[0] - now if blocked else 0.0
    wait = limit.wait(counted[0])
    if wait > 0:
        BLOCK.count(connection, of=key, until=now + wait)
    return 0.0


@one_statement
def refund(connection: Connection, key: str, /) -> None:
    """Take one counted attempt back, as after a right password; lifts the block it caused."""
    REFUND.count(connection, of=key)


@one_statement
def spend(connection: Connection, key: str, now: float, /) -> bool:
    """Use one credit of an allowance, atomically. False when there is none left or it expired."""
    return SPEND.count(connection, of=key, now=now) == 1


@one_statement
def earn(connection: Connection, key: str, credits: int, expires_at: float, /) -> None:
    """Set the credits of an allowance."""
    EARN.count(connection, key=key, credits=credits, expires_at=expires_at)


def purge(connection: Connection, before: float, /) -> Swept:
    """Forget counters last touched, and allowances expired, before a time. Returns how many."""
    counters = PURGE_ATTEMPTS.count(connection, before=before)
    credits = PURGE_ALLOWANCES.count(connection, before=before)
    return Swept(counters + credits, more=max(counters, credits) >= STEP)


class SQLThrottleStore(Store):
    """Counters of login attempts in SQL (`bezant.stores.ThrottleStore`)."""

    attempt: Verb[[str, float, ThrottleLimit], float] = Verb(attempt)
    refund: Verb[[str], None] = Verb(refund)
    spend: Verb[[str, float], bool] = Verb(spend)
    earn: Verb[[str, int, float], None] = Verb(earn)
    purge: Sweep = Sweep(purge)
