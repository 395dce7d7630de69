"""A store's methods, made of units of work."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import iscoroutinefunction
from typing import Any, Concatenate, Generic, NamedTuple, ParamSpec, Self, TypeVar, cast, overload

from sqlalchemy import Connection

from bezant.runtime import MaybeAwaitable
from bezant.stores.sql.database import Database

__all__ = ["Store", "Sweep", "Swept", "Verb"]

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """A store in a SQL database. Its methods are ``def`` or ``async def``, as its database runs
    units of work.

    Args:
        database: Where the tables are.
    """

    def __init__(self, database: Database) -> None:
        self.database = database


class Verb(Generic[P, T]):
    """A method of a store: one unit of work, run by the store's database.

    Args:
        unit: The unit; its first parameter, the connection, is no parameter of the method.
    """

    def __init__(self, unit: Callable[Concatenate[Connection, P], T]) -> None:
        self._unit = unit
        self._name = unit.__name__
        self.__doc__ = unit.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, store: None, owner: type) -> Self: ...
    @overload
    def __get__(self, store: Store, owner: type) -> Callable[P, MaybeAwaitable[T]]: ...
    def __get__(self, store: Store | None, owner: type) -> Self | Callable[P, MaybeAwaitable[T]]:
        if store is None:
            return self
        method: Any = self._bind(store.database)
        method.__name__ = self._name
        method.__qualname__ = f"{owner.__qualname__}.{self._name}"
        method.__doc__ = self.__doc__
        store.__dict__[self._name] = method  # the next access finds it there, before it comes here
        return cast(Callable[P, MaybeAwaitable[T]], method)

    def _bind(self, database: Database) -> Callable[P, MaybeAwaitable[T]]:
        return database.bind(self._unit)


class Swept(NamedTuple):
    """What one step of a purge did."""

    forgotten: int
    """Rows deleted."""
    more: bool
    """Whether there may be more to do."""


class Sweep(Verb[[float], int]):
    """A purge: a unit of work that takes small steps, so that no transaction is long, repeated
    until all is done.

    Args:
        step: Forgets a bounded number of rows.
    """

    def __init__(self, step: Callable[[Connection, float], Swept]) -> None:
        self._step = step
        self._name = step.__name__
        self.__doc__ = step.__doc__

    def _bind(self, database: Database) -> Callable[[float], MaybeAwaitable[int]]:
        step = database.bind(self._step)

        def sweep(before: float, /) -> int:
            forgotten, more = 0, True
            while more:
                count, more = cast(Swept, step(before))
                forgotten += count
            return forgotten

        async def sweep_async(before: float, /) -> int:
            forgotten, more = 0, True
            while more:
                count, more = await cast(Awaitable[Swept], step(before))
                forgotten += count
            return forgotten

        return sweep_async if iscoroutinefunction(step) else sweep
