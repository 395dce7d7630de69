"""Token authentication for whole applications, as pure ASGI middleware."""

from __future__ import annotations

from starlette.authentication import AuthCredentials, SimpleUser, UnauthenticatedUser
from starlette.types import ASGIApp, Receive, Scope, Send

from bezant import OAuthError, Principal
from fastapi_bezant._bezant import Bezant
from fastapi_bezant._http import denial


class BearerUser(SimpleUser):
    """``request.user`` behind `BearerMiddleware`: its names are the subject.

    Args:
        principal: What the access token says.
    """

    def __init__(self, principal: Principal) -> None:
        self.username: str = principal.subject  # all that SimpleUser would do
        self.principal: Principal = principal

    @property
    def identity(self) -> str:
        """The subject."""
        return self.principal.subject


class BearerMiddleware:
    """Fills ``request.user`` and ``request.auth``, so that Starlette's ``@requires`` works.

    A request without credentials passes as an unauthenticated user; one with a bad token is
    refused here. Dependencies of the same `Bezant` use what was found here.

    Example: ``app.add_middleware(BearerMiddleware, bezant=bezant)``

    Args:
        app: What is behind.
        bezant: Authenticates.
    """

    def __init__(self, app: ASGIApp, bezant: Bezant) -> None:
        self._app = app
        self._bezant = bezant

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            try:
                principal = await self._bezant.authenticate(scope)
            except OAuthError as error:
                answer = self._bezant.guard.refuse(error)
                await denial(answer, scope)(scope, receive, send)
                return
            if principal is None:
                scope["auth"], scope["user"] = AuthCredentials(), UnauthenticatedUser()
            else:
                scope["auth"] = AuthCredentials(["authenticated", *principal.scopes])
                scope["user"] = BearerUser(principal)
        await self._app(scope, receive, send)
