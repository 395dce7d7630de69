"""Work that goes on beside the requests, in every framework alike: a daemon thread.

An event loop is not there in WSGI, and in an async framework nothing may block it; a thread with
blocking calls suits both. Requests never do its work themselves: at most they wait for its next
round.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import Future
from threading import Condition, Thread, current_thread
from weakref import WeakSet

__all__ = ["Background"]

logger: logging.Logger = logging.getLogger(__name__)

_all: WeakSet[Background] = WeakSet()


class Background:
    """Calls a function again and again.

    Args:
        name: Of the thread.
        work: Does one round and returns the seconds until the next. It handles its own failures.
        forked: Called in a new process that a fork made, where the thread is not.
    """

    def __init__(
        self, name: str, work: Callable[[], float], forked: Callable[[], None] = lambda: None
    ) -> None:
        self._name = name
        self._work = work
        self._forked = forked
        self._reset()
        _all.add(self)

    def _reset(self) -> None:
        self._changed = Condition()
        self._waiting: list[Future[None]] = []
        self._thread: Thread | None = None
        self._hurried = self._working = False

    def start(self) -> None:
        """Start the thread, unless it runs."""
        with self._changed:
            if self._thread is None:
                self._hurried = True
                self._thread = Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()

    def round(self) -> Future[None]:
        """Begin a round now, unless one is going on.

        Returns:
            Done when that round has ended. All who ask meanwhile share it.
        """
        future: Future[None] = Future()
        with self._changed:
            self._waiting.append(future)
            self.start()  # whose first round is the one
            if not self._working:
                self._hurried = True
                self._changed.notify_all()
        return future

    def hurry(self) -> None:
        """Begin the next round as soon as this one has ended, where the thread runs at all."""
        with self._changed:
            if self._thread is not None:
                self._hurried = True
                self._changed.notify_all()

    def going_on(self) -> Future[None] | None:
        """Done when the round has ended that is going on, or is about to; None when none is."""
        with self._changed:
            if not (self._hurried or self._working):
                return None
            future: Future[None] = Future()
            self._waiting.append(future)
            return future

    def close(self, timeout: float = 5.0) -> None:
        """End the thread after the round that it is in.

        Args:
            timeout: Seconds to wait for that.
        """
        with self._changed:
            thread, self._thread = self._thread, None
            self._changed.notify_all()
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        me = current_thread()
        while self._thread is me:
            with self._changed:
                self._hurried, self._working = False, True
            pause = 1.0
            try:
                pause = self._work()
            except Exception:
                logger.exception("%s failed on a round", self._name)
            with self._changed:
                self._working = False
                waiting, self._waiting = self._waiting, []
            for future in waiting:
                if future.set_running_or_notify_cancel():  # somebody still waits
                    future.set_result(None)
            with self._changed:
                self._changed.wait_for(lambda: self._hurried or self._thread is not me, pause)
        for future in self._waiting:  # or they would wait for ever
            future.cancel()

    def after_fork(self) -> None:
        """Forget the parent's thread and locks, which did not come along."""
        self._reset()
        self._forked()


def _after_fork() -> None:
    for background in list(_all):
        background.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
