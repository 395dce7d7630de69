"""The issuer's keys through time, and between processes that never talk."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bezant import ConfigurationError, Key, SecretKeyRing, ServerConfig, TokenVerifier
from bezant.errors import InvalidToken, KeyUnavailable, StoreUnavailable
from bezant.events import Event, Events, KeyRetired, KeyRotated
from bezant.keyring import KeyRing
from bezant.runtime import SYNC, run_sync
from bezant.stores import StoredKey
from bezant.stores.memory import MemoryKeyStore
from bezant.testing import FrozenClock, TokenFactory, fixed_key
from tests.jose import thumbprint
from tests.world import API, ISSUER

if TYPE_CHECKING:
    from collections.abc import Coroutine

SECRET, OTHER_SECRET = (f"{letter}0123456789-abcdefghijklmnopqrstuvwxyz" for letter in "NO")

PUBLISHED_FIRST = 300 + 5
"""Seconds that a new key waits: others may cache the old set, and processes look now and then."""
KEPT_AFTER = 3600 + 10 + 5
"""Seconds that a key outlives its last signature."""


class Process:
    """One process of a server, with keys in a store that others share."""

    def __init__(
        self,
        store: Any = None,
        clock: FrozenClock | None = None,
        secrets: SecretKeyRing | None = None,
        **config: Any,
    ) -> None:
        self.store = store or MemoryKeyStore()
        self.clock = clock or FrozenClock()
        self.events: list[Event] = []
        settings = {"issuer": ISSUER, "algorithm": "EdDSA", **config}
        self.ring = KeyRing(
            self.store,
            secrets or SecretKeyRing(SECRET),
            ServerConfig(**settings),
            Events([self.events.append]),
            self.clock,
        )

    def neighbour(self, **options: Any) -> Process:
        return Process(self.store, self.clock, **options)

    def do(self, name: str, *args: Any, **kwargs: Any) -> Any:
        work: Coroutine[Any, Any, Any] = getattr(self.ring, name)(SYNC, *args, **kwargs)
        return run_sync(work)

    @property
    def states(self) -> list[str]:
        self.do("refresh")
        return [info.state for info in self.ring.describe()]


@pytest.fixture
def process() -> Process:
    made = Process()
    made.do("ensure")
    return made


# ---- through time ----------------------------------------------------------------------------


def test_the_first_key_signs_at_once(process: Process) -> None:
    assert process.states == ["active"]
    (info,) = process.ring.describe()
    (jwk,) = process.ring.published().jwks()["keys"]
    assert process.ring.signing_key().kid == info.kid == thumbprint(jwk)
    assert (info.algorithm, info.gone_at) == ("EdDSA", None)
    assert [type(event) for event in process.events] == [KeyRotated]
    process.do("ensure")
    assert process.states == ["active"]


def test_a_key_goes_through_its_states(process: Process) -> None:
    first = process.ring.signing_key()
    made = process.do("rotate")
    start = process.clock()
    assert made.state == "next"
    assert made.activates_at == start + PUBLISHED_FIRST
    for after, states, signing in [
        (0, ["active", "next"], 0),
        (PUBLISHED_FIRST - 0.5, ["active", "next"], 0),
        (PUBLISHED_FIRST, ["retiring", "active"], 1),
        (PUBLISHED_FIRST + KEPT_AFTER - 0.5, ["retiring", "active"], 1),
        (PUBLISHED_FIRST + KEPT_AFTER, ["gone", "active"], 1),
    ]:
        process.clock.now = start + after
        assert process.states == states
        infos = process.ring.describe()
        assert process.ring.signing_key().kid == infos[signing].kid
        # All that are not gone verify and are published, the next one included.
        live = [info.kid for info in infos if info.state != "gone"]
        assert [key.kid for key in process.ring.published()] == live
        assert [process.ring.find(kid, "EdDSA") is not None for kid in live] == [True] * len(live)
    assert process.ring.find(first.kid, "EdDSA") is None
    assert not process.ring.holds(first)
    assert process.do("prune") == 1
    assert process.states == ["active"]
    assert process.do("prune") == 0


def test_a_key_that_signs_at_once_supersedes_at_once(process: Process) -> None:
    assert process.do("rotate", immediately=True).state == "active"
    assert process.states == ["retiring", "active"]


def test_rotations_may_overlap(process: Process) -> None:
    for _ in range(3):
        process.do("rotate")
        process.clock.advance(100)
    assert process.states == ["active", "next", "next", "next"]
    process.clock.advance(PUBLISHED_FIRST)
    assert process.states == ["retiring", "retiring", "retiring", "active"]


def test_x01_no_good_token_is_refused_while_keys_rotate(process: Process) -> None:
    """Whoever caches the published set for as long as we say verifies all that we sign."""
    cached, cached_until = process.ring.published(), process.clock() + 300
    tokens: list[tuple[float, str]] = []
    for step in range(120):
        process.clock.advance(50)
        if step % 20 == 0:
            process.do("rotate")
        process.do("refresh")
        now = process.clock()
        if now >= cached_until:
            cached, cached_until = process.ring.published(), now + 300
        factory = TokenFactory(ISSUER, API, process.ring.signing_key(), process.clock)
        tokens = [(until, token) for until, token in tokens if until > now]
        tokens.append((now + 3600, factory.mint(expires_in=3600)))
        for keys in cached, process.ring:
            verify = factory.verifier(keys=keys)
            for _, token in tokens if keys is process.ring else tokens[-1:]:
                assert verify.verify(token)


def test_x02_a_retired_key_is_refused_at_once(process: Process) -> None:
    old = process.ring.signing_key()
    factory = TokenFactory(ISSUER, API, old, process.clock)
    verify, token = factory.verifier(keys=process.ring), factory.mint()
    assert verify.verify(token)
    assert process.do("retire", old.kid) is True
    assert process.states == ["gone", "active"]
    with pytest.raises(InvalidToken):
        verify.verify(token)
    assert process.ring.signing_key().kid != old.kid
    assert [event.kid for event in process.events if isinstance(event, KeyRetired)] == [old.kid]
    assert process.do("retire", old.kid) is False
    assert process.do("retire", "unknown") is False


def test_a_key_may_be_retired_before_it_signs(process: Process) -> None:
    made = process.do("rotate")
    assert process.do("retire", made.kid) is True
    assert process.states == ["active", "gone"]
    process.clock.advance(PUBLISHED_FIRST + KEPT_AFTER)
    assert process.states == ["active", "gone"]
    assert process.ring.signing_key().kid != made.kid


def test_a_key_that_is_gone_never_comes_back(process: Process) -> None:
    first = process.ring.signing_key().kid
    second = process.do("rotate", immediately=True).kid
    process.clock.advance(KEPT_AFTER)
    assert process.states == ["gone", "active"]
    process.do("retire", second)
    assert process.states == ["gone", "gone", "active"]
    assert process.ring.find(first, "EdDSA") is None


# ---- algorithms ------------------------------------------------------------------------------


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "PS256", "HS256"])
def test_each_algorithm_signs_and_verifies(algorithm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Key, "generate", fixed_key)
    process = Process(algorithm=algorithm)
    process.do("ensure")
    key = process.ring.signing_key()
    assert process.ring.find(key.kid, algorithm) is key
    assert process.ring.find(None, algorithm) is None
    others = {"ES256", "EdDSA", "RS256", "PS256", "HS256", "none"} - {algorithm}
    assert not [other for other in others if process.ring.find(key.kid, other)]
    assert len(process.ring.published().jwks()["keys"]) == (algorithm != "HS256")


def test_a_server_may_move_to_another_algorithm(process: Process) -> None:
    moved = process.neighbour(algorithm="ES256")
    moved.do("ensure")
    assert moved.states == ["active", "active"]
    assert moved.ring.signing_key().algorithm == "ES256"
    assert moved.ring.signing_key("EdDSA").kid == process.ring.signing_key().kid
    # The old one is retired for good: nobody asks for its kind any more.
    moved.do("retire", process.ring.signing_key().kid)
    assert moved.states == ["gone", "active"]
    with pytest.raises(KeyUnavailable):
        moved.ring.signing_key("EdDSA")


@pytest.mark.parametrize(("old", "new"), [("HS256", "ES256"), ("ES256", "HS256")])
def test_j06_symmetric_and_asymmetric_keys_never_share_a_ring(old: str, new: str) -> None:
    process = Process(algorithm=old)
    process.do("ensure")
    moved = process.neighbour(algorithm=new)
    with pytest.raises(ConfigurationError, match="retire the keys of the other kind"):
        moved.do("ensure")
    moved.do("retire", process.ring.signing_key().kid)
    moved.do("ensure")
    assert moved.states == ["gone", "active"]
    assert moved.ring.signing_key().algorithm == new


def test_an_unknown_algorithm_is_refused(process: Process) -> None:
    with pytest.raises(ConfigurationError, match="not supported"):
        process.do("rotate", algorithm="none")


# ---- processes -------------------------------------------------------------------------------


def test_another_process_sees_a_new_key_in_time(process: Process) -> None:
    other = process.neighbour()
    other.do("ensure")
    assert other.ring.signing_key().kid == process.ring.signing_key().kid
    made = process.do("rotate")
    assert other.ring.find(made.kid, "EdDSA") is None
    assert not other.ring.due
    process.clock.advance(5)
    assert other.ring.due
    other.do("refresh")
    assert other.ring.find(made.kid, "EdDSA") is not None
    assert not other.ring.due


class Racing(MemoryKeyStore):
    """Lets somebody else in just before a key is added."""

    def __init__(self) -> None:
        super().__init__()
        self.before_add: Any = None

    def add(self, key: StoredKey, /) -> bool:
        before, self.before_add = self.before_add, None
        if before is not None:
            before()
        return super().add(key)


def racing(process: Process) -> Process:
    store = Racing()
    for key in process.store.load():
        store.add(key)
    return Process(store, process.clock)


def test_x03_two_processes_that_start_at_once_make_one_key() -> None:
    first = Process(Racing())
    second = first.neighbour()
    first.store.before_add = lambda: second.do("ensure")
    first.do("ensure")
    assert first.states == ["active"]
    assert first.ring.signing_key().kid == second.ring.signing_key().kid
    assert len(first.events) + len(second.events) == 1


def test_x03_two_processes_that_rotate_at_once_make_one_key(process: Process) -> None:
    first = racing(process)
    second = first.neighbour()
    first.store.before_add = lambda: second.do("rotate")
    made = first.do("rotate")
    assert first.states == second.states == ["active", "next"]
    assert made.kid == second.ring.describe()[-1].kid
    assert not first.events


def test_to_retire_while_another_rotates_leaves_a_key_that_signs(process: Process) -> None:
    first = racing(process)
    second = first.neighbour()
    first.do("refresh")
    old = first.ring.signing_key().kid
    first.store.before_add = lambda: second.do("rotate")
    assert first.do("retire", old) is True
    assert first.states == ["gone", "next", "active"]
    assert first.ring.signing_key().kid != old


def test_a_sealed_key_needs_its_secret(process: Process) -> None:
    (stored,) = process.store.load()
    private = json.loads(process.ring.signing_key().private_jwk())["d"].encode()
    assert private not in stored.sealed
    both = process.neighbour(secrets=SecretKeyRing(OTHER_SECRET, SECRET))
    both.do("ensure")
    assert both.states == ["active"]
    stranger = process.neighbour(secrets=SecretKeyRing(OTHER_SECRET))
    for work in "refresh", "ensure", "rotate":
        with pytest.raises(KeyUnavailable, match="another secret key"):
            stranger.do(work)


def test_a_sealed_key_cannot_pass_for_another(process: Process) -> None:
    """Whoever can write the table cannot swap what was sealed."""
    process.do("rotate", immediately=True)
    first, second = process.store.load()
    store = MemoryKeyStore()
    store.add(replace(second, sealed=first.sealed))
    with pytest.raises(KeyUnavailable):
        Process(store, process.clock).do("refresh")


@pytest.mark.rfc("7517", "9.2")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_x04_nothing_private_is_published_or_shown(algorithm: str) -> None:
    process = Process(algorithm=algorithm)
    process.do("ensure")
    process.do("rotate")
    keys = [key for _, key in process.ring._held]
    secrets = [
        json.loads(key.private_jwk()).get("d" if algorithm != "HS256" else "k") for key in keys
    ]
    assert len(set(secrets)) == 2
    shown = repr(
        [
            process.ring.published().jwks(),
            process.ring.describe(),
            process.events,
            process.store.load(),
            process.ring.published(),
            list(keys),
        ]
    )
    assert not [secret for secret in secrets if secret in shown]
    assert "sealed" not in shown


# ---- trouble ---------------------------------------------------------------------------------


def test_without_a_key_there_is_a_clear_error() -> None:
    process = Process()
    process.do("refresh")
    with pytest.raises(KeyUnavailable, match="no active EdDSA key"):
        process.ring.signing_key()
    with pytest.raises(KeyUnavailable, match="no keys yet"):
        process.ring.published()
    assert process.ring.due


class Failing(MemoryKeyStore):
    def __init__(self) -> None:
        super().__init__()
        self.away = False

    def load(self) -> Any:
        if self.away:
            raise StoreUnavailable("away")
        return super().load()


def test_while_one_request_makes_the_first_keys_no_other_goes_on_without() -> None:
    process = Process(Racing())
    process.ring.algorithms = ("EdDSA", "ES256")

    def meanwhile() -> None:  # the first key is there, the second is being added
        process.do("ready")
        assert process.ring.signing_key("ES256")
        found.extend(process.states)

    def second() -> None:
        process.store.before_add = meanwhile

    found: list[str] = []
    process.store.before_add = second
    process.do("ready")
    assert found == process.states == ["active", "active"]
    assert len(process.events) == 2


def test_keys_that_a_verifier_has_read_need_not_be_all() -> None:
    old = Process()
    old.do("ensure")
    new = old.neighbour()
    new.ring.algorithms = ("EdDSA", "ES256")
    new.do("refresh")  # as a verifier does
    assert not new.ring.due
    new.do("ready")
    assert new.ring.signing_key("ES256")


def test_a_ring_that_is_ready_leaves_the_store_alone(process: Process) -> None:
    process.do("ready")
    process.ring.store = None
    process.do("ready")


def test_a_store_that_is_away_leaves_what_is_in_memory() -> None:
    process = Process(Failing())
    process.do("ensure")
    key = process.ring.signing_key()
    process.store.away = True
    process.clock.advance(10)
    process.do("refresh")
    assert process.ring.find(key.kid, "EdDSA") is key
    assert not process.ring.due
    with pytest.raises(StoreUnavailable):
        process.neighbour().do("refresh")


def test_while_one_request_reads_the_first_keys_no_other_goes_on_without() -> None:
    """With a store that takes its time, the first requests after a start all find the keys."""
    process = Process()
    process.do("ensure")
    fresh = process.neighbour()

    class Slow:
        async def load(self) -> Any:
            await _pause()
            return process.store.load()

    fresh.ring.store = Slow()
    first = fresh.ring.refresh(SYNC)
    first.send(None)
    assert fresh.ring.due
    with pytest.raises(StopIteration):
        first.send(None)
    assert not fresh.ring.due
    assert fresh.ring.signing_key()


class _pause:  # noqa: N801
    def __await__(self) -> Any:
        yield


# ---- a model ---------------------------------------------------------------------------------


class Life(RuleBasedStateMachine):
    """Two processes rotate, retire and forget keys as they like; what was promised stays true."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FrozenClock()
        self.one = Process(MemoryKeyStore(), self.clock)
        self.two = self.one.neighbour()
        self.one.do("ensure")
        self.two.do("ensure")
        self.retired: set[str] = set()
        self.gone: set[str] = set()
        self.tokens: list[tuple[float, str, str]] = []

    def _any(self, first: bool) -> Process:
        return self.one if first else self.two

    @rule(first=st.booleans(), immediately=st.booleans())
    def rotate(self, first: bool, immediately: bool) -> None:
        self._any(first).do("rotate", immediately=immediately)

    @rule(first=st.booleans(), which=st.integers(0, 10))
    def retire(self, first: bool, which: int) -> None:
        process = self._any(first)
        process.do("refresh")
        infos = process.ring.describe()
        kid = infos[which % len(infos)].kid
        if process.do("retire", kid):
            self.retired.add(kid)

    @rule(first=st.booleans())
    def prune(self, first: bool) -> None:
        self._any(first).do("prune")

    @rule(seconds=st.sampled_from([1, 5, 60, 305, 3600, 3615, 86400]))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @precondition(lambda self: len(self.tokens) < 20)
    @rule(first=st.booleans())
    def sign(self, first: bool) -> None:
        process = self._any(first)
        if process.ring.due:
            process.do("ensure")
        key = process.ring.signing_key()
        factory = TokenFactory(ISSUER, API, key, self.clock)
        self.tokens.append((self.clock() + 3600, key.kid, factory.mint(expires_in=3600)))

    @invariant()
    def one_signs_and_nothing_comes_back(self) -> None:
        self.one.do("refresh")
        infos = self.one.ring.describe()
        assert [info.state for info in infos].count("active") == 1
        assert self.one.ring.signing_key().kid == next(i.kid for i in infos if i.state == "active")
        live = {info.kid for info in infos if info.state != "gone"}
        assert live.isdisjoint(self.retired)
        assert live.isdisjoint(self.gone)
        self.gone |= {info.kid for info in infos if info.state == "gone"}

    @invariant()
    def good_tokens_are_taken_and_others_not(self) -> None:
        self.one.do("refresh")
        now = self.clock()
        self.tokens = [entry for entry in self.tokens if entry[0] > now]
        verify = TokenVerifier(
            issuer=ISSUER, audience=API, keys=self.one.ring, clock=self.clock, cache_size=0
        )
        for _, kid, token in self.tokens:
            if kid in self.retired:
                with pytest.raises(InvalidToken):
                    verify.verify(token)
            else:
                assert verify.verify(token)


TestLife = Life.TestCase


# ---- several algorithms ----------------------------------------------------------------------

THREE = ("EdDSA", "RS256", "ES256")


@pytest.fixture
def three() -> Process:
    """A ring that signs with three algorithms."""
    process = Process()
    process.ring.algorithms = THREE
    process.do("ensure")
    return process


def by_algorithm(process: Process) -> dict[str, list[str]]:
    """The states of all keys."""
    process.do("refresh")
    found: dict[str, list[str]] = {}
    for info in process.ring.describe():
        found.setdefault(info.algorithm, []).append(info.state)
    return found


def test_each_algorithm_has_a_first_key(three: Process) -> None:
    assert by_algorithm(three) == {name: ["active"] for name in THREE}
    assert [three.ring.signing_key(name).algorithm for name in THREE] == list(THREE)
    assert three.ring.signing_key().algorithm == "EdDSA"  # that of access tokens
    assert {key["alg"] for key in three.ring.published().jwks()["keys"]} == set(THREE)
    three.do("ensure")
    assert len(three.ring.describe()) == 3


def test_an_algorithm_that_is_added_later_gets_its_key(process: Process) -> None:
    first = process.ring.signing_key()
    process.ring.algorithms = THREE
    with pytest.raises(KeyUnavailable, match="RS256"):
        process.ring.signing_key("RS256")
    process.do("ensure")
    assert process.ring.signing_key().kid == first.kid
    assert process.ring.signing_key("RS256").algorithm == "RS256"


