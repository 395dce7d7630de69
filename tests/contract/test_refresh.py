"""Refreshing: rotation, reuse, lost answers, narrowing, and every end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant.events import AuthorizationRevoked, RefreshReuseDetected, TokenRefreshed
from tests.api import client_refusal
from tests.jose import parts
from tests.world import configured

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

REFUSED = (400, "invalid_grant")
DAY = 86400


def renew(api: Api, token: str, client: str = "web") -> str:
    answer = api.refresh(token, client)
    assert answer.status == 200
    return str(answer.json()["refresh_token"])


@pytest.mark.rfc("6749", "6")
@pytest.mark.rfc("6749", "5.1")
@pytest.mark.parametrize("client", ["web", "mobile", "spa"])
def test_a_refresh_token_becomes_a_new_pair(api: Api, world: World, client: str) -> None:
    access, refresh = api.tokens(client)
    world.clock.advance(300)
    document = api.refresh(refresh, client).json()
    assert document["scope"] == "items:read items:write"
    assert document["refresh_token"] != refresh
    old, new = parts(access)[1], parts(document["access_token"])[1]
    now = int(world.clock())
    assert new == {**old, "iat": now, "exp": now + 600, "jti": new["jti"]}
    assert new["jti"] != old["jti"]
    assert api.get("/whoami", token=document["access_token"]).status == 200
    assert api.get("/whoami", token=access).status == 200
    assert [event.retried for event in world.seen(TokenRefreshed)] == [False]


# ---- reuse -----------------------------------------------------------------------------------


@pytest.mark.rfc("9700", "4.14.2")
@pytest.mark.rfc("6749", "10.4")
def test_r02_reuse_ends_everything_of_the_sign_in(api: Api, world: World) -> None:
    access, first = api.tokens()
    document = api.refresh(first).json()
    other_access, other_refresh = api.tokens()
    world.clock.advance(10)

    assert client_refusal(api.refresh(first)) == REFUSED
    (event,) = world.seen(RefreshReuseDetected)
    assert (event.subject, event.client_id, event.generation) == ("user-alice", "web", 1)
    assert client_refusal(api.refresh(document["refresh_token"])) == REFUSED
    for token in access, document["access_token"]:
        assert api.get("/whoami", token=token).status == 401
        assert not api.is_active(token)
    # Another sign-in of the same person is none of its business.
    assert api.get("/whoami", token=other_access).status == 200
    assert api.refresh(other_refresh).status == 200


@pytest.mark.rfc("9700", "4.14.2")
def test_r03_only_the_immediate_predecessor_may_come_back(api: Api, world: World) -> None:
    first = api.tokens()[1]
    last = renew(api, renew(api, renew(api, first)))
    assert client_refusal(api.refresh(first)) == REFUSED
    assert client_refusal(api.refresh(last)) == REFUSED
    assert len(world.seen(RefreshReuseDetected)) == 1


def test_r09_a_lost_answer_is_given_again(api: Api, world: World) -> None:
    first = api.tokens()[1]
    second = renew(api, first)
    world.clock.advance(9.9)
    assert renew(api, first) == renew(api, first) == second
    assert [event.retried for event in world.seen(TokenRefreshed)] == [False, True, True]
    third = renew(api, second)
    assert third not in {first, second}


@pytest.mark.parametrize(
    ("config", "client_window", "length"),
    [({}, None, 10), ({"refresh_retry_window": 30}, None, 30), ({}, 60, 60), ({}, 0, 0)],
    ids=["default", "server", "client", "off"],
)
def test_r08_the_retry_window_has_an_end(
    api: Api, world: World, client_window: int | None, length: int
) -> None:
    world.change_client("web", refresh_retry_window=client_window)
    first = api.tokens()[1]
    second = renew(api, first)
    if length:
        world.clock.advance(length - 0.1)
        assert renew(api, first) == second
        world.clock.advance(0.1)
    assert client_refusal(api.refresh(first)) == REFUSED
    assert client_refusal(api.refresh(second)) == REFUSED


def test_the_window_does_not_move_with_retries(api: Api, world: World) -> None:
    first = api.tokens()[1]
    renew(api, first)
    for _ in range(3):
        world.clock.advance(3)
        renew(api, first)
    world.clock.advance(3)
    assert client_refusal(api.refresh(first)) == REFUSED


def test_r08_revocation_beats_the_retry_window(api: Api) -> None:
    first = api.tokens()[1]
    api.revoke(renew(api, first))
    assert client_refusal(api.refresh(first)) == REFUSED


def test_r07_a_retry_may_not_widen(api: Api) -> None:
    first = api.tokens(scope="items:read")[1]
    renew(api, first)
    answer = api.refresh(first, scope="items:read items:write")
    assert client_refusal(answer) == (400, "invalid_scope")


# ---- whose, and what -------------------------------------------------------------------------


@pytest.mark.rfc("6749", "6")
@pytest.mark.rfc("6749", "10.4")
@pytest.mark.parametrize("spent", [False, True], ids=["current", "spent"])
@pytest.mark.parametrize("thief", ["mobile", "spa"], ids=["confidential", "public"])
def test_r05_another_clients_token_is_refused_and_unharmed(
    api: Api, thief: str, spent: bool
) -> None:
    token = current = api.tokens("web")[1]
    if spent:
        current = renew(api, token)
    assert client_refusal(api.refresh(token, thief)) == REFUSED
    assert api.refresh(current).status == 200


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: "x", id="short"),
        pytest.param(lambda token: token[:-1], id="cut"),
        pytest.param(lambda token: token + "A", id="longer"),
        pytest.param(lambda token: token.upper(), id="other-case"),
        pytest.param(lambda token: f" {token}", id="space"),
        pytest.param(lambda token: "bzr_" + token[4:40] + "é" + token[41:], id="not-ascii"),
        pytest.param(lambda token: "bzr_" + token[4:40] + "+" + token[41:], id="foreign-letter"),
        pytest.param(lambda token: "bza_" + token[4:], id="other-prefix"),
        pytest.param(lambda token: "bzr_" + "A" * 76, id="zeros"),
        pytest.param(lambda token: token[:40] + _other(token[40]) + token[41:], id="other-content"),
        pytest.param(lambda token: token[:-1] + _other(token[-1]), id="other-mac"),
        pytest.param(lambda token: "x" * 60_000, id="oversized"),
    ],
)
def test_r13_a_forged_refresh_token_is_refused(api: Api, spoil) -> None:
    token = api.tokens()[1]
    assert client_refusal(api.refresh(spoil(token))) == REFUSED
    assert api.refresh(token).status == 200


def _other(letter: str) -> str:
    return "A" if letter != "A" else "B"


def test_r13_an_access_token_is_no_refresh_token(api: Api) -> None:
    access, refresh = api.tokens()
    assert client_refusal(api.refresh(access)) == REFUSED
    assert api.get("/whoami", token=refresh).status == 401


# ---- scopes ----------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "6")
def test_r06_scopes_may_narrow_and_come_back_but_never_widen(api: Api) -> None:
    refresh = api.tokens(scope="items:read items:write")[1]
    narrow = api.refresh(refresh, scope="items:read").json()
    assert narrow["scope"] == "items:read"
    assert api.get("/write", token=narrow["access_token"]).status == 403
    whole = api.refresh(narrow["refresh_token"]).json()
    assert whole["scope"] == "items:read items:write"

    small = api.tokens(scope="items:read")[1]
    wider = api.refresh(small, scope="items:read items:write")
    assert client_refusal(wider) == (400, "invalid_scope")
    # A wrong scope costs nothing.
    assert api.refresh(small).json()["scope"] == "items:read"


@pytest.mark.rfc("6749", "6")
@pytest.mark.parametrize("scope", ["items:read  items:write", "x" * 10_000, "é", "unknown"])
def test_a_bad_scope_does_not_spend_the_token(api: Api, world: World, scope: str) -> None:
    refresh = api.tokens()[1]
    assert client_refusal(api.refresh(refresh, scope=scope)) == (400, "invalid_scope")
    assert not world.seen(TokenRefreshed)
    assert api.refresh(refresh).status == 200


def test_a_scope_that_the_client_has_lost_is_gone(api: Api, world: World) -> None:
    refresh = api.tokens()[1]
    world.change_client("web", scopes=("items:read", "new"))
    answer = api.refresh(refresh)
    assert answer.json()["scope"] == "items:read"
    lost = api.refresh(answer.json()["refresh_token"], scope="items:write")
    assert client_refusal(lost) == (400, "invalid_scope")


def test_a_token_shows_the_roles_of_now(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    assert api.get("/edit", token=access).status == 200
    world.change_user("user-alice", roles=(), permissions=("items.read",))
    _, claims, _ = parts(api.refresh(refresh).json()["access_token"])
    assert (claims["roles"], claims["permissions"]) == ([], ["items.read"])


# ---- ends ------------------------------------------------------------------------------------


@configured(refresh_token_ttl=30 * DAY, refresh_idle_ttl=14 * DAY)
@pytest.mark.parametrize("late", [False, True], ids=["in-time", "too-late"])
def test_an_idle_sign_in_ends(api: Api, world: World, late: bool) -> None:
    refresh = api.tokens()[1]
    world.clock.advance(7 * DAY)
    refresh = renew(api, refresh)
    world.clock.advance(14 * DAY - (0 if late else 0.5))
    assert api.refresh(refresh).status == (400 if late else 200)


@configured(refresh_token_ttl=30 * DAY, refresh_idle_ttl=14 * DAY)
def test_r10_refreshing_does_not_put_off_the_absolute_end(api: Api, world: World) -> None:
    start, refresh = world.clock(), api.tokens()[1]
    for _ in range(3):
        world.clock.advance(9 * DAY)
        refresh = renew(api, refresh)
    world.clock.advance(start + 30 * DAY - 0.5 - world.clock())
    refresh = renew(api, refresh)
    world.clock.advance(0.5)
    assert client_refusal(api.refresh(refresh)) == REFUSED


@pytest.mark.parametrize("gone", [False, True], ids=["disabled", "deleted"])
def test_r11_without_its_user_a_sign_in_ends_for_good(api: Api, world: World, gone: bool) -> None:
    access, refresh = api.tokens()
    if gone:
        world.remove_user("user-alice")
    else:
        world.change_user("user-alice", active=False)
    assert client_refusal(api.refresh(refresh)) == REFUSED
    assert api.get("/whoami", token=access).status == 401
    assert len(world.seen(AuthorizationRevoked)) == 1
    if not gone:
        world.change_user("user-alice", active=True)
    assert client_refusal(api.refresh(refresh)) == REFUSED


def test_r11_a_client_that_may_no_longer_refresh_is_refused(api: Api, world: World) -> None:
    refresh = api.tokens()[1]
    world.change_client("web", grants=frozenset({"password"}))
    assert client_refusal(api.refresh(refresh)) == (400, "unauthorized_client")
    world.change_client("web", active=False)
    assert client_refusal(api.refresh(refresh)) == (401, "invalid_client")
