"""The dependency that protects routes."""

# FastAPI reads the annotations of __call__: they must be no strings.

from typing import TYPE_CHECKING, Any

from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection
from starlette.types import Scope

from bezant import OAuthError, Principal, Requirement
from bezant.errors import InsufficientScope, MissingToken

if TYPE_CHECKING:
    from fastapi_bezant._bezant import Bezant


class Protection(SecurityBase):
    """Lets a request pass as its `Principal`, or refuses it.

    Scopes that FastAPI collects on the way are demanded too, as in ``Security(current_account,
    scopes=["accounts:read"])`` where ``current_account`` depends on this.

    Args:
        bezant: Authenticates.
        requirement: What is demanded beyond a good token.
        optional: Whether a request without credentials passes, as None.
    """

    def __init__(
        self, bezant: "Bezant", requirement: Requirement, *, optional: bool = False
    ) -> None:
        self.scheme_name = bezant.scheme_name
        self.requirement = requirement
        self.scopes = sorted(requirement.scopes)
        self.bezant = bezant
        self._optional = optional

    @property
    def model(self) -> SecurityModel:  # type: ignore[override]
        """The security scheme for OpenAPI, read each time the schema is made."""
        return self.bezant.security_scheme

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Principal | None:
        bezant, demanded = self.bezant, security_scopes.scopes
        try:
            principal = await bezant.authenticate(connection.scope)
            if principal is None:
                if demanded or not self._optional:
                    raise MissingToken
                return None
            requirement = self.requirement
            if demanded != self.scopes:  # something between the route and this adds some
                requirement |= Requirement(*demanded)
            now = bezant.guard.verifier.clock()
            try:
                requirement.check(principal, now)
            except InsufficientScope:
                # Name all that the route demands: its other dependencies would refuse next.
                Requirement(*self._scopes_of_route(connection.scope)).check(principal, now)
                raise
        except OAuthError as error:
            raise bezant.refusal(error, connection.scope) from error
        return principal

    def _scopes_of_route(self, scope: Scope) -> set[str]:
        # A router that is included with dependencies has routes of its own since FastAPI 0.137.
        context = scope.get("fastapi", {}).get("effective_route_context")
        todo = [getattr(route, "dependant", None) for route in (context, scope.get("route"))]
        found: set[str] = set()
        while todo:
            dependant: Any = todo.pop()
            if dependant is None:
                continue
            todo += dependant.dependencies
            if isinstance(dependant.call, Protection) and dependant.call.bezant is self.bezant:
                found.update(dependant.call.scopes, dependant.parent_oauth_scopes or ())
        return found
