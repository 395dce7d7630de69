"""`BearerMiddleware` and whom it makes of ``request.user``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from django.contrib import admin
from django.contrib.admin import AdminSite
from django.contrib.auth.decorators import login_required, permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import override_settings
from django.urls import path

from bezant import ConfigurationError, Principal
from bezant.testing.challenges import assert_challenge
from django_bezant.backends import BearerBackend
from django_bezant.users import BearerUser
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    CSRF,
    SESSION,
    Browser,
    awhoami,
    project,
    whoami,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant.testing import TokenFactory

pytestmark = pytest.mark.usefixtures("protected")

WHOLE = {"MIDDLEWARE": [SESSION, AUTHENTICATION, BEARER, CSRF]}
SIGNED = {"SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies"}
ALONE = {"MIDDLEWARE": [BEARER]}
BACKENDS = ["django.contrib.auth.backends.ModelBackend", "django_bezant.backends.BearerBackend"]


@pytest.fixture(params=["alone", "whole"])
def settings(request: pytest.FixtureRequest) -> dict[str, Any]:
    return {"alone": ALONE, "whole": {**WHOLE, **SIGNED}}[request.param]


def test_a_good_token_says_who_asks(
    browser: Browser, tokens: TokenFactory, settings: dict[str, Any]
) -> None:
    with project(settings=settings, sync=whoami, awaited=awhoami):
        for place in "/sync", "/awaited":
            answer = browser(place, tokens.mint())
            assert answer.json() == {"subject": "alice", "user": "alice", "authenticated": True}


def test_nobody_passes_as_nobody(browser: Browser, settings: dict[str, Any]) -> None:
    with project(settings=settings, sync=whoami):
        for headers in ({}, {"authorization": "Basic Og=="}):
            answer = browser("/sync", **headers).json()
            assert (answer["subject"], answer["authenticated"]) == (None, False)


def test_a_bad_token_is_refused_before_any_view(browser: Browser, settings: dict[str, Any]) -> None:
    with project(settings=settings):
        answer = browser("/nowhere", "bad")
    assert_challenge(answer, 401, error="invalid_token")
    assert answer["cache-control"] == "no-store"
    assert answer.json()["error"] == "invalid_token"


def test_a_token_goes_before_a_session(browser: Browser, tokens: TokenFactory) -> None:
    """Two people in one request: what is done is done by whom the token names."""

    def sign_in(request: HttpRequest) -> HttpResponse:
        request.session["who"] = "bob"
        return HttpResponse()

    def show(request: HttpRequest) -> HttpResponse:
        return JsonResponse([str(request.user), request.session.get("who")], safe=False)

    with project(settings={**WHOLE, **SIGNED}, sign_in=sign_in, show=show):
        browser("/sign_in")
        assert browser("/show").json() == ["AnonymousUser", "bob"]
        assert browser("/show", tokens.mint()).json() == ["alice", "bob"]


def test_what_is_wrong_fails_when_the_project_starts(browser: Browser) -> None:
    with (
        override_settings(BEZANT={"ISSUER": "https://id.example.com"}),
        project(settings=ALONE),
        pytest.raises(ConfigurationError, match=r"BEZANT\['AUDIENCE'\]"),
    ):
        browser("/")


# ---- the admin ----


@pytest.mark.usefixtures("tables")
def test_a_token_does_not_open_the_admin(tokens: TokenFactory) -> None:
    """A client that may read items would be the administrator."""
    sites = [path("admin/", admin.site.urls), path("ops/", AdminSite("ops").urls)]
    root = User.objects.create_superuser("somebody")
    users = {"AUTHENTICATION_BACKENDS": BACKENDS}
    token = tokens.mint(subject=str(root.pk))
    try:
        for kind in "wsgi", "asgi":
            with project(*sites, settings={**WHOLE, **SIGNED, **users}, who=whoami):
                browser = Browser(kind)
                assert browser("/who", token).json()["user"] == "somebody"
                for place in "/admin/", "/admin/login/", "/ops/", "/ops/auth/user/":
                    answer = browser(place, token)
                    assert answer.status_code == 403
                    assert answer.json()["error_description"] == "tokens do not open the admin"
                assert browser("/admin/").status_code == 302
                browser._client.force_login(root, "django.contrib.auth.backends.ModelBackend")
                assert browser("/admin/").status_code == 200
                assert browser("/admin/", token).status_code == 403
    finally:
        root.delete()


# ---- CSRF ----


def test_csrf_a_token_alone_is_exempt(browser: Browser, tokens: TokenFactory) -> None:
    with project(settings={**WHOLE, **SIGNED}, sync=whoami, awaited=awhoami):
        for place in "/sync", "/awaited":
            assert browser(place, tokens.mint(), method="POST").json()["subject"] == "alice"


@pytest.mark.parametrize("cookie", ["sessionid", "csrftoken", "anything"])
def test_csrf_beside_a_cookie_the_usual_rules_hold(
    browser: Browser, tokens: TokenFactory, cookie: str
) -> None:
    """An attacker's own token must not open a view that believes the victim's session."""
    with project(settings={**WHOLE, **SIGNED}, sync=whoami):
        browser.cookies[cookie] = "x" * 32
        answer = browser("/sync", tokens.mint(), method="POST")
        assert answer.status_code == 403
        assert b"CSRF" in answer.content


def test_csrf_without_a_token_the_usual_rules_hold(browser: Browser) -> None:
    with project(settings={**WHOLE, **SIGNED}, sync=whoami):
        for headers in ({}, {"authorization": "Basic Og=="}):
            assert browser("/sync", method="POST", **headers).status_code == 403


# ---- users ----


class Backend(BearerBackend):
    """Has its users in memory."""

    asked: int = 0
    people: ClassVar = {
        "alice": User(pk=7, username="alice"),
        "carol": User(username="c", is_active=False),
    }

    def find(self, principal: Principal) -> Any:
        Backend.asked += 1
        return self.people.get(principal.subject)


@pytest.fixture
def backed() -> Iterator[None]:
    Backend.asked = 0
    with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Backend"]):
        yield


@pytest.mark.usefixtures("backed")
def test_the_user_of_a_token_is_one_of_the_database(browser: Browser, tokens: TokenFactory) -> None:
    def show(request: Any) -> HttpResponse:
        user = request.user
        names = ["shop.sell", "shop.close"]
        return JsonResponse(
            [user.pk, *map(user.has_perm, names), user.has_perm(names[0], user)], safe=False
        )

    async def ashow(request: Any) -> HttpResponse:
        user = await request.auser()
        assert await request.auser() is user
        return JsonResponse([user.pk, await user.ahas_perm("shop.sell")], safe=False)

    token = tokens.mint(permissions=["shop.sell"])
    with project(settings={**WHOLE, **SIGNED}, show=show, ashow=ashow):
        assert browser("/show", token).json() == [7, True, False, False]
        assert browser("/ashow", token).json() == [7, True]
    assert Backend.asked == 2


@pytest.mark.parametrize("backed", [False, True])
def test_djangos_own_decorators(browser: Browser, tokens: TokenFactory, backed: bool) -> None:
    backends = [f"{__name__}.Backend"] if backed else []
    ask = permission_required("shop.sell", raise_exception=True)
    views = {"sync": ask(whoami), "awaited": ask(awhoami), "mine": login_required(awhoami)}
    with override_settings(AUTHENTICATION_BACKENDS=backends), project(settings=WHOLE, **views):
        for place in "/sync", "/awaited":
            assert browser(place, tokens.mint(permissions=["shop.sell"])).status_code == 200
            assert browser(place, tokens.mint(permissions=["shop.close"])).status_code == 403
        assert browser("/mine", tokens.mint()).status_code == 200
        assert browser("/mine").status_code == 302


async def test_what_is_asked_of_a_user_may_be_awaited() -> None:
    user = BearerUser(Principal("7", permissions=frozenset({"shop.sell"})))
    assert await user.aget_all_permissions() == {"shop.sell"}
    assert await user.aget_all_permissions(object()) == set()
    assert await user.ahas_perm("shop.sell")
    assert not await user.ahas_perm("shop.sell", object())
    assert not await user.ahas_perms(["shop.sell", "shop.close"])
    assert await user.ahas_module_perms("shop")
    assert not await user.ahas_module_perms("sho")


@pytest.mark.usefixtures("backed")
def test_nobody_is_looked_for_who_is_not_asked_for(browser: Browser, tokens: TokenFactory) -> None:
    with project(settings={**WHOLE, **SIGNED}, show=lambda request: HttpResponse()):
        assert browser("/show", tokens.mint()).status_code == 200
    assert Backend.asked == 0


@pytest.mark.usefixtures("backed")
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"subject": "carol"}, id="disabled"),
        pytest.param({"subject": "zoe"}, id="unknown"),
        pytest.param({"subject": "alice", "client_id": "alice"}, id="client-called-like-a-user"),
    ],
)
def test_some_tokens_are_of_no_user(
    browser: Browser, tokens: TokenFactory, claims: dict[str, str]
) -> None:
    with project(settings={**WHOLE, **SIGNED}, sync=whoami, awaited=awhoami):
        for place in "/sync", "/awaited":
            answer = browser(place, tokens.mint(**claims)).json()
            assert answer["subject"] == claims["subject"]
            assert (answer["user"], answer["authenticated"]) == ("AnonymousUser", False)


def test_a_backend_gives_nothing_without_a_token() -> None:
    backend = Backend()
    assert backend.authenticate(None) is None
    assert backend.get_user(7) is None
    assert backend.get_all_permissions(User(pk=1)) == set()


def test_a_user_out_of_a_token_alone() -> None:
    user = BearerUser(Principal("7", permissions=frozenset({"shop.sell"})))
    assert (user.pk, user.get_username(), user.is_authenticated) == ("7", "7", True)
    assert user.has_perm("shop.sell")
    assert user.has_perms(["shop.sell"])
    assert user.has_module_perms("shop")
    assert not user.has_perms(["shop.sell", "shop.close"])
    assert not user.has_perm("shop.sell", object())
    assert not user.has_module_perms("sho")
    assert not (user.is_staff or user.is_superuser or user.is_anonymous)
    assert user == BearerUser(Principal("7"))
    nobody = BearerUser(None)
    assert nobody.is_anonymous
    assert not nobody.has_perm("shop.sell")
