"""What the server does beside answering requests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from random import uniform
from typing import TYPE_CHECKING, Any, TypeAlias

from bezant.errors import BezantError
from bezant.server import AuthorizationServer
from bezant.stores.sql import AsyncDatabase
from bezant_server.assembly import logouts_of
from bezant_server.history import History
from bezant_server.sessions import Sessions
from fastapi_bezant import RUNTIME

if TYPE_CHECKING:
    from bezant.stores.redis import RedisThrottleStore

__all__ = ["closing", "purging"]

logger = logging.getLogger(__name__)

Lifespan: TypeAlias = Callable[[Any], AbstractAsyncContextManager[None]]


def closing(
    server: AuthorizationServer, database: AsyncDatabase, throttle: RedisThrottleStore | None
) -> Lifespan:
    """Close everything at the end, after the last request."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        try:
            yield
        finally:
            server.close()
            await database.close()
            if throttle is not None:
                client: Any = throttle.client
                await client.aclose()

    return lifespan


def purging(
    server: AuthorizationServer, sessions: Sessions, history: History, interval: float
) -> Lifespan:
    """Forget what has ended, from time to time.

    Args:
        server: Knows what has ended.
        sessions: Sign-ins in browsers, which end.
        history: What happened to accounts.
        interval: Seconds between two rounds, on average: several processes spread out.
    """

    async def purge() -> None:
        while True:
            await asyncio.sleep(interval * uniform(0.5, 1.5))  # noqa: S311
            try:
                forgotten = await sessions.purge(logouts_of(server))
                forgotten += await server.purge(RUNTIME) + await history.purge()
            except BezantError as error:
                logger.warning("could not forget what has ended: %s", error)
            except Exception:
                logger.exception("failed to forget what has ended")
            else:
                logger.debug("forgot %d rows that had ended", forgotten)

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        task = asyncio.create_task(purge())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    return lifespan
