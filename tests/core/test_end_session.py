"""The end session endpoint: who is asked, what ends, and where people are sent afterwards.

Each test says what happens until the application's page, and what the page does with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from bezant.http import Request
from bezant.logouts import Logout
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from bezant.signing import encode
from bezant.stores import LogoutNotice
from tests.core.sso_world import FORM, World, relying_party, sent_back, waiting_at
from tests.jose import parts, segment

if TYPE_CHECKING:
    from bezant.http import Response

BYE = "https://web.example.com/bye"
SHOP_BYE = "https://shop.example.com/bye"


@pytest.fixture
def world() -> World:
    made = World()
    made.sign_in()
    return made


@pytest.fixture
def hint(world: World) -> str:
    token: str = world.tokens()["id_token"]
    return token


def waiting(world: World, name: str) -> Logout:
    found = run_sync(world.server.logouts.get(name, SYNC))
    assert found is not None
    return found


def asks(world: World, name: str) -> bool:
    """Whether the page has to ask whoever is signed in."""
    return waiting(world, name).must_ask(world.signed_in)


def sign_out(world: World, name: str) -> Response | None:
    """What the page does once it may: end the sign-in, and send the browser on."""
    assert world.signed_in is not None
    run_sync(world.server.logouts.end(world.signed_in, SYNC))
    world.signed_in = None
    return run_sync(world.server.logouts.finish(name, SYNC))


def shown(answer: Response) -> str:
    """The text of an error page, which sends nobody anywhere."""
    assert answer.status == 400
    assert answer.header("location") is None
    assert answer.header("content-type") == "text/html; charset=utf-8"
    assert "frame-ancestors 'none'" in (answer.header("content-security-policy") or "")
    return answer.body.decode()


# ---- the modules of the conformance suite ----------------------------------------------------


@pytest.mark.openid("oidcc-rp-initiated-logout")
def test_back_with_state_and_the_session_is_gone(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE, state="some & more")
    assert not asks(world, name)  # a client of this very sign-in wants it
    answer = sign_out(world, name)
    assert answer is not None
    assert (answer.status, answer.header("referrer-policy")) == (303, "no-referrer")
    assert answer.header("location") == BYE + "?state=some+%26+more"
    assert sent_back(world.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.openid("oidcc-rp-initiated-logout-no-state")
def test_back_without_a_state(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    answer = sign_out(world, name)
    assert answer is not None
    assert answer.header("location") == BYE


@pytest.mark.openid("oidcc-rp-initiated-logout-bad-post-logout-redirect-uri")
@pytest.mark.openid("oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri")
@pytest.mark.parametrize(
    "uri",
    [
        BYE + "?extra=1",
        BYE + "/",
        BYE + "#x",
        BYE.upper(),
        BYE.replace("https", "http"),
        BYE.replace("web.", "web.example.com@evil."),
        BYE + "/../../evil",
        SHOP_BYE,
        "https://web.example.com/cb",  # where sign-ins go, which is something else
        "https://evil.example/bye",
        "//evil.example",
        "javascript:alert(1)",
        "/",
    ],
)
def test_s09_a_uri_that_is_not_registered_is_not_gone_to(world: World, hint: str, uri: str) -> None:
    for client_id in (None, "web"):
        answer = world.get(
            "end_session", id_token_hint=hint, post_logout_redirect_uri=uri, client_id=client_id
        )
        assert "not registered" in shown(answer)


@pytest.mark.openid("oidcc-rp-initiated-logout-modified-id-token-hint")
def test_s09_a_modified_hint_is_refused(world: World, hint: str) -> None:
    header, claims, signature = hint.split(".")
    other = segment({**parts(hint)[1], "sub": "bob"})
    for forged in (
        f"{header}.{other}.{signature}",
        f"{header}.{claims}.{signature[:-4]}AAAA",
        f"{header}.{claims}.",
        hint + "A",
    ):
        answer = world.get("end_session", id_token_hint=forged, post_logout_redirect_uri=BYE)
        assert "id_token_hint" in shown(answer)
        assert forged not in answer.body.decode()


@pytest.mark.openid("oidcc-rp-initiated-logout-bad-id-token-hint")
def test_s09_j23_what_is_no_id_token_of_ours_is_refused(world: World) -> None:
    signed = world.stores.clients.get("signed-EdDSA")
    assert signed is not None
    tokens = world.tokens("signed-EdDSA", scope="openid email")
    notice = LogoutNotice("n", "signed-EdDSA", "alice", "sid-1", world.clock())
    for bad in (
        "junk",
        "a.b.c",
        tokens["access_token"],
        tokens["refresh_token"],
        world.userinfo(tokens["access_token"]).body.decode(),
        world.server.logouts.notices.logout_token(signed, notice),
    ):
        for uri in (None, "https://signed-EdDSA.example.com/bye"):
            answer = world.get("end_session", id_token_hint=bad, post_logout_redirect_uri=uri)
            assert "id_token_hint" in shown(answer)


@pytest.mark.openid("oidcc-rp-initiated-logout-bad-id-token-hint")
def test_s09_a_hint_of_another_issuer_says_nothing(world: World) -> None:
    stranger = World(own_keys=True)
    stranger.sign_in()
    foreign = stranger.tokens()["id_token"]
    unsigned = f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(parts(foreign)[1])}."
    for bad in (foreign, unsigned):
        answer = world.get("end_session", id_token_hint=bad, post_logout_redirect_uri=BYE)
        assert "not registered" in shown(answer)
        # With a client's name it is as if there were no hint: whoever is signed in is asked.
        name = world.end_session(id_token_hint=bad, client_id="web", post_logout_redirect_uri=BYE)
        assert asks(world, name)
        assert waiting(world, name).hinted_subject is None


@pytest.mark.openid("oidcc-rp-initiated-logout-no-id-token-hint")
def test_s09_without_a_hint_people_are_asked_and_a_client_is_needed(world: World) -> None:
    shown(world.get("end_session", post_logout_redirect_uri=BYE, state="x"))
    name = world.end_session(client_id="web", post_logout_redirect_uri=BYE, state="x")
    assert asks(world, name)
    client = waiting(world, name).client
    assert client is not None
    assert client.client_id == "web"
    answer = sign_out(world, name)
    assert answer is not None
    assert answer.header("location") == BYE + "?state=x"


@pytest.mark.openid("oidcc-rp-initiated-logout-no-params")
def test_s09_without_anything_people_are_asked_and_stay(world: World) -> None:
    name = world.end_session()
    assert asks(world, name)
    assert waiting(world, name).client is None
    assert sign_out(world, name) is None  # the page says that it is done


@pytest.mark.openid("oidcc-rp-initiated-logout-no-post-logout-redirect-uri")
def test_without_a_uri_people_stay(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, state="x")
    assert not asks(world, name)
    assert sign_out(world, name) is None
    assert sent_back(world.authorize(prompt="none"))["error"] == "login_required"


@pytest.mark.openid("oidcc-rp-initiated-logout-only-state")
def test_s09_a_state_alone_is_no_reason_to_go_anywhere(world: World) -> None:
    name = world.end_session(state="x")
    assert asks(world, name)
    assert sign_out(world, name) is None


@pytest.mark.openid("oidcc-backchannel-rp-initiated-logout")
def test_clients_are_told_at_the_back_as_well(world: World, hint: str) -> None:
    world.tokens("shop")
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    sign_out(world, name)
    world.deliver()
    told = {parts(token)[1]["aud"]: parts(token)[1] for _, token in world.wire.logout_tokens()}
    assert told.keys() == {"web", "shop"}
    assert told["web"]["sid"] == parts(hint)[1]["sid"]


# ---- whether to ask --------------------------------------------------------------------------


def test_s09_only_the_id_token_of_this_very_sign_in_speaks_for_it(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint)
    assert not asks(world, name)
    others = (
        SignIn("alice", world.clock(), "sid-2"),  # she has signed in again since
        SignIn("bob", world.clock(), "sid-3"),
    )
    for sign_in in others:
        assert waiting(world, name).must_ask(sign_in)
    assert not waiting(world, name).must_ask(None)  # there is nothing to end


def test_s09_a_stolen_link_of_another_session_asks(world: World) -> None:
    world.sign_in("bob", "sid-2")
    theirs = world.tokens()["id_token"]
    assert parts(theirs)[1]["sid"] == "sid-2"
    world.sign_in("alice", "sid-1")
    assert asks(world, world.end_session(id_token_hint=theirs, post_logout_redirect_uri=BYE))


def test_a_hint_may_have_expired(world: World, hint: str) -> None:
    world.clock.advance(3 * 86_400)
    assert not asks(world, world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE))


def test_a_hint_whose_key_is_gone_asks_and_still_leads_back(world: World, hint: str) -> None:
    keys = world.server.keys
    run_sync(keys.rotate(SYNC, algorithm="RS256"))
    world.clock.advance(2 * 86_400)
    run_sync(keys.prune(SYNC))
    assert parts(hint)[0]["kid"] not in {key["kid"] for key in world.jwks()["keys"]}
    name = world.end_session(id_token_hint=hint, client_id="web", post_logout_redirect_uri=BYE)
    assert asks(world, name)
    answer = sign_out(world, name)
    assert answer is not None
    assert answer.header("location") == BYE


# ---- whose request ---------------------------------------------------------------------------


def test_s09_the_client_is_the_one_of_the_hint(world: World, hint: str) -> None:
    world.end_session(id_token_hint=hint, client_id="web", post_logout_redirect_uri=BYE)
    page = shown(world.get("end_session", id_token_hint=hint, client_id="shop"))
    assert "client_id is not the client of the id_token_hint" in page
    shown(world.get("end_session", id_token_hint=hint, post_logout_redirect_uri=SHOP_BYE))


@pytest.mark.parametrize("client_id", ["nobody", "wéb", "x" * 3000])
def test_an_unknown_client_gets_nobody_back(world: World, client_id: str) -> None:
    shown(world.get("end_session", client_id=client_id, post_logout_redirect_uri=BYE))
    assert waiting(world, world.end_session(client_id=client_id)).client is None


def test_a_disabled_client_gets_nobody_back(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    world.change_client("web", active=False)
    shown(world.get("end_session", id_token_hint=hint, post_logout_redirect_uri=BYE))
    assert waiting(world, name).client is None
    assert sign_out(world, name) is None
    # The person is signed out all the same.
    assert not asks(world, world.end_session(id_token_hint=hint))


def test_a_uri_that_is_withdrawn_meanwhile_is_not_gone_to(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    world.change_client("web", post_logout_redirect_uris=(SHOP_BYE,))
    assert sign_out(world, name) is None


def test_a_registered_query_is_kept(world: World) -> None:
    uri = "https://q.example.com/bye?from=id"
    world.stores.clients.add(relying_party("q", post_logout_redirect_uris=(uri,)))
    hint = world.tokens("q")["id_token"]
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=uri, state="s&x=y")
    answer = sign_out(world, name)
    assert answer is not None
    assert answer.header("location") == uri + "&state=s%26x%3Dy"


# ---- requests --------------------------------------------------------------------------------


def test_it_may_be_posted(world: World, hint: str) -> None:
    answer = world.post("end_session", id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert answer.header("cache-control") == "no-store"
    assert not asks(world, waiting_at(answer, "/sign-out"))
    # What is in the query of a POST is not looked at.
    query = Request("POST", (FORM,), b"", f"id_token_hint={hint}")
    assert asks(world, waiting_at(world.ask("end_session", query), "/sign-out"))


@pytest.mark.parametrize(
    "request_",
    [
        Request("GET", query="state=a&state=b"),
        Request("GET", query="client_id=web&client_id=shop"),
        Request("GET", query="state=%ff"),
        Request("GET", query="state=%00"),
        Request("GET", query="state=" + "x" * 1025),
        Request("GET", query="x=" + "y" * 20_000),
        Request("POST", (FORM,), b"state=" + b"x" * 1025),
    ],
    ids=lambda request: (request.query or "posted")[:20],
)
def test_a_malformed_request_is_shown_an_error(world: World, request_: Request) -> None:
    shown(world.ask("end_session", request_))


def test_other_methods_and_other_origins(world: World) -> None:
    assert world.ask("end_session", Request("DELETE")).status == 405
    for method in ("GET", "OPTIONS"):
        answer = world.ask("end_session", Request(method, (("origin", "https://evil.example"),)))
        assert answer.header("access-control-allow-origin") is None


def test_h04_the_page_is_where_the_application_said(world: World) -> None:
    answer = world.get("end_session", ("host", "evil.example"))
    assert urlsplit(answer.header("location") or "").netloc == ""
    elsewhere = World(logout_url="https://login.example.com/bye?lang=nl")
    answer = elsewhere.get("end_session", ("host", "evil.example"))
    location = answer.header("location") or ""
    assert location.startswith("https://login.example.com/bye?lang=nl&interaction=")


# ---- what waits ------------------------------------------------------------------------------


def test_a_logout_is_finished_once(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert sign_out(world, name) is not None
    assert run_sync(world.server.logouts.finish(name, SYNC)) is None
    assert run_sync(world.server.logouts.get(name, SYNC)) is None


def test_a_logout_waits_for_half_an_hour(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    world.clock.advance(1799)
    assert waiting(world, name).hinted_subject == "alice"
    world.clock.advance(1)
    assert run_sync(world.server.logouts.get(name, SYNC)) is None
    assert run_sync(world.server.logouts.finish(name, SYNC)) is None


def test_a_logout_and_a_sign_in_are_not_taken_for_each_other(world: World) -> None:
    logout = world.end_session()
    signed_in, world.signed_in = world.signed_in, None
    login = waiting_at(world.authorize(), "/login")
    logouts, interactions = world.server.logouts, world.server.interactions
    assert run_sync(logouts.get(login, SYNC)) is None
    assert run_sync(logouts.finish(login, SYNC)) is None
    assert run_sync(interactions.get(logout, SYNC)) is None
    assert world.get("authorize", interaction=logout).status == 400
    # And neither has used the other up.
    world.signed_in = signed_in
    assert "code" in sent_back(world.get("authorize", interaction=login))
    assert waiting(world, logout).client is None


@pytest.mark.parametrize("name", ["", "x", "x" * 43, "x" * 5000])
def test_what_nobody_waits_for(world: World, name: str) -> None:
    assert run_sync(world.server.logouts.get(name, SYNC)) is None
    assert run_sync(world.server.logouts.finish(name, SYNC)) is None


def test_d06_a_dump_of_the_store_finishes_nothing(world: World, hint: str) -> None:
    name = world.end_session(id_token_hint=hint, post_logout_redirect_uri=BYE)
    rows = [code for code, _ in world.stores.codes._rows.values()]
    assert rows
    assert all(name not in (code.digest, code.value) for code in rows)
    assert all(hint not in code.value for code in rows)
    assert name not in repr(waiting(world, name))


def test_a_hint_needs_a_session_to_say_more_than_whom(world: World) -> None:
    """One without ``sid``, as no client of ours gets: whoever is signed in is asked."""
    _, claims, _ = parts(world.tokens()["id_token"])
    del claims["sid"]
    hint = encode(world.server.keys.signing_key("RS256"), "JWT", claims)
    assert asks(world, world.end_session(id_token_hint=hint))


def test_without_a_logout_page_there_is_no_endpoint() -> None:
    world = World(logout_url=None)
    assert "end_session" not in world.endpoints
    document: dict[str, Any] = world.get("openid_configuration").json()
    assert not {name for name in document if "logout" in name or "end_session" in name}
    # Ending sign-ins is another matter.
    world.sign_in()
    world.tokens()
    assert world.signed_in is not None
    assert run_sync(world.server.logouts.end(world.signed_in, SYNC)) == 1
