"""Whom a request comes from, and what a view demands of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any, Final, TypeVar, cast, overload

from flask import current_app, request
from werkzeug.local import LocalProxy

from bezant import ConfigurationError, Principal, Requirement, ResourceGuard
from bezant.errors import MissingToken
from bezant.runtime import SYNC, run_sync
from flask_bezant._http import EndpointView
from flask_bezant._state import current_request, state_of

View = TypeVar("View", bound=Callable[..., Any])

FOUND: Final = "bezant.principal"
"""Where a request's environ keeps whom it comes from, so that a token is verified once a request.
Not in ``g``, which requests share that are made inside one application context, as tests do."""

DEMANDED: Final = "__bezant_scopes__"
"""Where a protected view keeps the scopes it needs: a refusal further out names them, too."""


def get_principal() -> Principal | None:
    """Whom this request comes from; None when it carries no credentials.

    Raises:
        OAuthError: It carries bad ones, or nobody can tell now. Flask answers it as core says.
        ConfigurationError: The application has no `Bezant`.
    """
    return _identify(state_of().guard)


def _identify(guard: ResourceGuard) -> Principal | None:
    environ = current_request().environ
    authorization: str | None = environ.get("HTTP_AUTHORIZATION")
    found = environ.get(FOUND)
    # The header is compared because whoever dispatches a second request may copy the environ.
    if found is not None and found[0] is guard and found[1] == authorization:
        return cast("Principal | None", found[2])
    values = () if authorization is None else (authorization,)
    principal = guard.authenticate_now(values)
    if principal is None:
        # By hand in async views too, whose event loops live for one request only.
        principal = run_sync(guard.authenticate_if_present(values, SYNC))
    environ[FOUND] = guard, authorization, principal
    return principal


current_principal: Principal = LocalProxy(get_principal)  # type: ignore[assignment]
"""Whom the current request comes from. Without credentials it is false, like None."""


class Protection:
    """Lets a request pass, or refuses it: as a decorator of views, and as a function for
    ``before_request``. Made by `require`.

    Args:
        requirement: What is demanded beyond a good token; None: not even a token, but no bad one.
    """

    def __init__(self, requirement: Requirement | None) -> None:
        self.requirement: Requirement | None = requirement

    @overload
    def __call__(self) -> None: ...
    @overload
    def __call__(self, view: View) -> View: ...
    def __call__(self, view: View | None = None) -> View | None:
        """Protect ``view``; without one, the request that is being answered."""
        if view is None:
            if not _answered_by_itself():
                self.check()
            return None
        if isinstance(view, type):
            raise ConfigurationError(
                "require(...)", f"write decorators = [require(...)] in the class {view.__name__}"
            )
        function: Callable[..., Any] = view
        below = Requirement(*getattr(function, DEMANDED, ()))
        need = Protection(self.requirement and self.requirement | below)
        if iscoroutinefunction(function):

            @wraps(function)
            async def protected(*args: Any, **kwargs: Any) -> Any:
                need.check()
                return await function(*args, **kwargs)

        else:

            @wraps(function)
            def protected(*args: Any, **kwargs: Any) -> Any:
                need.check()
                return function(*args, **kwargs)

        vars(protected)[DEMANDED] = (need.requirement or below).scopes
        return cast("View", protected)

    def check(self) -> None:
        """Let the current request pass or say why not.

        Raises:
            OAuthError: Missing, bad or insufficient token, or nobody can tell now.
        """
        guard = state_of().guard
        principal = _identify(guard)
        if self.requirement is None:
            return
        if principal is None:
            raise MissingToken
        self.requirement.check(principal, guard.verifier.clock())


optional: Final = Protection(None)
"""Like what `require` makes, but a request without credentials passes: then `current_principal` is
false. A bad token is still refused."""


def require(
    *scopes: str,
    permission: str | Iterable[str] | None = None,
    role: str | Iterable[str] | None = None,
    any_of: Iterable[str] = (),
    fresh: int | None = None,
) -> Protection:
    """Demand a good token, and more.

    Below the route, ``@require("items:read")``, on ``def`` and ``async def``; on methods of a
    `MethodView`, or ``decorators = [require(...)]`` in its class; for a whole blueprint,
    ``blueprint.before_request(require(...))``.

    Args:
        scopes: Scopes that the token must all carry.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them.

    Raises:
        ConfigurationError: A scope is malformed, or ``fresh`` is not positive.
    """
    return Protection(
        Requirement(*scopes, permission=permission, role=role, any_of=any_of, fresh=fresh)
    )


def _answered_by_itself() -> bool:
    """Whether no view of the application answers: endpoints of a server, which clients without
    tokens must reach, and Flask's own answers to OPTIONS, which browsers ask for without tokens.
    """
    view = current_app.view_functions.get(request.endpoint or "")
    automatic = getattr(request.url_rule, "provide_automatic_options", False)
    return isinstance(view, EndpointView) or (request.method == "OPTIONS" and automatic)
