"""Asynchronous drivers: psycopg and asyncpg for PostgreSQL, aiosqlite."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from bezant.stores.sql import engines
from bezant.stores.sql.database import AsyncDatabase, perform
from bezant.stores.sql.faults import translated
from bezant.stores.sql.patience import Patience

__all__ = ["PooledDatabase"]

P = ParamSpec("P")
T = TypeVar("T")


class PooledDatabase(AsyncDatabase):
    """Runs units of work on an asynchronous driver.

    Args:
        engine: An asynchronous engine, such as the application's own; like all of them it belongs
            to one event loop.
        limit: Units that run at once, at most; no more than the engine's pool has connections.
        timeout: Seconds to wait for a connection. A unit that has not ended after three times that
            is cancelled, also when the server hangs; psycopg then gives the server up to ten more
            to confirm.
    """

    def __init__(self, engine: AsyncEngine, *, limit: int = 5, timeout: float = 2.0) -> None:
        self.engine = engine
        self._engine = AsyncEngine(engines.autocommitting(engine.sync_engine))
        # The pool would let a task that comes back at once pass those that wait. A semaphore keeps
        # the order.
        self._turns = asyncio.Semaphore(limit)
        self._timeout = timeout

    async def run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        with translated():
            async with asyncio.timeout(self._timeout):
                await self._turns.acquire()
            try:
                async with asyncio.timeout(2 * self._timeout):
                    return await self._run(unit, *args, **kwargs)
            finally:
                self._turns.release()

    async def _run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        patience = Patience(self._timeout)
        while True:
            try:
                async with self._engine.connect() as connection:
                    return await connection.run_sync(perform, unit, *args, **kwargs)
            except DBAPIError as error:
                nap = patience.nap(error)
            await asyncio.sleep(nap)

    async def close(self) -> None:
        await self.engine.dispose()
