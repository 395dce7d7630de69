"""Users, roles and permissions in the database."""

from __future__ import annotations

from typing import Any

import pytest

from bezant.errors import Refused
from bezant.runtime import SYNC, run_sync
from bezant.stores import Outcome
from bezant.stores.sql import Database, SyncDatabase
from bezant.testing.stores import NOW, an_authorization
from bezant_server.accounts import AccountStore, Directory
from bezant_server.accounts.authorizations import AccountAuthorizationStore
from bezant_server.settings import Settings

HASH = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA"


@pytest.fixture
def directory(database: SyncDatabase) -> Directory:
    return Directory(database, clock=lambda: 1_800_000_000.0)


@pytest.fixture
def store(database: SyncDatabase) -> AccountStore:
    return AccountStore(database)


def settled(verb: Any, *arguments: Any) -> Any:
    return run_sync(SYNC.call(verb, *arguments))


def add(directory: Directory, name: str, **more: Any) -> Any:
    return directory.add_user(name, password_hash=HASH, **more)


def test_a_user_has_the_permissions_of_all_roles(directory: Directory, store: AccountStore) -> None:
    directory.add_role("editor", ["items.delete", "items.write"])
    directory.add_role("auditor", ["items.read", "items.write"])
    directory.add_role("guest")
    alice = add(directory, "alice", roles=["guest", "editor", "auditor"])
    for found in (settled(store.get, alice.subject), settled(store.find, "alice")):
        assert found.subject == alice.subject
        assert (found.username, found.password_hash, found.active) == ("alice", HASH, True)
        assert found.roles == ("auditor", "editor", "guest")
        assert found.permissions == ("items.delete", "items.read", "items.write")


def test_a_user_may_have_no_roles(directory: Directory, store: AccountStore) -> None:
    bob = add(directory, "bob")
    found = settled(store.get, bob.subject)
    assert (found.roles, found.permissions) == ((), ())


def test_nobody_is_found_under_another_spelling(directory: Directory, store: AccountStore) -> None:
    alice = add(directory, "alice")
    for name in ("Alice", "alice ", " alice", "", "alicе", "%", "alic_", "alice'--"):
        assert settled(store.find, name) is None
    assert settled(store.get, alice.subject.upper()) is None


def test_the_look_up_at_each_refresh_is_one_statement(installed: Settings) -> None:
    database = Database.sync(installed.database_url)
    directory = Directory(database)
    directory.add_role("editor", ["items.delete"])
    alice = add(directory, "alice", roles=["editor"])
    statements: list[str] = []
    with database.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
    driver.set_trace_callback(statements.append)
    settled(AccountStore(database).get, alice.subject)
    database.close()
    assert len(statements) == 1


def test_a_refresh_tells_whose_it_is_while_it_decides(
    database: SyncDatabase, directory: Directory
) -> None:
    directory.add_role("editor", ["items.delete"])
    alice = add(directory, "alice", roles=["editor"])
    store = AccountAuthorizationStore(database)
    row = an_authorization(subject=alice.subject)
    settled(store.add, row)
    spend = row.id, row.client_id, row.generation, NOW, NOW + 9, 10.0
    rotated, retried = settled(store.rotate, *spend), settled(store.rotate, *spend)
    assert (rotated.outcome, retried.outcome) == (Outcome.ROTATED, Outcome.RETRIED)
    assert rotated.user == retried.user == settled(AccountStore(database).get, alice.subject)

    directory.set_active(alice.subject, active=False)
    assert settled(store.rotate, *spend).user.active is False
    unknown = settled(store.rotate, row.id, "another", row.generation, NOW, NOW + 9, 10.0)
    reused = settled(store.rotate, row.id, row.client_id, row.generation, NOW + 5, NOW + 9, 1.0)
    assert (unknown.outcome, reused.outcome) == (Outcome.UNKNOWN, Outcome.REUSED)
    assert unknown.user is reused.user is None


def test_subjects_are_random_and_names_and_addresses_unique(directory: Directory) -> None:
    alice = add(directory, "alice", email="Alice@Example.com")
    bob = add(directory, "bob")
    assert alice.subject != bob.subject
    assert len(alice.subject) >= 22
    assert alice.email == "alice@example.com"
    with pytest.raises(Refused, match="name"):
        add(directory, "alice")
    with pytest.raises(Refused, match="e-mail"):
        add(directory, "carol", email="alice@EXAMPLE.com")
    assert [account.username for account in directory.users()] == ["alice", "bob"]
    assert directory.usernames() == {alice.subject: "alice", bob.subject: "bob"}


