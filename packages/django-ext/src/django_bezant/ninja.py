"""Token authentication for Django Ninja.

    api = NinjaAPI(auth=Bearer())
    install(api)

    @api.get("/items", auth=Bearer("items:read"))
    def items(request): ...

``request.auth`` is the `Principal`. The same object serves ``def`` and ``async def`` operations.

Ninja does not mark its views as open, so that `LoginRequiredMiddleware` sends who has no token to
the login page before any operation is asked; those with a token pass it below `BearerMiddleware`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError
from ninja.security.base import AuthBase

from bezant import OAuthError, Principal, Requirement
from django_bezant import conf
from django_bezant._guard import admit, drive, in_loop, refuse
from django_bezant._http import RUNTIME
from django_bezant._openapi import security_scheme

__all__ = ["Bearer", "Refused", "install"]


class Refused(HttpError):
    """A request was refused. The status is right whoever handles it; `install` makes the challenge
    and the body right too.

    Args:
        error: Why.
    """

    def __init__(self, error: OAuthError) -> None:
        super().__init__(error.status, error.description)
        self.error: OAuthError = error


def install(api: NinjaAPI) -> None:
    """Answer refused requests just as core says, also what operations raise as `OAuthError`."""

    def refused(request: HttpRequest, error: Any) -> HttpResponse:
        return refuse(error.error if isinstance(error, Refused) else error)

    for kind in (Refused, OAuthError):
        api.add_exception_handler(kind, refused)


class Bearer(AuthBase):
    """Demands a good token, and more. It refuses by itself: in a list of several ways to
    authenticate it comes last.

    Args:
        scopes: Scopes that the token must all carry.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them.

    Raises:
        ConfigurationError: A scope is malformed, or ``fresh`` is not positive.
    """

    is_async: bool = True  # what it returns may have to be awaited

    def __init__(
        self,
        *scopes: str,
        permission: str | Iterable[str] | None = None,
        role: str | Iterable[str] | None = None,
        any_of: Iterable[str] = (),
        fresh: int | None = None,
    ) -> None:
        # Not the parent's, which fixes the security scheme before the settings are read.
        self.requirement: Requirement = Requirement(
            *scopes, permission=permission, role=role, any_of=any_of, fresh=fresh
        )

    @property
    def openapi_security_schema(self) -> dict[str, Any]:  # type: ignore[override]
        """The security scheme, read each time the schema is made."""
        return security_scheme(conf.site())

    def __call__(self, request: HttpRequest) -> Principal | Awaitable[Principal]:
        """Whom the request comes from.

        Raises:
            Refused: It falls short.
        """
        if in_loop():
            return self._later(request)
        try:
            return drive(request, admit, request, self.requirement)
        except OAuthError as error:
            raise Refused(error) from error

    async def _later(self, request: HttpRequest) -> Principal:
        try:
            return await admit(request, self.requirement, RUNTIME)
        except OAuthError as error:
            raise Refused(error) from error
