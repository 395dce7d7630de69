"""Between aiohttp and core: how flows run, and how an answer is given."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from bezant import Runtime
from bezant.http import Response

RUNTIME: Final = Runtime(
    io=asyncio.to_thread, wait=asyncio.wrap_future, loop=True, sleep=asyncio.sleep
)
"""How core's flows run here: awaited, blocking stores in the loop's threads."""


def respond(answer: Response) -> web.Response:
    """Core's answer as one of aiohttp's, byte for byte."""
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
