"""Every store of ours keeps the contract."""

from __future__ import annotations

import pytest

from bezant.stores.memory import (
    MemoryAuthorizationStore,
    MemoryClientStore,
    MemoryKeyStore,
    MemoryRevocationStore,
    MemoryThrottleStore,
    MemoryUserStore,
)
from bezant.stores.sql import (
    Database,
    SQLAuthorizationStore,
    SQLClientStore,
    SQLKeyStore,
    SQLRevocationStore,
    SQLStores,
    SQLThrottleStore,
)
from bezant.testing.stores import (
    AuthorizationStoreContract,
    ClientStoreContract,
    KeyStoreContract,
    RevocationStoreContract,
    ThrottleStoreContract,
    UserStoreContract,
    call,
)


class TestMemoryUsers(UserStoreContract):
    @pytest.fixture
    def store(self) -> MemoryUserStore:
        return MemoryUserStore(self.users)


class TestMemoryClients(ClientStoreContract):
    @pytest.fixture
    def store(self) -> MemoryClientStore:
        return MemoryClientStore(self.clients)


class TestMemoryAuthorizations(AuthorizationStoreContract):
    @pytest.fixture
    def store(self) -> MemoryAuthorizationStore:
        return MemoryAuthorizationStore()


class TestMemoryKeys(KeyStoreContract):
    @pytest.fixture
    def store(self) -> MemoryKeyStore:
        return MemoryKeyStore()


class TestMemoryRevocations(RevocationStoreContract):
    @pytest.fixture
    def store(self) -> MemoryRevocationStore:
        return MemoryRevocationStore()


class TestMemoryThrottle(ThrottleStoreContract):
    @pytest.fixture
    def store(self) -> MemoryThrottleStore:
        return MemoryThrottleStore()


class TestSQLClients(ClientStoreContract):
    @pytest.fixture
    async def store(self, sql: SQLStores[Database]) -> SQLClientStore:
        for client in self.clients:
            assert await call(sql.clients.add, client)
        return sql.clients


class TestSQLAuthorizations(AuthorizationStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLAuthorizationStore:
        return sql.authorizations


class TestSQLKeys(KeyStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLKeyStore:
        return sql.keys


class TestSQLRevocations(RevocationStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLRevocationStore:
        return sql.revocations


class TestSQLThrottle(ThrottleStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLThrottleStore:
        return sql.throttle
