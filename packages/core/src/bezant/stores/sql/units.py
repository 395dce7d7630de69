"""Units of work: plain functions over a connection, and where their transactions begin and end.

Connections commit each statement by itself. A transaction is where one is begun: around a whole
unit by the `Database` that runs it, or around a part of it by `transaction`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from typing import Any, TypeVar

from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from bezant.stores.sql.prepared import Prepared

__all__ = ["Kind", "begin", "kind_of", "mark_open", "one_statement", "reads", "transaction"]

F = TypeVar("F", bound=Callable[..., Any])

BEGIN = Prepared(text("BEGIN"))
BEGIN_IMMEDIATE = Prepared(text("BEGIN IMMEDIATE"))
COMMIT = Prepared(text("COMMIT"))
ROLLBACK = Prepared(text("ROLLBACK"))

_OPEN = "bezant.transaction"


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
    """One transaction around the statements inside; within another one, nothing."""
    state = connection.info
    if state.get(_OPEN):
        yield
        return
    begin(connection)
    state[_OPEN] = True
    try:
        yield
        COMMIT.count(connection)
    except BaseException as error:
        if not isinstance(error, Exception):
            connection.invalidate(error)
        elif not connection.invalidated:
            with suppress(SQLAlchemyError):  # what matters is the first error
                ROLLBACK.count(connection)
        raise
    finally:
        state[_OPEN] = False


def begin(connection: Connection) -> None:
    """Begin a transaction, on SQLite one that may write from the start: one that reads first cannot
    always go on.
    """
    (BEGIN_IMMEDIATE if connection.dialect.name == "sqlite" else BEGIN).count(connection)


def mark_open(connection: Connection) -> None:
    """Make `transaction` do nothing on this connection: whoever holds it begins and ends them."""
    connection.info[_OPEN] = True
