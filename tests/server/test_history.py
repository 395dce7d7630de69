"""What happened to accounts: bounded, written a moment later, and never in anybody's way."""

from __future__ import annotations

import asyncio
from dataclasses import fields

import pytest

from bezant.errors import StoreUnavailable
from bezant.events import LoginFailed, LoginSucceeded, TokenIssued
from bezant.runtime import SYNC, run_sync
from bezant.stores.sql import SyncDatabase
from bezant.testing import FrozenClock
from bezant_server import history
from bezant_server.accounts.history_store import KEPT, HistoryStore, Incident
from bezant_server.history import History


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def noted(database: SyncDatabase, clock: FrozenClock) -> History:
    return History(HistoryStore(database), ttl=1000, runtime=SYNC, clock=clock)


def signed_in(clock: FrozenClock, subject: str = "alice") -> LoginSucceeded:
    return LoginSucceeded(at=clock(), subject=subject, address="192.0.2.7")


def latest(noted: History, subject: str = "alice") -> list[Incident]:
    return list(run_sync(noted.latest(subject)))


def test_each_person_sees_their_own_the_latest_first(noted: History, clock: FrozenClock) -> None:
    noted.note(signed_in(clock))
    clock.advance(1)
    noted.note(signed_in(clock, "bob"))
    noted.failed("alice", "203.0.113.5")
    assert [(one.event, one.address) for one in latest(noted)] == [
        ("LoginFailed", "203.0.113.5"),
        ("LoginSucceeded", "192.0.2.7"),
    ]
    assert len(latest(noted, "bob")) == 1


def test_what_concerns_nobody_is_not_kept(noted: History, clock: FrozenClock) -> None:
    noted.note(LoginFailed(at=clock(), subject=None, address="x", reason="wrong name"))
    issued = TokenIssued(
        at=clock(), client_id="c", subject="alice", grant_type="password", scopes=(), token_id="t"
    )
    noted.note(issued)
    assert latest(noted) == []


def test_no_more_is_kept_than_the_latest(noted: History, clock: FrozenClock) -> None:
    for _ in range(3):
        for _ in range(KEPT):
            clock.advance(1)
            noted.note(signed_in(clock))
        kept = latest(noted)
        assert len(kept) == KEPT
        assert kept[0].at == clock()
    noted.note(signed_in(clock, "bob"))
    assert len(latest(noted)) == KEPT


def test_what_is_old_is_forgotten(noted: History, clock: FrozenClock) -> None:
    noted.note(signed_in(clock))
    clock.advance(600)
    noted.note(signed_in(clock))
    run_sync(noted.write())
    clock.advance(600)
    assert run_sync(noted.purge()) == 1
    assert len(latest(noted)) == 1


def test_what_could_not_be_written_is_written_later_and_never_without_bound(
    noted: History, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, add = noted._store, noted._store.add

    def away(_: object) -> None:
        noted.note(signed_in(clock, "bob"))  # meanwhile
        raise StoreUnavailable("it is away")

    noted.note(signed_in(clock))
    monkeypatch.setattr(store, "add", away)
    with pytest.raises(StoreUnavailable):
        run_sync(noted.write())
    monkeypatch.setattr(store, "add", add)
    assert [len(latest(noted, subject)) for subject in ("alice", "bob")] == [1, 1]
    for _ in range(history.MOST + 5):
        noted.note(signed_in(clock))
    assert len(noted._noted) == history.MOST


async def test_it_is_written_in_the_background_and_at_the_end(
    noted: History, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "INTERVAL", 0)
    failures = [StoreUnavailable("it is away"), RuntimeError("a mistake")]
    store, add = noted._store, noted._store.add
    written: list[object] = []
    once = asyncio.Event()

    def flaky(incidents: object) -> None:
        if failures:
            raise failures.pop()
        written.append(incidents)
        add(incidents)  # type: ignore[arg-type]
        once.set()

    monkeypatch.setattr(store, "add", flaky)
    noted.note(signed_in(clock))
    async with noted.writing(None):
        await once.wait()
        monkeypatch.setattr(history, "INTERVAL", 3600)
        await asyncio.sleep(0)
        noted.note(signed_in(clock))
    assert len(written) == 2


def test_an_incident_shows_no_address_in_its_repr() -> None:
    assert "203.0.113" not in repr(Incident("alice", 1.0, "LoginFailed", "203.0.113.5"))
    assert {field.name for field in fields(Incident)} == {
        *("subject", "at", "event", "address", "client_id")
    }
