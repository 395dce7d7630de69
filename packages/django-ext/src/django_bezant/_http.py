"""Between Django and core: how flows run, what is read of a request, how an answer is given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse

from bezant import Principal, Runtime
from bezant.http import Request, Response

__all__ = ["RUNTIME", "BearerRequest", "authorization", "read", "respond"]

P = ParamSpec("P")
T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)


async def in_thread(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    # The thread of the request: the ORM's connections belong to it.
    return await sync_to_async(function, thread_sensitive=True)(*args, **kwargs)


RUNTIME: Final = Runtime(io=in_thread, wait=asyncio.wrap_future, loop=True)
"""How core's flows run under ASGI: awaited, blocking stores in the request's thread."""


class BearerRequest(HttpRequest):
    """A request behind ``@require``, for annotations; none is ever made."""

    principal: Principal
    """Whom the request comes from."""


def authorization(request: HttpRequest) -> list[str]:
    """The values of all Authorization headers, which Django has joined into one."""
    value = request.META.get("HTTP_AUTHORIZATION")
    return [] if value is None else [value]


def read(request: HttpRequest, most: int) -> Request | None:
    """A request for core; None when its body broke off.

    Args:
        request: Django's.
        most: Bytes of the body that core looks at; one more is read, so that core sees the excess.
    """
    body = b""
    try:
        while len(body) <= most and (chunk := request.read(most + 1 - len(body))):
            body += chunk
    except Exception as error:  # noqa: BLE001 (it broke off; servers have their own words for it)
        # Not the words themselves: they may quote what was sent.
        logger.info("a body could not be read: %s", type(error).__name__)
        return None
    if len(body) < min(_length(request), most + 1):
        return None  # half a body, which some servers hand over as if it were all
    return Request(
        request.method or "",
        tuple(
            (name.removeprefix("HTTP_").replace("_", "-").lower(), value)
            for name, value in request.META.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        ),
        body,
        query=request.META.get("QUERY_STRING", ""),
        address=request.META.get("REMOTE_ADDR", ""),
        native=request,
    )


def _length(request: HttpRequest) -> int:
    """Bytes of the body, as the client said; 0 when it did not."""
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0


def respond(answer: Response, *, head: bool = False) -> HttpResponse:
    """Core's answer as Django's, byte for byte.

    Args:
        answer: What core answers.
        head: Whether HEAD asked: then the headers are those of GET, and there is no body.
    """
    response = HttpResponse(b"" if head else answer.body, status=answer.status)
    del response.headers["content-type"]
    for name, value in answer.headers:
        # One line for a name that comes twice, which means the same (RFC 9110 section 5.3).
        before = response.headers.get(name)
        response.headers[name] = value if before is None else f"{before}, {value}"
    if head:  # else CommonMiddleware would measure what is not there
        response.headers["content-length"] = str(len(answer.body))
    return response
