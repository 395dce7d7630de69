"""Counters of login attempts in SQL."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import TypeVar

from sqlalchemy import (
    BindParameter,
    Connection,
    bindparam,
    case,
    collate,
    delete,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

from bezant.stores import Allowance, Blocked, ThrottleLimit
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.schema import Columns, allowances, attempts
from bezant.stores.sql.units import one_statement
from bezant.stores.sql.upsert import Insert, upsert
from bezant.stores.sql.verbs import Store, Sweep, Swept, Verb

__all__ = ["SQLThrottleStore"]

T = TypeVar("T")

STEP = 1000
"""Rows of each table that one transaction of a purge forgets, at most."""

a: Columns = attempts.c
w: Columns = allowances.c
NOW = bindparam("now", type_=a.touched_at.type)


def _keys(size: int) -> list[BindParameter[str]]:
    return [bindparam(f"key{number}", type_=a.key.type) for number in range(size)]


def _named(name: str, values: Collection[T]) -> dict[str, T]:
    return {f"{name}{number}": value for number, value in enumerate(values)}


@cache
def _count(size: int) -> Prepared:
    """Count at so many keys; at none when, as far as this statement sees, one of them is blocked.

    Rows are locked in the order of the parameters: sorted, or two transactions could wait for each
    other.
    """
    keys = _keys(size)
    blocked = select(a.key).where(a.key.in_(keys), a.blocked_until > NOW).exists()
    fresh = [
        select(key, literal(1, a.attempts.type), literal(0.0, a.blocked_until.type), NOW).where(
            ~blocked
        )
        for key in keys
    ]
    forgotten = case(
        {
            key: bindparam(f"forgotten{number}", type_=a.touched_at.type)
            for number, key in enumerate(keys)
        },
        value=a.key,
    )

    def count(insert: Insert) -> ClauseElement:
        new = insert.excluded
        columns = [a.key, a.attempts, a.blocked_until, a.touched_at]
        return (
            insert.from_select(columns, union_all(*fresh))
            .on_conflict_do_update(
                index_elements=[a.key],
                set_={
                    a.attempts: case((a.touched_at <= forgotten, 1), else_=a.attempts + 1),
                    a.blocked_until: new.blocked_until,
                    a.touched_at: new.touched_at,
                },
                where=a.blocked_until <= new.touched_at,
            )
            .returning(a.key, a.attempts)
        )

    return Prepared(upsert(attempts, count))


@cache
def _blocks(size: int) -> Prepared:
    """What blocks, of so many keys."""
    return Prepared(
        select(a.key, a.blocked_until).where(a.key.in_(_keys(size)), a.blocked_until > NOW)
    )


@cache
def _refund(size: int) -> Prepared:
    """Take back one attempt of each of so many keys."""

    def refund(dialect: Dialect) -> ClauseElement:
        mine = a.key.in_(_keys(size))
        if dialect.name != "sqlite":  # which has one writer at a time
            # Locked in the order of Python's sorting, as when they are counted.
            ordered = select(a.key).where(mine).order_by(collate(a.key, "C")).with_for_update()
            mine = a.key.in_(select(ordered.cte("held").c.key))
        fewer = case((a.attempts > 0, a.attempts - 1), else_=0)
        return update(attempts).where(mine).values(attempts=fewer, blocked_until=0.0)

    return Prepared(refund)


def _replace_allowance(insert: Insert) -> ClauseElement:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=[w.key], set_={w.credits: new.credits, w.expires_at: new.expires_at}
    )


BLOCK = Prepared(
    update(attempts).where(a.key == bindparam("of")).values(blocked_until=bindparam("until"))
)
EARN = Prepared(upsert(allowances, _replace_allowance))
SPEND = Prepared(
    update(allowances)
    .where(w.key == bindparam("of"), w.credits > 0, w.expires_at > bindparam("now"))
    .values(credits=w.credits - 1)
    .returning(w.credits, w.expires_at)
)
GIVE_BACK = Prepared(
    update(allowances).where(w.key == bindparam("of")).values(credits=w.credits + 1)
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


def attempt(
    connection: Connection, counters: Mapping[str, ThrottleLimit], now: float, /
) -> Blocked | None:
    """Count an attempt unless a key is blocked; see `bezant.stores.ThrottleStore.attempt`."""
    keys = sorted(counters)
    named = _named("key", keys)
    forgotten = _named("forgotten", [now - counters[key].memory for key in keys])
    while True:
        counted = _count(len(keys)).rows(connection, **named, **forgotten, now=now)
        # What was counted is held until the transaction ends.
        if len(counted) == len(keys):
            for key, number in counted:
                wait = counters[key].wait(number)
                if wait > 0:
                    BLOCK.count(connection, of=key, until=now + wait)
            return None
        if counted:  # another transaction blocked one of the keys while this one waited for it
            _take_back(connection, [key for key, _ in counted])
        rows = _blocks(len(keys)).rows(connection, **named, now=now)
        waits = {key: blocked_until - now for key, blocked_until in rows}
        for key in counters:
            if key in waits:
                return Blocked(key, waits[key])
        # What blocked was taken back meanwhile.


def _take_back(connection: Connection, keys: Collection[str]) -> None:
    _refund(len(keys)).count(connection, **_named("key", keys))


@one_statement
def refund(connection: Connection, keys: Collection[str], /) -> None:
    """Take one counted attempt back from each counter, as after a right password; lifts the blocks
    it caused.
    """
    _take_back(connection, keys)


@one_statement
def spend(connection: Connection, key: str, now: float, /) -> Allowance | None:
    """Use one credit of an allowance, atomically. Returns what is left; None when there was no
    credit, or it expired.
    """
    left = SPEND.row(connection, of=key, now=now)
    return None if left is None else Allowance(*left)


@one_statement
def give_back(connection: Connection, key: str, /) -> None:
    """Undo one `spend`: nobody looked at the attempt."""
    GIVE_BACK.count(connection, of=key)


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

    attempt: Verb[[Mapping[str, ThrottleLimit], float], Blocked | None] = Verb(attempt)
    refund: Verb[[Collection[str]], None] = Verb(refund)
    spend: Verb[[str, float], Allowance | None] = Verb(spend)
    give_back: Verb[[str], None] = Verb(give_back)
    earn: Verb[[str, int, float], None] = Verb(earn)
    purge: Sweep = Sweep(purge)
