"""An issuer somewhere else, followed over real connections: rotation, outages, abuse."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, get_args

import pytest

from bezant import ConfigurationError, Key, TokenVerifier
from bezant.background import Background
from bezant.errors import BezantError, InvalidToken, StoreUnavailable, UnknownKey
from bezant.fetch import HTTPFetch
from bezant.http import Request, Response
from bezant.runtime import SYNC, Runtime, inline, run_sync
from bezant.testing import fixed_key
from bezant.testing.issuer import FakeIssuer, Fault
from tests.jose import b64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant import Principal

JWKS, FEED = "/oauth/jwks.json", "/oauth/revocations"
METADATA = "/.well-known/oauth-authorization-server"
FAULTS = get_args(Fault)


class Timer:
    """A clock that only goes forward, and faster when told to."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        yield made


@pytest.fixture
def follow(issuer: FakeIssuer, timer: Timer) -> Iterator[Callable[..., TokenVerifier]]:
    """Make a verifier; it is closed in the end."""
    made = []

    def make(**options: Any) -> TokenVerifier:
        settings = {"audience": issuer.audience, "timer": timer, **options}
        made.append(TokenVerifier.from_issuer(issuer.url, **settings))
        return made[-1]

    yield make
    for verifier in made:
        verifier.close()


def verify(verifier: TokenVerifier, token: str) -> Principal:
    return run_sync(verifier.averify(token, SYNC))


def eventually(check: Callable[[], bool], within: float = 10.0) -> None:
    """Wait for what happens in the background."""
    end = time.monotonic() + within
    while not check():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def is_taken(verifier: TokenVerifier, token: str) -> bool:
    try:
        verify(verifier, token)
    except BezantError:
        return False
    return True


# ---- the way it should be --------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256"])
def test_tokens_are_verified_with_keys_that_the_issuer_publishes(algorithm: str) -> None:
    with FakeIssuer(algorithm=algorithm) as issuer:
        verifier = TokenVerifier.from_issuer(issuer.url, audience=issuer.audience)
        assert verify(verifier, issuer.mint(scopes=["items:read"])).scopes == {"items:read"}
        verifier.close()


