"""For whoever runs the server: is it alive, is it ready, what has it done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bezant.errors import BezantError
from bezant.server import AuthorizationServer
from bezant.stores.sql import AsyncDatabase
from bezant_server.metrics import CONTENT_TYPE, Metrics
from bezant_server.schema import read_schema, require_current
from fastapi_bezant import RUNTIME

__all__ = ["Status"]

PATIENCE = 3.0
"""Seconds that a check may take; whoever asks should not have to wait longer."""
NO_STORE = {"cache-control": "no-store"}


class Status:
    """The endpoints `/healthz`, `/readyz` and `/metrics`.

    Args:
        server: Whose keys have to be there.
        database: What has to answer.
        metrics: The counters; without them there is no `/metrics`.
    """

    def __init__(
        self, server: AuthorizationServer, database: AsyncDatabase, metrics: Metrics | None
    ) -> None:
        self._server = server
        self._database = database
        self._metrics = metrics
        self.routes = [
            Route("/healthz", self._healthz, include_in_schema=False),
            Route("/readyz", self._readyz, include_in_schema=False),
        ]
        if metrics is not None:
            self.routes.append(Route("/metrics", self._exposition, include_in_schema=False))

    async def _healthz(self, request: Request) -> Response:
        """Alive: the event loop turns. A restart would not mend anything else."""
        return JSONResponse({"status": "ok"}, headers=NO_STORE)

    async def _readyz(self, request: Request) -> Response:
        """Ready: requests would be answered. If not, send them elsewhere."""
        checks = {
            "database": await _outcome(self._check_database),
            "migrations": await _outcome(self._check_migrations),
            "keys": await _outcome(self._check_keys),
        }
        ready = all(outcome == "ok" for outcome in checks.values())
        document = {"status": "ok" if ready else "unavailable", "checks": checks}
        return JSONResponse(document, 200 if ready else 503, headers=NO_STORE)

    async def _exposition(self, request: Request) -> Response:
        assert self._metrics is not None
        return Response(self._metrics.exposition(), headers={"content-type": CONTENT_TYPE})

    async def _check_database(self) -> None:
        await self._database.run(read_schema)

    async def _check_migrations(self) -> None:
        require_current(await self._database.run(read_schema))

    async def _check_keys(self) -> None:
        await self._server.keys.refresh(RUNTIME)
        self._server.keys.signing_key()


async def _outcome(check: Callable[[], Awaitable[None]]) -> str:
    """`ok`, or what is wrong in words that may be shown to anybody."""
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} seconds"
    except BezantError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is not ready
        return f"failed: {type(error).__name__}"
    return "ok"
