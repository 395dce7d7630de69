"""Threads for work that must not hold up requests, and a queue that ends."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock, Semaphore
from typing import ParamSpec, TypeVar
from weakref import WeakSet

from bezant.errors import ConfigurationError, TemporarilyUnavailable

__all__ = ["BoundedPool"]

P = ParamSpec("P")
T = TypeVar("T")

_all: WeakSet[BoundedPool] = WeakSet()


class BoundedPool:
    """A few threads, which start with the first task and again in a process that was forked.

    Args:
        name: Of the threads.
        workers: Tasks at a time.
        backlog: Tasks that may wait.
        initializer: Called first in each thread.

    Raises:
        ConfigurationError: No worker, or a negative backlog.
    """

    def __init__(
        self,
        name: str,
        workers: int,
        backlog: int,
        initializer: Callable[[], None] | None = None,
    ) -> None:
        if workers < 1 or backlog < 0:
            raise ConfigurationError(
                type(self).__name__, "needs a worker and a backlog of 0 or more"
            )
        self.workers: int = workers
        self.backlog: int = backlog
        self._name, self._initializer = name, initializer
        self._closed = False
        self.after_fork()
        _all.add(self)

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Call a function in the pool.

        Raises:
            TemporarilyUnavailable: The queue is full, or the pool is closed.
        """
        if not self._places.acquire(blocking=False):
            raise self.full()
        try:
            future = self._started().submit(function, *args, **kwargs)
        except RuntimeError:
            self._places.release()
            raise TemporarilyUnavailable("the server is shutting down") from None
        future.add_done_callback(lambda _: self._places.release())
        return future

    def full(self) -> TemporarilyUnavailable:
        """What is raised when the queue is full."""
        return TemporarilyUnavailable()

    def close(self) -> None:
        """Finish what runs, cancel what waits, take nothing more."""
        self._closed = True
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def after_fork(self) -> None:
        """Forget the threads, which a fork leaves behind."""
        self._places = Semaphore(self.workers + self.backlog)
        self._starting = Lock()
        self._executor: ThreadPoolExecutor | None = None

    def _started(self) -> ThreadPoolExecutor:
        with self._starting:
            if self._closed:
                raise RuntimeError("closed")
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self.workers, self._name, self._initializer)
            return self._executor


def _after_fork() -> None:
    for pool in list(_all):
        pool.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
