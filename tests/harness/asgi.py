"""A synchronous client of ASGI applications that changes no byte of what it is given."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from bezant.http import Request, Response
from tests.harness.at_once import in_loop, nobody

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from tests.harness.at_once import Answered, Asked, Told

    Message = MutableMapping[str, Any]
    ASGIApp = Callable[
        [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]],
        Awaitable[None],
    ]

CHUNK = 16384


class ASGIClient:
    """Starts an application, sends it requests one by one, and stops it.

    Args:
        app: The application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._runner.run(self._start())

    def send(self, path: str, request: Request, /) -> Response:
        return self._runner.run(self._send(path, request))

    def send_all(self, requests: Asked, /, told: Told = nobody) -> Answered:
        return self._runner.run(in_loop(self._send, requests, told))

    def close(self) -> None:
        self._runner.run(self._stop())
        self._runner.close()

    async def _start(self) -> None:
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[Message] = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        lifespan = self._app(scope, self._events.get, self._answers.put)
        self._lifespan = asyncio.ensure_future(lifespan)
        await self._expect("startup")

    async def _stop(self) -> None:
        await self._expect("shutdown")
        await self._lifespan

    async def _expect(self, event: str) -> None:
        await self._events.put({"type": f"lifespan.{event}"})
        answer = await self._answers.get()
        assert answer["type"] == f"lifespan.{event}.complete", answer

    async def _send(self, path: str, request: Request) -> Response:
        sent: list[Message] = []
        chunks = [request.body[at : at + CHUNK] for at in range(0, len(request.body), CHUNK)]
        received = iter(
            [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
            + [{"type": "http.request", "body": b"", "more_body": False}]
        )

        async def receive() -> Message:
            return next(received, {"type": "http.disconnect"})

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": request.query.encode(),
            "headers": [
                (name.encode(), value.encode("latin-1")) for name, value in request.headers
            ],
            "client": (request.address, 54321),
            "server": ("internal.example.com", 8000),
        }
        await self._app(scope, receive, send)
        start, *rest = sent
        headers = tuple((k.decode().lower(), v.decode("latin-1")) for k, v in start["headers"])
        return Response(start["status"], headers, b"".join(part["body"] for part in rest))
