"""A synchronous client of WSGI applications that changes no byte of what it is given."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

from bezant.http import Request, Response
from tests.harness.at_once import in_threads, nobody

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.harness.at_once import Answered, Asked, Told

    WSGIApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WSGIClient:
    """Sends an application requests.

    Args:
        app: The application.
    """

    def __init__(self, app: WSGIApp) -> None:
        self._app = app

    def send(self, path: str, request: Request, /) -> Response:
        started: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: Any = None) -> Any:
            started[:] = [int(status[:3]), headers]

        chunks = self._app(environ_of(path, request), start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status, headers = started
        return Response(status, tuple((name.lower(), value) for name, value in headers), body)

    def send_all(self, requests: Asked, /, told: Told = nobody) -> Answered:
        return in_threads(self.send, requests, told)


def environ_of(path: str, request: Request) -> dict[str, Any]:
    """What a WSGI server makes of a request (PEP 3333)."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": request.query,
        "REMOTE_ADDR": request.address,
        "SERVER_NAME": "internal.example.com",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https",
        "wsgi.input": BytesIO(request.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "CONTENT_LENGTH": str(len(request.body)),
    }
    for name, value in request.headers:
        key = name.upper().replace("-", "_")
        key = key if key == "CONTENT_TYPE" else f"HTTP_{key}"
        # A header that is sent twice arrives as one list (RFC 9110 section 5.3).
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ
