"""When a unit of work that failed is run again."""

from __future__ import annotations

import random
import time

from sqlalchemy.exc import DBAPIError

from bezant.stores.faults import nap_after_conflict
from bezant.stores.sql.faults import is_busy, is_conflict

__all__ = ["Patience"]

NAP = 0.002
"""Seconds between two tries for SQLite's one write lock, at most.

SQLite itself waits up to 0.1 s between tries. Against other processes that write without a break,
each holding the lock nearly all the time, that is too few tries to get it within two seconds; short
random naps do.
"""


class Patience:
    """The tries of one unit of work.

    Args:
        timeout: Seconds to go on trying while SQLite is busy.
    """

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout
        self._conflicts = 0

    def nap(self, error: DBAPIError) -> float:
        """Seconds to wait before the next try.

        Raises:
            DBAPIError: The error itself, when another try is no use.
        """
        if is_busy(error) and time.monotonic() < self._deadline:
            return random.uniform(0.0, NAP)  # noqa: S311 (spreads out, hides nothing)
        if is_conflict(error) and not self._conflicts:
            self._conflicts += 1
            return nap_after_conflict()
        raise error
