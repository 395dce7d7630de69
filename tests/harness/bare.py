"""Core, driven by hand: the reference for every framework."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bezant import AuthorizationServer, guard_for
from bezant.errors import OAuthError
from bezant.http import Request, Response
from bezant.runtime import SYNC, run_sync
from tests.harness import ROUTES, show
from tests.harness.at_once import in_threads, nobody

if TYPE_CHECKING:
    from bezant import Verifier
    from bezant.logout_receiver import LogoutReceiver
    from tests.harness.at_once import Answered, Asked, Told


class App:
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        self._guard = guard_for(source, SYNC, logout_receiver=receiver)
        endpoints = source.endpoints if isinstance(source, AuthorizationServer) else ()
        self._handlers = {e.path: e.handler for e in (*endpoints, *self._guard.endpoints)}

    def send(self, path: str, request: Request, /) -> Response:
        if path in ROUTES:
            return self._resource(path, request)
        answer = run_sync(self._handlers[path](request, SYNC))
        if request.method == "HEAD":  # which no HTTP server answers with content
            return Response(answer.status, answer.headers, b"")
        return answer

    def send_all(self, requests: Asked, /, told: Told = nobody) -> Answered:
        return in_threads(self.send, requests, told)

    def close(self) -> None:
        self._source.close()

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
