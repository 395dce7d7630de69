"""Units of work: plain functions over a connection, and where their transactions begin and end.

Connections commit each statement by itself. A transaction is where one is begun: around a whole
unit by the `Database` that runs it, or around a part of it by `transaction`. Where many units share
one transaction, each has a savepoint in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bezant.stores.sql.prepared import Prepared

__all__ = ["Kind", "begin", "kind_of", "mark_shared", "one_statement", "reads", "transaction"]

F = TypeVar("F", bound=Callable[..., Any])

BEGIN = Prepared(text("BEGIN"))
BEGIN_IMMEDIATE = Prepared(text("BEGIN IMMEDIATE"))
COMMIT = Prepared(text("COMMIT"))
ROLLBACK = Prepared(text("ROLLBACK"))
SAVEPOINT = Prepared(text("SAVEPOINT unit"))
UNDO = Prepared(text("ROLLBACK TO unit"))
RELEASE = Prepared(text("RELEASE unit"))

_STATE = "bezant.transaction"


class _State(Enum):
    """What statements on a connection are part of."""

    NOTHING = "nothing"
    SHARED = "a transaction of many units"
    OWN = "a transaction, or a savepoint, of one unit"


class Kind(Enum):
    """What a unit of work needs around it."""

    TRANSACTION = "transaction"
    """All or nothing: the default."""
    STATEMENT = "statement"
    """One statement, most of the time, which is atomic by itself."""
    READ = "read"
    """Nothing: it only reads."""


def reads(unit: F) -> F:
    """Mark a unit of work that only reads; each statement sees what was committed before it."""
    unit.__bezant_kind__ = Kind.READ  # type: ignore[attr-defined]
    return unit


def one_statement(unit: F) -> F:
    """Mark a unit of work that writes by one statement.

    Should it need more after all, it puts them into a `transaction`.
    """
    unit.__bezant_kind__ = Kind.STATEMENT  # type: ignore[attr-defined]
    return unit


def kind_of(unit: Callable[..., Any]) -> Kind:
    """How a unit of work is marked."""
    kind: Kind = getattr(unit, "__bezant_kind__", Kind.TRANSACTION)
    return kind


@contextmanager
def transaction(connection: Connection) -> Iterator[None]:
    """All or nothing of the statements inside; within another one of the same unit, nothing new."""
    info = connection.info  # of this connection, and not of one that comes after it
    before = info.get(_STATE, _State.NOTHING)
    if before is _State.OWN:
        yield
        return
    shared = before is _State.SHARED
    if shared:
        SAVEPOINT.count(connection)
    else:
        begin(connection)
    info[_STATE] = _State.OWN
    try:
        yield
        (RELEASE if shared else COMMIT).count(connection)
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.invalidate(error)
        elif not connection.invalidated:
            with suppress(SQLAlchemyError):  # what matters is the first error
                if shared:
                    UNDO.count(connection)
                    RELEASE.count(connection)
                else:
                    ROLLBACK.count(connection)
        raise
    finally:
        info[_STATE] = before


def begin(connection: Connection) -> None:
    """Begin a transaction, on SQLite one that may write from the start: one that reads first cannot
    always go on.
    """
    (BEGIN_IMMEDIATE if connection.dialect.name == "sqlite" else BEGIN).count(connection)


def mark_shared(connection: Connection) -> None:
    """Say that whoever holds this connection begins and ends its transactions, each for many
    units.
    """
    connection.info[_STATE] = _State.SHARED
