"""Revoked access tokens: what is known, since when, and for how long one goes on without news."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import Principal, ServerConfig
from bezant.errors import StoreUnavailable
from bezant.revocation import Revocations, RevocationView
from bezant.runtime import SYNC, run_sync
from bezant.stores import Revocation
from bezant.stores.memory import MemoryRevocationStore
from bezant.testing import FrozenClock
from tests.world import ISSUER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant.stores import RevocationKind

NOW = 1_800_000_000.0
KINDS: dict[RevocationKind, str] = {
    "token": "t1",
    "authorization": "s1",
    "subject": "alice",
    "client": "web",
}


def principal(iat: float = NOW, **changes: Any) -> Principal:
    fields = {"token_id": "t1", "session_id": "s1", "client_id": "web", **changes}
    return Principal("alice", claims={"iat": iat}, **fields)


def revoked(kind: RevocationKind, value: str, before: float = NOW, life: float = 60) -> Revocation:
    return Revocation(kind, value, before, before + life, before)


# ---- the view --------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "value"), KINDS.items())
def test_a_revocation_ends_what_was_issued_before(kind: RevocationKind, value: str) -> None:
    view = RevocationView()
    assert not view.revokes(principal())
    view.put(revoked(kind, value))
    assert view.revokes(principal())
    assert view.revokes(principal(NOW - 600))
    assert not view.revokes(principal(NOW + 1))


@pytest.mark.parametrize(("kind", "value"), KINDS.items())
def test_values_of_different_kinds_are_different(kind: RevocationKind, value: str) -> None:
    """CVE-2026-4282: ids of one kind must not pass for those of another."""
    view = RevocationView()
    for other in KINDS.keys() - {kind}:
        view.put(revoked(other, value))
    assert not view.revokes(principal())


def test_a_token_without_a_session_is_in_no_session() -> None:
    view = RevocationView()
    view.put(revoked("authorization", "s1"))
    view.put(revoked("authorization", "None"))
    assert not view.revokes(principal(session_id=None))


def test_i03_several_revocations_do_not_weaken_each_other() -> None:
    """CVE-2026-8922."""
    view = RevocationView()
    for entry in [
        revoked("subject", "alice", NOW),
        revoked("subject", "alice", NOW - 500),
        revoked("client", "web", NOW - 500),
    ]:
        view.put(entry)
    assert len(view) == 2
    assert view.revokes(principal(NOW))
    view.prune(NOW + 59.5)
    assert view.revokes(principal(NOW))


def test_what_no_token_can_match_any_more_is_forgotten() -> None:
    view = RevocationView()
    view.put(revoked("token", "t1", life=60))
    view.put(revoked("token", "t2", life=61))
    view.prune(NOW + 60)
    assert len(view) == 1


entries = st.builds(
    revoked,
    st.sampled_from(list(KINDS)),
    st.sampled_from([*KINDS.values(), "other"]),
    st.floats(NOW - 100, NOW + 100),
)


@given(known=st.lists(entries, max_size=8), iat=st.floats(NOW - 100, NOW + 100))
def test_the_view_says_what_the_entries_say(known: list[Revocation], iat: float) -> None:
    view = RevocationView()
    for entry in known:
        view.put(entry)
    matching = [
        entry for entry in known if KINDS[entry.kind] == entry.value and iat <= entry.issued_before
    ]
    assert view.revokes(principal(iat)) == bool(matching)


# ---- the store, from time to time ------------------------------------------------------------


class Store(MemoryRevocationStore):
    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.reads: list[float] = []

    def since(self, recorded_at: float, now: float, /) -> Any:
        self.reads.append(recorded_at)
        if self.away:
            raise StoreUnavailable("away")
        return super().since(recorded_at, now)


class Process:
    def __init__(self, store: Any = None, clock: FrozenClock | None = None) -> None:
        self.store = store or Store()
        self.clock = clock or FrozenClock()
        config = ServerConfig(issuer=ISSUER)
        self.revocations = Revocations(self.store, config, self.clock)

    def refresh(self) -> None:
        run_sync(self.revocations.refresh(SYNC))

    def revoke(self, kind: RevocationKind, value: str) -> None:
        run_sync(self.revocations.revoke(SYNC, kind, value))

    def neighbour(self) -> Process:
        return Process(self.store, self.clock)


@pytest.fixture
def process() -> Process:
    made = Process()
    made.refresh()
    return made


def test_a_revocation_is_known_here_at_once_and_elsewhere_soon(process: Process) -> None:
    other = process.neighbour()
    other.refresh()
    process.revoke("subject", "alice")
    assert process.revocations.view.revokes(principal())
    assert not other.revocations.view.revokes(principal())
    assert not other.revocations.due
    process.clock.advance(1)
    assert other.revocations.due
    other.refresh()
    assert other.revocations.view.revokes(principal())


def test_a_revocation_lasts_as_long_as_any_token_can_live(process: Process) -> None:
    process.revoke("subject", "alice")
    (entry,) = process.store.since(0, process.clock())
    assert entry.expires_at == process.clock() + 3600 + 10
    process.clock.advance(3609.5)
    process.refresh()
    assert len(process.revocations.view) == 1
    process.clock.advance(0.5)
    process.refresh()
    assert len(process.revocations.view) == 0


@pytest.mark.parametrize("kind", ["token", "authorization"])
def test_what_is_dated_a_little_ahead_is_revoked_by_name_too(
    process: Process, kind: RevocationKind
) -> None:
    """As what is issued in the second in which everything of its subject was revoked."""
    process.revoke(kind, KINDS[kind])
    (entry,) = process.store.since(0, process.clock())
    ahead = int(process.clock()) + 1
    assert (entry.issued_before, entry.expires_at) == (ahead, ahead + 3600 + 10)
    assert process.revocations.view.revokes(principal(iat=ahead))


def test_only_what_is_new_is_read_with_an_overlap_for_late_commits(process: Process) -> None:
    process.clock.advance(100)
    process.refresh()
    process.clock.advance(100)
    process.refresh()
    assert process.store.reads == [0.0, NOW - 10, NOW + 90]
    # An entry recorded before the last look that becomes visible after it.
    late = Revocation("token", "t1", NOW + 195, NOW + 3000, NOW + 195)
    process.store.add(late)
    process.clock.advance(1)
    process.refresh()
    assert process.revocations.view.revokes(principal())


def test_a_process_that_starts_knows_all(process: Process) -> None:
    process.revoke("subject", "alice")
    process.clock.advance(3000)
    fresh = process.neighbour()
    assert fresh.revocations.due
    fresh.refresh()
    assert fresh.revocations.view.revokes(principal())


def test_what_cannot_be_recorded_is_not_pretended(process: Process) -> None:
    def away(revocation: Revocation) -> None:
        raise StoreUnavailable("away")

    process.store.add = away
    with pytest.raises(StoreUnavailable):
        process.revoke("subject", "alice")
    assert not process.revocations.view.revokes(principal())


def test_without_news_one_goes_on_for_a_while(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    process.store.away = True
    process.clock.advance(60)
    with caplog.at_level(logging.WARNING, "bezant.revocation"):
        process.refresh()
    assert "60 s ago" in caplog.text
    assert process.revocations.due  # each request tries again
    process.clock.advance(0.5)
    with pytest.raises(StoreUnavailable, match="no token can be trusted"):
        process.refresh()
    process.store.away = False
    process.refresh()
    assert not process.revocations.due


def test_a_process_that_never_read_trusts_nothing() -> None:
    process = Process()
    process.store.away = True
    with pytest.raises(StoreUnavailable):
        process.refresh()


class _Pause:
    def __await__(self) -> Iterator[None]:
        yield


class Slow(Store):
    async def since(self, recorded_at: float, now: float, /) -> Any:
        await _Pause()
        return super().since(recorded_at, now)


def test_of_many_requests_one_reads(process: Process) -> None:
    slow = Process(Slow(), process.clock)
    with pytest.raises(StopIteration):
        _drive(slow.revocations.refresh(SYNC), steps=2)
    slow.clock.advance(1)
    assert slow.revocations.due
    _drive(slow.revocations.refresh(SYNC), steps=1)
    assert not slow.revocations.due


def test_while_the_first_look_lasts_no_request_goes_on_without() -> None:
    slow = Process(Slow())
    _drive(slow.revocations.refresh(SYNC), steps=1)
    assert slow.revocations.due


_started = []


def _drive(coroutine: Any, steps: int) -> None:
    _started.append(coroutine)  # so that what is left half way is closed at the end
    for _ in range(steps):
        coroutine.send(None)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    for coroutine in _started:
        coroutine.close()
    _started.clear()
