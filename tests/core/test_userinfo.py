"""UserInfo: who may ask, and what a client learns of whom."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bezant import ConfigurationError, KeySet
from bezant.errors import InvalidToken
from bezant.http import Request
from bezant.runtime import SYNC, run_sync
from bezant.signing import encode, signed_claims
from bezant.testing import fixed_key
from tests.core.sso_world import (
    ALGORITHMS,
    FORM,
    ISSUER,
    PROFILE,
    World,
    basic,
    bearer,
    relying_party,
    sent_back,
    waiting_at,
)
from tests.jose import parts

if TYPE_CHECKING:
    from bezant.http import Response

PARTS = {
    "profile": ("name", "given_name", "family_name", "updated_at"),  # and no empty ones
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}


@pytest.fixture
def world() -> World:
    made = World()
    made.sign_in()
    return made


def known(world: World, client_id: str = "web", **query: Any) -> dict[str, Any]:
    """What a client learns of whoever signs in for a request."""
    answer = world.userinfo(world.tokens(client_id, **query)["access_token"])
    assert answer.status == 200, answer.body
    document: dict[str, Any] = answer.json()
    return document


def challenge(answer: Response) -> tuple[int, str]:
    return answer.status, answer.header("www-authenticate") or ""


# ---- what is told ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("profile", marks=pytest.mark.openid("oidcc-scope-profile")),
        pytest.param("email", marks=pytest.mark.openid("oidcc-scope-email")),
        pytest.param("address", marks=pytest.mark.openid("oidcc-scope-address")),
        pytest.param("phone", marks=pytest.mark.openid("oidcc-scope-phone")),
        pytest.param("profile email address phone", marks=pytest.mark.openid("oidcc-scope-all")),
    ],
)
def test_each_scope_gives_its_claims_and_no_others(world: World, scope: str) -> None:
    expected = {name: PROFILE[name] for part in scope.split() for name in PARTS[part]}
    assert known(world, scope=f"openid {scope}") == {"sub": "alice", **expected}


def test_openid_alone_gives_the_subject(world: World) -> None:
    assert known(world, scope="openid items:read") == {"sub": "alice"}


@pytest.mark.openid("oidcc-claims-essential")
def test_a_claim_that_is_asked_for_by_name_is_told(world: World) -> None:
    asked = '{"userinfo": {"name": {"essential": true}, "address": null, "zoneinfo": null}}'
    told = {"name": PROFILE["name"], "address": PROFILE["address"]}
    assert known(world, claims=asked) == {"sub": "alice", **told}
    # Not on another occasion, and not because the ID token was to have it.
    assert known(world) == {"sub": "alice"}
    assert known(world, claims='{"id_token": {"name": null}}') == {"sub": "alice"}


def test_a_claim_by_name_is_no_way_around_the_scopes_of_a_client(world: World) -> None:
    asked = '{"userinfo": {"email": {"essential": true}, "name": null, "shoe_size": null}}'
    assert known(world, "plain", claims=asked) == {"sub": "alice"}
    # A scope that the client loses takes its claims along, those asked for by name included.
    token = world.tokens("quiet", claims=asked)["access_token"]
    assert world.userinfo(token).json() == {
        "sub": "alice",
        "email": PROFILE["email"],
        "name": PROFILE["name"],
    }
    world.change_client("quiet", scopes=("openid", "email"))
    assert world.userinfo(token).json() == {"sub": "alice", "email": PROFILE["email"]}


@pytest.mark.openid("oidcc-claims-essential")
def test_what_is_asked_for_by_name_is_consented_to_like_what_is_asked_for_as_a_scope() -> None:
    world = World(more_clients=[relying_party("guest", first_party=False)])
    sign_in = world.sign_in()
    interactions = world.server.interactions
    asked = '{"userinfo": {"email": {"essential": true}}, "id_token": {"name": null}}'

    def consenting(*scopes: str) -> dict[str, Any]:
        page = waiting_at(world.authorize("guest", claims=asked), "/consent")
        waiting = run_sync(interactions.get(page, SYNC))
        assert waiting is not None
        assert waiting.request.scopes == ("openid", "email", "profile")
        run_sync(interactions.consent(page, sign_in, scopes, SYNC))
        code = sent_back(world.get("authorize", interaction=page))["code"]
        document: dict[str, Any] = world.redeem(code, "guest").json()
        return document

    less = consenting("openid")
    assert world.userinfo(less["access_token"]).json() == {"sub": "alice"}
    assert "name" not in parts(less["id_token"])[1]
    all_ = consenting("openid", "email", "profile")
    assert all_["scope"] == "openid email profile"
    # What was named, and nothing else of its scope.
    assert world.userinfo(all_["access_token"]).json() == {
        "sub": "alice",
        "email": PROFILE["email"],
    }
    assert parts(all_["id_token"])[1]["name"] == PROFILE["name"]
    # That is remembered; another scope's claim is another question.
    assert "code" in sent_back(world.authorize("guest", claims=asked, prompt="none"))
    other = '{"userinfo": {"phone_number": null}}'
    answer = sent_back(world.authorize("guest", claims=other, prompt="none"))
    assert answer["error"] == "consent_required"


@pytest.mark.rfc("8414", "2")
def test_every_claim_that_is_advertised_is_told(world: World) -> None:
    advertised = set(world.get("openid_configuration").json()["claims_supported"])
    of_id_tokens = {"iss", "aud", "auth_time", "acr", "amr", "sid"}
    user = world.users.get("alice")
    assert user is not None
    everything = dict.fromkeys(advertised - of_id_tokens - {"sub"}, "known")
    world.users.add(replace(user, profile=everything))
    told = known(world, scope="openid profile email address phone")
    assert told == {**everything, "sub": "alice"}
    world.sign_in(acr="1", amr=("pwd",))
    assert of_id_tokens <= parts(world.tokens()["id_token"])[1].keys()


def test_a_scope_gives_all_its_claims_though_one_is_named_too(world: World) -> None:
    asked = '{"userinfo": {"name": {"essential": true}, "phone_number": null}}'
    told = known(world, scope="openid profile", claims=asked)
    assert told.keys() == {"sub", *PARTS["profile"], "phone_number"}


def test_s12_a_profile_cannot_set_what_the_protocol_says(world: World) -> None:
    user = world.users.get("alice")
    assert user is not None
    world.users.add(replace(user, profile={"sub": "bob", "iss": "x", "aud": "x", "name": "A"}))
    assert known(world, scope="openid profile") == {"sub": "alice", "name": "A"}


def test_it_is_of_now(world: World) -> None:
    token = world.tokens(scope="openid email")["access_token"]
    user = world.users.get("alice")
    assert user is not None
    world.users.add(replace(user, profile={"email": "a@new.example", "email_verified": True}))
    assert world.userinfo(token).json() == {
        "sub": "alice",
        "email": "a@new.example",
        "email_verified": True,
    }


def test_a_refreshed_token_with_fewer_scopes_tells_less(world: World) -> None:
    tokens = world.tokens(scope="openid email profile")
    fewer = world.refresh(tokens["refresh_token"], scope="openid email").json()["access_token"]
    assert world.userinfo(fewer).json().keys() == {"sub", "email", "email_verified"}


# ---- how it is told --------------------------------------------------------------------------


@pytest.mark.openid("oidcc-userinfo-get")
@pytest.mark.openid("oidcc-userinfo-post-header")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_both_methods_answer_with_json_that_is_not_stored(world: World, method: str) -> None:
    answer = world.userinfo(world.tokens()["access_token"], method)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-store"
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.json() == {"sub": "alice"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_client_that_wants_it_signed_gets_a_token_of_its_own(
    world: World, algorithm: str
) -> None:
    client_id = f"signed-{algorithm}"
    answer = world.userinfo(world.tokens(client_id, scope="openid email")["access_token"])
    assert answer.header("content-type") == "application/jwt"
    assert answer.header("cache-control") == "no-store"
    keys = KeySet.from_jwks(world.jwks())
    claims, key = signed_claims(answer.body.decode(), "jwt", keys, 16384)
    assert key.algorithm == algorithm
    assert claims == {
        "iss": ISSUER,
        "aud": client_id,
        "sub": "alice",
        "email": PROFILE["email"],
        "email_verified": False,
    }


def test_only_what_is_supported_can_be_registered() -> None:
    with pytest.raises(ConfigurationError, match="userinfo_signed_response_alg"):
        relying_party("x", userinfo_signed_response_alg="HS256")


# ---- who may ask -----------------------------------------------------------------------------


def test_i08_whoever_has_no_good_token_learns_nothing(world: World) -> None:
    tokens = world.tokens()
    bare = Request("GET")
    assert challenge(world.ask("userinfo", bare)) == (401, 'Bearer realm="userinfo"')
    # In the URL or in a form, a token is not looked at.
    query = Request("GET", query=f"access_token={tokens['access_token']}")
    body = Request("POST", (FORM,), f"access_token={tokens['access_token']}".encode())
    for request in (query, body):
        assert challenge(world.ask("userinfo", request)) == (401, 'Bearer realm="userinfo"')
    for bad in (tokens["id_token"], tokens["refresh_token"], tokens["access_token"][:-2], "x"):
        status, header = challenge(world.userinfo(bad))
        assert status == 401
        assert 'error="invalid_token"' in header
    for twice in ((bearer(tokens["access_token"]),) * 2, (bearer("a b"),)):
        assert world.ask("userinfo", Request("GET", twice)).status == 400
    assert world.ask("userinfo", Request("DELETE", (bearer("x"),))).status == 405


def test_i08_a_token_without_openid_has_too_little_scope(world: World) -> None:
    status, header = challenge(world.userinfo(world.tokens(scope="items:read")["access_token"]))
    assert status == 403
    assert 'error="insufficient_scope"' in header
    assert 'scope="openid"' in header


def test_i08_j32_a_client_that_acts_for_itself_is_nobody(world: World) -> None:
    answer = world.post("token", basic("machine"), grant_type="client_credentials", scope="openid")
    assert challenge(world.userinfo(answer.json()["access_token"]))[0] == 401


def test_i08_another_issuers_token_is_refused(world: World) -> None:
    _, claims, _ = parts(world.tokens()["access_token"])
    assert challenge(world.userinfo(encode(fixed_key("EdDSA"), "at+jwt", claims)))[0] == 401
    ours = world.server.keys.signing_key()
    foreign = encode(ours, "at+jwt", {**claims, "iss": "https://other.example.com"})
    assert challenge(world.userinfo(foreign))[0] == 401
    assert world.userinfo(encode(ours, "at+jwt", claims)).status == 200


@pytest.mark.parametrize("what", ["user", "client", "authorization", "session", "row"])
def test_what_has_ended_is_not_spoken_of(world: World, what: str) -> None:
    token = world.tokens()["access_token"]
    assert world.userinfo(token).status == 200
    match what:
        case "user":
            user = world.users.get("alice")
            assert user is not None
            world.users.add(replace(user, active=False))
        case "client":
            world.change_client("web", active=False)
        case "authorization":
            # In another process, of whose revocation this one has not read yet.
            (given,) = world.stores.authorizations.list_live(world.clock())
            world.stores.authorizations.revoke(given.id, world.clock())
        case "session":
            assert world.signed_in is not None
            run_sync(world.server.logouts.end(world.signed_in, SYNC))
        case "row":
            world.stores.authorizations._rows.clear()
    status, header = challenge(world.userinfo(token))
    assert status == 401
    assert 'error="invalid_token"' in header


def test_a_signed_answer_is_no_id_token_and_no_access_token(world: World) -> None:
    tokens = world.tokens("signed-EdDSA")
    signed = world.userinfo(tokens["access_token"]).body.decode()
    assert challenge(world.userinfo(signed))[0] == 401
    with pytest.raises(InvalidToken):
        world.server.verifier(audience="signed-EdDSA").verify(signed)
    # As a hint it would let a client speak for a session that it only read about.
    page = world.get("end_session", id_token_hint=signed)
    assert (page.status, page.header("location")) == (400, None)
