"""What the parts of single sign-on change in a server, and that without them nothing changes."""

from __future__ import annotations

from typing import Any

import pytest

from bezant import AuthorizationServer, ConfigurationError, ServerConfig, User
from bezant.administration import Administration
from bezant.http import Request
from bezant.interactions import InteractionConfig
from bezant.runtime import SYNC, run_sync
from bezant.stores.memory import MemoryStores, MemoryUserStore
from tests.core.sso_world import ALGORITHMS, ISSUER, SECRET_KEY, World

PAGES = InteractionConfig(login_url="/in", consent_url="/may", sign_in=lambda native: None)
SIGN_IN = {
    *("authorization_endpoint", "pushed_authorization_request_endpoint", "userinfo_endpoint"),
    *("response_modes_supported", "code_challenge_methods_supported", "prompt_values_supported"),
    *("authorization_response_iss_parameter_supported", "subject_types_supported"),
    *("id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported"),
    *("claims_supported", "claims_parameter_supported", "request_parameter_supported"),
    *("request_uri_parameter_supported", "end_session_endpoint", "backchannel_logout_supported"),
    "backchannel_logout_session_supported",
}


def algorithms(world: World) -> list[str]:
    return [key.algorithm for key in world.stores.keys.load()]


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256", "HS256"])
def test_a_server_without_interaction_makes_one_key(algorithm: str) -> None:
    world = World(interaction=False, algorithm=algorithm)
    assert algorithms(world) == [algorithm]
    assert world.server.keys.algorithms == (algorithm,)
    for name, endpoint in world.endpoints.items():  # nor does any request
        if "GET" in endpoint.methods and name != "revocation_feed":
            run_sync(endpoint.handler(Request("GET"), SYNC))
    assert algorithms(world) == [algorithm]
    assert world.endpoints.keys() <= {
        *("token", "revocation", "introspection", "jwks", "revocation_feed", "metadata"),
    }


def test_a_server_without_interaction_advertises_no_sign_in() -> None:
    document = World(interaction=False).get("metadata").json()
    assert not SIGN_IN & document.keys()
    assert document["response_types_supported"] == []
    assert "scopes_supported" not in document
    assert "authorization_code" not in document["grant_types_supported"]


@pytest.mark.parametrize(
    ("algorithm", "made"),
    [
        ("EdDSA", ["EdDSA", "RS256", "ES256"]),
        ("ES256", ["ES256", "RS256", "EdDSA"]),
        ("RS256", ["RS256", "ES256", "EdDSA"]),
        ("PS256", ["PS256", "RS256", "ES256", "EdDSA"]),
    ],
)
def test_a_server_with_interaction_makes_a_key_for_each_algorithm(
    algorithm: str, made: list[str]
) -> None:
    world = World(own_keys=True, algorithm=algorithm)
    assert algorithms(world) == made
    assert sorted(key["alg"] for key in world.jwks()["keys"]) == sorted(made)
    assert world.get("metadata").json().keys() >= SIGN_IN


def test_interaction_comes_to_a_server_that_has_its_key() -> None:
    before = World(interaction=False)
    (key,) = before.stores.keys.load()
    after = World(stores=before.stores, clock=before.clock, own_keys=True)
    assert after.server.keys.signing_key().kid == key.kid
    assert algorithms(after) == ["EdDSA", "RS256", "ES256"]


def test_id_tokens_of_many_clients_are_not_signed_with_one_secret() -> None:
    with pytest.raises(ConfigurationError, match="HS256 is no algorithm for many clients"):
        World(algorithm="HS256")


def test_somebody_has_to_be_there_to_sign_in() -> None:
    with pytest.raises(ConfigurationError, match="who signs in"):
        AuthorizationServer(
            ServerConfig(issuer=ISSUER),
            stores=MemoryStores(),
            secret_key=SECRET_KEY,
            interaction=PAGES,
        )


def test_the_parts_are_named_when_they_are_not_there() -> None:
    server = World(interaction=False).server
    for part in ("interactions", "logouts"):
        with pytest.raises(ConfigurationError, match="InteractionConfig"):
            getattr(server, part)


def test_a_coroutine_is_no_sign_in_where_there_is_no_event_loop() -> None:
    async def sign_in(native: Any) -> None:
        return None

    server = AuthorizationServer(
        ServerConfig(issuer=ISSUER),
        stores=MemoryStores(),
        secret_key=SECRET_KEY,
        users=MemoryUserStore([User("alice")]),
        interaction=InteractionConfig(login_url="/in", consent_url="/may", sign_in=sign_in),
    )
    with pytest.raises(ConfigurationError, match=r"interaction\.sign_in"):
        server.check(SYNC)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_x01_whoever_looks_after_a_server_rotates_each_of_its_keys(algorithm: str) -> None:
    world = World()
    at = Administration(world.server)
    made = at.rotate_keys(algorithm=algorithm)
    assert (made.algorithm, made.state) == (algorithm, "next")
    at.retire_key(world.server.keys.signing_key(algorithm).kid)
    infos = list(at.keys())
    states = [info.state for info in infos if info.algorithm == algorithm]
    assert sorted(states) == ["active", "gone", "next"]
    assert {info.state for info in infos if info.algorithm != algorithm} == {"active"}


def test_x01_to_rotate_keys_is_to_rotate_those_of_id_tokens_too() -> None:
    world = World()
    made = Administration(world.server).rotate_keys()
    assert (made.algorithm, made.state) == ("EdDSA", "next")
    states = sorted((info.algorithm, info.state) for info in world.server.keys.describe())
    assert states == [(name, state) for name in sorted(ALGORITHMS) for state in ("active", "next")]
    # A server that signs with one has one more.
    plain = World(interaction=False)
    Administration(plain.server).rotate_keys()
    assert algorithms(plain) == ["EdDSA", "EdDSA"]


@pytest.mark.openid("oidcc-discovery-endpoint-verification")
@pytest.mark.parametrize("issuer", [ISSUER, "https://example.com/tenants/one"])
def test_discovery(issuer: str) -> None:
    """The document, where OpenID Connect looks for it: below the issuer, its path included."""
    world = World(issuer=issuer, own_keys=issuer != ISSUER)
    assert world.server.public_path("openid_configuration") == (
        issuer.removeprefix("https://example.com").removeprefix(ISSUER)
        + "/.well-known/openid-configuration"
    )
    answer = world.get("openid_configuration", ("host", "evil.example"))
    assert answer.header("content-type") == "application/json"
    document = answer.json()
    assert document == world.get("metadata").json()
    assert document["issuer"] == issuer
    for name, value in document.items():
        if name.endswith(("_endpoint", "_uri")):
            assert value.startswith(issuer + "/"), name
    kids = [key["kid"] for key in world.jwks()["keys"]]
    assert len(set(kids)) == len(kids) == 3
    assert {"openid", "profile", "email", "address", "phone", "offline_access"} <= set(
        document["scopes_supported"]
    )
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    assert document["id_token_signing_alg_values_supported"] == list(ALGORITHMS)
    assert document["userinfo_signing_alg_values_supported"] == list(ALGORITHMS)
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert {"sub", "name", "email", "address", "phone_number"} <= set(document["claims_supported"])
    assert document["request_parameter_supported"] is False
    assert document["request_uri_parameter_supported"] is False


@pytest.mark.openid("oidcc-backchannel-rp-initiated-logout")
def test_discovery_of_logout() -> None:
    document = World().get("openid_configuration").json()
    assert document["end_session_endpoint"] == ISSUER + "/oauth/logout"
    assert document["backchannel_logout_supported"] is True
    assert document["backchannel_logout_session_supported"] is True
