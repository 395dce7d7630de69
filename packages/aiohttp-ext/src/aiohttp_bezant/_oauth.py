"""An authorization server inside an application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Protocol

from aiohttp import web

from aiohttp_bezant._bezant import Bezant, telling_clients
from aiohttp_bezant._endpoints import check_places, routes_of
from aiohttp_bezant._http import RUNTIME
from bezant import AuthorizationServer
from bezant.runtime import MaybeAwaitable


def oauth_routes(server: AuthorizationServer) -> list[web.AbstractRouteDef]:
    """All endpoints of a server, for an application that is at the origin of the issuer's URL.

    Example: ``app.add_routes(oauth_routes(server))``

    Raises:
        ConfigurationError: aiohttp cannot call one of the server's stores.
    """
    server.check(RUNTIME)
    return routes_of(server.endpoints, server)


def well_known_routes(source: AuthorizationServer | Bezant) -> list[web.AbstractRouteDef]:
    """The well-known documents alone, for the outermost application (RFC 8615).

    Args:
        source: A server whose other endpoints are in a sub-application, or what `setup` made of a
            sub-application with a ``resource``.
    """
    if isinstance(source, Bezant):
        documents = [e for e in source.guard.endpoints if e.well_known]
        return routes_of(documents, source.guard)
    return routes_of(source.origin_endpoints, source)


def oauth_app(server: AuthorizationServer) -> web.Application:
    """All endpoints of a server, to be added where the issuer's URL leads.

    That moves the well-known documents too, away from where clients look: add `well_known_routes`
    to the outermost application. When this one starts, it makes the server's first key.

    Example: ``app.add_subapp("/id", oauth_app(server))``

    Raises:
        ConfigurationError: aiohttp cannot call one of the server's stores.
    """
    app = web.Application()
    app.add_routes(oauth_routes(server))

    async def running(app: web.Application) -> AsyncIterator[None]:
        check_places(app)
        await server.prepare(RUNTIME)
        async with telling_clients(server):
            yield

    app.cleanup_ctx.append(running)
    return app


class Closable(Protocol):
    """What has to be closed: the database of `SQLStores`, or an `AuthorizationServer`."""

    def close(self) -> MaybeAwaitable[None]:
        """Finish and let go of everything."""


def closing(*parts: Closable) -> Callable[[web.Application], AsyncIterator[None]]:
    """What closes the stores of an application when it ends, whether or not the rest ended well.

    Example: ``app.cleanup_ctx.append(closing(stores.database, server))``

    Args:
        parts: In the order in which they were made; the last is closed first.
    """

    async def running(app: web.Application) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for part in parts:
                stack.push_async_callback(RUNTIME.call, part.close)
            yield

    return running
