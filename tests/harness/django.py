"""Django: what WSGI and ASGI share."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from bezant import AuthorizationServer
from tests.frameworks.django.project import configure
from tests.harness import ROUTES, Route, show

if TYPE_CHECKING:
    from bezant import Verifier
    from bezant.logout_receiver import LogoutReceiver

configure()

from django.http import HttpRequest, HttpResponse  # noqa: E402 (settings come first)
from django.test import override_settings  # noqa: E402
from django.urls import include, path  # noqa: E402

from django_bezant.decorators import optional, require  # noqa: E402


class Project:
    """The settings of one application, as long as it lives."""

    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        kind = "SERVER" if isinstance(source, AuthorizationServer) else "VERIFIER"
        told = {} if receiver is None else {"LOGOUT_RECEIVER": receiver}
        self._settings = override_settings(
            BEZANT={kind: source, **told},
            MIDDLEWARE=[
                "django.middleware.common.CommonMiddleware",
                "django.middleware.csrf.CsrfViewMiddleware",
            ],
            ROOT_URLCONF=_urlconf(),
        )
        self._settings.enable()

    def close(self) -> None:
        self._settings.disable()
        self._source.close()


def _urlconf() -> ModuleType:
    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("", include("django_bezant.urls"))]
    for number, (place, route) in enumerate(ROUTES.items()):
        # One after the other, ``def`` and ``async def``.
        view = _protected((_plain, _awaited)[number % 2](), route)
        urls.urlpatterns.append(path(place.removeprefix("/"), view))
    return urls  # type: ignore[no-any-return]


def _protected(view: Any, route: Route) -> Any:
    return optional(view) if route.optional else require(*route.scopes, **route.options)(view)


def _plain() -> Any:
    def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(show(request.principal), content_type="application/json")

    return view


def _awaited() -> Any:
    async def view(request: HttpRequest) -> HttpResponse:
        return HttpResponse(show(request.principal), content_type="application/json")

    return view
