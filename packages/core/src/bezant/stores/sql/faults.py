"""Which errors of a database mean "not now", which mean "try again", and which are mistakes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bezant.errors import StoreUnavailable

__all__ = ["is_busy", "is_conflict", "translated", "unavailable"]

CONFLICTS = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialization failure and of a deadlock: another transaction won, this one may run
again."""

AWAY = ("08", "40", "53", "57", "58", "25006", "55P03")
"""Beginnings of the SQLSTATE of a server that cannot answer: connection lost, conflict, resources
exhausted (disk full, too many connections), shutting down or starting, system error, a standby that
only reads, a lock held too long."""

SQLITE_AWAY = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
    }
)


def is_conflict(error: Exception) -> bool:
    """Whether a transaction lost against another one and may be run again."""
    return _sqlstate(_cause(error)) in CONFLICTS


def is_busy(error: Exception) -> bool:
    """Whether another connection holds SQLite's write lock."""
    return _sqlite_code(_cause(error)) == sqlite3.SQLITE_BUSY


def is_away(error: Exception) -> bool:
    """Whether the database cannot answer now, as opposed to: was asked something wrong."""
    if isinstance(error, PoolTimeout | OSError) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return True
    cause = _cause(error)
    if isinstance(cause, sqlite3.Error):
        return _sqlite_code(cause) in SQLITE_AWAY
    state = _sqlstate(cause)
    if state is not None:
        return state.startswith(AWAY)
    return isinstance(error, OperationalError | InterfaceError)


@contextmanager
def translated() -> Iterator[None]:
    """Turn the errors of a database that cannot answer into one without statements and values.

    Raises:
        StoreUnavailable: The database cannot answer now.
    """
    try:
        yield
    except Exception as error:
        if is_away(error):
            raise unavailable(error) from None
        raise


def unavailable(error: Exception) -> StoreUnavailable:
    """What to raise for an error of a database that cannot answer."""
    cause = _cause(error)
    name = getattr(cause, "sqlite_errorname", None) or _sqlstate(cause)
    return StoreUnavailable(
        f"the database cannot answer: {type(cause).__name__}{f' {name}' if name else ''}"
    )


def _cause(error: Exception) -> BaseException:
    """The driver's own error: asyncpg's failures to connect come without SQLAlchemy's wrapping."""
    return (error.orig or error) if isinstance(error, DBAPIError) else error


def _sqlite_code(cause: BaseException) -> int:
    code: int = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_OK)
    return code & 0xFF  # the other bytes only say more about it


def _sqlstate(cause: BaseException) -> str | None:
    state = getattr(cause, "sqlstate", None)
    return state if isinstance(state, str) else None
