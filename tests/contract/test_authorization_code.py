"""Codes: redeemed once, by whom they are for, as long as what they were given for stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant.events import AuthorizationRevoked, CodeReplayed, TokenIssued
from bezant.runtime import SYNC
from tests.api import TOKEN, VERIFIER, basic, challenge_of, client_refusal, error_of
from tests.jose import parts
from tests.world import API, CALLBACK, configured, secret_of

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

rfc = pytest.mark.rfc
openid = pytest.mark.openid

REFUSED = (400, "invalid_grant")


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


@rfc("6749", "4.1.4")
@rfc("6749", "5.1")
@openid("oidcc-server")
@openid("oidcc-server-client-secret-post")
def test_a_code_becomes_tokens(api: Api, world: World) -> None:
    world.sign_in()
    start = int(world.clock())
    world.clock.advance(50)
    code = api.code("portal", nonce="n-1")
    world.clock.advance(5)
    answer = api.redeem(code)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    document = answer.json()
    assert document.keys() == {
        *("access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token")
    }
    claims = parts(document["access_token"])[1]
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("user-alice", "portal", API)
    assert (claims["iat"], claims["auth_time"]) == (start + 55, start)
    about = parts(document["id_token"])[1]
    assert (about["sub"], about["aud"], about["nonce"]) == ("user-alice", "portal", "n-1")
    assert (about["auth_time"], about["sid"]) == (start, "session-1")
    assert api.is_active(document["access_token"])
    assert [event.grant_type for event in world.seen(TokenIssued)] == ["authorization_code"]
    assert api.refresh(document["refresh_token"], "portal").json()["scope"] == document["scope"]


@openid("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def test_without_a_nonce_there_is_none(api: Api, world: World) -> None:
    world.sign_in()
    assert "nonce" not in parts(api.redeem(api.code()).json()["id_token"])[1]


@rfc("6749", "4.1.3")
@pytest.mark.parametrize("client", ["native", "portal"])
@pytest.mark.parametrize("name", ["code", "redirect_uri", "code_verifier"])
def test_t11_t12_nothing_may_be_missing(api: Api, world: World, client: str, name: str) -> None:
    world.sign_in()
    world.remember("user-alice", "native", "items:read")
    code = api.code(client, scope="items:read")
    for value in None, "":
        changes = {"code": code, name: value}
        refusal = client_refusal(api.redeem(client=client, **changes))
        assert refusal == (400, "invalid_request")
    # Whoever forgot something can still send it.
    assert api.redeem(code, client).status == 200


@rfc("6749", "4.1.3")
@rfc("6749", "3.1.2")
@pytest.mark.parametrize(
    "uri",
    [CALLBACK + "/", CALLBACK + "?x=1", CALLBACK.upper(), "https://evil.example/", " " + CALLBACK],
)
def test_t11_a_code_is_bound_to_its_address(api: Api, world: World, uri: str) -> None:
    world.sign_in()
    code = api.code()
    assert client_refusal(api.redeem(code, redirect_uri=uri)) == REFUSED
    assert client_refusal(api.redeem(code)) == REFUSED  # it is spent


# ---- PKCE ------------------------------------------------------------------------------------


@rfc("7636", "4.1")
@rfc("7636", "4.6")
@pytest.mark.parametrize(
    "verifier",
    [
        "v" * 43,
        VERIFIER[:-1],
        VERIFIER + "x",
        VERIFIER.upper(),
        VERIFIER + "\n",
        " " + VERIFIER,
        challenge_of(VERIFIER),
        "v" * 42,
        "v" * 129,
        "v" * 42 + "+",
        "v" * 42 + "\u00e9",
        "x" * 60_000,
    ],
    ids=lambda verifier: ascii(verifier)[1:46],
)
def test_t12_a_wrong_verifier_spends_the_code(api: Api, world: World, verifier: str) -> None:
    world.sign_in()
    code = api.code()
    assert client_refusal(api.redeem(code, code_verifier=verifier)) == REFUSED
    assert client_refusal(api.redeem(code)) == REFUSED
    assert not world.seen(TokenIssued)


@rfc("7636", "4.1")
@pytest.mark.parametrize(
    ("verifier", "good"),
    [
        ("a" * 42, False),
        ("a" * 43, True),
        ("-._~" * 32, True),
        ("a" * 129, False),
        ("a" * 42 + "=", False),
    ],
    ids=["42", "43", "128", "129", "letters"],
)
def test_t12_the_length_of_verifiers(api: Api, world: World, verifier: str, good: bool) -> None:
    """Too short or too long is refused, even when it fits the challenge."""
    world.sign_in()
    code = api.code(code_challenge=challenge_of(verifier))
    assert api.redeem(code, code_verifier=verifier).status == (200 if good else 400)


@rfc("9700", "4.8.2")
def test_t12_the_challenge_is_no_verifier(api: Api, world: World) -> None:
    """What ``plain`` would let through."""
    world.sign_in()
    plain = "p" * 43
    code = api.code(code_challenge=plain)
    assert client_refusal(api.redeem(code, code_verifier=plain)) == REFUSED


# ---- whose, and how often --------------------------------------------------------------------


@rfc("6749", "4.1.3")
@pytest.mark.parametrize("thief", ["rival", "app", "native"])
def test_t09_the_code_of_another_client_is_refused_and_unharmed(
    api: Api, world: World, thief: str
) -> None:
    world.sign_in()
    code = api.code("portal")
    for _ in range(2):
        assert client_refusal(api.redeem(code, thief)) == REFUSED
    assert api.redeem(code, "portal").status == 200
    # And when it was used, whoever finds it cannot end what it gave.
    token = api.redeem(api.code("portal")).json()["access_token"]
    assert client_refusal(api.redeem(code, thief)) == REFUSED
    assert api.is_active(token)
    assert not world.seen(CodeReplayed)


@rfc("6749", "3.2.1")
def test_t07_one_client_does_not_name_another(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code("portal")
    answer = api.redeem(code, "rival", client_id="portal")
    assert client_refusal(answer) == (400, "invalid_request")
    form = {
        "grant_type": "authorization_code",
        "client_id": "portal",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    nobody = api.post(TOKEN, form.items())
    assert client_refusal(nobody) == (401, "invalid_client")
    wrong = api.post(TOKEN, form.items(), basic("portal", secret_of("rival")))
    assert client_refusal(wrong) == (401, "invalid_client")
    assert api.redeem(code, "portal").status == 200


@pytest.mark.parametrize(
    "spoil",
    [
        lambda code: code[:-1],
        lambda code: code + "A",
        lambda code: code.swapcase(),
        lambda code: " " + code,
        lambda code: "A" * 43,
        lambda code: "x" * 60_000,
        lambda code: "\u00e9" * 43,
    ],
)
def test_t09_a_code_that_was_changed_is_none(api: Api, world: World, spoil) -> None:
    world.sign_in()
    code = api.code()
    assert client_refusal(api.redeem(spoil(code))) == REFUSED
    assert api.redeem(code).status == 200


def test_r13_no_other_kind_of_thing_passes_for_a_code(api: Api, world: World) -> None:
    world.sign_in()
    issued = api.redeem(api.code()).json()
    uri = api.push("portal").json()["request_uri"]
    others = [issued["access_token"], issued["refresh_token"], uri, uri.rpartition(":")[2]]
    for other in (*others, api.waiting("app")):
        assert client_refusal(api.redeem(other)) == REFUSED
    assert client_refusal(api.refresh(api.code(), "portal")) == REFUSED


@rfc("6749", "4.1.2")
@rfc("6749", "10.5")
@rfc("9700", "4.5.3")
@openid("oidcc-codereuse")
@openid("oidcc-codereuse-30seconds")
@pytest.mark.parametrize("later", [0, 30, 59.9])
def test_t10_a_replay_ends_what_the_code_gave(api: Api, world: World, later: float) -> None:
    world.sign_in()
    code, other = api.code(), api.redeem(api.code()).json()
    issued = api.redeem(code).json()
    refreshed = api.refresh(issued["refresh_token"], "portal").json()
    world.clock.advance(later)
    for _ in range(2):
        assert client_refusal(api.redeem(code)) == REFUSED
    for token in issued["access_token"], refreshed["access_token"]:
        assert not api.is_active(token)
        assert api.get("/whoami", token=token).status == 401
    assert client_refusal(api.refresh(refreshed["refresh_token"], "portal")) == REFUSED
    assert api.is_active(other["access_token"])
    first, _ = world.seen(CodeReplayed)
    assert (first.subject, first.client_id) == ("user-alice", "portal")
    assert first.authorization_id == parts(issued["access_token"])[1]["sid"]
    assert len(world.seen(AuthorizationRevoked)) == 1


@rfc("6749", "4.1.2")
def test_t10_a_code_lives_for_a_minute(api: Api, world: World) -> None:
    world.sign_in()
    early, late = api.code(), api.code()
    world.clock.advance(59.9)
    assert api.redeem(early).status == 200
    world.clock.advance(0.1)
    assert client_refusal(api.redeem(late)) == REFUSED
    assert not world.seen(CodeReplayed)


@configured(code_flow=True, code_ttl=10)
def test_t10_or_as_long_as_is_set(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code()
    world.clock.advance(10)
    assert client_refusal(api.redeem(code)) == REFUSED


@rfc("6749", "4.1.3")
@pytest.mark.parametrize("grants", [{"refresh_token", "password"}, {"password"}])
def test_t06_a_client_that_may_no_longer_redeem(api: Api, world: World, grants: set[str]) -> None:
    world.sign_in()
    code = api.code()
    world.change_client("portal", grants=frozenset(grants))
    assert client_refusal(api.redeem(code)) == (400, "unauthorized_client")
    assert error_of(api.authorize("portal")) == "unauthorized_client"


# ---- what has ended meanwhile ----------------------------------------------------------------


def _disable(world: World) -> None:
    world.change_user("user-alice", active=False)


def _revoke_subject(world: World) -> None:
    world.elsewhere(
        lambda server: server.authorizations.revoke_for_subject(
            "user-alice", now=world.clock(), runtime=SYNC
        )
    )


def _revoke_client(world: World) -> None:
    world.elsewhere(
        lambda server: server.authorizations.revoke_for_client(
            "app", now=world.clock(), runtime=SYNC
        )
    )


def _end_sign_in(world: World) -> None:
    sign_in = world.browser.sign_in
    assert sign_in is not None
    world.elsewhere(lambda server: server.logouts.end(sign_in, SYNC))


ENDS = {
    "user-disabled": _disable,
    "user-deleted": lambda world: world.remove_user("user-alice"),
    "password-changed": _revoke_subject,
    "client-revoked": _revoke_client,
    "consent-withdrawn": lambda world: world.withdraw("user-alice", "app"),
    "consent-narrowed": lambda world: world.remember("user-alice", "app", "items:read"),
    "signed-out": _end_sign_in,
    "client-lost-scope": lambda world: world.change_client("app", scopes=("items:read",)),
}


@rfc("9700", "4.8.2")
@pytest.mark.parametrize("end", ENDS)
def test_t13_what_has_ended_since_gives_nothing(api: Api, world: World, end: str) -> None:
    world.sign_in()
    world.remember("user-alice", "app", "openid", "items:read")
    code = api.code("app")
    world.clock.advance(0.25)
    ENDS[end](world)
    world.clock.advance(0.25)
    assert client_refusal(api.redeem(code, "app")) == REFUSED
    assert not world.seen(TokenIssued)
    assert not world.stores.authorizations.list_live(world.clock())
    # It is spent: what comes back brings nothing back.
    world.remember("user-alice", "app", "openid", "items:read")
    assert client_refusal(api.redeem(code, "app")) == REFUSED


def test_t13_a_client_that_was_disabled(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code("portal")
    world.change_client("portal", active=False)
    assert client_refusal(api.redeem(code)) == (401, "invalid_client")


def test_t13_a_client_that_is_first_party_no_more(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code("portal")
    world.change_client("portal", first_party=False)
    assert client_refusal(api.redeem(code)) == REFUSED


def test_t13_what_was_ended_before_is_no_hindrance(api: Api, world: World) -> None:
    """Whoever changes the password and goes on at once, gets on."""
    world.sign_in()
    old = api.code()
    _revoke_subject(world)
    world.clock.advance(0.01)
    world.sign_in(session="session-2")
    new = api.code()
    assert client_refusal(api.redeem(old)) == REFUSED
    token = api.redeem(new).json()["access_token"]
    assert api.get("/whoami", token=token).status == 200


def test_t10_a_replay_ends_what_was_given_right_after_a_revocation(api: Api, world: World) -> None:
    """``iat`` of such a token is a little ahead; the replay ends it all the same."""
    world.sign_in()
    _revoke_subject(world)
    world.clock.advance(0.01)
    code = api.code()
    token = api.redeem(code).json()["access_token"]
    assert api.is_active(token)
    assert client_refusal(api.redeem(code)) == REFUSED
    assert not api.is_active(token)


@rfc("9700", "4.15")
def test_j32_a_person_with_a_clients_name_gets_no_token(api: Api, world: World) -> None:
    """The access token of a client that acts for itself has the client's id as its subject."""
    grants = frozenset({"authorization_code"})
    world.change_client("web", grants=grants, redirect_uris=(CALLBACK,), first_party=True)
    world.sign_in("web")
    assert client_refusal(api.redeem(api.code("web", scope=None), "web")) == REFUSED
    world.sign_in("user-bob")
    assert api.redeem(api.code("web", scope=None), "web").status == 200
    world.sign_in("web")
    assert api.redeem(api.code("portal"), "portal").status == 200


def test_d01_a_store_that_is_away_gives_nothing_half(api: Api, world: World) -> None:
    world.sign_in()
    code = api.code()
    for name in "codes", "users", "authorizations":
        world.take_away(name)
        assert client_refusal(api.redeem(code)) == (503, "temporarily_unavailable")
        world.bring_back(name)
        code = api.code()
    assert not world.stores.authorizations.list_live(world.clock())
    assert api.redeem(code).status == 200
