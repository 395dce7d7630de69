"""Requests that Bezant itself sends: to an issuer, for its metadata, keys, revocations, and to ask
about a token.

One guarded way out: https (plain http on loopback only), no redirects, a limit of time and of size.
Nothing that a client sent ever chooses a URL.
"""

from __future__ import annotations

import ssl
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from io import BufferedReader, RawIOBase
from socket import socket
from time import monotonic
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, urlsplit

from bezant.errors import BezantError
from bezant.http import Response
from bezant.urls import is_loopback

__all__ = ["Fetch", "FetchError", "HTTPFetch"]

MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes of an answer that are read."""


class FetchError(BezantError):
    """There was no usable answer. The message holds neither query nor body."""


class Fetch(Protocol):
    """Sends one request and waits for the answer. It is called on threads, several at a time."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        """The answer, whatever its status; header names in lower case. Redirects are answers.

        Args:
            method: GET or POST.
            url: Absolute.
            headers: Pairs.
            body: What POST sends.
            timeout: Seconds for everything together.

        Raises:
            FetchError: There is none: the network failed, or the answer is too slow or too large.
        """


class HTTPFetch:
    """The standard library's client, with a connection for each request.

    It knows no proxies and keeps no connections: where that matters, give a `Fetch` of your own.

    Args:
        tls: Whom to trust; by default what the machine trusts.
        max_size: Bytes of an answer that are read.
    """

    def __init__(self, *, tls: ssl.SSLContext | None = None, max_size: int = MAX_SIZE) -> None:
        self._tls = tls
        self._max_size = max_size

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        """Send a request; see `Fetch`."""
        parts = check_url(url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        place = f"{parts.scheme}://{parts.netloc}{parts.path}"
        connection = self._connect(parts, timeout)
        answering = partial(_Answer, deadline=monotonic() + timeout)
        connection.response_class = answering  # type: ignore[assignment]
        try:
            connection.request(method, target, body, {**dict(headers), "connection": "close"})
            return self._read(connection)
        except TimeoutError:
            raise FetchError(f"{place} did not answer within {timeout:g} s") from None
        except (HTTPException, OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise FetchError(f"{place}: {reason or type(error).__name__}") from None
        finally:
            connection.close()

    def _connect(self, parts: SplitResult, timeout: float) -> HTTPConnection:
        host = parts.hostname or ""
        if parts.scheme == "http":
            return HTTPConnection(host, parts.port, timeout=timeout)
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return HTTPSConnection(host, parts.port, timeout=timeout, context=self._tls)

    def _read(self, connection: HTTPConnection) -> Response:
        with connection.getresponse() as answer:
            body = answer.read(self._max_size + 1)
            if len(body) > self._max_size:
                raise FetchError(f"an answer of more than {self._max_size} bytes")
            if answer.length:  # what was promised and never came
                raise HTTPException("a truncated answer")
            headers = tuple((name.lower(), value) for name, value in answer.getheaders())
            return Response(answer.status, headers, body)


class _Answer(HTTPResponse):
    """An answer that must have come by a deadline, however many pieces it comes in."""

    def __init__(self, sock: socket, *args: Any, deadline: float, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp = BufferedReader(_Timed(sock, self.fp, deadline))


class _Timed(RawIOBase):
    def __init__(self, sock: socket, file: BufferedReader, deadline: float) -> None:
        self._sock = sock
        self._file = file  # the socket stays open as long as this does
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        self._sock.settimeout(_left(self._deadline))
        return self._sock.recv_into(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


def _left(deadline: float) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def check_url(url: str) -> SplitResult:
    """Take a URL apart, if it may be asked.

    Raises:
        FetchError: It is no https URL, nor a plain http one on loopback.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise FetchError("this is no URL") from None
    host = parts.hostname or ""
    if (
        not (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
        or not host
        or parts.username is not None
        or not url.isascii()
        or not url.isprintable()
        or " " in url
    ):
        raise FetchError("only https URLs are asked, and plain http on loopback")
    return parts


def same_origin(one: str, other: str) -> bool:
    """Whether two URLs have scheme, host and port in common (RFC 6454)."""
    try:
        return _origin(one) == _origin(other)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
