"""SQLite under an event loop: one thread, one connection, many units of work per commit.

A commit that survives the loss of power costs more than ten updates. While the thread waits for the
disk, the units of other tasks gather; it then runs all of them in one transaction, each undone
alone should it fail, and commits once.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, Concatenate, ParamSpec, TypeAlias, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from bezant.errors import StoreUnavailable
from bezant.stores.sql.database import AsyncDatabase, perform
from bezant.stores.sql.faults import is_away, unavailable
from bezant.stores.sql.patience import Patience
from bezant.stores.sql.units import COMMIT, ROLLBACK, Kind, begin, kind_of, mark_shared

__all__ = ["WriterDatabase"]

P = ParamSpec("P")
T = TypeVar("T")

MAX_BATCH = 256
"""Units per transaction at most, so that no other process waits long for its turn to write."""


class WriterDatabase(AsyncDatabase):
    """Runs units of work on a thread of its own, committing concurrent ones together.

    It may be used from several event loops. Units that the tasks of one turn of a loop ask for go
    to the thread together: waking it costs more than most of them. The thread starts with the first
    unit and waits in its queue when there is nothing to do; `close` ends it.

    Args:
        engine: A SQLite engine whose connections commit each statement by themselves.
        timeout: Seconds to wait for the write lock, when other processes write to the same file.
    """

    def __init__(self, engine: Engine, *, timeout: float = 2.0) -> None:
        self.engine = engine
        self._timeout = timeout
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()  # so that nothing is queued behind the end
        self._queue: _Queue = SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._thread: Thread | None = None
        self._closed = False

    async def run(
        self, unit: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
    ) -> T:
        job = _Job(unit, args, kwargs)
        if self._process != os.getpid():
            self._reset()  # a fork took neither the thread nor, safely, the connection along
        with self._lock:
            if self._closed:
                raise StoreUnavailable("the database was closed")
            if self._thread is None:
                self._thread = Thread(
                    target=_work,
                    args=(self.engine, self._queue, self._timeout),
                    name="bezant-sqlite",
                    daemon=True,
                )
                self._thread.start()
            turn = self._turns.get(job.loop)
            if turn is None:
                turn = self._turns[job.loop] = []
                job.loop.call_soon(self._end_turn, job.loop)
            turn.append(job)
        return cast(T, await job.future)

    def _end_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if turn := self._turns.pop(loop, None):  # else `close` was faster
                self._queue.put(turn)

    async def close(self) -> None:
        """Finish what is queued, then end the thread. Units that come later are refused."""
        with self._lock:
            thread, self._thread, self._closed = self._thread, None, True
            for turn in self._turns.values():
                self._queue.put(turn)
            self._turns.clear()
            self._queue.put(None)
        if thread is not None:
            await asyncio.to_thread(thread.join)


class _Job:
    """A unit of work in the queue, how it ended, and the task that waits for it."""

    __slots__ = ("args", "error", "future", "kwargs", "loop", "result", "unit")

    def __init__(
        self, unit: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> None:
        self.unit = unit
        self.args = args
        self.kwargs = kwargs
        self.loop = asyncio.get_running_loop()
        self.future = self.loop.create_future()
        self.result: Any = None
        self.error: Exception | None = None

    def perform(self, connection: Connection) -> None:
        try:
            self.result = perform(connection, self.unit, *self.args, **self.kwargs)
        except Exception as error:  # noqa: BLE001 (all of them belong to the task that waits)
            self.error = unavailable(error) if is_away(error) else error

    def settle(self) -> None:
        if self.future.done():  # the task was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


_Queue: TypeAlias = "SimpleQueue[list[_Job] | None]"


def _work(engine: Engine, queue: _Queue, timeout: float) -> None:
    """The life of the thread."""
    connection: Connection | None = None
    going = True
    while going:
        gathered, going = _gather(queue)
        for start in range(0, len(gathered), MAX_BATCH):
            jobs = gathered[start : start + MAX_BATCH]
            try:
                if connection is None:
                    connection = _patiently(engine.connect, timeout)
                    mark_shared(connection)
                _perform(connection, jobs, timeout)
            except Exception as error:  # noqa: BLE001 (the thread outlives every error)
                for job in jobs:
                    job.error = job.error or unavailable(error)
            _answer(jobs)
            del jobs
        del gathered  # or the last results would live until the next batch
    if connection is not None:
        connection.close()
    engine.dispose()


def _gather(queue: _Queue) -> tuple[list[_Job], bool]:
    """Wait for jobs, then take all that came meanwhile. The flag says whether more may come."""
    jobs: list[_Job] = []
    item = queue.get()
    with suppress(Empty):
        while item is not None:
            jobs += item
            if len(jobs) >= MAX_BATCH:
                return jobs, True
            item = queue.get_nowait()
        return jobs, False
    return jobs, True


def _perform(connection: Connection, jobs: Sequence[_Job], timeout: float) -> None:
    """Run a batch: what reads by itself, the rest in one transaction."""
    writing = []
    for job in jobs:
        if kind_of(job.unit) is Kind.READ:
            job.perform(connection)
        else:
            writing.append(job)
    if writing:
        _commit_together(connection, writing, timeout)


def _commit_together(connection: Connection, jobs: Sequence[_Job], timeout: float) -> None:
    try:
        _patiently(partial(begin, connection), timeout)
        for job in jobs:
            job.perform(connection)
            if job.error is not None and not _in_transaction(connection):
                error, job.error = job.error, None
                raise error  # nothing of any of them is left
        COMMIT.count(connection)
    except Exception as error:  # noqa: BLE001 (whatever it was, nothing was committed)
        with suppress(SQLAlchemyError):  # SQLite may have rolled back by itself
            ROLLBACK.count(connection)
        reason = error if isinstance(error, StoreUnavailable) else unavailable(error)
        for job in jobs:
            job.error = job.error or reason


def _in_transaction(connection: Connection) -> bool:
    """Whether there still is one: after some errors, such as a full disk, SQLite has ended it."""
    driver: Any = connection.connection.dbapi_connection
    return bool(driver.in_transaction)


def _patiently(action: Callable[[], T], timeout: float) -> T:
    patience = Patience(timeout)
    while True:
        try:
            return action()
        except DBAPIError as error:
            nap = patience.nap(error)
        time.sleep(nap)


def _answer(jobs: Sequence[_Job]) -> None:
    """Wake each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
    for job in jobs:
        loops.setdefault(job.loop, []).append(job)
    for loop, waiting in loops.items():
        with suppress(RuntimeError):  # the loop was closed, so nobody waits
            loop.call_soon_threadsafe(_settle, waiting)


def _settle(jobs: Sequence[_Job]) -> None:
    for job in jobs:
        job.settle()
