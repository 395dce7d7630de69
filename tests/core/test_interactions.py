"""The application's side of signing in: its pages, and what it is told."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from bezant import ConfigurationError
from bezant.authorization_request import AuthorizationRequest
from bezant.authorization_response import error_page
from bezant.errors import InvalidRequest, OAuthError, StoreUnavailable
from bezant.events import ConsentGiven
from bezant.grants.authorization_code import GivenCode
from bezant.http import Request, Response
from bezant.interactions import InteractionConfig, Waiting
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from tests.api import AUTHORIZE, Api, answer_of, error_page_of, interaction_of, page_of
from tests.harness.bare import App
from tests.world import CALLBACK, make_server, make_world, quick_keys

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.world import World

PAGES: dict[str, Any] = {"login_url": "/login", "consent_url": "/consent"}


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_keys(monkeypatch)


def nobody(_native: object) -> SignIn | None:
    return None


def with_pages(**pages: Any) -> tuple[World, Api]:
    """A server with pages of its own."""
    config = InteractionConfig(**{**PAGES, "sign_in": nobody, **pages})
    world = make_world(code_flow=True, server={"interaction": config})
    return world, Api(App(world.server))


# ---- configuration ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    ["/login", "/a/b?c=d", "https://id.example.com/login", "http://127.0.0.1:8000/login?x=1"],
)
def test_a_page_is_a_path_or_a_whole_url(url: str) -> None:
    _, api = with_pages(login_url=url)
    location = api.authorize().header("location") or ""
    assert location.startswith(url + ("&" if "?" in url else "?") + "interaction=")
    assert location.count("?") == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "login",
        "//evil.example/login",
        "/\\evil.example",
        "\\\\evil.example",
        "/login#form",
        "/login\r\nset-cookie: a=b",
        "/log in",
        "/\u767b\u5f55",
        "https:/login",
        "https://",
        "https:evil.example",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://id.example.com/",
        "https://[::1/",
        "https://id.\u0435xample.com/login",
    ],
    ids=ascii,
)
@pytest.mark.parametrize("name", ["login_url", "consent_url", "select_account_url", "logout_url"])
def test_s07_no_page_leads_elsewhere(name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"interaction.{name}"):
        InteractionConfig(**{**PAGES, "sign_in": nobody, name: url})


def test_without_a_page_of_accounts_the_login_page_serves() -> None:
    """It says no more than that somebody has signed in, and nobody goes round in circles."""
    signed: list[SignIn] = []
    world, api = with_pages(sign_in=lambda native: signed[-1] if signed else None)
    signed.append(SignIn("user-alice", world.clock(), "session-1"))
    world.clock.advance(1)
    answer = api.authorize("portal", prompt="select_account")
    assert page_of(answer) == "/login"
    interaction = interaction_of(answer)
    assert page_of(api.resume(interaction)) == "/login"
    signed.append(SignIn("user-bob", world.clock(), "session-2"))
    assert "code" in answer_of(api.resume(interaction))


def test_without_a_page_of_logouts_there_is_no_such_endpoint() -> None:
    world, _ = with_pages()
    assert "end_session" not in {endpoint.name for endpoint in world.server.endpoints}


def test_a_server_without_pages_says_so() -> None:
    server = make_server()
    for name in "interactions", "logouts":
        with pytest.raises(ConfigurationError, match="interaction"):
            getattr(server, name)


def test_pages_need_people() -> None:
    with pytest.raises(ConfigurationError, match="who signs in"):
        make_world(code_flow=True, server={"users": None})


def test_pages_need_keys_that_clients_can_check() -> None:
    with pytest.raises(ConfigurationError, match="HS256"):
        make_world(code_flow=True, algorithm="HS256")


# ---- who is there ----------------------------------------------------------------------------


def test_the_application_sees_its_own_request() -> None:
    seen: list[object] = []
    world, _ = with_pages(sign_in=seen.append)
    (endpoint,) = [e for e in world.server.endpoints if e.name == "authorize"]
    native = object()
    query = urlencode(Api.asked(Api(App(world.server)), "portal"))
    run_sync(endpoint.handler(Request("GET", query=query, native=native), SYNC))
    assert seen == [native]


def test_a_waiting_callable_is_refused_where_nothing_waits() -> None:
    async def sign_in(_native: object) -> SignIn | None:
        return None

    with pytest.raises(ConfigurationError, match=r"interaction\.sign_in"):
        with_pages(sign_in=sign_in)


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable("away"), 503), (RuntimeError("canary"), 500)]
)
def test_l03_an_application_that_fails_is_a_page(error: Exception, status: int) -> None:
    def sign_in(_native: object) -> SignIn | None:
        raise error

    _, api = with_pages(sign_in=sign_in)
    answer = api.authorize("portal")
    assert error_page_of(answer)[0] == status
    assert b"canary" not in answer.body


def test_an_application_has_its_own_error_page() -> None:
    shown: list[tuple[OAuthError, Request]] = []

    def page(error: OAuthError, request: Request) -> Response:
        shown.append((error, request))
        return Response(error.status, (("content-type", "text/plain"),), b"so sorry")

    world, api = with_pages(error_page=page)
    answer = api.authorize("nobody")
    assert (answer.status, answer.body) == (400, b"so sorry")
    assert isinstance(shown[0][0], InvalidRequest)
    assert shown[0][1].method == "GET"
    world.take_away("clients")
    assert api.authorize().status == 503


@pytest.mark.parametrize(
    ("subject", "session"), [("", "s"), ("alice", "")], ids=["subject", "session"]
)
def test_a_sign_in_has_a_subject_and_a_name(subject: str, session: str) -> None:
    with pytest.raises(ConfigurationError, match="sign_in"):
        SignIn(subject, 0.0, session)


def test_the_plain_error_page_escapes() -> None:
    evil = InvalidRequest("<script>alert(1)</script>&\"'")
    answer = error_page(evil, Request("GET"))
    assert b"<script" not in answer.body
    assert error_page_of(answer) == (400, evil.description)


# ---- what is told, and what is kept ----------------------------------------------------------


def test_l04_a_consent_is_an_event() -> None:
    world = make_world(code_flow=True)
    api = Api(App(world.server))
    who = world.sign_in()
    interaction = api.waiting()
    step = world.server.interactions.consent(interaction, who, ["items:read"], SYNC)
    assert run_sync(step) == world.server.interactions.resume(interaction)
    (event,) = world.seen(ConsentGiven)
    assert (event.subject, event.client_id, event.scopes) == ("user-alice", "app", ("items:read",))
    assert event.at == world.clock()


request = AuthorizationRequest(
    client_id="app",
    redirect_uri=CALLBACK,
    scopes=("openid", "items:read"),
    code_challenge="c" * 43,
    resources=("https://api.example.com",),
    response_mode="form_post",
    state="canary-state \u72b6",
    nonce="canary-nonce",
    prompts=("login", "consent"),
    max_age=0,
    login_hint="canary-hint",
    hinted_subject="user-alice",
    acr_values=("1",),
    essential_acr=("gold",),
    ui_locales=("zh-CN",),
    claims='{"userinfo": {}, "id_token": {}}',
)


def through_json(document: dict[str, Any]) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(json.dumps(document))
    return read


def test_what_waits_comes_back_as_it_was() -> None:
    assert all(getattr(request, field.name) not in {(), None, ""} for field in fields(request))
    assert AuthorizationRequest.of(through_json(request.document())) == request
    waiting = Waiting(request, 1.5, selected=True, consented="user-alice", granted=("openid",))
    assert Waiting.of(through_json(waiting.document())) == waiting
    given = GivenCode.of(request, SignIn("user-alice", 2.5, "s", "gold", ("pwd", "otp")), 3.5)
    assert GivenCode.read(through_json(given.document())) == given
    for value in request, waiting, given:
        assert "canary" not in repr(value)


def test_what_one_has_consented_to_is_asked_of_nobody_else() -> None:
    waiting = Waiting(request, 0.0, consented="user-alice", granted=("openid",))
    assert waiting.asked_of("user-alice").scopes == ("openid",)
    assert waiting.asked_of("user-bob") == waiting.request
    assert Waiting(request, 0.0).asked_of("user-alice") == request


def test_d06_a_dump_of_the_store_opens_nothing() -> None:
    world = make_world(code_flow=True)
    api = Api(App(world.server))
    world.sign_in()
    names = [api.code(), api.waiting("app"), api.push().json()["request_uri"].rpartition(":")[2]]
    rows = repr([(code, code.value) for code, _ in world.stores.codes._rows.values()])
    assert not [name for name in names if name in rows]
    # Nor is what stands there good for anything.
    for digest in [code.digest for code, _ in world.stores.codes._rows.values()]:
        assert api.redeem(digest).status == 400
        assert error_page_of(api.resume(digest))[0] == 400


def test_what_waits_is_forgotten_when_its_time_is_over() -> None:
    world = make_world(code_flow=True)
    api = Api(App(world.server))
    api.waiting("app")
    assert run_sync(world.server.purge(SYNC)) == 0
    world.clock.advance(1800)
    assert run_sync(world.server.purge(SYNC)) == 1


@pytest.mark.parametrize(
    "ask",
    [
        lambda api: api.get(AUTHORIZE, query="interaction=" + "x" * 129),
        lambda api: api.redeem("x" * 129),
    ],
)
def test_a_name_too_long_is_not_looked_up(ask: Callable[[Api], Response]) -> None:
    world = make_world(code_flow=True)
    world.take_away("codes")
    assert ask(Api(App(world.server))).status == 400
