"""An authorization server's endpoints as routes, and what runs when an application starts."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from fastapi import APIRouter
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.routing import NoMatchFound, Route
from starlette.types import Lifespan, Receive, Scope, Send, StatelessLifespan

from bezant import AuthorizationServer, ResourceGuard
from bezant.endpoints import Endpoint
from bezant.http import Request
from fastapi_bezant._http import RUNTIME, raw_headers


class EndpointApp:
    """One of core's endpoints as an ASGI application, with nothing in between.

    Args:
        endpoint: The endpoint.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._handler = endpoint.handler
        self._limit = endpoint.max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._body(receive)
        if body is None:
            return  # nobody waits for an answer
        client = scope.get("client")
        request = Request(
            scope["method"],
            tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in scope["headers"]),
            body,
            query=scope["query_string"].decode("latin-1"),
            address=client[0] if client else "",
            native=StarletteRequest(scope),  # whose body has been read
        )
        answer = await self._handler(request, RUNTIME)
        # What Starlette's Response would send, without making one.
        head = {"status": answer.status, "headers": raw_headers(answer)}
        await send({"type": "http.response.start", **head})
        # To HEAD, the headers tell the length of what GET would answer.
        body = b"" if request.method == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    async def _body(self, receive: Receive) -> bytes | None:
        body, more = bytearray(), True
        while more and len(body) <= self._limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(body[: self._limit + 1])


def router_of(server: AuthorizationServer, *, origin: bool = False) -> APIRouter:
    """Routes that take every method, so that core says which are allowed.

    Args:
        server: Whose endpoints.
        origin: Only the well-known ones, as they are at the origin of the issuer's URL.
    """
    server.check(RUNTIME)
    return APIRouter(
        routes=[
            Route(e.path, EndpointApp(e), name=_name(server, e.name, origin=origin))
            for e in (server.origin_endpoints if origin else server.endpoints)
        ],
        lifespan=lifespan_of(server),
    )


def routes_of(endpoints: Iterable[Endpoint]) -> list[Route]:
    """Endpoints as routes."""
    return [Route(e.path, EndpointApp(e), name=e.name) for e in endpoints]


def lifespan_of(
    server: AuthorizationServer | None, guard: ResourceGuard | None = None
) -> StatelessLifespan[Any]:
    """Checks where a server's routes are, makes its first key, tells clients of logouts, and starts
    what a guard's verifier runs in the background. It may run several times.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if server is not None:
            _check_place(app, server)
            await server.prepare(RUNTIME)
        # Not before now: in a test, the guard may have got another verifier.
        verifier = None if guard is None else guard.verifier
        if verifier is not None:
            verifier.start()
        sender = None if server is None else server.logout_sender
        sending = None if sender is None else asyncio.create_task(sender.run(RUNTIME))
        try:
            yield
        finally:
            if sending is not None:
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
            if verifier is not None:
                verifier.close()

    return lifespan


def lifespans(*parts: Lifespan[Any]) -> Lifespan[Any]:
    """One lifespan out of several: started in order, stopped in reverse, their states merged.

    Example: ``FastAPI(lifespan=lifespans(database, bezant.lifespan))``
    """

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[Any]:
        state: dict[str, Any] = {}
        async with AsyncExitStack() as stack:
            for part in parts:
                if (own := await stack.enter_async_context(part(app))) is not None:
                    state.update(own)
            yield state or None

    return lifespan


def _check_place(app: Starlette, server: AuthorizationServer) -> None:
    place = _place(app, _name(server, "token"))
    if place is None:
        return  # served by another application
    documents = server.origin_endpoints
    names = [_name(server, e.name, origin=origin) for e in documents for origin in (False, True)]
    server.check_place(
        place,
        {found for name in names if (found := _place(app, name)) is not None},
        "include bezant.well_known_router(server) in the outermost application",
    )


def _name(server: AuthorizationServer, name: str, *, origin: bool = False) -> str:
    return f"{server.config.issuer} {name}{' at the origin' if origin else ''}"


def _place(app: Starlette, name: str) -> str | None:
    try:
        return str(app.url_path_for(name))
    except NoMatchFound:
        return None
