"""Requests that are made at the same time, and when each was answered (`time.monotonic`)."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bezant.http import Request, Response

    Asked: TypeAlias = Sequence[tuple[str, Request]]
    Answered: TypeAlias = list[tuple[Response, float]]


def in_threads(send: Callable[[str, Request], Response], requests: Asked) -> Answered:
    """One thread for each."""

    def timed(one: tuple[str, Request]) -> tuple[Response, float]:
        return send(*one), time.monotonic()

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(timed, requests))


async def in_loop(send: Callable[[str, Request], Awaitable[Response]], requests: Asked) -> Answered:
    """One task for each."""

    async def timed(path: str, request: Request) -> tuple[Response, float]:
        return await send(path, request), time.monotonic()

    return await asyncio.gather(*(timed(*one) for one in requests))
