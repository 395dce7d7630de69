"""FastAPI."""

from typing import Annotated, Any

from fastapi import FastAPI, Response

from bezant import AuthorizationServer, Principal, Verifier
from bezant.logout_receiver import LogoutReceiver
from fastapi_bezant import Bezant
from tests.harness import ROUTES, Route, show
from tests.harness.asgi import ASGIClient


class App(ASGIClient):
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        app, bezant = FastAPI(), Bezant(source, logout_receiver=receiver)
        bezant.install(app)
        if isinstance(source, AuthorizationServer):
            app.include_router(bezant.router())
        for number, (path, route) in enumerate(ROUTES.items()):
            # One after the other, ``def`` and ``async def``.
            app.get(path)((_plain, _awaited)[number % 2](_need(bezant, route)))
        super().__init__(app)

    def close(self) -> None:
        super().close()
        self._source.close()


def _need(bezant: Bezant, route: Route) -> Any:
    return bezant.optional if route.optional else bezant.require(*route.scopes, **route.options)


def _plain(need: Any) -> Any:
    def handler(who: Annotated[Principal | None, need]) -> Response:
        return Response(show(who), media_type="application/json")

    return handler


def _awaited(need: Any) -> Any:
    async def handler(who: Annotated[Principal | None, need]) -> Response:
        return Response(show(who), media_type="application/json")

    return handler
