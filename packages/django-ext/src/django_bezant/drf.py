"""Token authentication for Django REST framework.

    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["django_bezant.drf.BearerAuthentication"]}

    class Orders(viewsets.ModelViewSet):
        permission_classes = [requires("orders:read", write="orders:write")]

``request.auth`` is the `Principal`. REST framework takes the challenge of an anonymous request from
the first authentication class, so list `BearerAuthentication` first.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from bezant import OAuthError, Principal, Requirement
from bezant.errors import InvalidToken, MissingToken
from django_bezant import conf
from django_bezant._guard import drive, identify
from django_bezant.users import user_of

__all__ = ["BearerAuthentication", "BearerPermission", "Refused", "requires"]


class Refused(APIException):
    """A request was refused. Status, challenge and document are core's.

    Args:
        error: Why.
    """

    def __init__(self, error: OAuthError) -> None:
        answer = conf.site().guard.refuse(error)
        super().__init__(answer.json(), error.code or "not_authenticated")
        self.status_code: int = answer.status
        self.auth_header: str | None = answer.header("www-authenticate")
        self.wait: int | None = getattr(error, "retry_after", None)


class BearerAuthentication(BaseAuthentication):
    """Whom an access token speaks for: ``request.user``, and ``request.auth`` as `Principal`.

    With `BearerBackend` a token of a user who is unknown or disabled is refused.
    """

    def authenticate(self, request: Request) -> tuple[Any, Principal] | None:
        """The user and the principal; None without credentials.

        Raises:
            Refused: The token is bad.
        """
        http = request._request  # noqa: SLF001 (REST framework's own name for Django's request)
        try:
            principal = drive(http, identify, http)
            if principal is None:
                return None
            return self._user(request, principal), principal
        except OAuthError as error:
            raise _refused(error, request) from error

    def authenticate_header(self, request: Request) -> str:
        """The challenge of a request without credentials."""
        return conf.site().guard.challenge(MissingToken())

    def _user(self, request: Request, principal: Principal) -> Any:
        user = user_of(request._request, principal)  # noqa: SLF001
        if user is not None:
            return user
        if principal.is_client:
            from django.contrib.auth.models import AnonymousUser

            return AnonymousUser()
        raise InvalidToken("the access token is not valid here", detail="no such user, or disabled")


class BearerPermission(BasePermission):
    """What `requires` makes subclasses of; demands a good token and no more."""

    requirement: ClassVar[Requirement] = Requirement()
    """What every request needs."""
    writing: ClassVar[Requirement] = Requirement()
    """What a request needs that may change something."""

    def demands(self, method: str | None) -> Requirement:
        """What a request of this method needs."""
        return self.requirement if method in SAFE_METHODS else self.writing

    def has_permission(self, request: Request, view: Any) -> bool:
        """Let a request pass.

        Raises:
            Refused: It falls short. Nothing else tells a client which scope it lacks.
        """
        try:
            if not isinstance(request.auth, Principal):
                raise MissingToken
            now = conf.site().guard.verifier.clock()
            self.demands(request.method).check(request.auth, now)
        except OAuthError as error:
            raise _refused(error, request) from error
        return True


def requires(
    *scopes: str,
    write: str | Iterable[str] | None = None,
    permission: str | Iterable[str] | None = None,
    role: str | Iterable[str] | None = None,
    any_of: Iterable[str] = (),
    fresh: int | None = None,
) -> type[BearerPermission]:
    """A permission class that demands a good token, and more.

    It can be combined with ``&``. In ``A | requires(...)`` it comes last: it does not return False,
    it refuses.

    Args:
        scopes: Scopes that the token must all carry.
        write: One scope or several, in place of ``scopes`` for methods other than GET, HEAD and
            OPTIONS.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them.

    Raises:
        ConfigurationError: A scope is malformed, or ``fresh`` is not positive.
    """
    more: dict[str, Any] = {
        "permission": permission,
        "role": role,
        "any_of": any_of,
        "fresh": fresh,
    }
    writing = (write,) if isinstance(write, str) else scopes if write is None else tuple(write)
    demands = {
        "requirement": Requirement(*scopes, **more),
        "writing": Requirement(*writing, **more),
    }
    return type("Requires", (BearerPermission,), demands)


def _refused(error: OAuthError, request: Request) -> Refused:
    view = (request.parser_context or {}).get("view")
    if view is not None:
        headers = conf.site().guard.refuse(error).headers
        kept = {name: value for name, value in headers if name in {"cache-control", "pragma"}}
        view.headers = {**view.headers, **kept}
    return Refused(error)
