"""Which errors of SQLAlchemy mean "not now", which mean "try again", and which are mistakes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from bezant.errors import StoreUnavailable
from bezant.stores import faults

__all__ = ["is_away", "is_busy", "is_conflict", "translated", "unavailable"]


def is_conflict(error: Exception) -> bool:
    """Whether a transaction lost against another one and may be run again."""
    return faults.is_conflict(_cause(error))


def is_busy(error: Exception) -> bool:
    """Whether another connection holds SQLite's write lock."""
    return faults.is_busy(_cause(error))


def is_away(error: Exception) -> bool:
    """Whether the database cannot answer now, as opposed to: was asked something wrong."""
    if isinstance(error, PoolTimeout) or (
        isinstance(error, DBAPIError) and error.connection_invalidated
    ):
        return True
    away = faults.is_away(_cause(error))
    return isinstance(error, OperationalError | InterfaceError) if away is None else away


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
    return faults.unavailable(_cause(error))


def _cause(error: Exception) -> BaseException:
    """The driver's own error: asyncpg's failures to connect come without SQLAlchemy's wrapping."""
    return (error.orig or error) if isinstance(error, DBAPIError) else error
