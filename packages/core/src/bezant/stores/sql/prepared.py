"""Statements compiled once per dialect and run on the driver's cursor.

`Connection.execute` spends more on looking up, binding and wrapping than SQLite spends on the
statement. The stores' statements never change and their types need no conversion, so they are kept
as text and go to the driver as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

__all__ = ["Prepared", "Row"]

T = TypeVar("T")

Row: TypeAlias = Sequence[Any]


class Prepared:
    """A statement with named parameters, ready for any dialect.

    Args:
        build: Gives the statement for a dialect, or the one statement that fits all.
    """

    def __init__(self, build: ClauseElement | Callable[[Dialect], ClauseElement]) -> None:
        self._build = build
        self._ready: WeakKeyDictionary[Dialect, _Text] = WeakKeyDictionary()

    def rows(self, connection: Connection, /, **parameters: Any) -> Sequence[Row]:
        """Run a statement that returns rows."""
        return self._run(connection, parameters, _rows)

    def row(self, connection: Connection, /, **parameters: Any) -> Row | None:
        """Run a statement that returns one row or none."""
        found = self._run(connection, parameters, _rows)
        return found[0] if found else None

    def count(self, connection: Connection, /, **parameters: Any) -> int:
        """Run a statement that returns no rows; how many it touched."""
        return self._run(connection, parameters, _count)

    def _run(
        self, connection: Connection, parameters: Mapping[str, Any], outcome: Callable[[Any], T]
    ) -> T:
        dialect = connection.dialect
        text = self._ready.get(dialect)
        if text is None:
            text = self._ready[dialect] = _Text(self._compile(dialect))
        driver = connection.connection
        cursor = driver.cursor()
        try:
            cursor.execute(text.sql, text.arrange(parameters))
            return outcome(cursor)
        except BaseException as error:
            _fail(connection, cursor, error)
            raise
        finally:
            cursor.close()

    def _compile(self, dialect: Dialect) -> Any:
        statement = self._build if isinstance(self._build, ClauseElement) else self._build(dialect)
        return statement.compile(dialect=dialect)


class _Text:
    """The text of a compiled statement, and how its driver wants the parameters."""

    def __init__(self, compiled: Any) -> None:
        self.sql: str = compiled.string
        self._names: Sequence[str] | None = compiled.positiontup
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }

    def arrange(self, parameters: Mapping[str, Any]) -> Any:
        if self._constants:
            parameters = {**self._constants, **parameters}
        if self._names is None:
            return parameters
        return tuple([parameters[name] for name in self._names])


def _rows(cursor: Any) -> Sequence[Row]:
    return cast(Sequence[Row], cursor.fetchall())


def _count(cursor: Any) -> int:
    return cast(int, cursor.rowcount)


def _fail(connection: Connection, cursor: Any, error: BaseException) -> None:
    """Do as SQLAlchemy does: drop a broken connection, raise its own kind of error."""
    dialect = connection.dialect
    base = dialect.loaded_dbapi.Error
    if not isinstance(error, base):
        if not isinstance(error, Exception):
            connection.invalidate(error)  # cancelled: nobody knows what the driver waits for
        return
    broken = dialect.is_disconnect(error, connection.connection, cursor)
    if broken:
        connection.invalidate(error)
    raise DBAPIError.instance(
        None,
        None,
        error,
        base,
        hide_parameters=True,
        connection_invalidated=broken,
        dialect=dialect,
    ) from None
