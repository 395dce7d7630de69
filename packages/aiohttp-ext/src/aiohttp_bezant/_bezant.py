"""`setup`: gives an application its `Bezant`, which knows whom requests come from."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from aiohttp_bezant._endpoints import check_places, routes_of
from aiohttp_bezant._http import RUNTIME, respond
from bezant import (
    AuthorizationServer,
    ConfigurationError,
    Principal,
    ResourceGuard,
    Verifier,
    guard_for,
)
from bezant.errors import MissingToken
from bezant.hosting import AsyncInteractions, AsyncLogouts
from bezant.logout_receiver import LogoutReceiver


class Bezant:
    """Token authentication of one application and its sub-applications; made by `setup`.

    Args:
        guard: Stands in front of the handlers.
        server: The server in this process whose tokens are taken, if there is one.
    """

    def __init__(self, guard: ResourceGuard, server: AuthorizationServer | None) -> None:
        self.guard: ResourceGuard = guard
        self.server: AuthorizationServer | None = server
        self.interactions: AsyncInteractions[web.Response] = AsyncInteractions(
            self._issuing, RUNTIME, respond
        )
        self.logouts: AsyncLogouts[web.Response] = AsyncLogouts(self._issuing, RUNTIME, respond)
        # Where a request keeps whom it comes from, so that a token is verified once a request. A
        # sub-application may have a Bezant of its own, with a key of its own.
        self._key: Any = (
            web.RequestKey("aiohttp_bezant.found", tuple)
            if hasattr(web, "RequestKey")  # aiohttp 3.14
            else f"aiohttp_bezant.found.{id(self)}"
        )

    def authenticate_now(self, request: web.Request) -> Principal | None:
        """Whom a request comes from, when that needs no waiting; None says nothing: ask
        `authenticate`.

        Raises:
            InvalidToken: The token is not good.
        """
        if len(request) and (asked := self._asked(request)) is not None:
            return asked[0]
        headers = request.headers
        who = self.guard.authenticate_now(headers.getall(AUTHORIZATION, ()))
        if who is not None:
            request[self._key] = headers, who
        return who

    async def authenticate(self, request: web.Request) -> Principal | None:
        """Whom a request comes from; None when it carries no credentials.

        Raises:
            OAuthError: It carries bad ones, or nobody can tell now.
        """
        if (asked := self._asked(request)) is not None:
            return asked[0]
        headers = request.headers
        authorization = headers.getall(AUTHORIZATION, ())
        who = await self.guard.authenticate_if_present(authorization, RUNTIME)
        request[self._key] = headers, who
        return who

    def _asked(self, request: web.Request) -> tuple[Principal | None] | None:
        """What this request was found to come from before; None when nobody has asked."""
        # Looked for without a KeyError, which would be the dearest part of a hit in the cache.
        if self._key in iter(request):
            known, who = request[self._key]
            if known is request.headers or _alike(known, request.headers):
                return (who,)
        return None

    def _issuing(self) -> AuthorizationServer:
        if self.server is None:
            raise ConfigurationError("setup", "give it the AuthorizationServer")
        return self.server

    def found(self, request: web.Request) -> Principal | None:
        """What `authenticate` has found.

        Raises:
            RuntimeError: Nobody has asked it.
        """
        who: Principal | None
        try:
            known, who = request[self._key]
        except KeyError:
            known = None
        headers = request.headers
        if known is not headers and (known is None or not _alike(known, headers)):
            raise RuntimeError("put @require(...) or @optional on this handler")
        return who


def _alike(known: Any, headers: Any) -> bool:
    """Whether two requests carry the same credentials: a clone has the same state as what it was
    made from, and maybe another token.
    """
    alike: bool = known.getall(AUTHORIZATION, ()) == headers.getall(AUTHORIZATION, ())
    return alike


BEZANT: Final = web.AppKey("BEZANT", Bezant)
"""Where an application keeps its `Bezant`."""


def nearest(request: web.Request) -> Bezant:
    """The `Bezant` of the application that handles a request, or of the nearest around it.

    Raises:
        RuntimeError: None of them has one.
    """
    try:
        return request.app[BEZANT]  # most often, and quicker than the mapping of all of them
    except KeyError:
        bezant: Bezant | None = request.config_dict.get(BEZANT)
    if bezant is None:
        raise RuntimeError("call aiohttp_bezant.setup(app, ...) for this application")
    return bezant


def get_principal(request: web.Request) -> Principal | None:
    """Like `principal`; None for nobody.

    Raises:
        RuntimeError: The handler is behind neither `require`, `optional` nor `bearer_middleware`.
    """
    return nearest(request).found(request)


def principal(request: web.Request) -> Principal:
    """Whom a request comes from, in a handler behind `require` or `bearer_middleware`.

    Raises:
        MissingToken: From nobody: it carries no credentials, and was let in all the same.
        RuntimeError: The handler is behind neither.
    """
    who = nearest(request).found(request)
    if who is None:
        raise MissingToken
    return who


def setup(
    app: web.Application,
    source: AuthorizationServer | Verifier,
    *,
    audience: str | Iterable[str] | None = None,
    realm: str = "api",
    resource: str | None = None,
    scopes: Iterable[str] | None = None,
    resource_metadata: str | None = None,
    logout_receiver: LogoutReceiver | None = None,
) -> Bezant:
    """Let handlers of an application and of its sub-applications use `require` and `principal`.

    When ``app`` starts, it makes the server's first key, starts what server and verifier run in the
    background, and checks that all routes are what they seem. A sub-application may be set up too;
    its own settings hold in it then.

    Args:
        app: The application.
        source: What tells good tokens: an `AuthorizationServer` in this process, or a
            `Verifier`.
        audience: This application's name in ``aud``; only for a server, in place of its default
            audience.
        realm: What the challenge calls the protected space.
        resource: This application's own URL: it then serves metadata about itself (RFC 9728),
            which every challenge names.
        scopes: Scopes named in that document; by default the server's.
        resource_metadata: URL of such metadata that is served elsewhere.
        logout_receiver: Told of logouts at an issuer; its endpoint is added.

    Returns:
        What is in ``app[BEZANT]`` now.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    if BEZANT in app:
        raise ConfigurationError("setup", "this application is set up already")
    server = source if isinstance(source, AuthorizationServer) else None
    guard = guard_for(
        source,
        RUNTIME,
        audience=audience,
        realm=realm,
        resource=resource,
        scopes=scopes,
        resource_metadata=resource_metadata,
        logout_receiver=logout_receiver,
    )
    bezant = app[BEZANT] = Bezant(guard, server)
    app.add_routes(routes_of(guard.endpoints, guard))

    async def running(app: web.Application) -> AsyncIterator[None]:
        _check_handlers(app)
        check_places(app)
        if server is not None:
            await server.prepare(RUNTIME)
        verifier = guard.verifier  # not before now: in a test, the guard may have got another
        verifier.start()
        async with telling_clients(server):
            yield
        await asyncio.to_thread(verifier.close)  # it waits for what runs in the background

    app.cleanup_ctx.append(running)
    return bezant


@asynccontextmanager
async def telling_clients(server: AuthorizationServer | None) -> AsyncIterator[None]:
    """Clients of a server are told of logouts meanwhile, once in a process."""
    sender = None if server is None else server.logout_sender
    sending = None if sender is None else asyncio.create_task(sender.run(RUNTIME))
    try:
        yield
    finally:
        if sending is not None:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending


UNPROTECTED: Final = "__bezant_unprotected__"
"""Set on what `require` protects, to that handler itself: decorators around it may copy it."""


def _check_handlers(app: web.Application) -> None:
    for route in app.router.routes():
        handler = getattr(route.handler, "__func__", route.handler)
        # Its name leads to what protects it, unless it was meant to have both kinds of routes.
        if getattr(handler, UNPROTECTED, None) is handler and _named_like(handler) is not handler:
            raise ConfigurationError(
                "require(...)",
                f"{handler!r} has a route without its protection; write the decorator of the route "
                "above this one",
            )


def _named_like(handler: object) -> object:
    found: object = sys.modules.get(handler.__module__)
    for name in getattr(handler, "__qualname__", "").split("."):
        found = getattr(found, name, None)
    return found
