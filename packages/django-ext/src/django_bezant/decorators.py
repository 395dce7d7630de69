"""Protecting views: ``@require`` and ``@optional``, on ``def`` and ``async def``.

Views of classes are decorated where they are dispatched::

    @method_decorator(require("items:read"), name="dispatch")
    class Items(View): ...

Both mark a view as ``login_required = False``: `LoginRequiredMiddleware` would send a program
without a token to a login page, where it has to be told 401.

`require` also marks it as ``csrf_exempt``. What authorises the request is a header that no browser
sends on its own, and that no page of another origin can add unless CORS allows it; and
``request.user`` is the token's, never that of a session. A view that relies on ``request.session``
all the same asks for ``@csrf_protect`` below ``@require``. `optional` lets the users of sessions
in, so it exempts nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, TypeVar, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest

from bezant import OAuthError, Requirement
from django_bezant._guard import admit, drive, identify, refuse
from django_bezant._http import RUNTIME

__all__ = ["optional", "require"]

View = TypeVar("View", bound=Callable[..., Any])


def require(
    *scopes: str,
    permission: str | Iterable[str] | None = None,
    role: str | Iterable[str] | None = None,
    any_of: Iterable[str] = (),
    fresh: int | None = None,
) -> Callable[[View], View]:
    """Demand a good token, and more. The view finds its `Principal` in ``request.principal``.

    Several on one view demand all that they name, and a refusal names the scopes of all.

    Args:
        scopes: Scopes that the token must all carry.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them.

    Raises:
        ConfigurationError: A scope is malformed, or ``fresh`` is not positive.
    """
    need = Requirement(*scopes, permission=permission, role=role, any_of=any_of, fresh=fresh)

    def decorate(view: View) -> View:
        return _guarded(view, need)

    return decorate


def optional(view: View) -> View:
    """Let a request without credentials pass, as ``request.principal = None``; a bad token is
    refused all the same.
    """
    return _guarded(view, None)


def _guarded(view: View, requirement: Requirement | None) -> View:
    if requirement is not None:
        requirement |= getattr(view, "requirement", None) or Requirement()
    # The step in front of the view, and what it takes beside the request and a runtime.
    step: Any = identify if requirement is None else admit
    demands = () if requirement is None else (requirement,)

    async def awaited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            await step(request, *demands, RUNTIME)
        except OAuthError as error:
            return refuse(error)
        return await view(request, *args, **kwargs)

    def plain(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            drive(request, step, request, *demands)
        except OAuthError as error:
            return refuse(error)
        return view(request, *args, **kwargs)

    guarded: Any = wraps(view)(awaited if _awaits(view) else plain)
    guarded.login_required = False
    if requirement is not None:
        guarded.requirement = requirement
        guarded.csrf_exempt = True
    return cast(View, guarded)


def _awaits(view: Any) -> bool:
    # A class with ``async def`` handlers has a plain ``dispatch`` all the same, which gives back
    # what they return; `method_decorator` hands it over bound, inside a partial.
    instance = getattr(getattr(view, "func", view), "__self__", None)
    return iscoroutinefunction(view) or getattr(instance, "view_is_async", False)