@pytest.mark.parametrize(
    "name", ["", " alice", "alice ", "a  b", "a\nb", "a\0b", "a\u200bb", "a\u00a0b", "x" * 256]
)
def test_names_that_cannot_be_told_apart_are_refused(directory: Directory, name: str) -> None:
    with pytest.raises(Refused, match="a user's name"):
        add(directory, name)


def test_one_name_has_one_spelling(directory: Directory, store: AccountStore) -> None:
    zoe = add(directory, "Zoe\u0308")
    assert zoe.username == "Zo\u00eb"
    assert directory.user("Zoe\u0308").subject == zoe.subject
    with pytest.raises(Refused):
        add(directory, "Zo\u00eb")


@pytest.mark.parametrize(
    "email", ["alice", "a@b@c", "alice @example.com", "<a@example.com>", "@", ""]
)
def test_addresses_look_like_addresses(directory: Directory, email: str) -> None:
    with pytest.raises(Refused, match="e-mail"):
        add(directory, "alice", email=email)


def test_an_unknown_role_leaves_no_user_behind(directory: Directory) -> None:
    directory.add_role("editor")
    with pytest.raises(Refused, match=r"no role 'boss' \(there are: editor\)"):
        add(directory, "alice", roles=["editor", "boss"])
    assert directory.users() == []


def test_disabled_users_are_found_as_disabled(directory: Directory, store: AccountStore) -> None:
    alice = add(directory, "alice")
    directory.set_active(alice.subject, False)
    assert settled(store.get, alice.subject).active is False
    assert directory.user("alice").active is False
    directory.set_active(alice.subject, True)
    assert settled(store.find, "alice").active is True


def test_a_password_hash_is_replaced(directory: Directory, store: AccountStore) -> None:
    alice = add(directory, "alice")
    settled(store.replace_password_hash, alice.subject, HASH, HASH + "x")
    assert settled(store.get, alice.subject).password_hash == HASH + "x"
    settled(store.replace_password_hash, alice.subject, HASH, HASH + "y")  # changed meanwhile
    assert settled(store.get, alice.subject).password_hash == HASH + "x"
    directory.set_password_hash(alice.subject, HASH)
    assert settled(store.get, alice.subject).password_hash == HASH


def test_roles_are_granted_and_revoked(directory: Directory, store: AccountStore) -> None:
    directory.add_role("editor", ["items.delete"])
    alice = add(directory, "alice")
    assert directory.grant_role(alice.subject, "editor")
    assert not directory.grant_role(alice.subject, "editor")
    assert settled(store.get, alice.subject).permissions == ("items.delete",)
    assert directory.revoke_role(alice.subject, "editor")
    assert not directory.revoke_role(alice.subject, "editor")
    assert settled(store.get, alice.subject).permissions == ()
    with pytest.raises(Refused, match="no role"):
        directory.grant_role(alice.subject, "boss")


def test_a_role_gets_more_permissions_and_never_fewer_by_adding(directory: Directory) -> None:
    role, new = directory.add_role("editor", ["items.write", "items.write"])
    assert new and role.permissions == ("items.write",)
    role, new = directory.add_role("editor", ["items.delete"])
    assert not new and role.permissions == ("items.delete", "items.write")
    role, new = directory.add_role("editor")
    assert not new and role.permissions == ("items.delete", "items.write")
    assert directory.roles() == [role]


def test_permissions_and_roles_are_removed(directory: Directory) -> None:
    directory.add_role("editor", ["items.delete", "items.write"])
    alice = add(directory, "alice", roles=["editor"])
    role = directory.remove_role("editor", ["items.delete"])
    assert role is not None and role.permissions == ("items.write",)
    with pytest.raises(Refused, match="no permission"):
        directory.remove_role("editor", ["items.delete"])
    with pytest.raises(Refused, match="1 users have"):
        directory.remove_role("editor")
    directory.revoke_role(alice.subject, "editor")
    assert directory.remove_role("editor") is None
    with pytest.raises(Refused, match="no role"):
        directory.remove_role("editor")


@pytest.mark.parametrize("word", ["", "two words", 'qu"ote', "ümlaut", "x" * 256])
def test_roles_and_permissions_are_words(directory: Directory, word: str) -> None:
    with pytest.raises(Refused, match="a role is one word"):
        directory.add_role(word)
    with pytest.raises(Refused, match="a permission is one word"):
        directory.add_role("editor", [word])
