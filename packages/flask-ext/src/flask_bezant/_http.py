"""Between WSGI and core: what is read of a request, how an answer is given, endpoints as views."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from flask import Flask, Response, request
from werkzeug.datastructures import Headers
from werkzeug.wsgi import get_input_stream

from bezant.endpoints import Endpoint
from bezant.http import Request, unreadable_body
from bezant.http import Response as Answer
from bezant.runtime import SYNC, Runtime, run_sync
from flask_bezant._state import current_request

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)


def respond(answer: Answer) -> Response:
    """Core's answer as one of Flask's, byte for byte."""
    response = Response(answer.body, answer.status)
    response.headers = Headers(answer.headers)  # with no content type of Flask's own
    return response


def drive(flow: Callable[[Runtime], Coroutine[Any, Any, T]]) -> T:
    """Run one of core's flows to its end."""
    return run_sync(flow(SYNC))


class EndpointView:
    """One of core's endpoints as a view.

    Args:
        endpoint: The endpoint.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.__name__ = endpoint.name  # extensions look views up by module and name
        self._handler = endpoint.handler
        self._most = endpoint.max_body + 1

    def __call__(self, **values: Any) -> Response:
        try:
            body = self._body()
        except Exception as error:  # noqa: BLE001 (it broke off; servers have their own words for it)
            # Not the words themselves: they may quote what was sent.
            logger.info("a body could not be read: %s", type(error).__name__)
            return respond(unreadable_body())
        asked = Request(
            request.method,
            tuple((name.lower(), value) for name, value in request.headers),
            body,
            query=request.query_string.decode("latin-1"),
            address=request.remote_addr or "",
            native=current_request(),
        )
        return respond(run_sync(self._handler(asked, SYNC)))

    def _body(self) -> bytes:
        # Not through the request: MAX_CONTENT_LENGTH would answer in its own way.
        stream, body = get_input_stream(request.environ), b""
        while len(body) < self._most and (chunk := stream.read(self._most - len(body))):
            body += chunk
        if len(body) < min(request.content_length or 0, self._most):
            raise EOFError  # half a body, which some servers hand over as if it were all
        return body


def add_view(
    app: Flask, name: str, path: str, view: EndpointView, subdomain: str | None = None
) -> None:
    """Serve every method: core says which are allowed. `Flask.add_url_rule` wants a list."""
    app.url_map.add(app.url_rule_class(path, endpoint=name, subdomain=subdomain))
    app.view_functions[name] = view
