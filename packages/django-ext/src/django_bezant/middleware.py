"""Token authentication for whole projects."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponseBase

from bezant import OAuthError, Principal
from bezant.errors import InsufficientScope
from django_bezant import conf
from django_bezant._guard import drive, identify, keep_out_of_cache, refuse
from django_bezant._http import RUNTIME
from django_bezant.users import BearerUser

__all__ = ["BearerMiddleware"]


class BearerMiddleware:
    """Fills ``request.principal``, and with a token ``request.user``, for every view.

    A request without credentials passes, with ``request.principal = None`` and the user that it has
    from elsewhere; one with a bad token is refused here. An `OAuthError` that a view raises becomes
    the right answer.

    Its place is below ``AuthenticationMiddleware`` and above ``LoginRequiredMiddleware``.

    Tokens do not open Django's admin, whoever they speak for: its pages ask the user alone, and
    what a client may do for a user is less.

    CSRF: a request with a good token and without any cookie is exempt, for nothing in it was sent
    by a browser on its own. With a cookie the usual rules hold: a view may rely on the session that
    it names.

    Args:
        get_response: What is behind.

    Raises:
        ConfigurationError: ``BEZANT`` is wrong.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        conf.site()  # what is misconfigured fails now
        self.get_response: Callable[[HttpRequest], Any] = get_response
        self._awaits = iscoroutinefunction(get_response)
        # In the kind that costs no thread.
        self.process_view: Callable[..., Any] = self._look_later if self._awaits else _look
        if self._awaits:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._awaits:
            return self._later(request)
        try:
            principal = drive(request, identify, request)
        except OAuthError as error:
            return refuse(error)
        _pass(request, principal)
        response: HttpResponseBase = self.get_response(request)
        _end(request, principal)
        return response

    async def _later(self, request: HttpRequest) -> HttpResponseBase:
        try:
            principal = await identify(request, RUNTIME)
        except OAuthError as error:
            return refuse(error)
        _pass(request, principal)
        response: HttpResponseBase = await self.get_response(request)
        _end(request, principal)
        return response

    async def _look_later(self, request: HttpRequest, *view: Any) -> HttpResponseBase | None:
        return _look(request, *view)

    def process_exception(
        self, request: HttpRequest, exception: Exception
    ) -> HttpResponseBase | None:
        """Answer what a view raised, after its transaction was rolled back."""
        return refuse(exception) if isinstance(exception, OAuthError) else None


def _pass(request: HttpRequest, principal: Principal | None) -> None:
    if principal is None:
        if not hasattr(request, "user"):
            request.user = BearerUser(None)  # type: ignore[assignment]
    elif not request.META.get("HTTP_COOKIE"):
        request.csrf_processing_done = True  # type: ignore[attr-defined]


def _look(request: HttpRequest, *view: Any) -> HttpResponseBase | None:
    match = request.resolver_match
    principal: Principal | None = getattr(request, "principal", None)
    if principal is not None and match is not None and "admin" in match.app_names:
        return refuse(InsufficientScope("tokens do not open the admin"))
    return None


def _end(request: HttpRequest, principal: Principal | None) -> None:
    if principal is not None:  # once more: cache middleware below has decided anew
        keep_out_of_cache(request)
