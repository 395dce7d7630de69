"""Revocation: a token ends, with all that hangs on it, for everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant.events import AuthorizationRevoked, TokenRevoked
from bezant.runtime import SYNC
from tests.api import REVOKE, client_refusal, is_not_stored

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from bezant import AuthorizationServer
    from tests.api import Api
    from tests.world import World

HINTS = [None, "access_token", "refresh_token", "made_up"]


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.rfc("7009", "2.2")
@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("client", ["web", "mobile", "spa"])
def test_i05_a_refresh_token_ends_with_its_access_tokens(
    api: Api, world: World, client: str, hint: str | None
) -> None:
    access, refresh = api.tokens(client)
    newer = api.refresh(refresh, client).json()
    answer = api.revoke(newer["refresh_token"], client, token_type_hint=hint)
    assert (answer.status, answer.json()) == (200, {})
    assert is_not_stored(answer)
    assert client_refusal(api.refresh(newer["refresh_token"], client)) == (400, "invalid_grant")
    for token in access, newer["access_token"]:
        assert api.get("/whoami", token=token).status == 401
    (event,) = world.seen(AuthorizationRevoked)
    assert (event.client_id, event.subject) == (client, "user-alice")


@pytest.mark.rfc("7009", "2.1")
def test_a_spent_refresh_token_ends_the_sign_in_too(api: Api) -> None:
    access, spent = api.tokens()
    newer = api.refresh(spent).json()
    assert api.revoke(spent).status == 200
    assert api.refresh(newer["refresh_token"]).status == 400
    assert api.get("/whoami", token=access).status == 401


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.parametrize("hint", HINTS)
def test_i05_an_access_token_ends_alone(api: Api, world: World, hint: str | None) -> None:
    access, refresh = api.tokens()
    assert api.get("/whoami", token=access).status == 200
    assert api.revoke(access, token_type_hint=hint).status == 200
    refused = api.get("/whoami", token=access)
    assert refused.status == 401
    assert 'error="invalid_token"' in (refused.header("www-authenticate") or "")
    assert not api.is_active(access)
    newer = api.refresh(refresh)
    assert newer.status == 200
    assert api.get("/whoami", token=newer.json()["access_token"]).status == 200
    assert len(world.seen(TokenRevoked)) == 1


@pytest.mark.rfc("7009", "2.1")
def test_a_clients_own_token_ends(api: Api) -> None:
    token = api.token("machine", "client_credentials").json()["access_token"]
    assert api.revoke(token, "machine").status == 200
    assert api.get("/whoami", token=token).status == 401


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.parametrize("thief", ["mobile", "spa", "api"])
def test_i04_another_clients_tokens_are_unharmed(api: Api, world: World, thief: str) -> None:
    access, refresh = api.tokens()
    for token in access, refresh:
        assert (api.revoke(token, thief).status, api.revoke(token, thief).json()) == (200, {})
    assert api.get("/whoami", token=access).status == 200
    assert api.refresh(refresh).status == 200
    assert not world.seen(TokenRevoked)
    assert not world.seen(AuthorizationRevoked)


@pytest.mark.rfc("7009", "2.2")
@pytest.mark.parametrize(
    "token", ["x", "a.b.c", "bzr_" + "A" * 76, "é", "{}", "x" * 60_000], ids=lambda token: token[:6]
)
def test_i04_an_unknown_token_is_answered_like_a_revoked_one(api: Api, token: str) -> None:
    answer = api.revoke(token)
    assert (answer.status, answer.json()) == (200, {})


@pytest.mark.rfc("7009", "2.2")
def test_to_revoke_twice_is_to_revoke_once(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    for token in access, access, refresh, refresh:
        assert api.revoke(token).status == 200
    assert len(world.seen(TokenRevoked)) == len(world.seen(AuthorizationRevoked)) == 1


@pytest.mark.rfc("7009", "2.2")
def test_an_expired_token_is_answered_like_a_revoked_one(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    world.clock.advance(world.server.config.refresh_token_ttl)
    for token in access, refresh:
        assert api.revoke(token).status == 200


@pytest.mark.rfc("7009", "2.1")
@pytest.mark.rfc("7009", "2.2.1")
@pytest.mark.parametrize("form", [{}, {"token": ""}, {"token_type_hint": "access_token"}])
def test_the_token_must_be_sent(api: Api, form: dict[str, str]) -> None:
    assert client_refusal(api.ask("web", REVOKE, **form)) == (400, "invalid_request")


@pytest.mark.rfc("7009", "2.3")
def test_i07_there_is_no_jsonp(api: Api) -> None:
    answer = api.revoke("x", callback="package.myCallback")
    assert answer.header("content-type") == "application/json"
    assert answer.body == b"{}"


@pytest.mark.parametrize(
    ("what", "who"),
    [("revoke_for_subject", "user-alice"), ("revoke_for_client", "web")],
    ids=["user", "client"],
)
def test_i03_r11_everything_of_a_user_or_a_client_ends_at_once(
    api: Api, world: World, what: str, who: str
) -> None:
    mine = [api.tokens() for _ in range(3)]
    other = api.tokens("spa", "bob")

    def end(server: AuthorizationServer) -> Coroutine[Any, Any, int]:
        return getattr(server.authorizations, what)(who, now=world.clock(), runtime=SYNC)

    assert world.elsewhere(end) == 3
    world.clock.advance(1)  # every process looks once a second
    for access, refresh in mine:
        assert api.get("/whoami", token=access).status == 401
        assert api.refresh(refresh).status == 400
    assert api.get("/whoami", token=other[0]).status == 200
    assert api.refresh(other[1], "spa").status == 200
    assert api.get("/whoami", token=api.tokens()[0]).status == 200
