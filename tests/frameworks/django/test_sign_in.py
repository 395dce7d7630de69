"""Django's sessions as sign-ins: when one begins, goes on, and ends."""

from __future__ import annotations

import asyncio
import io
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib import auth
from django.core import mail
from django.core.management import CommandError, call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client, override_settings
from django.urls import include, path

from bezant import Client as BezantClient
from bezant import ConfigurationError
from bezant.events import SessionEnded
from bezant.interactions import InteractionConfig
from bezant.logout_sender import LogoutSender
from bezant.testing import TokenFactory
from django_bezant import conf
from django_bezant.checks import check_middleware
from django_bezant.sign_in import signed_in
from django_bezant.single_sign_on import alogouts, interactions, logouts
from tests.frameworks.django.project import BEZANT
from tests.frameworks.django.web import AUTHENTICATION, BEARER, SESSION, project
from tests.harness import Awaited, Blocking
from tests.sending import TOLD, Post, queue, sending_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant.sign_in import SignIn
    from tests.world import World

pytestmark = pytest.mark.usefixtures("db")
PAGES = {"login_url": "/login", "consent_url": "/consent", "logout_url": "/logout"}
CALLBACK = "https://shop.example.com/callback"


def known(request: HttpRequest) -> HttpResponse:
    return JsonResponse(shown(signed_in(request)))


def shown(who: SignIn | None) -> Any:
    return {} if who is None else {"sub": who.subject, "sid": who.session_id, "at": who.auth_time}


def enter(request: HttpRequest) -> HttpResponse:
    user = auth.authenticate(request, username=request.GET["as"], password="pass")
    assert user is not None
    auth.login(request, user)
    return known(request)


def leave(request: HttpRequest) -> HttpResponse:
    auth.logout(request)
    return known(request)


async def aleave(request: HttpRequest) -> HttpResponse:
    await auth.alogout(request)
    return HttpResponse()


VIEWS = {"known": known, "enter": enter, "leave": leave, "aleave": aleave}


@pytest.fixture
def world() -> Iterator[World]:
    made = sending_world(Post(), lambda _, store: Blocking(store))
    yield made
    made.server.close()


@pytest.fixture
def http(world: World) -> Iterator[Client]:
    settings = {"MIDDLEWARE": [SESSION, AUTHENTICATION], "BEZANT": {"SERVER": world.server}}
    with project(path("", include("django_bezant.urls")), settings=settings, **VIEWS):
        yield Client()


@pytest.fixture
def alice() -> Any:
    return auth.get_user_model().objects.create_user("alice", password="pass")


@pytest.fixture
def bob() -> Any:
    return auth.get_user_model().objects.create_user("bob", password="pass")


def ended(world: World) -> list[str]:
    return [event.session_id for event in world.seen(SessionEnded)]


def test_s01_each_login_makes_a_session_and_a_name(
    http: Client, world: World, alice: Any, bob: Any
) -> None:
    assert http.get("/known").json() == {}
    first = http.get("/enter?as=alice").json()
    cookie = http.cookies["sessionid"].value
    assert (first["sub"], first["at"]) == (str(alice.pk), world.clock())
    assert first["sid"] not in cookie
    assert http.get("/known").json() == first

    world.clock.advance(60)
    again = http.get("/enter?as=alice").json()
    assert http.cookies["sessionid"].value != cookie
    assert again == {**first, "at": world.clock()}, "the same session of clients goes on"

    http.get("/leave")
    assert http.get("/enter?as=alice").json()["sid"] != first["sid"]
    assert http.get("/enter?as=bob").json()["sub"] == str(bob.pk)


@pytest.mark.parametrize("place", ["/leave", "/aleave"])
def test_a_logout_ends_what_was_given(http: Client, world: World, alice: Any, place: str) -> None:
    sid = http.get("/enter?as=alice").json()["sid"]
    http.get(place)
    assert ended(world) == [sid]
    assert http.get("/known").json() == {}
    http.get(place)  # nobody is signed in
    assert ended(world) == [sid]


def test_a_logout_that_cannot_be_recorded_fails(http: Client, world: World, alice: Any) -> None:
    http.get("/enter?as=alice")
    world.take_away("codes")
    http.raise_request_exception = False
    assert http.get("/leave").status_code == 500
    world.bring_back("codes")
    assert http.get("/known").json()["sub"] == str(alice.pk)
    http.get("/leave")
    assert len(ended(world)) == 1


def test_s13_who_is_disabled_is_nobody(http: Client, alice: Any) -> None:
    http.get("/enter?as=alice")
    alice.is_active = False
    alice.save()
    assert http.get("/known").json() == {}


def test_a_changed_password_ends_other_browsers(http: Client, alice: Any) -> None:
    http.get("/enter?as=alice")
    alice.set_password("another")
    alice.save()
    assert http.get("/known").json() == {}


def test_a_session_from_before_is_nobodys(http: Client, alice: Any) -> None:
    with override_settings(BEZANT={"VERIFIER": TokenFactory().verifier()}):
        assert http.get("/enter?as=alice").json() == {}
    assert http.get("/known").json() == {}


def test_a_token_signs_nobody_in(http: Client, world: World, alice: Any) -> None:
    http.get("/enter?as=alice")
    tokens = TokenFactory()
    settings = {
        "MIDDLEWARE": [SESSION, AUTHENTICATION, BEARER],
        "BEZANT": {"VERIFIER": tokens.verifier()},
    }
    with project(settings=settings, **VIEWS):
        bearer = {"authorization": f"Bearer {tokens.mint(subject='another')}"}
        fresh = Client(headers=bearer)
        fresh.cookies = http.cookies
        assert fresh.get("/known").json()["sub"] == str(alice.pk)
        assert Client(headers=bearer).get("/known").json() == {}


