"""Introspection: is a token live, says the issuer, to those whom it concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant.runtime import SYNC
from bezant.testing import TokenFactory, fixed_key
from tests.api import INTROSPECT, client_refusal, is_not_stored
from tests.jose import parts
from tests.world import API, ISSUER, configured

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

INACTIVE = b'{"active":false}'


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", "made_up"])
@pytest.mark.parametrize("client", ["web", "api"], ids=["its-client", "its-resource-server"])
def test_a_live_access_token_is_described(api: Api, client: str, hint: str | None) -> None:
    access = api.tokens()[0]
    answer = api.introspect(access, client, token_type_hint=hint)
    assert answer.status == 200
    assert is_not_stored(answer)
    assert answer.json() == {"active": True, "token_type": "Bearer", **parts(access)[1]}


@pytest.mark.rfc("7662", "2.2")
def test_a_live_refresh_token_is_described_to_its_client(api: Api, world: World) -> None:
    refresh = api.tokens()[1]
    document = api.introspect(refresh, "web").json()
    now = int(world.clock())
    assert document == {
        "active": True,
        "iss": ISSUER,
        "sub": "user-alice",
        "client_id": "web",
        "scope": "items:read items:write",
        "exp": now + world.server.config.refresh_idle_ttl,
        "iat": now,
        "sid": document["sid"],
    }


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.rfc("7662", "4")
def test_i02_what_does_not_concern_the_caller_is_no_token(api: Api) -> None:
    access, refresh = api.tokens()
    for token, client in [
        (access, "other-api"),
        (refresh, "api"),
        (refresh, "mobile"),
        (refresh, "other-api"),
    ]:
        answer = api.introspect(token, client)
        assert (answer.status, answer.body) == (200, INACTIVE)


def test_a_token_concerns_its_client_whatever_its_audience(api: Api, world: World) -> None:
    access = api.tokens()[0]
    world.change_client("web", audience=("https://elsewhere.example.com",))
    assert api.is_active(access, "web")


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.parametrize("token", ["x", "a.b.c", "é", "bzr_" + "A" * 76, "x" * 60_000])
def test_i02_what_is_no_token_is_inactive(api: Api, token: str) -> None:
    assert api.introspect(token).body == INACTIVE


@pytest.mark.rfc("7662", "2.2")
def test_i02_a_token_of_another_issuer_is_inactive(api: Api, world: World) -> None:
    shared_key = TokenFactory("https://evil.example.com", API, fixed_key("EdDSA"), world.clock)
    assert api.introspect(shared_key.mint(client_id="web")).body == INACTIVE


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.rfc("7662", "4")
def test_i02_an_expired_token_is_inactive(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    assert api.is_active(access)
    world.clock.advance(610)
    assert api.introspect(access).body == INACTIVE
    assert api.is_active(refresh, "web")
    world.clock.advance(world.server.config.refresh_idle_ttl - 610 - 0.5)
    assert api.is_active(refresh, "web")
    world.clock.advance(0.5)
    assert api.introspect(refresh, "web").body == INACTIVE


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.rfc("7662", "4")
def test_i02_a_revoked_token_is_inactive_at_once(api: Api) -> None:
    access, refresh = api.tokens()
    other = api.tokens()[0]
    assert api.is_active(access)
    assert api.is_active(refresh, "web")
    api.revoke(refresh)
    assert api.introspect(access).body == INACTIVE
    assert api.introspect(refresh, "web").body == INACTIVE
    assert api.is_active(other)


def test_a_spent_refresh_token_is_inactive(api: Api) -> None:
    first = api.tokens()[1]
    second = api.refresh(first).json()["refresh_token"]
    assert api.introspect(first, "web").body == INACTIVE
    assert api.is_active(second, "web")
    # Asking changed nothing.
    assert api.refresh(second).status == 200


@configured(revocation_refresh=30.0)
def test_introspection_sees_what_another_process_has_just_revoked(api: Api, world: World) -> None:
    """However seldom a verifier looks for revocations, the issuer answers as of now."""
    access, refresh = api.tokens()
    assert api.is_active(access)
    session, _ = world.server.authorizations.tokens.read(refresh)
    assert world.elsewhere(
        lambda server: server.authorizations.revoke(session, now=world.clock(), runtime=SYNC)
    )
    assert api.get("/whoami", token=access).status == 200
    assert api.introspect(access).body == INACTIVE


@pytest.mark.rfc("7662", "2.1")
def test_the_token_must_be_sent(api: Api) -> None:
    assert client_refusal(api.ask("api", INTROSPECT)) == (400, "invalid_request")


@configured(audience=())
def test_the_issuer_is_the_audience_when_none_is_named(api: Api, world: World) -> None:
    for client in ("machine", "api"):
        world.change_client(client, audience=())
    token = api.token("machine", "client_credentials").json()["access_token"]
    assert parts(token)[1]["aud"] == ISSUER
    assert api.is_active(token)
    assert not api.is_active(token, "other-api")
