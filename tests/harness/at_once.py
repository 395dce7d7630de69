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
    Told: TypeAlias = Callable[[Response], None]


def nobody(_: Response) -> None:
    """Whom an answer is told by default."""


def in_threads(
    send: Callable[[str, Request], Response], requests: Asked, told: Told = nobody
) -> Answered:
    """One thread for each."""

    def timed(one: tuple[str, Request]) -> tuple[Response, float]:
        answer, at = send(*one), time.monotonic()
        told(answer)
        return answer, at

    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(timed, requests))


async def in_loop(
    send: Callable[[str, Request], Awaitable[Response]], requests: Asked, told: Told = nobody
) -> Answered:
    """One task for each."""

    async def timed(path: str, request: Request) -> tuple[Response, float]:
        answer, at = await send(path, request), time.monotonic()
        told(answer)
        return answer, at

    return await asyncio.gather(*(timed(*one) for one in requests))