# ---- out of Django's own parts ----


def made(**pages: Any) -> conf.Site:
    with override_settings(BEZANT={**BEZANT, "INTERACTION": pages}):
        return conf.site()


def test_the_whole_flow_with_models_and_sessions(
    alice: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Its thread would wait for the transaction that this test is, and the end of the test for it.
    monkeypatch.setattr(LogoutSender, "start", lambda *_: None)

    def consent(request: HttpRequest) -> HttpResponse:
        who = signed_in(request)
        assert who is not None
        return interactions.consent(request.GET["interaction"], who, ["items:read"])

    settings = {
        "MIDDLEWARE": [SESSION, AUTHENTICATION],
        "BEZANT": {**BEZANT, "INTERACTION": PAGES},
    }
    with project(
        path("", include("django_bezant.urls")), settings=settings, consent=consent, **VIEWS
    ):
        shop = BezantClient(
            "shop",
            frozenset({"authorization_code"}),
            ("items:read",),
            auth_method="none",
            redirect_uris=(CALLBACK,),
        )
        conf.server().stores.clients.add(shop)  # type: ignore[attr-defined]
        http = Client()
        query = {
            "client_id": "shop",
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
            "code_challenge_method": "S256",
        }
        assert http.get("/oauth/authorize", query)["location"].startswith("/login?interaction=")
        http.get("/enter?as=alice")
        page = http.get("/oauth/authorize", query)["location"]
        assert page.startswith("/consent?interaction=")
        on = http.get(page)
        assert on.status_code == 303
        back = http.get("/oauth/authorize?" + on["location"].partition("?")[2])["location"]
        assert back.startswith(CALLBACK + "?code=")


@pytest.mark.parametrize(
    ("pages", "name"),
    [
        ({"login_url": "/login"}, "consent_url"),
        ({**PAGES, "login_url": "nowhere"}, "login_url"),
        ({**PAGES, "login": "/login"}, "login"),
    ],
)
def test_pages_that_are_wrong_are_refused_by_name(pages: Any, name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"BEZANT\['INTERACTION'\]\['{name}'\]"):
        made(**pages)


def test_pages_of_a_project_that_issues_nothing_are_refused() -> None:
    values = {"VERIFIER": TokenFactory().verifier(), "INTERACTION": PAGES}
    with (
        override_settings(BEZANT=values),
        pytest.raises(ConfigurationError, match=r"BEZANT\['INTERACTION'\]"),
    ):
        conf.site()
    with (
        override_settings(BEZANT={**BEZANT, "INTERACTION": 7}),
        pytest.raises(ConfigurationError, match=r"BEZANT\['INTERACTION'\]"),
    ):
        conf.site()


def test_e006_sessions_have_to_be_there() -> None:
    def errors(*middleware: str, **pages: Any) -> list[str]:
        interaction = {**PAGES, **pages}
        with override_settings(
            MIDDLEWARE=middleware, BEZANT={**BEZANT, "INTERACTION": interaction}
        ):
            return [str(found.id) for found in check_middleware()]

    assert errors() == ["bezant.E006"]
    assert errors(SESSION) == []
    assert errors(sign_in=lambda _: None) == []


def test_a_whole_configuration_is_taken_as_it_is() -> None:
    pages = InteractionConfig(login_url="/a", consent_url="/b", sign_in=lambda _: None)
    with override_settings(BEZANT={**BEZANT, "INTERACTION": pages}):
        assert conf.server().interactions.config is pages


# ---- telling clients ----


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> None:
    """What tests have, and processes that serve have not."""
    monkeypatch.delattr(mail, "outbox", raising=False)


@pytest.mark.usefixtures("served")
def test_a_process_begins_with_its_first_request(http: Client, world: World) -> None:
    sender, post = world.server.logout_sender, world.server._fetch
    assert sender is not None
    assert isinstance(post, Post)
    queue(world, "a")
    assert sender._thread._thread is None, "a fork would leave it behind"
    http.get("/oauth/jwks.json")
    assert post.arrives()
    assert (post.sent, post.threads) == ([f"POST {TOLD}"], ["bezant-logouts"])


def test_not_in_tests(http: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mail, "outbox", [], raising=False)
    http.get("/oauth/jwks.json")
    assert world.server.logout_sender is not None
    assert world.server.logout_sender._thread._thread is None


@pytest.mark.usefixtures("served")
def test_stores_that_await_are_sent_from_on_the_loop() -> None:
    post = Post()
    world = sending_world(post, lambda _, store: Awaited(store))
    queue(world, "a")

    async def serve() -> None:
        from django.test import AsyncClient

        await AsyncClient().get("/oauth/jwks.json")
        assert await asyncio.to_thread(post.arrives)
        who = await alogouts.get("nothing")
        assert who is None

    with project(
        path("", include("django_bezant.urls")), settings={"BEZANT": {"SERVER": world.server}}
    ):
        asyncio.run(serve())
    assert post.sent == [f"POST {TOLD}"]
    assert "an event loop is blocked" not in post.threads
    world.server.close()


def test_by_a_command(http: Client, world: World) -> None:
    queue(world, "a", "b")
    out = io.StringIO()
    call_command("bezant_logouts", "--json", stdout=out)
    assert out.getvalue().strip() == '{"notices": 2}'
    call_command("bezant_logouts", stdout=out)
    assert out.getvalue().splitlines()[1] == "notices sent or put off: 0"
    assert logouts.get("nothing") is None


def test_a_command_without_pages() -> None:
    with pytest.raises(CommandError, match="InteractionConfig"):
        call_command("bezant_logouts")
