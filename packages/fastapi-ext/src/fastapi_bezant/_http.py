"""Between ASGI and core: how flows run, what is read of a request, how an answer is given."""

import asyncio
from typing import Final, cast

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response as StarletteResponse
from starlette.status import (
    HTTP_204_NO_CONTENT,
    HTTP_304_NOT_MODIFIED,
    WS_1008_POLICY_VIOLATION,
)
from starlette.types import ASGIApp, Scope
from starlette.websockets import WebSocketClose

from bezant import Runtime
from bezant.http import Response
from bezant.runtime import Offload

RUNTIME: Final = Runtime(
    io=cast(Offload, run_in_threadpool), wait=asyncio.wrap_future, loop=True, sleep=asyncio.sleep
)
"""How core's flows run here: awaited, blocking stores in the thread pool."""


_WITHOUT_BODY: Final = frozenset({HTTP_204_NO_CONTENT, HTTP_304_NOT_MODIFIED})
"""What has neither a body nor a length (RFC 9110 section 8.6)."""


class Refused(HTTPException):
    """A request was refused.

    Status and challenge are right whoever handles it; `Bezant.install` makes the body right too.

    Args:
        answer: What core answers.
    """

    def __init__(self, answer: Response) -> None:
        super().__init__(answer.status, answer.json(), dict(answer.headers))
        self.answer: Response = answer


def respond(answer: Response) -> StarletteResponse:
    """Core's answer as one of Starlette's, byte for byte."""
    response = StarletteResponse(answer.body, answer.status)
    response.raw_headers = raw_headers(answer)
    return response


def raw_headers(answer: Response) -> list[tuple[bytes, bytes]]:
    """The headers of core's answer as ASGI has them, its length included."""
    headers = [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers]
    if answer.status not in _WITHOUT_BODY:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return headers


def can_refuse(scope: Scope) -> bool:
    """Whether the server can answer with a status; some cannot, to the handshake of a WebSocket."""
    return scope["type"] != "websocket" or "websocket.http.response" in scope.get("extensions", {})


def denial(answer: Response, scope: Scope) -> ASGIApp:
    """What refuses a request or a WebSocket's handshake."""
    return respond(answer) if can_refuse(scope) else WebSocketClose(WS_1008_POLICY_VIOLATION)


def authorization(scope: Scope) -> list[str]:
    """The values of all Authorization headers."""
    return [value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization"]
