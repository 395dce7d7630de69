"""Telling clients of logouts: what they are told, and that none is forgotten or told twice."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bezant import ConfigurationError, KeySet
from bezant.backchannel_logout import AT_ONCE, EVENT, LEASE, TIMEOUT, WAITS
from bezant.errors import StoreUnavailable
from bezant.events import LogoutNoticeFailed, SessionEnded
from bezant.fetch import FetchError
from bezant.http import Response
from bezant.logout_sender import PAUSE
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from bezant.signing import Profile, decode
from bezant.stores import LogoutNotice
from tests.core.sso_world import ALGORITHMS, ISSUER, World, basic, relying_party, sent_back
from tests.jose import parts

WEB = "https://web.example.com/bcl"
SHOP = "https://shop.example.com/bcl?from=id"


@pytest.fixture
def world() -> World:
    made = World()
    made.sign_in()
    return made


def end(world: World, sign_in: SignIn | None = None) -> int:
    gone = sign_in or world.signed_in
    assert gone is not None
    return run_sync(world.server.logouts.end(gone, SYNC))


def told(world: World) -> list[str]:
    """Who was sent something, in order."""
    return [url for url, _ in world.wire.logout_tokens()]


def waiting(world: World) -> list[LogoutNotice]:
    return list(world.stores.logouts._rows.values())


# ---- who is told what ------------------------------------------------------------------------


@pytest.mark.openid("oidcc-backchannel-rp-initiated-logout")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_logout_token(world: World, algorithm: str) -> None:
    client_id = f"signed-{algorithm}"
    id_token = parts(world.tokens(client_id)["id_token"])[1]
    assert end(world) == 1
    assert world.deliver() == 1
    ((url, token),) = world.wire.logout_tokens()
    assert url == f"https://{client_id}.example.com/bcl"
    assert world.wire.requests[-1][2] == f"logout_token={token}".encode()
    header, claims, _ = parts(token)
    assert (header["typ"], header["alg"]) == ("logout+jwt", algorithm)
    now = int(world.clock())
    jti = claims.pop("jti")
    assert claims == {
        "iss": ISSUER,
        "aud": client_id,
        "sub": "alice",
        "sid": id_token["sid"],
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
    }
    assert len(jti) == 22
    profile = Profile(typ="logout+jwt", issuer=ISSUER, audience=frozenset({client_id}))
    decode(token, profile, KeySet.from_jwks(world.jwks()), world.clock())


def test_clients_of_the_sign_in_are_told_and_no_others(world: World) -> None:
    for client_id in ("web", "shop", "shop", "quiet"):  # which does not want to know
        world.tokens(client_id)
    ours = world.signed_in
    world.sign_in("bob", "sid-2")
    world.tokens("signed-RS256")
    assert end(world, ours) == 4
    (event,) = world.seen(SessionEnded)
    assert (event.subject, event.session_id) == ("alice", "sid-1")
    assert sorted(event.clients) == ["shop", "web"]
    assert world.deliver() == 2
    assert sorted(told(world)) == [SHOP, WEB]
    assert world.deliver() == 0
    assert waiting(world) == []


def test_a_client_whose_tokens_have_ended_is_told_all_the_same(world: World) -> None:
    tokens = world.tokens()
    world.post("revocation", basic("web"), token=tokens["refresh_token"])
    assert end(world) == 0
    assert world.deliver() == 1
    assert told(world) == [WEB]


def test_clients_are_told_at_once_where_notices_are_sent_beside_requests(world: World) -> None:
    sender = world.server.logout_sender
    assert sender is not None
    world.tokens()
    sender.start()
    sender._thread.round().result(5)  # now it pauses
    assert end(world) == 1
    begun = time.monotonic()
    while told(world) != [WEB]:
        assert time.monotonic() - begun < PAUSE / 2
        time.sleep(0.01)
    world.server.close()


def test_offline_access_outlives_the_sign_in(world: World) -> None:
    kept = world.tokens("web", scope="openid offline_access")
    gone = world.tokens("shop")
    assert end(world) == 1
    world.deliver()
    assert sorted(told(world)) == [SHOP, WEB]  # both had somebody signed in
    assert world.refresh(kept["refresh_token"]).status == 200
    assert world.userinfo(kept["access_token"]).status == 200
    assert world.refresh(gone["refresh_token"], "shop").json()["error"] == "invalid_grant"
    assert world.userinfo(gone["access_token"]).status == 401


def test_a_code_of_a_sign_in_that_ends_before_it_is_redeemed_gives_nothing(world: World) -> None:
    code = sent_back(world.authorize())["code"]
    end(world)
    answer = world.redeem(code)
    assert (answer.status, answer.json()["error"]) == (400, "invalid_grant")


def test_nobody_is_told_before_the_sender_comes(world: World) -> None:
    world.tokens()
    end(world)
    assert world.wire.requests == []
    assert [notice.client_id for notice in waiting(world)] == ["web"]


@pytest.mark.parametrize("status", [200, 204])
def test_a_client_may_answer_with_either_status(world: World, status: int) -> None:
    world.wire.answers[WEB] = Response(status, (), b"")
    world.tokens()
    end(world)
    world.deliver()
    assert waiting(world) == []


@pytest.mark.parametrize("changes", [{"active": False}, {"backchannel_logout_uri": None}], ids=str)
def test_whoever_no_longer_wants_to_be_told_is_not(world: World, changes: Any) -> None:
    world.tokens()
    end(world)
    world.change_client("web", **changes)
    assert world.deliver() == 1
    assert world.wire.requests == []
    assert waiting(world) == []


@pytest.mark.parametrize(
    "uri",
    [
        "http://web.example.com/bcl",
        "com.example.web:/bcl",
        "https://web.example.com/bcl#x",
        "https://user:pass@web.example.com/bcl",
        "file:///etc/passwd",
    ],
)
def test_k03_where_nobody_can_be_told_cannot_be_registered(uri: str) -> None:
    with pytest.raises(ConfigurationError, match="backchannel_logout_uri"):
        relying_party("x", backchannel_logout_uri=uri)


# ---- a client that is away -------------------------------------------------------------------

FAILURES = [
    FetchError("it is away"),
    Response(400, (), b'{"error": "invalid_request"}'),
    Response(302, (("location", "https://evil.example/"),), b""),
    Response(503, (), b""),
]


@pytest.mark.parametrize("failure", FAILURES, ids=["away", "400", "302", "503"])
def test_a_client_that_is_away_is_told_later(world: World, failure: Any) -> None:
    world.tokens("web")
    world.tokens("shop")
    end(world)
    world.wire.answers[WEB] = failure
    assert world.deliver() == 2
    assert sorted(told(world)) == [SHOP, WEB]  # nobody waits for somebody else
    world.clock.advance(WAITS[0] - 0.5)
    assert world.deliver() == 0
    world.clock.advance(0.5)
    assert world.deliver() == 1
    del world.wire.answers[WEB]
    world.clock.advance(WAITS[1])
    assert world.deliver() == 1
    tokens = [token for url, token in world.wire.logout_tokens() if url == WEB]
    # Each try has a token of its own, good at that time.
    assert len({parts(token)[1]["jti"] for token in tokens}) == 3
    assert parts(tokens[-1])[1]["iat"] == int(world.clock())
    assert waiting(world) == []
    assert world.seen(LogoutNoticeFailed) == []


def test_l04_a_client_that_stays_away_is_given_up_with_an_event(world: World) -> None:
    world.tokens()
    end(world)
    world.wire.answers[WEB] = FetchError("it is away")
    for wait in WAITS:
        assert world.deliver() == 1
        assert world.seen(LogoutNoticeFailed) == []
        world.clock.advance(wait - 1)
        assert world.deliver() == 0
        world.clock.advance(1)
    assert world.deliver() == 1
    (event,) = world.seen(LogoutNoticeFailed)
    assert event == LogoutNoticeFailed(
        at=world.clock(),
        client_id="web",
        subject="alice",
        session_id="sid-1",
        attempts=len(WAITS) + 1,
    )
    world.clock.advance(10 * WAITS[-1])
    assert world.deliver() == 0
    assert waiting(world) == []


def test_l01_no_logout_token_is_told_of(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    world.tokens("shop")
    end(world)
    world.wire.answers[SHOP] = Response(500, (), b"what went wrong")
    world.deliver()
    ((_, token),) = world.wire.logout_tokens()
    assert "client shop was not told of a logout: it answered 500" in caplog.text
    assert token not in caplog.text
    assert parts(token)[1]["jti"] not in caplog.text
    assert "what went wrong" not in caplog.text


# ---- a sender that fails ---------------------------------------------------------------------


class Died(BaseException):
    """As if the process were killed."""


def dying() -> Response:
    raise Died


def test_d03_a_sender_that_dies_between_claim_and_done_loses_no_notice(world: World) -> None:
    world.tokens("web")
    world.tokens("shop")
    end(world)
    world.wire.answers.update({WEB: dying, SHOP: dying})
    with pytest.raises(Died):
        world.deliver()
    world.wire.answers.clear()
    survivor = World(stores=world.stores, clock=world.clock)
    assert survivor.deliver() == 0  # they are leased
    world.clock.advance(LEASE)
    assert survivor.deliver() == 2
    assert sorted(told(survivor)) == [SHOP, WEB]
    assert waiting(world) == []


def test_the_queue_outlives_every_process(world: World) -> None:
    world.tokens()
    end(world)
    restarted = World(stores=world.stores, clock=world.clock)
    assert restarted.deliver() == 1
    assert told(restarted) == [WEB]


def test_two_senders_deliver_each_notice_once(world: World) -> None:
    other = World(stores=world.stores, clock=world.clock)
    for number in range(30):
        world.sign_in("alice", f"sid-{number}")
        world.tokens("web")
        end(world)
    with ThreadPoolExecutor(8) as pool:
        rounds = list(pool.map(lambda n: (world, other)[n % 2].deliver(), range(16)))
    assert sum(rounds) == 30
    sent = [*world.wire.logout_tokens(), *other.wire.logout_tokens()]
    sessions = Counter(parts(token)[1]["sid"] for _, token in sent)
    assert sessions == {f"sid-{number}": 1 for number in range(30)}


def test_slow_clients_do_not_make_a_sender_outstay_its_lease(world: World) -> None:
    assert AT_ONCE * TIMEOUT < LEASE
    for number in range(AT_ONCE):
        world.sign_in("alice", f"sid-{number}")
        world.tokens("web")
        end(world)
    other = World(stores=world.stores, clock=world.clock)

    def slow() -> Response:
        world.clock.advance(25)  # as no client can: the machine was asleep
        other.deliver()
        return Response(200, (), b"")

    world.wire.answers[WEB] = slow
    assert world.deliver() == AT_ONCE
    sent = [*world.wire.logout_tokens(), *other.wire.logout_tokens()]
    sessions = Counter(parts(token)[1]["sid"] for _, token in sent)
    # The one that was being sent when the lease ended is the only one that may come twice.
    assert len(sessions) == AT_ONCE
    assert sum(sessions.values()) <= AT_ONCE + 1
    assert set(world.wire.timeouts) == {TIMEOUT}


@pytest.mark.parametrize("verb", ["done", "retry"])
def test_d01_a_queue_that_fails_after_a_try_holds_up_nobody(
    world: World, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tokens("web")
    world.tokens("shop")
    end(world)
    if verb == "retry":
        world.wire.answers.update({WEB: FetchError("away"), SHOP: FetchError("away")})
    with monkeypatch.context() as patch:
        patch.setattr(world.stores.logouts, verb, _fail)
        assert world.deliver() == 2
    assert sorted(told(world)) == [SHOP, WEB]
    world.wire.answers.clear()
    world.clock.advance(LEASE)
    assert world.deliver() == 2  # at least once, and so perhaps twice
    assert waiting(world) == []


def test_d01_a_client_that_cannot_be_read_holds_up_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tokens("web")
    world.tokens("shop")
    end(world)
    get = world.stores.clients.get
    with monkeypatch.context() as patch:
        patch.setattr(
            world.stores.clients, "get", lambda name: _fail() if name == "web" else get(name)
        )
        assert world.deliver() == 2
    assert told(world) == [SHOP]
    world.clock.advance(LEASE)
    assert world.deliver() == 1
    assert told(world) == [SHOP, WEB]


def test_l04_a_client_that_can_never_be_read_is_given_up_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tokens()
    end(world)

    def broken(_: str) -> Any:
        raise ConfigurationError("client 'web'", "its row makes no sense")

    monkeypatch.setattr(world.stores.clients, "get", broken)
    for wait in WAITS:
        assert world.deliver() == 1
        world.clock.advance(wait)
    assert world.deliver() == 1
    (event,) = world.seen(LogoutNoticeFailed)
    assert event.client_id == "web"
    assert waiting(world) == []


def test_a_notice_that_cannot_be_signed_is_tried_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.tokens("web")
    world.tokens("signed-ES256")
    end(world)
    rsa = world.server.keys.signing_key("RS256").kid
    world.stores.keys.retire(rsa, world.clock())
    monkeypatch.setattr(world.server.keys, "_due", world.clock() + 1)
    run_sync(world.server.keys.refresh(SYNC))
    assert world.deliver() == 2
    assert told(world) == ["https://signed-ES256.example.com/bcl"]
    monkeypatch.undo()
    world.clock.advance(WAITS[0])
    assert world.deliver() == 1  # the ring has made another key meanwhile
    assert told(world)[1:] == [WEB]


def _fail(*_: Any) -> Any:
    raise StoreUnavailable("the database is away")


def test_d01_a_logout_that_cannot_be_recorded_is_not_half_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = world.tokens()
    for store, verb in (
        (world.stores.codes, "put"),
        (world.stores.authorizations, "list_for_session"),
        (world.stores.logouts, "add"),
        (world.stores.revocations, "add"),
        (world.stores.authorizations, "revoke"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(store, verb, _fail)
            with pytest.raises(StoreUnavailable):
                end(world)
        assert world.seen(SessionEnded) == []
    assert end(world) == 1  # as it says: call again
    assert len(world.seen(SessionEnded)) == 1
    assert world.refresh(tokens["refresh_token"]).status == 400
    world.deliver()
    assert set(told(world)) == {WEB}


def test_a_sender_needs_no_request_to_come_first(world: World) -> None:
    world.tokens()
    end(world)
    fresh = World(stores=world.stores, clock=world.clock)
    fresh.server.keys._live = {}
    fresh.server.keys._held = ()
    assert fresh.deliver() == 1
    assert told(fresh) == [WEB]


def test_other_settings_of_a_client_are_read_when_it_is_told(world: World) -> None:
    world.tokens()
    end(world)
    moved = "https://web.example.com/elsewhere"
    client = world.stores.clients.get("web")
    assert client is not None
    world.stores.clients.add(
        replace(client, backchannel_logout_uri=moved, id_token_signed_response_alg="ES256")
    )
    world.deliver()
    ((url, token),) = world.wire.logout_tokens()
    assert (url, parts(token)[0]["alg"]) == (moved, "ES256")