@pytest.mark.parametrize("algorithm", THREE)
def test_x01_each_algorithm_rotates_by_itself(three: Process, algorithm: str) -> None:
    before = {name: three.ring.signing_key(name).kid for name in THREE}
    made = three.do("rotate", algorithm=algorithm)
    assert (made.algorithm, made.state) == (algorithm, "next")
    others = {name: ["active"] for name in THREE if name != algorithm}
    assert by_algorithm(three) == {**others, algorithm: ["active", "next"]}
    three.clock.advance(PUBLISHED_FIRST)
    assert by_algorithm(three) == {**others, algorithm: ["retiring", "active"]}
    after = {name: three.ring.signing_key(name).kid for name in THREE}
    assert {name for name in THREE if before[name] != after[name]} == {algorithm}
    three.clock.advance(KEPT_AFTER)
    assert three.do("prune") == 1
    assert by_algorithm(three) == {name: ["active"] for name in THREE}


@pytest.mark.parametrize("algorithm", THREE)
def test_x02_a_key_that_is_withdrawn_is_replaced_by_its_like(
    three: Process, algorithm: str
) -> None:
    old = three.ring.signing_key(algorithm).kid
    assert three.do("retire", old)
    assert three.ring.find(old, algorithm) is None
    assert three.ring.signing_key(algorithm).algorithm == algorithm
    assert by_algorithm(three)[algorithm] == ["gone", "active"]
    assert three.do("prune") == 1
    assert by_algorithm(three) == {name: ["active"] for name in THREE}


