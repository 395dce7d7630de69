"""How the stores reach a database, and what its errors become."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from django.db import Error, InterfaceError, OperationalError, connections, models, transaction
from django.utils.connection import ConnectionDoesNotExist

from bezant.errors import ConfigurationError
from bezant.stores import faults

__all__ = ["Database", "Store", "columns", "insert", "translated", "translating"]

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="Store")

VENDORS = ("sqlite", "postgresql")
"""Both compare text exactly, return what an UPDATE wrote, and resolve conflicts of an INSERT."""


class Database:
    """One of the project's databases.

    Args:
        alias: Its name in ``DATABASES``.

    Raises:
        ConfigurationError: There is no such database, or it is neither SQLite nor PostgreSQL.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        try:
            vendor = connections[alias].vendor
        except ConnectionDoesNotExist:
            raise ConfigurationError("DATABASES", f"there is no database {alias!r}") from None
        if vendor not in VENDORS:
            raise ConfigurationError(
                "DATABASES",
                f"{alias!r} is {vendor}, which Bezant's stores do not support; "
                "use sqlite or postgresql",
            )
        self.vendor: str = vendor

    def of(self, model: type[models.Model]) -> Any:
        """The rows of a model here."""
        return model._default_manager.using(self.alias)  # noqa: SLF001 (Django's own name for it)

    def atomic(self) -> AbstractContextManager[None]:
        """One transaction around the statements inside."""
        return cast("AbstractContextManager[None]", transaction.atomic(using=self.alias))

    def rows(self, statement: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        """Execute a statement that returns rows. All are read, for SQLite commits only then."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, values)
            return cast("Sequence[tuple[Any, ...]]", cursor.fetchall())

    def count(self, statement: str, *values: Any) -> int:
        """Execute a statement and say how many rows it changed."""
        with connections[self.alias].cursor() as cursor:
            cursor.execute(statement, values)
            return cast(int, cursor.rowcount)

    def prepared(self, model: type[models.Model], values: Mapping[str, Any]) -> list[Any]:
        """The values of a model's columns, in their order, as the database's driver takes them."""
        connection = connections[self.alias]
        return [
            field.get_db_prep_save(values[field.attname], connection=connection)
            for field in _fields(model)
        ]


class Store:
    """A store in one of the project's databases.

    Args:
        database: Which one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database


def translated(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Turn the errors of a database that cannot answer into `StoreUnavailable`.

    A statement that lost against another transaction is tried once more, unless it stands in a
    transaction that is lost as a whole.
    """

    @wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        with translating():
            try:
                return method(self, *args, **kwargs)
            except Error as error:
                if not _may_try_again(self, error):
                    raise
            time.sleep(faults.nap_after_conflict())
            return method(self, *args, **kwargs)

    return guarded


@contextmanager
def translating() -> Iterator[None]:
    """Turn the errors of a database that cannot answer into one without statements and values.

    Raises:
        StoreUnavailable: The database cannot answer now.
    """
    try:
        yield
    except Error as error:
        cause = _cause(error)
        away = faults.is_away(cause)
        if away is None:
            away = isinstance(error, OperationalError | InterfaceError)
        if away:
            raise faults.unavailable(cause) from None
        raise


def _may_try_again(store: Store, error: Error) -> bool:
    connection = connections[store._database.alias]  # noqa: SLF001 (its own decorator asks)
    return not connection.in_atomic_block and faults.is_conflict(_cause(error))


def _cause(error: Error) -> BaseException:
    """The driver's own error, which Django wraps."""
    return error.__cause__ or error


def _fields(model: type[models.Model]) -> Sequence[Any]:
    """The fields that a store writes: all but those that the database numbers."""
    meta: Any = model._meta  # noqa: SLF001 (Django's own name for it)
    return [field for field in meta.concrete_fields if not isinstance(field, models.AutoField)]


def columns(model: type[models.Model]) -> str:
    """The columns that a store writes, for a statement."""
    return ", ".join(f'"{field.column}"' for field in _fields(model))


def insert(model: type[models.Model], conflict: str) -> str:
    """``INSERT ... ON CONFLICT``, alike in SQLite and PostgreSQL.

    Args:
        model: Where to insert.
        conflict: What comes after ``ON CONFLICT``; the row that is there is called ``old``, the one
            that was not inserted ``excluded``.
    """
    table = model._meta.db_table  # noqa: SLF001 (as above)
    marks = ", ".join(["%s"] * len(_fields(model)))
    return (
        f'INSERT INTO "{table}" AS old ({columns(model)}) VALUES ({marks}) '  # noqa: S608
        f"ON CONFLICT {conflict}"
    )
