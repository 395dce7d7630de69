"""What surrounds every request: an id, a count, a line in the log, an answer to a failure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from itertools import count
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.errors import ServerError
from bezant.http import error_response
from bezant_server.logs import REQUEST_ID
from bezant_server.metrics import Metrics

__all__ = ["Front"]

logger = logging.getLogger(__name__)
_lines: structlog.stdlib.BoundLogger = structlog.get_logger("bezant_server.access")

_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9_.-]{8,64}")


class Front:
    """What the web server calls, in front of the application.

    Core's endpoints are called from here: a request for a token has a few hundred microseconds, and
    an application's routing and layers would take a third of them.

    Args:
        app: The whole application.
        endpoints: The endpoints that are called directly, by path: a name for the counters, and
            what answers.
        metrics: The counters, if there are any.
        access_log: Whether each request gets a line.
        behind_proxy: Whether an `X-Request-ID` that comes in is kept.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        endpoints: Mapping[str, tuple[str, ASGIApp]],
        metrics: Metrics | None,
        access_log: bool,
        behind_proxy: bool,
    ) -> None:
        self._endpoints = endpoints
        self._other = ("other", app)
        self._metrics = metrics
        self._access_log = access_log
        self._behind_proxy = behind_proxy
        # Ids are to be unique, not secret: a counter behind something of this process's own.
        self._prefix = token_hex(5)
        self._numbers = count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._other[1](scope, receive, send)
            return
        started = perf_counter()
        given = _given_id(scope) if self._behind_proxy else None
        request_id = given or f"{self._prefix}{next(self._numbers):06x}"
        header = (b"x-request-id", request_id.encode())
        name, app = self._endpoints.get(scope["path"], self._other)
        status, finished = 0, False

        async def send_with_id(message: Message) -> None:
            nonlocal status, finished
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            elif not message.get("more_body"):
                finished = True
            await send(message)

        REQUEST_ID.set(request_id)  # for the task that answers, and it answers nothing else
        try:
            await app(scope, receive, send_with_id)
        except Exception:
            logger.exception("failed on a request")
            if not status:
                await _apologise(request_id, send_with_id)
            elif not finished:
                raise  # half an answer is out; the web server closes the connection
        finally:
            seconds = perf_counter() - started
            if self._metrics is not None:
                self._metrics.count_request(name, status, seconds)
            if self._access_log:
                _log(scope, status, seconds)


def _log(scope: Scope, status: int, seconds: float) -> None:
    client = scope.get("client")
    _lines.info(
        "request",
        method=scope["method"],
        path=scope["path"][:200],
        status=status,
        milliseconds=round(seconds * 1000, 2),
        address=client[0] if client else "",
    )


def _given_id(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return value.decode() if _WELL_FORMED.fullmatch(value) else None
    return None


async def _apologise(request_id: str, send: Send) -> None:
    response = error_response(ServerError(request_id))
    headers = [(name.encode(), value.encode()) for name, value in response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})