def test_nothing_is_asked_before_the_first_token(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier = follow()
    assert issuer.requests == []
    verify(verifier, issuer.mint())
    assert issuer.count(METADATA) == issuer.count(JWKS) == 1


def test_a_thousand_tokens_ask_nothing_more(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier = follow(cache_size=0)
    token = issuer.mint()
    for _ in range(1000):
        verify(verifier, token)
    assert issuer.count(METADATA) == issuer.count(JWKS) == 1
    assert issuer.count(FEED) <= 3


async def test_an_event_loop_is_never_blocked(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    issuer.fail("slow")
    verifier = follow(timeout=1.0)
    runtime = Runtime(io=inline, wait=asyncio.wrap_future, loop=True)
    longest, before = 0.0, time.perf_counter()
    task = asyncio.create_task(verifier.averify(issuer.mint(), runtime))
    while not task.done():
        await asyncio.sleep(0.005)
        longest, before = max(longest, time.perf_counter() - before), time.perf_counter()
    with pytest.raises(StoreUnavailable):
        await task
    assert longest < 0.5  # the request to the issuer took a whole second


def test_64_first_tokens_share_one_look(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier, token = follow(), issuer.mint()
    with ThreadPoolExecutor(64) as pool:
        assert all(pool.map(lambda _: is_taken(verifier, token), range(64)))
    assert issuer.count(JWKS) == 1


def test_openid_discovery_serves_as_well(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    document = b'{"issuer": "%b", "jwks_uri": "%b/oauth/jwks.json"}\n' % (
        2 * (issuer.url.encode(),)
    )
    issuer.answers[METADATA] = Response(404, (), b"")
    issuer.answers["/.well-known/openid-configuration"] = Response(200, (), document)
    assert verify(follow(revocation_bound=None), issuer.mint()).subject == "alice"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_process_follows_the_issuer_itself(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier = follow()
    verify(verifier, issuer.mint())
    token = issuer.mint(jti="doomed")
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        try:
            good = is_taken(verifier, token)
            end = time.monotonic() + 10
            while is_taken(verifier, token) and time.monotonic() < end:
                time.sleep(0.01)
            os._exit(0 if good and not is_taken(verifier, token) else 1)
        finally:
            os._exit(2)
    time.sleep(0.3)
    issuer.revoke("token", "doomed")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_the_first_round_of_each_thread_is_the_one_that_is_waited_for(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes late, because the machine is busy, begins no second one."""

    def second(_: Background) -> None:
        pytest.fail("another round was begun")

    monkeypatch.setattr(Background, "round", second)
    verifier = follow()
    for _ in range(2):
        assert is_taken(verifier, issuer.mint())
    assert issuer.count(JWKS) == 1


# ---- rotation --------------------------------------------------------------------------------


@pytest.mark.rfc("7517", "5")
def test_x01_a_token_of_a_new_key_is_taken_at_once(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier = follow()
    old = issuer.mint()
    verify(verifier, old)
    issuer.rotate()
    assert verify(verifier, issuer.mint(subject="bob")).subject == "bob"
    assert verify(verifier, old).subject == "alice"
    assert issuer.count(JWKS) == 2


def test_keys_are_read_again_before_others_may_forget_them(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bezant.remote_issuer.SHORTEST", 0.1)
    document = run_sync(issuer.server.endpoints[3].handler(Request("GET"), SYNC))
    issuer.answers[JWKS] = Response(200, (("cache-control", "max-age=0"),), document.body)
    verifier = follow()
    verify(verifier, issuer.mint())
    eventually(lambda: issuer.count(JWKS) > 3)


def test_x02_what_was_verified_with_a_withdrawn_key_is_refused(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bezant.remote_issuer.SHORTEST", 0.1)
    monkeypatch.setattr("bezant.remote_issuer.LONGEST", 0.1)
    verifier, token = follow(), issuer.mint()
    verify(verifier, token)
    kid = issuer.server.keys.signing_key().kid
    issuer.rotate()
    issuer.retire(kid)
    eventually(lambda: not is_taken(verifier, token))
    assert is_taken(verifier, issuer.mint())


def test_a_key_that_stays_does_not_make_cached_tokens_be_verified_again(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier, token = follow(), issuer.mint()
    first = verify(verifier, token)
    issuer.rotate()
    verify(verifier, issuer.mint())  # brings a new set
    assert verify(verifier, token) is first


# ---- abuse -----------------------------------------------------------------------------------


ATTACKER = Key.generate("ES256")
EVIL = {**ATTACKER.public_jwk(), "kid": "evil"}


def stranger(issuer: FakeIssuer, kid: str) -> str:
    """A token with a key that nobody knows."""
    token = issuer.mint().split(".")
    header = b64(b'{"alg":"ES256","kid":"%b","typ":"at+jwt"}' % kid.encode())
    return ".".join((header, *token[1:]))


def forged(issuer: FakeIssuer) -> str:
    """What the issuer would say, signed by the attacker."""
    signed = b64(b'{"alg":"ES256","kid":"evil","typ":"at+jwt"}') + "." + issuer.mint().split(".")[1]
    return f"{signed}.{b64(ATTACKER.sign(signed.encode()))}"


def test_k01_a_flood_of_unknown_kids_causes_one_fetch_in_a_cool_down(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier, good = follow(cool_down=60), issuer.mint()
    verify(verifier, good)
    before = issuer.count(JWKS)
    for number in range(1000):
        with pytest.raises(UnknownKey):
            verify(verifier, stranger(issuer, f"kid-{number}"))
        if number % 100 == 0:
            verify(verifier, good)  # is unharmed
    assert issuer.count(JWKS) == before + 1


def test_k01_after_the_cool_down_a_new_key_is_found(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], timer: Timer
) -> None:
    verifier = follow(cool_down=60)
    verify(verifier, issuer.mint())
    with pytest.raises(UnknownKey):
        verify(verifier, stranger(issuer, "nobody's"))
    issuer.rotate()
    token = issuer.mint()
    with pytest.raises(UnknownKey):
        verify(verifier, token)
    timer.ahead += 61
    eventually(lambda: is_taken(verifier, token))


def test_k04_64_threads_that_meet_an_unknown_kid_cause_one_fetch(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier = follow()
    verify(verifier, issuer.mint())
    issuer.rotate()
    token = issuer.mint()
    with ThreadPoolExecutor(64) as pool:
        taken = list(pool.map(lambda _: is_taken(verifier, token), range(64)))
    assert all(taken)
    assert issuer.count(JWKS) == 2


def test_k04_nobody_waits_in_a_flood_while_the_issuer_is_away(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], timer: Timer
) -> None:
    """But the one who looks for all: a flood must not take the threads of an application."""
    verifier, good = follow(cool_down=10, timeout=0.5), issuer.mint()
    verify(verifier, good)
    issuer.fail("slow", JWKS)
    with pytest.raises(UnknownKey):  # waits, and learns that the issuer is away
        verify(verifier, stranger(issuer, "first"))
    timer.ahead += 11
    waiting = []

    async def wait(future: Any) -> Any:
        waiting.append(future)
        return future.result()

    def ask(number: int) -> None:
        runtime = Runtime(io=inline, wait=wait, loop=False)
        with pytest.raises(UnknownKey):
            run_sync(verifier.averify(stranger(issuer, f"kid-{number}"), runtime))

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(ask, range(32)))
    assert len(waiting) == 1
    assert is_taken(verifier, good)


POISONED = {
    "private": [{**ATTACKER._jwk(ATTACKER._private), "kid": "evil"}],
    "symmetric": [{"kty": "oct", "k": "AAAA" * 16, "kid": "evil", "alg": "HS256"}],
    "private beside a public one": [EVIL, {**fixed_key()._jwk(fixed_key()._private), "kid": "x"}],
    "symmetric beside a public one": [EVIL, {"kty": "oct", "k": "AAAA" * 16, "kid": "x"}],
    "twice the same kid": 2 * [EVIL],
    "two keys for one kid": [EVIL, {**fixed_key().public_jwk(), "kid": "evil"}],
    "far too many": [EVIL, *({"kty": "EC", "kid": str(n)} for n in range(256))],
    "for encryption": [{**EVIL, "use": "enc"}],
    "for something else": [{**EVIL, "key_ops": ["encrypt", "wrapKey"]}],
    "alg of another kind of key": [{**EVIL, "alg": "RS256"}],
    "alg none": [{**EVIL, "alg": "none"}],
    "weak": [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "evil"}],
    "no point of the curve": [{"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "evil"}],
    "elsewhere": [{"kty": "EC", "kid": "evil", "x5u": "https://evil.example.com/key.pem"}],
    "no keys": [],
    "no list": {"evil": EVIL},
    "no object": "evil",
}


@pytest.mark.parametrize("poison", POISONED)
def test_k05_a_poisoned_set_changes_nothing(
    issuer: FakeIssuer,
    follow: Callable[..., TokenVerifier],
    timer: Timer,
    monkeypatch: pytest.MonkeyPatch,
    poison: str,
) -> None:
    # Nothing is read but for a token whose key is unknown: not again soon because it failed.
    monkeypatch.setattr("bezant.remote_issuer.FIRST_RETRY", 60.0)
    verifier, good = follow(cool_down=2), issuer.mint()
    verify(verifier, good)
    document = {"keys": POISONED[poison]}
    issuer.answers[JWKS] = Response(200, (), json.dumps(document).encode())
    with pytest.raises(UnknownKey):
        verify(verifier, forged(issuer))
    assert issuer.count(JWKS) == 2
    assert is_taken(verifier, good)
    issuer.recover()
    issuer.rotate()  # the next good set is taken again
    timer.ahead += 2
    eventually(lambda: is_taken(verifier, issuer.mint()))
    assert issuer.count(JWKS) == 3


def test_k05_the_forged_token_of_that_attack_is_otherwise_good(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    """It is the set that is refused: an issuer may publish such a key."""
    document = {"keys": [EVIL, issuer.server.keys.signing_key().public_jwk()]}
    issuer.answers[JWKS] = Response(200, (), json.dumps(document).encode())
    assert is_taken(follow(), forged(issuer))


def test_k05_a_set_of_many_megabytes_is_not_read(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], caplog: pytest.LogCaptureFixture
) -> None:
    verifier, good = follow(), issuer.mint()
    verify(verifier, good)
    filler = json.dumps({"keys": [EVIL], "filler": "x" * 5_000_000}).encode()
    issuer.answers[JWKS] = Response(200, (), filler)
    with pytest.raises(UnknownKey):
        verify(verifier, stranger(issuer, "evil"))
    assert "more than 4194304 bytes" in caplog.text
    assert is_taken(verifier, good)


def test_k05_a_kid_that_names_another_key_now_does_not_vouch_for_old_tokens(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    """Not even for those that were verified before."""
    verifier, good = follow(), issuer.mint()
    verify(verifier, good)
    kid = issuer.server.keys.signing_key().kid
    document = {"keys": [{**ATTACKER.public_jwk(), "kid": kid}]}
    issuer.answers[JWKS] = Response(200, (), json.dumps(document).encode())
    with pytest.raises(UnknownKey):
        verify(verifier, stranger(issuer, "makes it look again"))
    with pytest.raises(InvalidToken):
        verify(verifier, good)


@pytest.mark.parametrize("path", [METADATA, JWKS, FEED])
def test_k03_a_redirect_to_another_host_is_not_followed(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], path: str
) -> None:
    genuine = issuer.answer(path, Request("GET"))  # which does not count with such a status
    with FakeIssuer() as evil:
        for status in (301, 302, 303, 307, 308):
            location = ("location", evil.url + path)
            issuer.answers[path] = Response(status, (*genuine.headers, location), genuine.body)
            assert not is_taken(follow(when_stale="refuse"), issuer.mint())
        assert evil.requests == []
        assert issuer.count(path) >= 5


@pytest.mark.parametrize("member", ["jku", "x5u", "jwk"])
def test_k03_no_token_says_where_its_key_is(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], member: str
) -> None:
    verifier = follow()
    verify(verifier, issuer.mint())
    with FakeIssuer() as evil:
        value = EVIL if member == "jwk" else evil.url + JWKS
        header = {"alg": "ES256", "kid": "evil", "typ": "at+jwt", member: value}
        signed = b64(json.dumps(header).encode()) + "." + issuer.mint().split(".")[1]
        with pytest.raises(InvalidToken):
            verify(verifier, f"{signed}.{b64(ATTACKER.sign(signed.encode()))}")
        assert evil.requests == []


def test_k05_a_bad_key_beside_good_ones_is_left_out(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], caplog: pytest.LogCaptureFixture
) -> None:
    bad = {"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": "weak"}
    keys = [bad, "nonsense", issuer.server.keys.signing_key().public_jwk()]
    issuer.answers[JWKS] = Response(200, (), json.dumps({"keys": keys}).encode())
    assert is_taken(follow(), issuer.mint())
    assert "left a key out" in caplog.text


# ---- outages ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_k02_an_issuer_that_was_never_reached_is_not_trusted(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], fault: Fault
) -> None:
    issuer.fail(fault)
    verifier = follow(timeout=0.5)
    with pytest.raises(StoreUnavailable):
        verify(verifier, issuer.mint())
    issuer.recover()
    eventually(lambda: is_taken(verifier, issuer.mint()))


@pytest.mark.parametrize("fault", FAULTS)
def test_k02_known_keys_survive_an_outage(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], fault: Fault
) -> None:
    verifier, good = follow(cache_size=0, timeout=0.5), issuer.mint()
    verify(verifier, good)
    issuer.fail(fault, JWKS)
    with pytest.raises(UnknownKey):
        verify(verifier, stranger(issuer, "makes it look again"))
    assert is_taken(verifier, good)


def test_k02_not_for_ever(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], timer: Timer
) -> None:
    verifier, good = follow(keys_max_stale=600, revocation_bound=None), issuer.mint()
    verify(verifier, good)
    issuer.fail("down")
    timer.ahead += 599
    assert is_taken(verifier, good)
    timer.ahead += 2
    with pytest.raises(StoreUnavailable, match="keys"):
        verify(verifier, good)


def test_while_it_is_away_nobody_waits_for_it(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    issuer.fail("slow")
    verifier = follow(timeout=0.5)
    assert not is_taken(verifier, issuer.mint())
    begun = time.monotonic()
    for _ in range(100):
        assert not is_taken(verifier, issuer.mint())
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"issuer": "https://evil.example.com"}, "another issuer"),
        ({"jwks_uri": "https://evil.example.com/jwks"}, "another origin"),
        ({"jwks_uri": "file:///etc/passwd"}, "another origin"),
        ({"jwks_uri": 5}, "another origin"),
        ({"jwks_uri": None}, "publishes no keys"),
        ({"revocation_feed_endpoint": "https://evil.example.com/feed"}, "another origin"),
        ({"revocation_feed_endpoint": None}, "publishes no revocation feed"),
    ],
)
def test_a12_k03_forged_metadata_are_refused(
    issuer: FakeIssuer,
    follow: Callable[..., TokenVerifier],
    caplog: pytest.LogCaptureFixture,
    document: dict[str, Any],
    problem: str,
) -> None:
    real = run_sync(issuer.server.endpoints[-1].handler(Request("GET"), SYNC)).json()
    forged = {name: value for name, value in {**real, **document}.items() if value is not None}
    issuer.answers[METADATA] = Response(200, (), json.dumps(forged).encode())
    verifier = follow()
    with caplog.at_level(logging.WARNING), pytest.raises(StoreUnavailable):
        verify(verifier, issuer.mint())
    assert problem in caplog.text


def test_keys_elsewhere_are_taken_when_the_application_says_so(issuer: FakeIssuer) -> None:
    with FakeIssuer() as other:
        other.answers["/keys"] = run_sync(issuer.server.endpoints[3].handler(Request("GET"), SYNC))
        verifier = TokenVerifier.from_issuer(
            issuer.url, audience=issuer.audience, jwks_uri=other.url + "/keys"
        )
        assert is_taken(verifier, issuer.mint())
        verifier.close()
        assert other.count("/keys") == 1


# ---- revocation ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value"),
    [("token", "doomed"), ("authorization", "s-1"), ("subject", "alice"), ("client", "web")],
)
def test_a_revocation_is_known_within_the_bound(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], kind: Any, value: str
) -> None:
    verifier = follow()
    token = issuer.mint(jti="doomed", sid="s-1")
    other = issuer.mint(jti="fine", sid="s-2", subject="bob", client_id="mobile")
    verify(verifier, token)
    begun = time.monotonic()
    issuer.revoke(kind, value)
    eventually(lambda: not is_taken(verifier, token), within=5)
    assert time.monotonic() - begun < 5
    assert is_taken(verifier, other)
    with pytest.raises(InvalidToken, match="revoked"):
        verify(verifier, token)


def test_it_is_known_without_a_call_for_each_request(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier, token = follow(), issuer.mint()
    verify(verifier, token)
    before = issuer.count(FEED)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        verify(verifier, token)
        time.sleep(0.001)
    assert issuer.count(FEED) - before <= 2  # it waits for news


@pytest.mark.parametrize("fault", FAULTS)
def test_refuse_means_503_as_soon_as_the_bound_is_passed(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], timer: Timer, fault: Fault
) -> None:
    verifier = follow(when_stale="refuse", revocation_bound=1, timeout=0.5)
    token = issuer.mint()
    verify(verifier, token)
    issuer.fail(fault, FEED)
    timer.ahead += 1
    eventually(lambda: not is_taken(verifier, token))
    with pytest.raises(StoreUnavailable, match="revocations"):
        verify(verifier, token)
    issuer.recover()
    eventually(lambda: is_taken(verifier, token))


def test_accepting_for_some_seconds_is_logged_and_ends(
    issuer: FakeIssuer,
    follow: Callable[..., TokenVerifier],
    timer: Timer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    verifier, token = follow(when_stale=60.0, revocation_bound=1), issuer.mint()
    verify(verifier, token)
    issuer.fail("error", FEED)
    eventually(lambda: "revocations" in caplog.text)
    timer.ahead += 2
    assert is_taken(verifier, token)
    assert is_taken(verifier, token)
    assert caplog.text.count("tokens are accepted for") == 1
    timer.ahead += 60
    with pytest.raises(StoreUnavailable, match="revocations"):
        verify(verifier, token)


def test_introspect_asks_the_issuer_while_the_feed_is_away(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    issuer.fail("down", FEED)
    verifier = follow(
        when_stale="introspect",
        client_id=issuer.client_id,
        client_secret=issuer.client_secret,
    )
    token, doomed = issuer.mint(), issuer.mint(jti="doomed")
    issuer.revoke("token", "doomed")
    assert verify(verifier, token).subject == "alice"
    assert issuer.count("/oauth/introspect") == 1
    with pytest.raises(InvalidToken):
        verify(verifier, doomed)


def test_a_feed_of_another_issuer_is_not_taken(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], caplog: pytest.LogCaptureFixture
) -> None:
    with FakeIssuer() as other:
        other.revoke("subject", "alice")
        feed = next(e for e in other.server.endpoints if e.name == "revocation_feed")
        issuer.answers[FEED] = run_sync(feed.handler(Request("GET"), SYNC))
    verifier = follow()
    assert not is_taken(verifier, issuer.mint())
    assert "no key for this kid" in caplog.text


def test_an_access_token_is_no_feed(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier], caplog: pytest.LogCaptureFixture
) -> None:
    issuer.answers[FEED] = Response(200, (), issuer.mint().encode())
    assert not is_taken(follow(), issuer.mint())
    assert "wrong typ" in caplog.text


def test_an_old_feed_shown_again_takes_nothing_back(
    issuer: FakeIssuer, follow: Callable[..., TokenVerifier]
) -> None:
    verifier, token = follow(revocation_bound=1.0), issuer.mint()
    verify(verifier, token)
    feed = next(e for e in issuer.server.endpoints if e.name == "revocation_feed")
    old = run_sync(feed.handler(Request("GET"), SYNC))
    issuer.revoke("subject", "alice")
    eventually(lambda: not is_taken(verifier, token))
    before = issuer.count(FEED)
    issuer.answers[FEED] = old
    eventually(lambda: issuer.count(FEED) > before + 2)
    with pytest.raises(InvalidToken, match="revoked"):
        verify(verifier, token)


# ---- settings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"audience": ""}, "audience"),
        ({"audience": ()}, "audience"),
        ({"when_stale": "ignore"}, "when_stale"),
        ({"when_stale": -1}, "when_stale"),
        ({"when_stale": float("nan")}, "when_stale"),
        ({"when_stale": "introspect"}, "when_stale"),
        ({"client_id": "web"}, "client_id"),
        ({"revocation_bound": 0}, "revocation_bound"),
        ({"keys_max_stale": 0}, "keys_max_stale"),
        ({"keys_max_stale": float("inf")}, "keys_max_stale"),
        ({"cool_down": 0}, "cool_down"),
        ({"timeout": 0}, "timeout"),
        ({"jwks_uri": "http://keys.example.com/"}, "jwks_uri"),
        ({"leeway": 61}, "leeway"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}:"):
        TokenVerifier.from_issuer(
            "https://id.example.com", **{"audience": "https://api.example.com", **settings}
        )


@pytest.mark.parametrize("issuer", ["http://id.example.com", "id.example.com", "file:///etc", ""])
def test_an_issuer_that_is_no_https_url_is_refused(issuer: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^issuer:"):
        TokenVerifier.from_issuer(issuer, audience="https://api.example.com", fetch=HTTPFetch())
