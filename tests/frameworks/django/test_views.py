"""`require` and `optional` as Django's users write them."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_protect

from bezant import ConfigurationError, Principal
from bezant.errors import InsufficientScope
from bezant.testing.challenges import assert_challenge
from django_bezant.decorators import optional, require
from django_bezant.testing import as_principal
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    CSRF,
    LOGIN_REQUIRED,
    SESSION,
    awhoami,
    project,
    who,
    whoami,
)

if TYPE_CHECKING:
    from bezant.testing import TokenFactory
    from tests.frameworks.django.web import Browser

pytestmark = pytest.mark.usefixtures("protected")


def test_sync_and_async_views(browser: Browser, tokens: TokenFactory) -> None:
    with project(sync=require("a")(whoami), awaited=require("a")(awhoami)):
        for place in "/sync", "/awaited":
            assert browser(place).status_code == 401
            assert browser(place, tokens.mint()).status_code == 403
            answer = browser(place, tokens.mint(scopes=["a"]))
            assert answer.json() == {"subject": "alice", "user": "alice", "authenticated": True}


def test_signatures_and_kinds_are_kept() -> None:
    def plain(request: HttpRequest, number: int, *, name: str = "") -> HttpResponse:
        """A view."""
        return HttpResponse()

    async def awaited(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    for decorate in (require("a"), optional):
        assert inspect.signature(decorate(plain)) == inspect.signature(plain)
        assert decorate(plain).__doc__ == "A view."
        assert not inspect.iscoroutinefunction(decorate(plain))
        assert inspect.iscoroutinefunction(decorate(awaited))


def test_views_of_classes(browser: Browser, tokens: TokenFactory) -> None:
    @method_decorator(require("a"), name="dispatch")
    class Plain(View):
        def get(self, request: HttpRequest) -> HttpResponse:
            return whoami(request)

        def post(self, request: HttpRequest) -> HttpResponse:
            return whoami(request)

    @method_decorator(require("a"), name="dispatch")
    class Awaited(View):
        async def get(self, request: HttpRequest) -> HttpResponse:
            return await awhoami(request)

    class OneMethod(View):
        @method_decorator(require("a"))
        async def get(self, request: HttpRequest) -> HttpResponse:
            return await awhoami(request)

    middleware = {"MIDDLEWARE": [CSRF]}
    views = {"plain": Plain, "awaited": Awaited, "one": OneMethod}
    with project(settings=middleware, **{name: view.as_view() for name, view in views.items()}):
        for name in views:
            assert browser(f"/{name}").status_code == 401
            assert browser(f"/{name}", tokens.mint()).status_code == 403
            assert browser(f"/{name}", tokens.mint(scopes=["a"])).json()["subject"] == "alice"
        assert browser("/plain", tokens.mint(scopes=["a"]), method="POST").status_code == 200


def test_several_on_one_view_all_hold_and_are_named_at_once(
    browser: Browser, tokens: TokenFactory
) -> None:
    with project(both=require("a")(require("b", role="editor")(whoami))):
        refused = browser("/both", tokens.mint(scopes=["a"]))
        assert_challenge(refused, 403, error="insufficient_scope", scope="a b")
        assert browser("/both", tokens.mint(scopes=["a", "b"])).status_code == 403
        assert browser("/both", tokens.mint(scopes=["a", "b"], roles=["editor"])).status_code == 200


def test_optional_lets_nobody_in_but_no_bad_token(browser: Browser, tokens: TokenFactory) -> None:
    async def greet(request: Any) -> HttpResponse:
        return HttpResponse(request.principal.subject if request.principal else "stranger")

    with project(greet=optional(greet), plain=optional(whoami)):
        assert browser("/greet").content == b"stranger"
        assert browser("/plain").json()["subject"] is None
        for place in "/greet", "/plain":
            assert b"alice" in browser(place, tokens.mint()).content
            assert browser(place, tokens.mint(expires_in=-60)).status_code == 401


def test_a_token_is_verified_once_a_request(
    browser: Browser, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django_bezant import conf

    seen = []
    verifier: Any = conf.site().guard.verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda token: seen.append(token) or verify(token))
    view = optional(require("a")(require("b")(whoami)))
    with project(settings={"MIDDLEWARE": [BEARER]}, view=view):
        for count in (1, 2):
            assert browser("/view", tokens.mint(scopes=["a", "b"])).status_code == 200
            assert len(seen) == count


def test_arguments_of_the_url_reach_the_view(browser: Browser, tokens: TokenFactory) -> None:
    @require()
    def item(request: HttpRequest, number: int) -> HttpResponse:
        return HttpResponse(number * 2)

    with project(path("items/<int:number>", item)):
        assert browser("/items/21", tokens.mint()).content == b"42"


def test_what_no_token_could_satisfy_is_refused_at_set_up() -> None:
    with pytest.raises(ConfigurationError, match="not one scope"):
        require("a b")
    with pytest.raises(ConfigurationError, match="fresh"):
        require(fresh=0)


def test_what_a_view_raises_is_its_own_without_the_middleware(
    browser: Browser, tokens: TokenFactory
) -> None:
    """A transaction around the view must see it; the middleware stands outside of that."""

    @require()
    def sundays(request: HttpRequest) -> HttpResponse:
        raise InsufficientScope("not on Sundays", scopes=["sundays"])

    with project(sundays=sundays), pytest.raises(InsufficientScope):
        browser("/sundays", tokens.mint())
    with project(sundays=sundays, settings={"MIDDLEWARE": [BEARER]}):
        answer = browser("/sundays", tokens.mint())
    assert_challenge(answer, 403, error="insufficient_scope", scope="sundays")


# ---- beside what Django has ----

LOGIN_WALL = {
    "MIDDLEWARE": [SESSION, AUTHENTICATION, BEARER, LOGIN_REQUIRED],
    "LOGIN_URL": "/login",
}


def test_beside_login_required_middleware(browser: Browser, tokens: TokenFactory) -> None:
    views = {
        "mine": require("a")(whoami),
        "awaited": require("a")(awhoami),
        "other": whoami,
        "public": optional(whoami),
        "login": LoginView.as_view(),
    }
    with project(settings=LOGIN_WALL, **views):
        for place in "/mine", "/awaited":
            answer = browser(place)
            assert answer.status_code == 401, "a program is told, not sent to a login page"
            assert answer["www-authenticate"] == 'Bearer realm="api"'
        assert browser("/public").json()["authenticated"] is False
        assert browser("/other").status_code == 302
        assert browser("/other", tokens.mint()).json()["user"] == "alice"


def test_without_the_middleware_login_required_middleware_lets_views_with_require_through(
    browser: Browser, tokens: TokenFactory
) -> None:
    settings = {**LOGIN_WALL, "MIDDLEWARE": [SESSION, AUTHENTICATION, LOGIN_REQUIRED]}
    with project(settings=settings, mine=require("a")(whoami)):
        assert browser("/mine").status_code == 401
        assert browser("/mine", tokens.mint(scopes=["a"])).json()["user"] == "alice"


def test_csrf_a_view_with_require_is_exempt(browser: Browser, tokens: TokenFactory) -> None:
    """No browser sends the header by itself."""
    with project(settings={"MIDDLEWARE": [CSRF]}, mine=require()(whoami)):
        browser.cookies["sessionid"] = "of-somebody"
        assert browser("/mine", tokens.mint(), method="POST").status_code == 200
        assert browser("/mine", method="POST").status_code == 401


def test_csrf_a_view_may_ask_for_it_all_the_same(browser: Browser, tokens: TokenFactory) -> None:
    with project(settings={"MIDDLEWARE": [CSRF]}, mine=require()(csrf_protect(whoami))):
        answer = browser("/mine", tokens.mint(), method="POST")
        assert answer.status_code == 403
        assert b"CSRF" in answer.content


def test_csrf_optional_exempts_nothing(browser: Browser, tokens: TokenFactory) -> None:
    with project(settings={"MIDDLEWARE": [CSRF]}, mine=optional(whoami)):
        assert b"CSRF" in browser("/mine", tokens.mint(), method="POST").content
        assert b"CSRF" in browser("/mine", method="POST").content


# ---- in tests ----


def test_tests_act_as_a_principal(browser: Browser) -> None:
    def show(request: Any) -> HttpResponse:
        return HttpResponse(str(who(request)["subject"]))

    with project(settings={"MIDDLEWARE": [BEARER]}, mine=require("a")(show), all=show):
        with as_principal(Principal("carol", scopes=frozenset({"a"}))):
            assert browser("/mine").content == b"carol"
        with as_principal(Principal("carol")):
            assert browser("/mine").status_code == 403
            assert browser("/all").content == b"carol"
        with as_principal(None):
            assert browser("/all", "bad").content == b"None"
        assert browser("/all", "bad").status_code == 401
