"""How units of work are run: in threads, or under an event loop."""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, MetaData
from sqlalchemy.exc import DBAPIError

from bezant.errors import StoreUnavailable
from bezant.runtime import MaybeAwaitable
from bezant.stores.sql import engines
from bezant.stores.sql.engines import DatabaseURL, Synchronous
from bezant.stores.sql.faults import translated
from bezant.stores.sql.patience import Patience
from bezant.stores.sql.schema import metadata
from bezant.stores.sql.units import Kind, kind_of, transaction

__all__ = ["AsyncDatabase", "Database", "SyncDatabase", "perform"]

P = ParamSpec("P")
T = TypeVar("T")


class Database(ABC):
    """Runs units of work: plain functions that take a SQLAlchemy `Connection` first.

    The same unit runs in a thread, on an asynchronous driver, or batched with others, so it is
    written once. It may be run again after it lost against another transaction, so it changes
    nothing but the database, and it neither commits nor rolls back.
    """

    @staticmethod
    def sync(
        url: DatabaseURL,
        /,
        *,
        timeout: float = 2.0,
        pool_size: int = 10,
        synchronous: Synchronous = "FULL",
    ) -> SyncDatabase:
        """A database for threads: Flask, Django, scripts.

        Args:
            url: ``sqlite:////path/to/file.db`` or ``postgresql://user:password@host/database``.
            timeout: Seconds to wait for a connection, and for a lock.
            pool_size: Connections at most.
            synchronous: SQLite only. ``FULL``: what was answered survives the loss of power.
                ``NORMAL``: faster, and the last moments may be lost then, but never by the end of a
                process.

        Raises:
            ConfigurationError: The URL cannot be used, or its driver is not installed.
        """
        parsed = engines.parse(url)
        engine = engines.sync_engine(
            parsed, timeout=timeout, pool_size=pool_size, synchronous=synchronous
        )
        return SyncDatabase(engine, timeout=timeout)

    @staticmethod
    def asynchronous(
        url: DatabaseURL,
        /,
        *,
        timeout: float = 2.0,
        pool_size: int = 10,
        synchronous: Synchronous = "FULL",
    ) -> AsyncDatabase:
        """A database for an event loop: FastAPI, aiohttp.

        ``sqlite://`` runs on one thread that commits concurrent work together; ``postgresql://`` on
        psycopg, ``postgresql+asyncpg://`` on asyncpg. Arguments and errors are those of `sync`.
        """
        parsed = engines.parse(url)
        if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
            from bezant.stores.sql.writer import WriterDatabase

            return WriterDatabase(
                engines.writer_engine(parsed, synchronous=synchronous), timeout=timeout
            )
        from bezant.stores.sql.pooled import PooledDatabase

        engine = engines.async_engine(
            parsed, timeout=timeout, pool_size=pool_size, synchronous=synchronous
        )
        return PooledDatabase(engine, limit=pool_size, timeout=timeout)

    @abstractmethod
    def run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> MaybeAwaitable[T]:
        """Run a unit of work in a transaction of its own.

        Raises:
            StoreUnavailable: The database cannot answer now; the unit may be tried again later.
        """

    @abstractmethod
    def bind(
        self, unit: Callable[Concatenate[Connection, P], T], /
    ) -> Callable[P, MaybeAwaitable[T]]:
        """A function that runs a unit: ``def`` for threads, ``async def`` under an event loop."""

    @abstractmethod
    def create_all(self, tables: MetaData = metadata, /) -> MaybeAwaitable[None]:
        """Create the tables that are missing. Applications with Alembic migrate instead."""

    @abstractmethod
    def close(self) -> MaybeAwaitable[None]:
        """Finish and close all connections."""


def _create_all(connection: Connection, tables: MetaData) -> None:
    tables.create_all(connection)


class SyncDatabase(Database):
    """Runs units of work in the calling thread.

    Args:
        engine: Any engine for SQLite or PostgreSQL, such as the application's own.
        timeout: Seconds to wait for SQLite's write lock.
    """

    def __init__(self, engine: Engine, *, timeout: float = 2.0) -> None:
        self.engine = engine
        self._engine = engines.autocommitting(engine)
        self._timeout = timeout
        self._process = os.getpid()
        self._write_lock = Lock() if engine.dialect.name == "sqlite" else None

    def run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if self._process != os.getpid():
            self._after_fork()
        patience = Patience(self._timeout)
        with translated(), self._turn(unit):
            while True:
                try:
                    with self._engine.connect() as connection:
                        return perform(connection, unit, *args, **kwargs)
                except DBAPIError as error:
                    nap = patience.nap(error)
                time.sleep(nap)

    def _after_fork(self) -> None:
        self._process = os.getpid()
        self._write_lock = self._write_lock and Lock()  # a thread of the parent may have held it
        self._inherited = self.engine.pool  # the parent's connections: neither used nor closed
        self.engine.dispose(close=False)

    @contextmanager
    def _turn(self, unit: Callable[..., object]) -> Iterator[None]:
        """Queue for SQLite's one write lock, which many threads would else wear out by polling."""
        if self._write_lock is None or kind_of(unit) is Kind.READ:
            yield
        elif self._write_lock.acquire(timeout=self._timeout):
            try:
                yield
            finally:
                self._write_lock.release()
        else:
            raise StoreUnavailable("the database is busy: its write lock was not free in time")

    def bind(self, unit: Callable[Concatenate[Connection, P], T], /) -> Callable[P, T]:
        def verb(*args: P.args, **kwargs: P.kwargs) -> T:
            return self.run(unit, *args, **kwargs)

        return verb

    def create_all(self, tables: MetaData = metadata, /) -> None:
        self.run(_create_all, tables)

    def close(self) -> None:
        self.engine.dispose()


class AsyncDatabase(Database):
    """Runs units of work under an event loop."""

    @abstractmethod
    async def run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T: ...

    def bind(
        self, unit: Callable[Concatenate[Connection, P], T], /
    ) -> Callable[P, MaybeAwaitable[T]]:
        async def verb(*args: P.args, **kwargs: P.kwargs) -> T:
            return await self.run(unit, *args, **kwargs)

        # So that `Runtime.call` does not inspect the same function at every call.
        verb.__nonblocking__ = True  # type: ignore[attr-defined]
        return verb

    async def create_all(self, tables: MetaData = metadata, /) -> None:
        await self.run(_create_all, tables)

    @abstractmethod
    async def close(self) -> None: ...


def perform(
    connection: Connection,
    unit: Callable[Concatenate[Connection, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Run a unit with what its kind needs around it."""
    if kind_of(unit) is not Kind.TRANSACTION:
        return unit(connection, *args, **kwargs)
    with transaction(connection):
        return unit(connection, *args, **kwargs)
