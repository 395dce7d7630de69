"""Calls to an application, over a socket of the loopback."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Client = TestClient[web.Request, web.Application]


@asynccontextmanager
async def client(app: web.Application, **options: Any) -> AsyncIterator[Client]:
    """A client of an application that runs meanwhile."""
    async with TestClient(TestServer(app), **options) as http:
        yield http


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def started(app: web.Application) -> None:
    """Start and stop an application, as a server does."""
    runner = web.AppRunner(app)
    try:
        await runner.setup()
    finally:
        await runner.cleanup()