def test_a_key_verifies_no_token_of_another_algorithm(three: Process) -> None:
    for signs in THREE:
        for claimed in THREE:
            found = three.ring.find(three.ring.signing_key(signs).kid, claimed)
            assert (found is not None) == (signs == claimed)


def test_x03_two_processes_that_rotate_one_algorithm_at_once_make_one_key(
    three: Process,
) -> None:
    first = racing(three)
    second = first.neighbour()
    first.store.before_add = lambda: second.do("rotate", algorithm="RS256")
    made = first.do("rotate", algorithm="RS256")
    assert (made.algorithm, made.state) == ("RS256", "next")
    assert by_algorithm(first)["RS256"] == ["active", "next"]
    assert not first.events


def test_x03_two_processes_that_rotate_other_algorithms_at_once_make_both(
    three: Process,
) -> None:
    first = racing(three)
    second = first.neighbour()

    def faster() -> None:
        second.do("rotate", algorithm="ES256")
        second.do("rotate", algorithm="ES256")

    first.store.before_add = faster
    made = first.do("rotate", algorithm="RS256")
    assert (made.algorithm, made.state) == ("RS256", "next")
    assert by_algorithm(first) == {
        "EdDSA": ["active"],
        "ES256": ["active", "next", "next"],
        "RS256": ["active", "next"],
    }
    assert first.ring.describe()[-1].kid == made.kid
    assert [event.kid for event in first.events if isinstance(event, KeyRotated)] == [made.kid]


def test_x03_two_processes_that_begin_at_once_make_one_key_of_each_algorithm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = Process()
    second = first.neighbour()
    for one in (first, second):
        one.ring.algorithms = ("EdDSA", "ES256")
    signs = first.ring._signs

    def slow(algorithm: str) -> bool:
        found = signs(algorithm)
        second.do("ensure")  # after the look, and before anything is done about it
        return found

    monkeypatch.setattr(first.ring, "_signs", slow)
    first.do("ensure")
    assert by_algorithm(first) == {"EdDSA": ["active"], "ES256": ["active"]}
    assert not first.events
