"""Sign-ins as they are stored, on every database."""

from __future__ import annotations

from typing import Any

import pytest

from bezant.runtime import SYNC, run_sync
from bezant.stores.sql import SyncDatabase
from bezant_server.accounts import Directory
from bezant_server.accounts.session_store import Session, SessionStore

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"
ALIVE = (0.0, 0.0)


@pytest.fixture
def directory(database: SyncDatabase) -> Directory:
    return Directory(database)


@pytest.fixture
def store(database: SyncDatabase) -> SessionStore:
    return SessionStore(database)


def call(verb: Any, *arguments: Any) -> Any:
    return run_sync(SYNC.call(verb, *arguments))


def a_session(subject: str, name: str, at: float = 1000.0) -> Session:
    return Session(
        id=name,
        subject=subject,
        auth_time=at,
        last_seen=at,
        amr=("pwd", "otp"),
        device="Firefox, Linux",
        address="192.0.2.7",
        username="",
        name="",
    )


def ids(store: SessionStore, browser: str, alive: tuple[float, float] = ALIVE) -> list[str]:
    return [session.id for session in call(store.of_browser, browser, *alive)]


def test_who_came_last_or_was_chosen_is_in_use(store: SessionStore, directory: Directory) -> None:
    alice = directory.add_user("alice", password_hash=HASH, name="Alice").subject
    bob = directory.add_user("bob", password_hash=HASH).subject
    carol = directory.add_user("carol", password_hash=HASH).subject
    # Clocks that stand still, or go back, change nothing.
    call(store.start, None, "one", a_session(alice, "a"), *ALIVE)
    call(store.start, "one", "two", a_session(bob, "b", 500.0), *ALIVE)
    call(store.start, "two", "three", a_session(carol, "c", 500.0), *ALIVE)
    assert ids(store, "three") == ["c", "b", "a"]
    assert call(store.choose, "three", "four", "a", *ALIVE)
    assert ids(store, "four") == ["a", "c", "b"]
    assert not call(store.choose, "four", "five", "nobody", *ALIVE)
    assert ids(store, "five") == ids(store, "one") == ids(store, "three") == []
    (first, *_) = call(store.of_browser, "four", *ALIVE)
    assert (first.username, first.name, first.amr) == ("alice", "Alice", ("pwd", "otp"))


def test_who_is_there_already_is_proven_anew(store: SessionStore, directory: Directory) -> None:
    alice = directory.add_user("alice", password_hash=HASH).subject
    bob = directory.add_user("bob", password_hash=HASH).subject
    assert call(store.start, None, "one", a_session(alice, "a"), *ALIVE) == "a"
    assert call(store.start, "one", "two", a_session(bob, "b"), *ALIVE) == "b"
    assert call(store.start, "two", "three", a_session(alice, "x", 2000.0), *ALIVE) == "a"
    assert ids(store, "three") == ["a", "b"]
    (first, _) = call(store.of_browser, "three", *ALIVE)
    assert first.auth_time == first.last_seen == 2000.0


def test_what_has_ended_is_left_behind(store: SessionStore, directory: Directory) -> None:
    alice = directory.add_user("alice", password_hash=HASH).subject
    call(store.start, None, "one", a_session(alice, "a", 1000.0), *ALIVE)
    over = (1000.0, 0.0)
    assert ids(store, "one", over) == []
    assert not call(store.choose, "one", "two", "a", *over)
    assert call(store.start, "one", "two", a_session(alice, "b", 2000.0), *over) == "b"
    assert ids(store, "two") == ["b"]
    assert [one.session_id for one in call(store.ended, 1000.0, 0.0)] == ["a"]
    assert [one.session_id for one in call(store.ended, 0.0, 1000.0)] == ["a"]
    assert call(store.ended, 999.0, 999.0) == []
    assert call(store.forget, "a") and not call(store.forget, "a")


def test_who_may_not_sign_in_is_signed_in_nowhere(
    store: SessionStore, directory: Directory
) -> None:
    alice = directory.add_user("alice", password_hash=HASH).subject
    call(store.start, None, "one", a_session(alice, "a"), *ALIVE)
    call(store.start, None, "two", a_session("nobody", "n"), *ALIVE)
    assert ids(store, "two") == []
    directory.set_active(alice, False)
    assert ids(store, "one") == []
    assert call(store.of_subject, alice, *ALIVE) == []
    assert [one.session_id for one in call(store.all_of_subject, alice)] == ["a"]


def test_when_and_where_a_browser_was_seen(store: SessionStore, directory: Directory) -> None:
    alice = directory.add_user("alice", password_hash=HASH).subject
    call(store.start, None, "one", a_session(alice, "a"), *ALIVE)
    call(store.start, None, "two", a_session(alice, "b", 1500.0), *ALIVE)
    call(store.touch, "a", 3000.0, "198.51.100.1")
    found = call(store.of_subject, alice, *ALIVE)
    assert [(one.id, one.last_seen, one.address) for one in found] == [
        ("a", 3000.0, "198.51.100.1"),
        ("b", 1500.0, "192.0.2.7"),
    ]
    assert found[0].auth_time == 1000.0
    assert "198.51" not in repr(found[0])
