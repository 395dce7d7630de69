"""A circuit breaker: who keeps failing is left alone for a while."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from time import monotonic
from typing import Final

from bezant.errors import StoreUnavailable

__all__ = ["Breaker"]

FAILURES: Final = 5
"""In a row, until it opens."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0  # seconds, doubled with each further failure


class Breaker:
    """Counts failures in a row. When open it refuses at once; after a pause one call may try.

    Args:
        timer: Seconds of a clock that only goes forward.
    """

    def __init__(self, timer: Callable[[], float] = monotonic) -> None:
        self._timer = timer
        self._lock = Lock()
        self._failures = 0
        self._closed_at = 0.0

    def check(self) -> None:
        """Ask to make a call.

        Raises:
            StoreUnavailable: Not now.
        """
        with self._lock:
            if self._failures < FAILURES:
                return
            if self._timer() < self._closed_at:
                raise StoreUnavailable("it failed too often; it is left alone for a while")
            self._closed_at = self._timer() + self._pause()  # for all but this one

    def succeeded(self) -> None:
        """A call was answered."""
        with self._lock:
            self._failures = 0

    def failed(self) -> bool:
        """A call was not. Returns whether the breaker has just opened."""
        with self._lock:
            self._failures += 1
            if self._failures >= FAILURES:
                self._closed_at = self._timer() + self._pause()
            return self._failures == FAILURES

    def _pause(self) -> float:
        return min(FIRST_PAUSE * 2.0 ** min(self._failures - FAILURES, 10), LAST_PAUSE)
