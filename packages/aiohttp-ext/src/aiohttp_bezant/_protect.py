"""What stands in front of handlers: decorators and a middleware."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from aiohttp_bezant._bezant import UNPROTECTED, nearest
from aiohttp_bezant._endpoints import route_of
from aiohttp_bezant._http import respond
from bezant import ConfigurationError, OAuthError, Requirement
from bezant.errors import MissingToken

DEMANDED: Final = "__bezant_scopes__"
"""Where a protected handler keeps the scopes it needs: a refusal further out names them, too."""

P = ParamSpec("P")
R = TypeVar("R", bound=web.StreamResponse)
Protected: TypeAlias = Callable[P, Coroutine[Any, Any, R | web.Response]]


def require(
    *scopes: str,
    permission: str | Iterable[str] | None = None,
    role: str | Iterable[str] | None = None,
    any_of: Iterable[str] = (),
    fresh: int | None = None,
) -> Callable[[Callable[P, Awaitable[R]]], Protected[P, R]]:
    """A decorator that demands a good token, and more; `principal` tells whose it is.

    It goes below the decorator of the route, on coroutine functions, on methods, and on methods of
    `web.View`. A WebSocket is refused before the upgrade. An `OAuthError` that the handler raises
    is answered as a refusal too.

    Example::

        @routes.get("/items")
        @require("items:read")
        async def items(request: web.Request) -> web.Response: ...

    Args:
        scopes: Scopes that the token must all carry.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them.

    Raises:
        ConfigurationError: A scope is malformed, ``fresh`` is not positive, or what is decorated is
            no coroutine function.
    """
    need = Requirement(*scopes, permission=permission, role=role, any_of=any_of, fresh=fresh)
    return lambda handler: _protect(handler, need, anonymous=False)


def optional(handler: Callable[P, Awaitable[R]]) -> Protected[P, R]:
    """Like `require`, but a request without credentials passes; `get_principal` tells. A bad
    token is still refused.

    Raises:
        ConfigurationError: What is decorated is no coroutine function.
    """
    return _protect(handler, Requirement(), anonymous=True)


def bearer_middleware(*, anonymous: bool = True) -> Middleware:
    """Finds out whom every request comes from, and refuses bad tokens, of unknown paths too.

    `require` goes by what was found here. Endpoints of a server are left alone: their clients
    authenticate in other ways.

    Example: ``web.Application(middlewares=[bearer_middleware()])``

    Args:
        anonymous: Whether requests without credentials pass.
    """

    async def proceed(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await handler(request)

    protected = _protect(proceed, Requirement(), anonymous=anonymous)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        own = route_of(request.match_info.handler)
        return await (protected if own is None else proceed)(request, handler)

    return middleware


def _protect(
    handler: Callable[P, Awaitable[R]], need: Requirement, *, anonymous: bool
) -> Protected[P, R]:
    if not iscoroutinefunction(handler):
        raise ConfigurationError(
            "require(...)", f"{handler!r} is not 'async def'; of a web.View, decorate the methods"
        )
    need |= Requirement(*getattr(handler, DEMANDED, ()))

    @wraps(handler)
    async def protected(*args: P.args, **kwargs: P.kwargs) -> R | web.Response:
        request = _request(args)
        bezant = nearest(request)
        try:
            who = bezant.authenticate_now(request)
            if who is None:
                who = await bezant.authenticate(request)
            if who is not None:
                need.check(who, bezant.guard.verifier.clock())
            elif not anonymous:
                raise MissingToken
        except OAuthError as error:
            return respond(bezant.guard.refuse(error))
        try:
            return await handler(*args, **kwargs)
        except OAuthError as error:
            if request.writer.output_size > 0:
                raise  # an answer has begun, or a WebSocket is open
            return respond(bezant.guard.refuse(error))

    vars(handler)[UNPROTECTED] = handler
    vars(protected)[DEMANDED] = need.scopes
    return protected


def _request(args: tuple[object, ...]) -> web.Request:
    for argument in args:
        if isinstance(argument, web.Request):
            return argument
        if isinstance(argument, web.View):
            return argument.request
    raise TypeError("a protected handler takes a request, or is a method of web.View")
