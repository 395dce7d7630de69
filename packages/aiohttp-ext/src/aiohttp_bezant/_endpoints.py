"""Core's endpoints as routes, and where they must be."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from weakref import WeakKeyDictionary, WeakSet

from aiohttp import web

from aiohttp_bezant._http import RUNTIME, respond
from bezant import AuthorizationServer, ConfigurationError, ResourceGuard
from bezant.endpoints import Endpoint
from bezant.http import Request, unreadable_body

Owner: TypeAlias = AuthorizationServer | ResourceGuard


class EndpointRoute(web.AbstractRouteDef):
    """One of core's endpoints as a route that takes every method, so that core says which are
    allowed.

    Args:
        endpoint: The endpoint.
        owner: Whose it is.
    """

    def __init__(self, endpoint: Endpoint, owner: Owner) -> None:
        self.endpoint = endpoint
        self.owner = owner
        self._resources: list[web.AbstractResource] = []
        _of.setdefault(owner, WeakSet()).add(self)

    def register(self, router: web.UrlDispatcher) -> list[web.AbstractRoute]:
        route = router.add_route("*", self.endpoint.path, self.handle)
        assert route.resource is not None
        self._resources.append(route.resource)
        return [route]

    @property
    def places(self) -> set[str]:
        """Where it is, with the prefixes of sub-applications."""
        return {resource.canonical for resource in self._resources}

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request."""
        try:
            body = await self._body(request)
        except web.RequestPayloadError:
            return respond(unreadable_body())
        headers = tuple(
            (name.decode("latin-1").lower(), value.decode("latin-1"))
            for name, value in request.raw_headers
        )
        # As it was sent, in whatever letters.
        query = request.raw_path.partition("?")[2].encode("utf-8", "surrogateescape")
        told = Request(
            request.method,
            headers,
            body,
            query.decode("latin-1"),
            request.remote or "",
            native=request,
        )
        return respond(await self.endpoint.handler(told, RUNTIME))

    async def _body(self, request: web.Request) -> bytes:
        if request.content.at_eof():  # there is none, or a middleware has read it
            return await request.read()
        # Otherwise not so: what is above client_max_size it refuses in words of its own.
        body, most = bytearray(), self.endpoint.max_body + 1
        while part := await request.content.read(most - len(body)):
            body += part
        return bytes(body)


# A sub-application cannot see what it is part of, so the check at its start finds other routes by
# whose they are. No answer depends on this.
_of: WeakKeyDictionary[Owner, WeakSet[EndpointRoute]] = WeakKeyDictionary()


def routes_of(endpoints: Iterable[Endpoint], owner: Owner) -> list[web.AbstractRouteDef]:
    """Endpoints, to be given to ``add_routes``."""
    return [EndpointRoute(endpoint, owner) for endpoint in endpoints]


def route_of(handler: object) -> EndpointRoute | None:
    """The route whose handler this is."""
    route = getattr(handler, "__self__", None)
    return route if isinstance(route, EndpointRoute) else None


def check_places(app: web.Application) -> None:
    """Refuse endpoints of an application that has started, if they are not where the issuer's URL
    leads.

    Raises:
        ConfigurationError: Says where they are and where they should be.
    """
    for route in app.router.routes():
        found = route_of(route.handler)
        if found is None or route.resource is None:
            continue
        owner, place = found.owner, route.resource.canonical
        documents = set().union(*(r.places for r in _of[owner] if r.endpoint.well_known))
        remedy = "add well_known_routes({}) to the outermost application"
        if isinstance(owner, AuthorizationServer):
            if found.endpoint.name == "token":
                owner.check_place(place, documents, remedy.format("server"))
        elif found.endpoint.well_known and found.endpoint.path not in documents:
            raise ConfigurationError(
                "resource",
                f"a prefix must not move {found.endpoint.path}; {remedy.format('bezant')}",
            )
