"""What the stores in memory do beyond the contract."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bezant.clients import Client
from bezant.errors import ConfigurationError
from bezant.runtime import SYNC
from bezant.stores import Blocked, ThrottleLimit, ThrottleStore
from bezant.stores.memory import (
    MemoryClientStore,
    MemoryStores,
    MemoryThrottleStore,
    MemoryUserStore,
)
from bezant.testing.stores import NOW
from bezant.users import User

if TYPE_CHECKING:
    from bezant.stores import Stores, UserStore

LIMIT = ThrottleLimit(free=1, base=10.0, cap=100.0, memory=60.0)


def test_they_are_all_the_stores_there_are() -> None:
    client = Client("web", grants=frozenset({"password"}), auth_method="none")
    stores: Stores = MemoryStores([client])
    assert stores.clients.get("web") is client
    SYNC.check("stores.throttle", stores.throttle, ThrottleStore)


def test_clients_are_replaced_by_those_with_their_id() -> None:
    store = MemoryClientStore()
    client = Client("web", grants=frozenset({"password"}), auth_method="none")
    store.add(client)
    store.add(replace(client, active=False))
    assert store.get("web") == replace(client, active=False)


def test_users_are_replaced_by_those_with_their_subject() -> None:
    store = MemoryUserStore([User("u-1", "alice")])
    store.add(User("u-1", "alicia"))
    assert store.find("alice") is None
    assert store.find("alicia") == User("u-1", "alicia")
    users: UserStore = store
    assert users.get("u-1") == User("u-1", "alicia")


def test_a_login_name_has_one_owner() -> None:
    store = MemoryUserStore([User("u-1", "alice")])
    with pytest.raises(ConfigurationError, match="login name") as caught:
        store.add(User("u-2", "alice"))
    assert "alice" not in str(caught.value)


class TestThrottleIsBounded:
    """Whoever attacks chooses the keys."""

    def test_keeps_a_bounded_number_of_counters(self) -> None:
        store = MemoryThrottleStore(max_keys=10)
        for number in range(1000):
            assert store.attempt({str(number): LIMIT}, NOW) is None
        assert store.purge(NOW + 1) == 10

    def test_keeps_a_bounded_number_of_allowances(self) -> None:
        store = MemoryThrottleStore(max_keys=10)
        for number in range(1000):
            store.earn(str(number), 1, NOW)
        assert store.purge(NOW + 1) == 10

    def test_sheds_the_allowance_that_was_used_longest_ago(self) -> None:
        store = MemoryThrottleStore(max_keys=2)
        for key in ("a", "b"):
            store.earn(key, 5, NOW)
        store.spend("a", NOW - 1)
        store.earn("c", 5, NOW)
        assert store.spend("a", NOW - 1) is not None
        assert store.spend("b", NOW - 1) is None

    def test_sheds_what_was_touched_longest_ago(self) -> None:
        store = MemoryThrottleStore(max_keys=2)
        for key in ("a", "b"):
            store.attempt({key: LIMIT}, NOW)
        store.attempt({"a": LIMIT}, NOW + 10)
        store.attempt({"c": LIMIT}, NOW + 10)
        assert store.attempt({"a": LIMIT}, NOW + 11) is not None
        assert store.attempt({"b": LIMIT}, NOW + 11) is None

    def test_sheds_what_is_forgotten_before_it_is_full(self) -> None:
        store = MemoryThrottleStore()
        for number in range(100):
            store.attempt({str(number): LIMIT}, NOW)
        for number in range(100):
            store.attempt({f"later {number}": LIMIT}, NOW + 60)
        assert store.purge(NOW + 1) == 0
        assert store.purge(NOW + 61) == 100

    def test_a_block_outlasts_the_memory(self) -> None:
        store = MemoryThrottleStore()
        limit = ThrottleLimit(free=1, base=100.0, cap=100.0, memory=0.0)
        store.attempt({"k": limit}, NOW)
        assert store.attempt({"k": limit}, NOW + 50) == Blocked("k", 50.0)
