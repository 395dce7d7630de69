"""Looking after a server: clients, keys, sessions, and how they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant import Client, ConfigurationError
from bezant.administration import Administration
from bezant.clients import new_secret
from bezant.descriptions import ago, describe_client, describe_key, describe_session, moment
from bezant.errors import Refused
from bezant.runtime import SYNC, run_sync
from bezant.stores import Consent
from bezant.stores.memory import MemoryClientStore
from bezant.testing.stores import NOW, an_authorization
from tests.world import confidential, secret_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.world import World


class Registry(MemoryClientStore):
    """Clients in memory that commands may change."""

    def add(self, client: Client, /) -> bool:  # type: ignore[override]
        free = self.get(client.client_id) is None
        if free:
            super().add(client)
        return free

    def replace(self, client: Client, /) -> bool:
        super().add(client)
        return True

    def list_all(self) -> Sequence[Client]:
        return sorted(self._clients.values(), key=lambda client: client.client_id)


@pytest.fixture
def at(world: World) -> Administration:
    stores: Any = world.server.stores
    stores.clients = Registry([confidential("web", "password", "refresh_token")])
    return Administration(world.server)


class TestClients:
    def test_one_is_added_once(self, at: Administration) -> None:
        machine = confidential("machine", "client_credentials")
        at.add_client(machine)
        with pytest.raises(Refused, match="'machine' already"):
            at.add_client(machine)
        assert [client.client_id for client in at.clients()] == ["machine", "web"]

    def test_none_outlives_what_the_server_lets_any(self, at: Administration) -> None:
        with pytest.raises(ConfigurationError, match="3600"):
            at.add_client(confidential("long", "password", access_token_ttl=3601))
        at.add_client(confidential("long", "password", access_token_ttl=3600))

    def test_a_new_secret_beside_the_old(self, at: Administration, world: World) -> None:
        fresh, now = new_secret(), world.clock()
        client = at.rotate_secret("web", fresh, overlap=60)
        assert at.client("web") == client
        new, old = client.secrets
        assert new.matches(fresh, now + 10**9)
        assert old.matches(secret_of("web"), now + 59)
        assert not old.matches(secret_of("web"), now + 60)

    def test_an_old_secret_never_gets_longer(self, at: Administration, world: World) -> None:
        at.rotate_secret("web", new_secret(), overlap=0)
        (only,) = at.client("web").secrets
        for overlap in (10, 1000):
            at.rotate_secret("web", new_secret(), overlap=overlap)
        _, old = at.client("web").secrets
        assert old.expires_at == world.clock() + 1000
        assert old != only
        ending = Client("x", frozenset({"password"}), secrets=(old,))
        later = ending.with_new_secret(new_secret(), now=world.clock(), overlap=9999)
        assert later.secrets[1].expires_at == old.expires_at

    def test_no_secret_for_whom_cannot_keep_one(self, at: Administration) -> None:
        at.add_client(Client("spa", frozenset({"password"}), auth_method="none"))
        with pytest.raises(Refused, match="it has no secret"):
            at.rotate_secret("spa", new_secret(), overlap=0)

    def test_disabling_ends_what_it_got(self, at: Administration, world: World) -> None:
        now = world.clock()
        row = an_authorization(created_at=now, expires_at=now + 9, idle_expires_at=now + 9)
        world.stores.authorizations.add(row)
        assert at.disable_client("web") == 1
        assert not at.client("web").active
        assert [row.kind for row in world.stores.revocations.since(0.0, now)] == ["client"]
        at.enable_client("web")
        assert at.client("web").active

    def test_one_that_is_not_there(self, at: Administration) -> None:
        for act in (at.client, at.disable_client, at.enable_client):
            with pytest.raises(Refused, match="no client 'nobody'"):
                act("nobody")

    def test_a_store_that_only_reads(self, world: World) -> None:
        with pytest.raises(ConfigurationError, match=r"no replace\(\)"):
            Administration(world.server).clients()


class TestKeys:
    def test_their_life(self, at: Administration) -> None:
        (first,) = at.keys()
        second = at.rotate_keys()
        assert (first.state, second.state) == ("active", "next")
        at.retire_key(first.kid)
        keys = at.keys()
        assert [key.state for key in keys] == ["gone", "next", "active"]
        with pytest.raises(Refused, match="to withdraw"):
            at.retire_key(first.kid)


class TestSessions:
    def test_they_are_ended(self, at: Administration, world: World) -> None:
        now = world.clock()
        ends = {"created_at": now, "expires_at": now + 9, "idle_expires_at": now + 9}
        rows = [an_authorization(subject=name, **ends) for name in ("a", "a", "b", "c")]
        for row in rows:
            world.stores.authorizations.add(row)
        assert len(at.sessions()) == 4
        assert len(at.sessions(subject="a")) == 2
        assert len(at.sessions(client_id="web", limit=3)) == 3
        assert at.end_all_of("a") == 2
        assert at.end_sessions([rows[2].id, rows[2].id, rows[0].id]) == 1
        assert at.end_all_of_client("web") == 1
        assert not at.sessions()
        world.clock.advance(90_000)
        assert at.purge() >= 4

    def test_they_end_with_the_consent(self, at: Administration, world: World) -> None:
        now, consents = world.clock(), world.stores.consents
        ends = {"created_at": now, "expires_at": now + 9, "idle_expires_at": now + 9}
        mine, elsewhere, others = (
            an_authorization(subject=subject, client_id=client_id, **ends)
            for subject, client_id in (("a", "web"), ("a", "shop"), ("b", "web"))
        )
        for row in (mine, elsewhere, others):
            world.stores.authorizations.add(row)
            consents.put(Consent(row.subject, row.client_id, row.scopes, now))
        assert at.withdraw_consent("a", "web") == 1
        assert at.withdraw_consent("a", "web") == 0
        assert consents.get("a", "web") is None
        assert {session.id for session in at.sessions()} == {elsewhere.id, others.id}
        assert [consent.client_id for consent in consents.list_for_subject("a")] == ["shop"]
        (revocation,) = world.stores.revocations.since(0.0, now)
        assert (revocation.kind, revocation.value) == ("authorization", mine.id)


def test_no_description_has_a_secret(at: Administration, world: World) -> None:
    run_sync(world.server.prepare(SYNC))
    client = at.client("web")
    told = [describe_client(client), *map(describe_key, at.keys())]
    told.append(describe_session(an_authorization(), "alice"))
    for secret in (client.secrets[0].hashed, world.stores.keys.load()[0].sealed.hex()):
        assert secret not in str(told)
    assert told[0]["client_id"] == "web"
    assert told[1]["gone_at"] is None
    assert told[2]["ends_at"] == moment(NOW + 1_000)
    assert told[2]["username"] == "alice"


def test_times_for_people() -> None:
    assert moment(None) is None
    assert moment(0.9) == "1970-01-01T00:00:00Z"
    for seconds, text in {
        0.4: "now",
        1.0: "1 second ago",
        59.9: "59 seconds ago",
        3600.0: "1 hour ago",
        -86400.0 * 3: "in 3 days",
    }.items():
        assert ago(NOW - seconds, NOW) == text
