"""What a database driver's error means: "not now", "try again", or a mistake of the caller.

For stores on any library: what is judged is the error of the driver itself, psycopg's, asyncpg's or
sqlite3's.
"""

from __future__ import annotations

import random
import sqlite3
from typing import Final

from bezant.errors import StoreUnavailable

__all__ = ["is_away", "is_busy", "is_conflict", "nap_after_conflict", "unavailable"]

CONFLICTS: Final = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock: another transaction won, this one may run
again."""

AWAY: Final = ("08", "40", "53", "57", "58", "25006", "55P03")
"""Beginnings of the SQLSTATE of a server that cannot answer: connection lost, conflict, resources
exhausted (disk full, too many connections), shutting down or starting, system error, a standby that
only reads, a lock held too long."""

SQLITE_AWAY: Final = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
    }
)


def is_conflict(error: BaseException) -> bool:
    """Whether a transaction lost against another one and may be run again."""
    return _sqlstate(error) in CONFLICTS


def nap_after_conflict() -> float:
    """Seconds to wait before what lost is run again.

    Locks are not handed over: run again at once, it could take one before the winner, which waits
    for it, is awake, and lose for the same reason.
    """
    return random.uniform(0.02, 0.06)  # noqa: S311 (spreads out, hides nothing)


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds SQLite's write lock."""
    return _sqlite_code(error) == sqlite3.SQLITE_BUSY


def is_away(error: BaseException) -> bool | None:
    """Whether the database cannot answer now, as opposed to: was asked something wrong.

    Returns:
        None when the error itself does not say, as when a connection failed before the server
        answered.
    """
    if isinstance(error, sqlite3.Error):
        return _sqlite_code(error) in SQLITE_AWAY
    if isinstance(error, OSError):
        return True
    state = _sqlstate(error)
    return None if state is None else state.startswith(AWAY)


def unavailable(error: BaseException) -> StoreUnavailable:
    """What to raise for an error of a database that cannot answer: no statement, no value in it."""
    name = getattr(error, "sqlite_errorname", None) or _sqlstate(error)
    return StoreUnavailable(
        f"the database cannot answer: {type(error).__name__}{f' {name}' if name else ''}"
    )


def _sqlite_code(error: BaseException) -> int:
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF  # the other bytes only say more about it


def _sqlstate(error: BaseException) -> str | None:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    return state if isinstance(state, str) else None
