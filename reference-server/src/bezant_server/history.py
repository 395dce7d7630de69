"""What happened to accounts lately, for the people they belong to.

Events come from synchronous code in the middle of a request; they are noted in memory and written
together a moment later, so that nobody waits for it. What is noted and not written when a process
dies is lost: the log has all of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from bezant.errors import BezantError
from bezant.events import (
    CodeReplayed,
    ConsentGiven,
    ConsentWithdrawn,
    Event,
    LoginFailed,
    LoginSucceeded,
    RefreshReuseDetected,
    SessionEnded,
)
from bezant.runtime import Runtime
from bezant_server.accounts.history_store import HistoryStore, Incident
from bezant_server.events import PasswordChanged
from bezant_server.federation.events import AccountCreated, IdentityLinked, IdentityUnlinked

__all__ = ["TOLD", "History"]

logger = logging.getLogger(__name__)

TOLD: Final = (
    AccountCreated,
    CodeReplayed,
    ConsentGiven,
    ConsentWithdrawn,
    IdentityLinked,
    IdentityUnlinked,
    LoginFailed,
    LoginSucceeded,
    PasswordChanged,
    RefreshReuseDetected,
    SessionEnded,
)
"""Events that a person is told of."""

MOST: Final = 10_000
"""Incidents that wait to be written, at most: beyond, the oldest are dropped."""

INTERVAL: Final = 1.0
"""Seconds between two rounds of writing."""


class History:
    """What happened to accounts.

    Args:
        store: Where it is kept.
        ttl: Seconds for which it is kept.
        runtime: How to call the store.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, store: HistoryStore, *, ttl: float, runtime: Runtime, clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._ttl = ttl
        self._runtime = runtime
        self._clock = clock
        self._noted: deque[Incident] = deque(maxlen=MOST)

    def note(self, event: Event) -> None:
        """Remember an event that concerns a person (a subscriber)."""
        if isinstance(event, TOLD) and event.subject is not None:
            self._noted.append(
                Incident(
                    event.subject,
                    event.at,
                    type(event).__name__,
                    getattr(event, "address", "")[:64],
                    getattr(event, "client_id", ""),
                )
            )

    def failed(self, subject: str, address: str) -> None:
        """Remember that somebody did not know a password. Core's event does not say whose."""
        self._noted.append(Incident(subject, self._clock(), LoginFailed.__name__, address[:64]))

    async def write(self) -> None:
        """Store what was noted.

        Raises:
            StoreUnavailable: It could not be stored, and stays noted.
        """
        noted = list(self._noted)
        if not noted:
            return
        self._noted.clear()
        try:
            await self._runtime.call(self._store.add, noted)
        except BaseException:
            self._noted.extendleft(reversed(noted[: MOST - len(self._noted)]))
            raise

    async def latest(self, subject: str) -> Sequence[Incident]:
        """What happened to an account, the last first; what was noted just now included."""
        with suppress(BezantError):
            await self.write()
        return await self._runtime.call(self._store.latest, subject)

    async def purge(self) -> int:
        """Forget what is old. Returns how many."""
        return await self._runtime.call(self._store.purge, self._clock() - self._ttl)

    @asynccontextmanager
    async def writing(self, app: Any) -> AsyncIterator[None]:
        """Write in the background, and a last time at the end (a lifespan)."""
        task = asyncio.create_task(self._write_forever())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(BezantError):
                await self.write()

    async def _write_forever(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            try:
                await self.write()
            except BezantError as error:
                logger.warning("could not write what happened to accounts: %s", error)
            except Exception:
                logger.exception("failed to write what happened to accounts")
