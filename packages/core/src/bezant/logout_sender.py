"""When clients are told of logouts: round after round, beside the requests.

Any number of processes may send. Each notice is taken by one of them at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Final

from bezant.backchannel_logout import BackchannelLogout
from bezant.background import Background
from bezant.errors import ConfigurationError, KeyUnavailable, StoreUnavailable
from bezant.runtime import SYNC, Runtime, run_sync

__all__ = ["LogoutSender"]

logger: logging.Logger = logging.getLogger(__name__)

PAUSE: Final = 5.0
"""Seconds between two looks at an empty queue: what another process has queued, or what is tried
again, waits for them."""

STEP: Final = 0.5
"""Seconds after which a pause can end on an event loop, where nothing here can wake a sleeper."""


class LogoutSender:
    """Delivers what is queued. Adapters start it with the application.

    Args:
        notices: The queue.
    """

    def __init__(self, notices: BackchannelLogout) -> None:
        self._notices = notices
        self._around: Callable[[], AbstractContextManager[object]] = nullcontext
        self._thread = Background("bezant-logouts", self._work)
        self._running = self._hurried = False

    async def run(self, runtime: Runtime) -> None:
        """Deliver until the task is cancelled; nothing when another task of this process does so
        already.

        Raises:
            ConfigurationError: The runtime has no event loop; `start` is for such.
        """
        if runtime.sleep is None:
            raise ConfigurationError("runtime", "it cannot wait without a thread; use start()")
        if self._running:
            return
        self._running = True
        try:
            while True:
                self._hurried = False
                pause = await self._round(runtime)
                await runtime.sleep(min(pause, STEP))
                while (pause := pause - STEP) > 0 and not self._hurried:
                    await runtime.sleep(min(pause, STEP))
        finally:
            self._running = False

    def start(self, around: Callable[[], AbstractContextManager[object]] = nullcontext) -> None:
        """Deliver in a thread, until `close`; nothing when it runs. A fork leaves the thread
        behind: start it in the new process too.

        Args:
            around: Surrounds each round, to let go of a database connection for one.
        """
        self._around = around
        self._thread.start()

    def hurry(self) -> None:
        """Something was queued: deliver it soon, if anything here delivers."""
        self._hurried = True
        self._thread.hurry()

    def close(self) -> None:
        """End the thread, after the request that it has sent."""
        self._thread.close()

    def drain(self) -> int:
        """Deliver all that is due now, in this thread. Returns how many notices there were.

        Raises:
            StoreUnavailable: The queue cannot be read.
            KeyUnavailable: There is nothing to sign with.
        """
        total = 0
        while found := run_sync(self._notices.deliver(SYNC)):
            total += found
        return total

    def _work(self) -> float:
        with self._around():
            return run_sync(self._round(SYNC))

    async def _round(self, runtime: Runtime) -> float:
        """One round. Returns the seconds until the next."""
        try:
            found = await self._notices.deliver(runtime)
        except (StoreUnavailable, KeyUnavailable) as error:
            logger.warning("clients are told of logouts later: %s", error)
        except Exception:
            logger.exception("failed to tell clients of logouts")
        else:
            if found:
                return 0.0
        return PAUSE
