"""Requests to a project whose routes and settings one test makes."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.http import HttpRequest
    from django.urls import URLPattern

BEARER = "django_bezant.middleware.BearerMiddleware"
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_REQUIRED = "django.contrib.auth.middleware.LoginRequiredMiddleware"
SESSION = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def urlconf(*patterns: Any, **views: Any) -> ModuleType:
    """A root urlconf: patterns, and views at paths of their names."""
    urls: Any = ModuleType("urls")
    urls.urlpatterns = [*patterns, *(path(name, view) for name, view in views.items())]
    return urls  # type: ignore[no-any-return]


@contextmanager
def project(*patterns: URLPattern | Any, settings: Any = None, **views: Any) -> Iterator[None]:
    """Serve patterns and views with other settings."""
    with override_settings(
        **{"MIDDLEWARE": [], "ROOT_URLCONF": urlconf(*patterns, **views), **(settings or {})}
    ):
        yield


def whoami(request: HttpRequest) -> HttpResponse:
    return JsonResponse(who(request))


async def awhoami(request: HttpRequest) -> HttpResponse:
    await request.auser()  # looks at the user where it may
    return JsonResponse(who(request))


def who(request: Any) -> dict[str, Any]:
    principal, user = request.principal, getattr(request, "user", None)
    return {
        "subject": principal and principal.subject,
        "user": user and str(user),
        "authenticated": user is not None and user.is_authenticated,
    }


class Browser:
    """A client of the project, under WSGI or ASGI, with cookies."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._client: Any = {"wsgi": Client, "asgi": AsyncClient}[kind](enforce_csrf_checks=True)

    @property
    def cookies(self) -> Any:
        return self._client.cookies

    def __call__(
        self, place: str, token: str | None = None, *, method: str = "GET", **headers: str
    ) -> HttpResponse:
        """What the project answers; names of headers in lower case with underscores."""
        if token is not None:
            headers["authorization"] = f"Bearer {token}"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        self._client.handler._middleware_chain = None  # it may be another project than before
        if self.kind == "wsgi":
            return self._client.generic(method, place, secure=True, headers=given)  # type: ignore[no-any-return]

        async def send() -> HttpResponse:
            return await self._client.generic(method, place, secure=True, headers=given)  # type: ignore[no-any-return]

        return asyncio.run(send())
