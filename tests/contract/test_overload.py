"""When something is away, full, broken, or under attack: a clear answer, and nothing half done."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant.events import LoginThrottled
from bezant.runtime import SYNC
from tests.api import TOKEN, Api, client_refusal, refusal
from tests.world import PASSWORD

if TYPE_CHECKING:
    from tests.world import World

AWAY = (503, "temporarily_unavailable")


@pytest.mark.rfc("6749", "5.2")
@pytest.mark.rfc("9110", "10.2.3")
@pytest.mark.parametrize("store", ["clients", "users", "authorizations", "throttle"])
def test_d01_no_login_without_its_stores(api: Api, world: World, store: str) -> None:
    world.take_away(store)
    answer = api.login()
    assert client_refusal(answer) == AWAY
    assert int(answer.header("retry-after") or "") > 0
    world.bring_back(store)
    assert api.login().status == 200


@pytest.mark.parametrize("store", ["clients", "users", "authorizations"])
def test_d01_no_refresh_without_its_stores(api: Api, world: World, store: str) -> None:
    refresh = api.tokens()[1]
    world.take_away(store)
    assert client_refusal(api.refresh(refresh)) == AWAY
    world.bring_back(store)
    assert api.refresh(refresh).status == 200


@pytest.mark.rfc("7009", "2.2.1")
@pytest.mark.parametrize("store", ["clients", "authorizations", "revocations"])
def test_i06_no_revocation_is_promised_that_cannot_be_kept(
    api: Api, world: World, store: str
) -> None:
    access, refresh = api.tokens()
    world.take_away(store)
    assert client_refusal(api.revoke(refresh)) == AWAY
    if store == "revocations":
        assert client_refusal(api.revoke(access)) == AWAY
    world.bring_back(store)
    # What was refused can be asked for again, and then all of it ends.
    assert api.revoke(refresh).status == 200
    assert api.refresh(refresh).status == 400
    assert api.get("/whoami", token=access).status == 401


def test_tokens_are_trusted_for_a_while_without_news_of_revocations(api: Api, world: World) -> None:
    access = api.tokens()[0]
    assert api.get("/whoami", token=access).status == 200
    world.take_away("revocations")
    world.clock.advance(60)
    assert api.get("/whoami", token=access).status == 200
    assert api.get("/public", token=access).status == 200
    world.clock.advance(0.5)
    for path in "/whoami", "/public":
        answer = api.get(path, token=access)
        assert refusal(answer) == AWAY
        assert int(answer.header("retry-after") or "") > 0
        assert answer.header("www-authenticate") is None
    assert api.get("/public").status == 200  # who needs no token needs no news
    world.bring_back("revocations")
    assert api.get("/whoami", token=access).status == 200


def test_what_was_revoked_elsewhere_meanwhile_is_caught_up_with(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    assert api.get("/whoami", token=access).status == 200
    session, _ = world.server.authorizations.tokens.read(refresh)
    world.elsewhere(
        lambda server: server.authorizations.revoke(session, now=world.clock(), runtime=SYNC)
    )
    world.take_away("revocations")
    world.clock.advance(30)
    assert api.get("/whoami", token=access).status == 200
    world.bring_back("revocations")
    assert api.get("/whoami", token=access).status == 401


def test_keys_in_memory_outlive_their_store(api: Api, world: World) -> None:
    access = api.tokens()[0]
    assert api.get("/whoami", token=access).status == 200
    world.take_away("keys")
    world.clock.advance(60)
    assert api.get("/whoami", token=access).status == 200
    assert api.login().status == 200


def test_l03_a_failure_is_told_by_number_alone(
    api: Api, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.take_away("authorizations", RuntimeError("SELECT * FROM secrets"))
    answer = api.login()
    assert client_refusal(answer) == (500, "server_error")
    assert b"SELECT" not in answer.body
    reference = answer.json()["error_description"].rpartition(" ")[2]
    assert any(
        reference in record.getMessage() and record.exc_info is not None
        for record in caplog.records
    )


# ---- guessing --------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "4.3.2")
@pytest.mark.rfc("6585", "4")
@pytest.mark.parametrize("username", ["alice", "carol", "dave", "nobody"])
def test_b01_b04_guessing_is_slowed_down(api: Api, world: World, username: str) -> None:
    """The same for every name, so that the answer tells nobody who exists."""
    for _ in range(10):
        assert client_refusal(api.login("spa", username, "guess")) == (400, "invalid_grant")
    answer = api.login("spa", username, PASSWORD)
    assert client_refusal(answer) == (429, "invalid_grant")
    assert answer.header("retry-after") == "1"
    assert len(world.seen(LoginThrottled)) == 1
    world.clock.advance(1)
    assert api.login("spa", username, "guess").status == 400
    assert api.login("spa", username, "guess").header("retry-after") == "2"


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip", "client-ip"])
def test_b03_no_header_changes_where_a_guess_comes_from(api: Api, header: str) -> None:
    form = [("grant_type", "password"), ("client_id", "spa"), ("password", "guess")]
    statuses = [
        api.post(TOKEN, [*form, ("username", f"u{n}")], (header, f"192.0.2.{n}")).status
        for n in range(101)
    ]
    assert statuses == [400] * 100 + [429]


def test_b08_more_logins_than_there_is_room_for(api: Api, world: World) -> None:
    """Hashing is bounded; what needs none goes on."""
    refresh = api.tokens()[1]
    worlds = [world, world.reference]
    places = [each.server.hashing_pool._places for each in worlds]
    taken = [[pool.acquire(blocking=False) for _ in range(200)].count(True) for pool in places]
    answer = api.login()
    assert client_refusal(answer) == AWAY
    assert answer.header("retry-after") == "2"
    assert api.refresh(refresh).status == 200
    for pool, count in zip(places, taken, strict=True):
        for _ in range(count):
            pool.release()
    assert api.login().status == 200
