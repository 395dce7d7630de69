"""ID tokens: what they say, and what signs them."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256, sha512
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from bezant import ConfigurationError, TokenVerifier
from bezant.errors import InvalidRequest, InvalidToken
from bezant.id_token_hints import IDTokenHints
from bezant.runtime import SYNC, run_sync
from bezant.signing import encode
from bezant.stores import LogoutNotice
from tests.core.sso_world import ALGORITHMS, API, ISSUER, World, basic, clients, relying_party
from tests.jose import b64, parts, segment, thumbprint

if TYPE_CHECKING:
    from bezant.sign_in import SignIn

HASHES = {"RS256": sha256, "ES256": sha256, "EdDSA": sha512}

UNTIMED: Any = {"verify_exp": False, "verify_iat": False, "verify_aud": False}

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def sign_in(world: World) -> SignIn:
    return world.sign_in(at=world.clock() - 100.75, acr="urn:example:strong", amr=("pwd", "otp"))


def claims_of(token: str) -> dict[str, Any]:
    return parts(token)[1]


# ---- what they say ---------------------------------------------------------------------------


@pytest.mark.openid("oidcc-server")
def test_all_claims_of_a_sign_in(world: World, sign_in: SignIn) -> None:
    tokens = world.tokens(nonce="n-0S6_WzA2Mj")
    header, claims, _ = parts(tokens["id_token"])
    now = int(world.clock())
    (rsa,) = (key for key in world.jwks()["keys"] if key["kty"] == "RSA")
    assert header == {"alg": "RS256", "kid": rsa["kid"], "typ": "JWT"}
    assert (
        claims
        == {
            "iss": ISSUER,
            "sub": "alice",
            "aud": "web",
            "exp": now + 600,
            "iat": now,
            "auth_time": now - 101,  # a whole second, and never later than it was
            "nonce": "n-0S6_WzA2Mj",
            "acr": "urn:example:strong",
            "amr": ["pwd", "otp"],
            "sid": "sid-1",
            "at_hash": b64(sha256(tokens["access_token"].encode()).digest()[:16]),
        }
    )


@pytest.mark.openid("oidcc-ensure-request-without-nonce-succeeds-for-code-flow")
def test_what_was_not_asked_or_is_not_known_is_not_there(world: World) -> None:
    world.sign_in()
    claims = claims_of(world.tokens()["id_token"])
    assert claims.keys() == {"iss", "sub", "aud", "exp", "iat", "auth_time", "at_hash", "sid"}


def test_nothing_of_the_profile_but_what_the_claims_parameter_names(world: World) -> None:
    world.sign_in()
    claims = claims_of(world.tokens(scope="openid profile email address phone")["id_token"])
    assert not claims.keys() & {"name", "email", "address", "phone_number"}
    asked = '{"id_token": {"email": null, "address": {"essential": true}, "shoe_size": null}}'
    claims = claims_of(world.tokens(claims=asked)["id_token"])
    assert claims["email"] == "alice@example.com"
    assert claims["address"] == {"locality": "Ghent", "country": "BE"}
    assert "shoe_size" not in claims
    assert "name" not in claims


def test_s12_a_profile_does_not_change_what_the_protocol_says(world: World) -> None:
    user = world.users.get("alice")
    assert user is not None
    forged = {"sub": "bob", "iss": "https://evil.example", "aud": "other", "auth_time": 1}
    world.users.add(replace(user, profile=forged))
    world.sign_in()
    asked = '{"id_token": {"sub": null, "iss": null, "aud": null, "auth_time": null}}'
    claims = claims_of(world.tokens(claims=asked)["id_token"])
    assert (claims["sub"], claims["iss"], claims["aud"]) == ("alice", ISSUER, "web")
    assert claims["auth_time"] == int(world.clock())


def test_a_client_gets_no_claim_by_name_that_its_scopes_do_not_cover(world: World) -> None:
    world.sign_in()
    asked = '{"id_token": {"email": {"essential": true}, "phone_number": null}}'
    claims = claims_of(world.tokens("plain", claims=asked)["id_token"])
    assert not claims.keys() & {"email", "phone_number"}


@pytest.mark.openid("oidcc-refresh-token")
def test_a_refresh_tells_of_the_same_sign_in(world: World, sign_in: SignIn) -> None:
    first = world.tokens(nonce="n")
    world.clock.advance(3600)
    answer = world.refresh(first["refresh_token"])
    before, after = claims_of(first["id_token"]), claims_of(answer.json()["id_token"])
    same = ("iss", "sub", "aud", "auth_time", "sid")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert after["iat"] == before["iat"] + 3600
    assert "nonce" not in after  # section 12.2
    token = answer.json()["access_token"].encode()
    assert after["at_hash"] == b64(sha256(token).digest()[:16]) != before["at_hash"]


def test_a_refresh_without_openid_has_no_id_token(world: World, sign_in: SignIn) -> None:
    tokens = world.tokens(scope="openid items:read")
    assert "id_token" not in world.refresh(tokens["refresh_token"], scope="items:read").json()


def test_no_id_token_without_openid_or_without_a_person(world: World, sign_in: SignIn) -> None:
    assert "id_token" not in world.tokens(scope="items:read")
    answer = world.post("token", basic("machine"), grant_type="client_credentials", scope="openid")
    assert answer.status == 200
    assert "id_token" not in answer.json()


def test_an_id_token_lives_no_longer_than_its_key_is_kept() -> None:
    world = World(max_access_token_ttl=60, access_token_ttl=30)
    world.sign_in()
    claims = claims_of(world.tokens()["id_token"])
    assert claims["exp"] - claims["iat"] == 60


# ---- what signs them -------------------------------------------------------------------------


@pytest.mark.openid("oidcc-idtoken-signature")
@each_algorithm
def test_the_registered_algorithm_signs(world: World, sign_in: SignIn, algorithm: str) -> None:
    tokens = world.tokens(f"signed-{algorithm}", nonce="n")
    header, claims, _ = parts(tokens["id_token"])
    assert header["alg"] == algorithm
    (jwk,) = (key for key in world.jwks()["keys"] if key["kid"] == header["kid"])
    assert jwk["alg"] == algorithm
    assert header["kid"] == thumbprint(jwk)
    digest = HASHES[algorithm](tokens["access_token"].encode()).digest()
    assert claims["at_hash"] == b64(digest[: len(digest) // 2])
    # Access tokens are signed with what the server is configured for, whatever the client wants.
    assert parts(tokens["access_token"])[0]["alg"] == "EdDSA"


@pytest.mark.openid("oidcc-idtoken-unsigned")
@pytest.mark.parametrize("algorithm", ["none", "HS256", "PS256", "rs256", "", None])
def test_no_other_algorithm_can_be_registered(algorithm: Any) -> None:
    with pytest.raises(ConfigurationError, match="id_token_signed_response_alg"):
        relying_party("x", id_token_signed_response_alg=algorithm)
    assert clients()[0].id_token_signed_response_alg == "RS256"


# ---- rotation --------------------------------------------------------------------------------


def takes(world: World, cached: dict[str, Any], token: str) -> bool:
    """Whether a client that cached the keys takes an ID token."""
    kid = parts(token)[0]["kid"]
    keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(cached).keys}
    if kid not in keys:
        return False
    jwt.decode(token, keys[kid], options=UNTIMED)
    return True


@pytest.mark.openid("oidcc-server-rotate-keys")
@each_algorithm
def test_x01_clients_that_cache_the_keys_take_every_id_token_through_a_rotation(
    world: World, sign_in: SignIn, algorithm: str
) -> None:
    client_id = f"signed-{algorithm}"
    keys, config = world.server.keys, world.server.config
    old = parts(world.tokens(client_id)["id_token"])[0]["kid"]
    run_sync(keys.rotate(SYNC, algorithm=algorithm))
    used: set[str] = set()
    end = world.clock() + config.jwks_max_age + config.key_refresh + config.key_retention + 600
    while world.clock() < end:
        cached = world.jwks()
        tokens = []
        for _ in range(3):  # while the cache is good, at its beginning, middle and end
            tokens.append(world.tokens(client_id)["id_token"])
            assert all(takes(world, cached, token) for token in tokens)
            world.clock.advance(config.jwks_max_age / 2 - 0.01)
        used |= {parts(token)[0]["kid"] for token in tokens}
    assert len(used) == 2
    assert old in used
    run_sync(keys.prune(SYNC))
    assert old not in {key["kid"] for key in world.jwks()["keys"]}
    # The keys of the other algorithms have not moved.
    assert sorted(key["alg"] for key in world.jwks()["keys"]) == ["ES256", "EdDSA", "RS256"]


@each_algorithm
def test_x02_a_withdrawn_key_is_replaced_by_one_of_its_own_algorithm(
    world: World, sign_in: SignIn, algorithm: str
) -> None:
    client_id = f"signed-{algorithm}"
    token = world.tokens(client_id)["id_token"]
    assert run_sync(world.server.keys.retire(SYNC, parts(token)[0]["kid"]))
    assert not takes(world, world.jwks(), token)
    again = world.tokens(client_id)["id_token"]
    assert parts(again)[0]["alg"] == algorithm
    assert takes(world, world.jwks(), again)


# ---- no kind of token passes for another -----------------------------------------------------


def test_j23_an_id_token_is_no_access_token(world: World, sign_in: SignIn) -> None:
    tokens = world.tokens("signed-EdDSA")
    verifier: TokenVerifier = world.server.verifier(audience=["signed-EdDSA", API])
    with pytest.raises(InvalidToken) as caught:
        verifier.verify(tokens["id_token"])
    assert caught.value.detail == "wrong typ"
    assert verifier.verify(tokens["access_token"]).subject == "alice"


def test_j23_a17_only_an_id_token_is_a_hint(world: World, sign_in: SignIn) -> None:
    hints = IDTokenHints(world.server.config, world.server.keys)
    web, signed = clients()[0], world.stores.clients.get("signed-EdDSA")
    assert signed is not None
    tokens = world.tokens("signed-EdDSA", scope="openid profile")
    assert hints.subject(tokens["id_token"], signed) == "alice"
    notice = LogoutNotice("n", "signed-EdDSA", "alice", "sid-1", world.clock())
    others = {
        "access token": tokens["access_token"],
        "refresh token": tokens["refresh_token"],
        "logout token": world.server.logouts.notices.logout_token(signed, notice),
        "UserInfo": world.userinfo(tokens["access_token"]).body.decode(),
        "nothing": "",
        "junk": "a.b.c",
    }
    for kind, token in others.items():
        with pytest.raises(InvalidRequest, match="no ID token that this server gave"):
            hints.subject(token, signed)
        assert kind
    with pytest.raises(InvalidRequest, match="gave this client"):
        hints.subject(tokens["id_token"], web)


def test_a17_a_hint_may_have_expired_and_must_be_ours(world: World, sign_in: SignIn) -> None:
    hints = IDTokenHints(world.server.config, world.server.keys)
    (web, *_), token = clients(), world.tokens()["id_token"]
    world.clock.advance(86_400)
    assert hints.subject(token, web) == "alice"
    assert hints.subject(None, web) is None

    claims = claims_of(token)
    ours = world.server.keys.signing_key("RS256")
    for changes in ({"iss": "https://evil.example"}, {"aud": ["web", "shop"]}, {"sub": 7}):
        with pytest.raises(InvalidRequest):
            hints.subject(encode(ours, "JWT", {**claims, **changes}), web)
    unsigned = f"{segment({'alg': 'none', 'typ': 'JWT'})}.{segment(claims)}."
    stranger = World(own_keys=True)
    stranger.sign_in()
    for foreign in (unsigned, stranger.tokens()["id_token"]):
        assert hints.claims(foreign) is None
        with pytest.raises(InvalidRequest):
            hints.subject(foreign, web)
