"""Who a request comes from: asked by middleware, decorators, REST framework and Ninja alike, and
verified once a request.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse

from bezant import OAuthError, Principal, Requirement, Runtime
from bezant.errors import MissingToken
from bezant.runtime import SYNC, run_sync
from django_bezant import conf
from django_bezant._http import RUNTIME, authorization, respond
from django_bezant.users import attach

__all__ = ["admit", "drive", "identify", "in_loop", "keep_out_of_cache", "refuse"]

T = TypeVar("T")

logger: logging.Logger = logging.getLogger(__name__)

FOUND: Final = "_bezant"
"""Where a request keeps whom it comes from."""


async def identify(request: HttpRequest, runtime: Runtime) -> Principal | None:
    """Fill ``request.principal``, and ``request.user`` when there is a token.

    Raises:
        OAuthError: The token is bad, or nobody can tell now.
    """
    guard, found = conf.site().guard, getattr(request, FOUND, None)
    if found is not None and found[0] is guard:
        principal: Principal | None = found[1]
    else:
        try:
            principal = guard.authenticate_now(authorization(request))
            if principal is None:
                principal = await guard.authenticate_if_present(authorization(request), runtime)
        except OAuthError:
            raise
        except Exception as error:
            # Django's pages and mails about errors show the variables of every frame, and the token
            # is among them here. The log has the frames alone.
            logger.exception("a token could not be verified")
            raise error.with_traceback(None) from None
        setattr(request, FOUND, (guard, principal))
        request.principal = principal  # type: ignore[attr-defined]
        if principal is not None:
            attach(request, principal)
    if principal is not None:
        keep_out_of_cache(request)
    return principal


def keep_out_of_cache(request: HttpRequest) -> None:
    """Let Django's cache middleware not store the answer: it would give it to this token after it
    was revoked, and in older Djangos to everybody.
    """
    request._cache_update_cache = False  # type: ignore[attr-defined] # noqa: SLF001


async def admit(request: HttpRequest, requirement: Requirement, runtime: Runtime) -> Principal:
    """Like `identify`, and let nobody pass who falls short.

    Raises:
        OAuthError: The request is refused.
    """
    principal = await identify(request, runtime)
    if principal is None:
        raise MissingToken
    requirement.check(principal, conf.site().guard.verifier.clock())
    return principal


def drive(
    request: HttpRequest | None, flow: Callable[..., Coroutine[Any, Any, T]], *args: Any
) -> T:
    """Run a flow to its end from synchronous code.

    Args:
        request: The request that it is for, if there is one.
        flow: Called with ``args`` and a runtime.
        args: What comes before the runtime.

    Raises:
        ConfigurationError: A store is ``async def``, and there is no event loop.
    """
    site = conf.site()
    if site.blocking:
        return run_sync(flow(*args, SYNC))
    if request is not None and not hasattr(request, "scope") and site.server is not None:
        site.server.check(SYNC)  # under WSGI this says which store it is

    async def awaited() -> T:
        return await flow(*args, RUNTIME)

    return async_to_sync(awaited)()  # from a thread of an ASGI request, on that request's loop


def in_loop() -> bool:
    """Whether this very thread runs an event loop, so that nothing here may block."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def refuse(error: OAuthError) -> HttpResponse:
    """The answer to a refused request."""
    return respond(conf.site().guard.refuse(error))
