"""What surrounds every request: an id, a count, a line in the log, an answer to a failure."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from secrets import token_hex
from time import perf_counter
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bezant.errors import ServerError
from bezant.http import error_response
from bezant_server.logs import REQUEST_ID
from bezant_server.metrics import Metrics

__all__ = ["RequestMiddleware"]

logger = logging.getLogger(__name__)
_lines: structlog.stdlib.BoundLogger = structlog.get_logger("bezant_server.access")

_WELL_FORMED: Final = re.compile(rb"[A-Za-z0-9_.-]{8,64}")


class RequestMiddleware:
    """Plain ASGI, and a few microseconds: the token endpoint has no more than a few hundred.

    Args:
        app: What answers.
        names: Names of endpoints by path, for the counters.
        metrics: The counters, if there are any.
        access_log: Whether each request gets a line.
        behind_proxy: Whether an `X-Request-ID` that comes in is kept.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        names: Mapping[str, str],
        metrics: Metrics | None,
        access_log: bool,
        behind_proxy: bool,
    ) -> None:
        self._app = app
        self._names = names
        self._metrics = metrics
        self._access_log = access_log
        self._behind_proxy = behind_proxy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = perf_counter()
        request_id = (self._behind_proxy and _given_id(scope)) or token_hex(8)
        header = (b"x-request-id", request_id.encode())
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], header]
            await send(message)

        context = REQUEST_ID.set(request_id)
        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            logger.exception("failed on a request")
            if status:
                raise  # half an answer is out; the server closes the connection
            await _apologise(request_id, send_with_id)
        finally:
            seconds = perf_counter() - started
            if self._metrics is not None:
                self._metrics.count_request(
                    self._names.get(scope["path"], "other"), status, seconds
                )
            if self._access_log:
                self._log(scope, status, seconds)
            REQUEST_ID.reset(context)

    def _log(self, scope: Scope, status: int, seconds: float) -> None:
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
