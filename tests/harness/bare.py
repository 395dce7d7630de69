"""Core, driven by hand: the reference for every framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bezant import ResourceGuard
from bezant.errors import OAuthError
from bezant.http import Request, Response
from bezant.runtime import SYNC, run_sync
from tests.harness import ROUTES, show

if TYPE_CHECKING:
    from bezant import AuthorizationServer


class App:
    def __init__(self, server: AuthorizationServer) -> None:
        server.check(SYNC)
        self._server = server
        self._guard = ResourceGuard(server.verifier(), events=server.events)
        self._handlers = {endpoint.path: endpoint.handler for endpoint in server.endpoints}

    def send(self, path: str, request: Request, /) -> Response:
        if path in ROUTES:
            return self._resource(path, request)
        answer = run_sync(self._handlers[path](request, SYNC))
        if request.method == "HEAD":  # which no HTTP server answers with content
            return Response(answer.status, answer.headers, b"")
        return answer

    def close(self) -> None:
        self._server.close()

    def _resource(self, path: str, request: Request) -> Response:
        route, authorization = ROUTES[path], request.header("authorization")
        try:
            if route.optional:
                principal = run_sync(self._guard.authenticate_if_present(authorization, SYNC))
            else:
                principal = run_sync(
                    self._guard.authenticate(authorization, SYNC, route.requirement)
                )
        except OAuthError as error:
            return self._guard.refuse(error)
        return Response(200, (("content-type", "application/json"),), show(principal))
