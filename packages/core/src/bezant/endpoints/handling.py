"""Around every endpoint: methods, cross-origin reading, and errors that become answers."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from bezant.endpoints import Handler
from bezant.errors import (
    KeyUnavailable,
    MethodNotAllowed,
    OAuthError,
    ServerError,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant.http import Request, Response, error_response
from bezant.runtime import Runtime

__all__ = ["Answer", "answering"]

logger: logging.Logger = logging.getLogger(__name__)

_ANY_ORIGIN: Final = ("access-control-allow-origin", "*")


class Answer(Protocol):
    """What an endpoint module provides: it may raise `OAuthError`."""

    def __call__(
        self, request: Request, now: float, runtime: Runtime, /
    ) -> Awaitable[Response]: ...


async def _nothing(_: Runtime) -> None: ...


def _refuse(error: OAuthError, _request: Request) -> Response:
    return error_response(error)


def answering(
    methods: tuple[str, ...],
    answer: Answer,
    clock: Callable[[], float],
    *,
    first: Callable[[Runtime], Awaitable[None]] = _nothing,
    refuse: Callable[[OAuthError, Request], Response] = _refuse,
    cross_origin: bool = True,
) -> Handler:
    """Wrap an endpoint so that every error is an answer and nothing of a failure leaks.

    Args:
        methods: What it takes; all others are answered 405.
        answer: The endpoint.
        clock: Seconds since the epoch.
        first: Done before each answer.
        refuse: Makes the answer of an error.
        cross_origin: Whether pages of other origins may read the answers. Those that depend on
            cookies they may not.
    """

    async def handle(request: Request, runtime: Runtime) -> Response:
        try:
            if request.method == "OPTIONS" and cross_origin:
                return _preflight(methods)
            if request.method not in methods and not (
                request.method == "HEAD" and "GET" in methods
            ):
                raise MethodNotAllowed(methods)
            await first(runtime)
            response = await answer(request, clock(), runtime)
        except OAuthError as error:
            if error.detail:
                logger.debug("answered %s: %s", error.code, error.detail)
            response = refuse(error, request)
        except StoreUnavailable as error:
            logger.warning("a store is unavailable: %s", error)
            response = refuse(TemporarilyUnavailable(), request)
        except KeyUnavailable:
            logger.exception("there is nothing to sign with")
            response = refuse(TemporarilyUnavailable(), request)
        except Exception:
            reference = secrets.token_hex(8)
            logger.exception("failed on a request; reference %s", reference)
            response = refuse(ServerError(reference), request)
        if not cross_origin:
            return response
        # These answers never depend on cookies (what a client proves is in the request).
        return Response(response.status, (*response.headers, _ANY_ORIGIN), response.body)

    return handle


def _preflight(methods: tuple[str, ...]) -> Response:
    """What a browser asks before a cross-origin request with an Authorization header."""
    headers = (
        _ANY_ORIGIN,
        ("access-control-allow-methods", ", ".join(methods)),
        ("access-control-allow-headers", "authorization, content-type"),
        ("access-control-max-age", "86400"),
    )
    return Response(204, headers, b"")
