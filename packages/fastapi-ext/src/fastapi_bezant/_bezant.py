"""`Bezant`: protects an application's routes, and issues tokens when it has a server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.models import SecurityBase
from fastapi.params import Security
from starlette.applications import Starlette
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Scope, StatelessLifespan

from bezant import (
    AuthorizationServer,
    ConfigurationError,
    OAuthError,
    Principal,
    Requirement,
    ResourceGuard,
    Verifier,
    guard_for,
)
from bezant.hosting import AsyncInteractions, AsyncLogouts
from bezant.logout_receiver import LogoutReceiver
from fastapi_bezant._http import RUNTIME, Refused, authorization, can_refuse, denial, respond
from fastapi_bezant._openapi import add_docs, security_scheme
from fastapi_bezant._router import lifespan_of, lifespans, router_of, routes_of
from fastapi_bezant._security import Protection

FOUND = "bezant"
"""Where a request's scope keeps whom it comes from, so that a token is verified once a request."""


class Bezant:
    """Token authentication for FastAPI and Starlette applications.

    Args:
        source: What tells good tokens: an `AuthorizationServer` in this process, or a
            `Verifier`.
        audience: This application's name in ``aud``; only for a server, in place of its default
            audience.
        scopes: Scopes and what they allow, in words for people; by default the server's.
        token_url: Where Swagger UI gets tokens; by default the server's token endpoint.
        realm: What the challenge calls the protected space.
        resource: This application's own URL: `install` then serves metadata about it (RFC 9728),
            which every challenge names.
        resource_metadata: URL of such metadata that is served elsewhere.
        logout_receiver: Told of logouts at an issuer; `install` serves its endpoint.

    Raises:
        ConfigurationError: The settings contradict each other.
    """

    scheme_name: Final = "Bezant"
    """What OpenAPI calls the security scheme."""

    def __init__(
        self,
        source: AuthorizationServer | Verifier,
        *,
        audience: str | Iterable[str] | None = None,
        scopes: Mapping[str, str] | None = None,
        token_url: str | None = None,
        realm: str = "api",
        resource: str | None = None,
        resource_metadata: str | None = None,
        logout_receiver: LogoutReceiver | None = None,
    ) -> None:
        if isinstance(source, AuthorizationServer):
            self.server: AuthorizationServer | None = source
            grants = {grant.grant_type for grant in source.grants}
            scopes = source.config.scopes if scopes is None else scopes
            # No host: the same schema is right behind a proxy and on a developer's machine.
            token_url = token_url or source.public_path("token")
        else:
            self.server = None
            grants = {"password", "client_credentials"}
        self.guard: ResourceGuard = guard_for(
            source,
            RUNTIME,
            audience=audience,
            realm=realm,
            resource=resource,
            scopes=scopes or (),
            resource_metadata=resource_metadata,
            logout_receiver=logout_receiver,
        )
        self.interactions: AsyncInteractions[Response] = AsyncInteractions(
            self._issuing, RUNTIME, respond
        )
        self.logouts: AsyncLogouts[Response] = AsyncLogouts(self._issuing, RUNTIME, respond)
        self.lifespan: StatelessLifespan[Any] = lifespan_of(self.server, self.guard)
        self._scopes = dict(scopes or {})
        self._token_url, self._grants = token_url, grants
        self._protections: dict[object, Security] = {}
        self.principal: Security = self.require()
        self.optional: Security = Security(Protection(self, Requirement(), optional=True))

    # Protect

    def require(
        self,
        *scopes: str,
        permission: str | Iterable[str] | None = None,
        role: str | Iterable[str] | None = None,
        any_of: Iterable[str] = (),
        fresh: int | None = None,
    ) -> Security:
        """A dependency that demands a good token, and more.

        As a parameter, ``who: Annotated[Principal, bezant.require("items:read")]``; without one,
        ``dependencies=[bezant.require("items:write", permission="items.delete")]``, on routes,
        routers and applications.

        Args:
            scopes: Scopes that the token must all carry.
            permission: One permission or several; the resource owner must have them all.
            role: One role or several; the resource owner must have them all.
            any_of: Scopes of which one is enough. OpenAPI cannot tell, so it does not list them.
            fresh: Seconds; the resource owner must have signed in within them.

        Returns:
            The same object for the same demands, so that ``dependency_overrides`` finds it.

        Raises:
            ConfigurationError: A scope is malformed, or ``fresh`` is not positive.
        """
        need = Requirement(*scopes, permission=permission, role=role, any_of=any_of, fresh=fresh)
        name = (need.scopes, need.permissions, need.roles, need.any_of, need.fresh)
        if name not in self._protections:
            protection = Protection(self, need)
            self._protections[name] = Security(protection, scopes=tuple(protection.scopes))
            for scope in protection.scopes:
                self._scopes.setdefault(scope, "")
        return self._protections[name]

    async def authenticate(self, scope: Scope) -> Principal | None:
        """Whom a request comes from; None when it carries no credentials.

        Raises:
            OAuthError: It carries bad ones, or nobody can tell now.
        """
        guard, found = self.guard, scope.get(FOUND)
        if found is not None and found[0] is guard:
            principal: Principal | None = found[1]
            return principal
        values = authorization(scope)
        principal = guard.authenticate_now(values)
        if principal is None:
            principal = await guard.authenticate_if_present(values, RUNTIME)
        scope[FOUND] = guard, principal
        return principal

    def refusal(self, error: OAuthError, scope: Scope) -> HTTPException | WebSocketException:
        """What to raise to refuse a request or a WebSocket's handshake."""
        if can_refuse(scope):
            return Refused(self.guard.refuse(error))
        return WebSocketException(WS_1008_POLICY_VIOLATION)

    def install(self, app: Starlette) -> None:
        """Answer refused requests just as core says, serve metadata of this resource and the
        endpoint of its `LogoutReceiver`, and prepare server and verifier when ``app`` starts.
        """

        async def refuse(connection: HTTPConnection, error: Any) -> ASGIApp:
            answer = error.answer if isinstance(error, Refused) else self.guard.refuse(error)
            return denial(answer, connection.scope)

        for kind in (Refused, OAuthError):
            app.add_exception_handler(kind, refuse)  # type: ignore[arg-type]
        app.router.routes.extend(routes_of(self.guard.endpoints))
        app.router.lifespan_context = lifespans(app.router.lifespan_context, self.lifespan)

    # Issue

    def router(self, server: AuthorizationServer | None = None) -> APIRouter:
        """All endpoints of a server, by default that of this object.

        Include it where the issuer's URL leads. A prefix moves the well-known documents too, away
        from where clients look: then include `well_known_router` as well, without a prefix.
        The endpoints are not in the OpenAPI schema, which has security schemes to describe them.
        """
        return router_of(self._issuing(server))

    def well_known_router(self, server: AuthorizationServer | None = None) -> APIRouter:
        """The well-known documents alone, for the root of the outermost application (RFC 8615)."""
        return router_of(self._issuing(server), origin=True)

    def _issuing(self, server: AuthorizationServer | None = None) -> AuthorizationServer:
        server = server or self.server
        if server is None:
            raise ConfigurationError("server", "this Bezant has none; give an AuthorizationServer")
        return server

    # Describe

    @property
    def security_scheme(self) -> SecurityBase:
        """The security scheme in OpenAPI."""
        return security_scheme(self._token_url, self._grants, self._scopes)

    def docs(self, app: FastAPI, *, client_id: str = "", path: str = "/docs") -> None:
        """Serve Swagger UI from this machine, with a button that signs in.

        Args:
            app: The application.
            client_id: A public client with the password grant, filled in for the user.
            path: Where; FastAPI's own page gives way.

        Raises:
            ConfigurationError: The extra ``fastapi-bezant[docs]`` is not installed.
        """
        add_docs(app, path, client_id)
