"""Every store of ours keeps the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from redis import Redis

from bezant.stores.memory import (
    MemoryAuthorizationStore,
    MemoryClientStore,
    MemoryCodeStore,
    MemoryConsentStore,
    MemoryKeyStore,
    MemoryLogoutStore,
    MemoryRevocationStore,
    MemoryThrottleStore,
    MemoryUserStore,
)
from bezant.stores.redis import RedisThrottleStore
from bezant.stores.sql import (
    Database,
    SQLAuthorizationStore,
    SQLClientStore,
    SQLCodeStore,
    SQLConsentStore,
    SQLKeyStore,
    SQLLogoutStore,
    SQLRevocationStore,
    SQLStores,
    SQLThrottleStore,
)
from bezant.testing.stores import (
    AuthorizationStoreContract,
    ClientStoreContract,
    CodeStoreContract,
    ConsentStoreContract,
    KeyStoreContract,
    LogoutStoreContract,
    RevocationStoreContract,
    ThrottleStoreContract,
    UserStoreContract,
    call,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


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


class TestMemoryCodes(CodeStoreContract):
    @pytest.fixture
    def store(self) -> MemoryCodeStore:
        return MemoryCodeStore()


class TestMemoryConsents(ConsentStoreContract):
    @pytest.fixture
    def store(self) -> MemoryConsentStore:
        return MemoryConsentStore()


class TestMemoryLogouts(LogoutStoreContract):
    @pytest.fixture
    def store(self) -> MemoryLogoutStore:
        return MemoryLogoutStore()


@pytest.fixture(params=["asynchronous", "threads"])
async def redis(
    request: pytest.FixtureRequest, valkey_url: str
) -> AsyncIterator[RedisThrottleStore]:
    store = RedisThrottleStore.open(valkey_url, sync=request.param == "threads")
    yield store
    if isinstance(store.client, Redis):
        store.client.close()
    else:
        await store.client.aclose()


class TestRedisThrottle(ThrottleStoreContract):
    @pytest.fixture
    def store(self, redis: RedisThrottleStore) -> RedisThrottleStore:
        return redis


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


class TestSQLCodes(CodeStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLCodeStore:
        return sql.codes


class TestSQLConsents(ConsentStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLConsentStore:
        return sql.consents


class TestSQLLogouts(LogoutStoreContract):
    @pytest.fixture
    def store(self, sql: SQLStores[Database]) -> SQLLogoutStore:
        return sql.logouts
