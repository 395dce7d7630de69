"""`Bearer` in Django Ninja."""

from __future__ import annotations

import logging
import warnings
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path

from bezant.errors import InsufficientScope
from bezant.testing.challenges import assert_challenge
from django_bezant.decorators import require
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    CSRF,
    LOGIN_REQUIRED,
    SESSION,
    project,
)
from tests.world import make_world

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # old ones are not quite up to a new pydantic
    from ninja import NinjaAPI
    from ninja.security import HttpBasicAuth

    from django_bezant.ninja import Bearer, install

if TYPE_CHECKING:
    from bezant.testing import TokenFactory
    from tests.frameworks.django.web import Browser

namespaces = map("api{}".format, count())

pytestmark = pytest.mark.usefixtures("protected")


def make_api(*, installed: bool = True, **options: Any) -> Any:
    api = NinjaAPI(auth=Bearer("a"), urls_namespace=next(namespaces), **options)
    if installed:
        install(api)

    @api.get("/sync")
    def sync(request: Any) -> list[str]:
        return [request.auth.subject, str(request.user)]

    @api.post("/sync")
    def change(request: Any) -> list[str]:
        return [request.auth.subject, str(request.user)]

    @api.get("/awaited")
    async def awaited(request: Any) -> list[str]:
        return [request.auth.subject, str(request.user)]

    @api.get("/more", auth=Bearer("a", "b", role="editor"))
    async def more(request: Any) -> None: ...

    @api.get("/raises")
    def raises(request: Any) -> None:
        raise InsufficientScope("not on Sundays", scopes=["sundays"])

    return path("api/", api.urls)


@require("a")
def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def test_a_good_token(browser: Browser, tokens: TokenFactory) -> None:
    with project(make_api(), settings={"MIDDLEWARE": [CSRF]}):
        token = tokens.mint(scopes=["a"])
        for place in "/api/sync", "/api/awaited":
            assert browser(place, token).json() == ["alice", "alice"]
        assert browser("/api/sync", token, method="POST").status_code == 200
        assert browser("/api/more", token).status_code == 403
        token = tokens.mint(scopes=["a", "b"], roles=["editor"])
        assert browser("/api/more", token).status_code == 200


def test_refusals_are_cores_to_the_byte(browser: Browser, tokens: TokenFactory) -> None:
    cases = [None, "bad", "a b", tokens.mint(expires_in=-60), tokens.mint()]
    with project(make_api(), plain=plain):
        for place in "/api/sync", "/api/awaited":
            for token in cases:
                ours, core = browser(place, token), browser("/plain", token)
                assert ours.status_code == core.status_code
                assert ours.content == core.content
                assert ours.headers == core.headers


def test_what_an_operation_raises(browser: Browser, tokens: TokenFactory) -> None:
    with project(make_api()):
        answer = browser("/api/raises", tokens.mint(scopes=["a"]))
    assert_challenge(answer, 403, error="insufficient_scope", scope="sundays")


def test_without_install_the_status_is_right_all_the_same(
    browser: Browser, tokens: TokenFactory
) -> None:
    with project(make_api(installed=False)):
        for place in "/api/sync", "/api/awaited":
            assert browser(place).status_code == 401
            assert browser(place, "bad").status_code == 401
            assert browser(place, tokens.mint()).status_code == 403


def test_beside_login_required_middleware(browser: Browser, tokens: TokenFactory) -> None:
    settings = {
        "MIDDLEWARE": [SESSION, AUTHENTICATION, BEARER, LOGIN_REQUIRED],
        "LOGIN_URL": "/login",
    }
    with project(make_api(), path("login", plain), settings=settings):
        for place in "/api/sync", "/api/awaited":
            assert browser(place, tokens.mint(scopes=["a"])).json()[0] == "alice"
            assert browser(place, tokens.mint()).status_code == 403
            assert browser(place, "bad").status_code == 401
            assert browser(place).status_code == 302  # Ninja's views are not marked as open


def test_last_of_several_ways(browser: Browser, tokens: TokenFactory) -> None:
    class Basic(HttpBasicAuth):
        def authenticate(self, request: HttpRequest, username: str, password: str) -> str | None:
            return username if password == "right" else None

    api = NinjaAPI(auth=[Basic(), Bearer("a")], urls_namespace=next(namespaces))
    install(api)

    @api.get("/who")
    def who(request: Any) -> str:
        return str(getattr(request.auth, "subject", request.auth))

    with project(path("api/", api.urls)):
        assert browser("/api/who", tokens.mint(scopes=["a"])).json() == "alice"
        assert browser("/api/who", authorization="Basic Ym9iOnJpZ2h0").json() == "bob"
        assert browser("/api/who").status_code == 401


def test_no_token_is_logged(
    browser: Browser, tokens: TokenFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    good = tokens.mint()
    with project(make_api(), settings={"DEBUG": True}):
        for value in (f"Bearer {good}", f"Bearer  {good}", f"Token {good}", f"bearer x{good}"):
            assert browser("/api/sync", authorization=value).status_code in {400, 401, 403}
    assert good not in caplog.text
    assert good.rpartition(".")[2] not in caplog.text


def test_the_schema() -> None:
    api = NinjaAPI(auth=Bearer("a"), urls_namespace=next(namespaces))

    @api.get("/sync")
    def sync(request: Any) -> None: ...

    def schemes() -> Any:
        return api.get_openapi_schema(path_prefix="")["components"]["securitySchemes"]

    assert schemes() == {"Bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}
    server = make_world().server
    with override_settings(BEZANT={"SERVER": server}):
        assert schemes()["Bearer"]["flows"]["password"]["tokenUrl"] == "/oauth/token"
    server.close()
