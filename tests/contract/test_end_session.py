"""Logging out by a client's wish (OpenID Connect RP-Initiated Logout) over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from bezant.runtime import SYNC
from tests.api import answer_of, error_of, error_page_of, interaction_of, page_of
from tests.jose import parts, segment
from tests.world import CALLBACK, LOGOUT_PAGE

if TYPE_CHECKING:
    from bezant.http import Response
    from bezant.logouts import Logout
    from tests.api import Api
    from tests.world import World

LOGOUT = "/oauth/logout"
BYE = f"{CALLBACK}/bye"


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


@pytest.fixture
def hint(api: Api, world: World) -> str:
    """The ID token of whoever is signed in."""
    world.sign_in()
    token: str = api.redeem(api.code()).json()["id_token"]
    return token


def asked(api: Api, **parameters: Any) -> Response:
    return api.get(LOGOUT, query=urlencode(parameters))


def waiting(world: World, answer: Response) -> Logout:
    """What the page is told that a browser is sent to."""
    assert page_of(answer) == LOGOUT_PAGE
    name = interaction_of(answer)
    found = world.elsewhere(lambda server: server.logouts.get(name, SYNC))
    assert found is not None
    return found


def sign_out(world: World, answer: Response) -> Response | None:
    """What the page does once it may."""
    name, who = interaction_of(answer), world.browser.sign_in
    assert who is not None
    world.elsewhere(lambda server: server.logouts.end(who, SYNC))
    world.sign_out()
    return world.elsewhere(lambda server: server.logouts.finish(name, SYNC))


@pytest.mark.openid("oidcc-rp-initiated-logout")
def test_a_client_of_the_sign_in_ends_it_without_a_question(
    api: Api, world: World, hint: str
) -> None:
    answer = asked(api, id_token_hint=hint, post_logout_redirect_uri=BYE, state="a state")
    found = waiting(world, answer)
    assert not found.must_ask(world.browser.sign_in)
    assert found.client is not None
    assert found.client.client_id == "portal"
    # Until the page says so nothing has ended.
    assert answer_of(api.authorize("portal", prompt="none")).keys() == {"code", "state"}
    back = sign_out(world, answer)
    assert back is not None
    assert back.header("location") == f"{BYE}?state=a+state"
    assert error_of(api.authorize("portal", prompt="none")) == "login_required"


@pytest.mark.openid("oidcc-rp-initiated-logout-no-state")
def test_it_may_be_posted_and_go_without_a_state(api: Api, world: World, hint: str) -> None:
    answer = api.post(LOGOUT, [("id_token_hint", hint), ("post_logout_redirect_uri", BYE)])
    assert not waiting(world, answer).must_ask(world.browser.sign_in)
    back = sign_out(world, answer)
    assert back is not None
    assert back.header("location") == BYE


@pytest.mark.openid("oidcc-rp-initiated-logout-no-params")
@pytest.mark.openid("oidcc-rp-initiated-logout-only-state")
@pytest.mark.parametrize("parameters", [{}, {"state": "x"}, {"client_id": "portal"}], ids=str)
def test_s09_a_link_from_anywhere_asks(api: Api, world: World, parameters: dict[str, str]) -> None:
    who = world.sign_in()
    answer = api.get(LOGOUT, ("referer", "https://evil.example/"), query=urlencode(parameters))
    assert waiting(world, answer).must_ask(who)
    assert sign_out(world, answer) is None


@pytest.mark.openid("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri")
@pytest.mark.openid("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri")
@pytest.mark.parametrize(
    "uri", [BYE + "?x=1", BYE + "/", CALLBACK, "https://evil.example/", "//evil.example"]
)
def test_s09_nobody_is_sent_where_the_client_has_not_registered(
    api: Api, hint: str, uri: str
) -> None:
    status, text = error_page_of(asked(api, id_token_hint=hint, post_logout_redirect_uri=uri))
    assert status == 400
    assert "not registered" in text


@pytest.mark.openid("oidcc-rp-initiated-logout-no-id-token-hint")
def test_s09_without_a_hint_a_uri_alone_leads_nowhere(api: Api, world: World) -> None:
    world.sign_in()
    assert error_page_of(asked(api, post_logout_redirect_uri=BYE, state="x"))[0] == 400


@pytest.mark.openid("oidcc-rp-initiated-logout-modified-id-token-hint")
@pytest.mark.openid("oidcc-rp-initiated-logout-bad-id-token-hint")
def test_s09_j23_a_bad_hint_is_refused(api: Api, hint: str) -> None:
    header, _, signature = hint.split(".")
    forged = f"{header}.{segment({**parts(hint)[1], 'sub': 'user-bob'})}.{signature}"
    access_token = api.redeem(api.code()).json()["access_token"]
    for bad in (forged, access_token, "junk"):
        answer = asked(api, id_token_hint=bad, post_logout_redirect_uri=BYE)
        status, text = error_page_of(answer)
        assert status == 400
        assert "id_token_hint" in text
    status, _ = error_page_of(asked(api, id_token_hint=hint, client_id="rival"))
    assert status == 400


def test_o01_h04_it_depends_on_neither_origin_nor_host(api: Api, hint: str) -> None:
    headers = (("origin", "https://evil.example"), ("x-forwarded-host", "evil.example"))
    answer = api.get(LOGOUT, *headers, query=urlencode({"id_token_hint": hint}))
    assert page_of(answer) == LOGOUT_PAGE
    assert "evil" not in (answer.header("location") or "")
    assert answer.header("access-control-allow-origin") is None
