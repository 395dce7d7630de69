"""What the throttle in Redis does beyond the contract."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, cast

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from bezant.errors import ConfigurationError, StoreUnavailable
from bezant.runtime import SYNC
from bezant.stores import Allowance, Blocked, ThrottleLimit, ThrottleStore
from bezant.stores.redis import RedisThrottleStore
from bezant.testing.stores import NOW, call
from tests.services import Valkey

if TYPE_CHECKING:
    from collections.abc import Iterator

LIMIT = ThrottleLimit(free=1, base=0.25, cap=900.0, memory=1000.0)


@pytest.fixture
def client(valkey_url: str) -> Iterator[Redis]:
    with Redis.from_url(valkey_url) as client:
        yield client


async def test_waits_as_the_limit_says(client: Redis) -> None:
    store = RedisThrottleStore(client)
    now = NOW
    for attempts in range(1, 40):
        assert await call(store.attempt, {"k": LIMIT}, now) is None
        blocked = await call(store.attempt, {"k": LIMIT}, now)
        assert blocked == Blocked("k", LIMIT.wait(attempts))
        now += blocked.wait


async def test_what_is_past_expires(client: Redis) -> None:
    store = RedisThrottleStore(client)
    now = time.time()
    await call(store.attempt, {"k": LIMIT}, now)
    await call(store.earn, "k", 1, now + 100)
    assert 1000 <= cast("Any", client.ttl("bezant:attempts:k")) <= 1001
    assert 86_400 < cast("Any", client.ttl("bezant:allowance:k")) <= 86_501


async def test_what_is_not_there_is_not_made(client: Redis) -> None:
    store = RedisThrottleStore(client)
    await call(store.refund, ["k", "other"])
    await call(store.give_back, "k")
    assert await call(store.spend, "k", NOW) is None
    assert client.keys() == []


async def test_the_prefix_is_yours(client: Redis) -> None:
    store = RedisThrottleStore(client, prefix="sso/")
    await call(store.attempt, {"k": LIMIT}, NOW)
    assert client.keys() == [b"sso/attempts:k"]


async def test_text_replies_are_fine(valkey_url: str) -> None:
    with Redis.from_url(valkey_url, decode_responses=True) as client:
        store = RedisThrottleStore(client)
        assert await call(store.attempt, {"k": LIMIT}, NOW) is None
        assert await call(store.attempt, {"k": LIMIT}, NOW) == Blocked("k", 0.25)
        await call(store.earn, "k", 2, NOW + 0.25)
        assert await call(store.spend, "k", NOW) == Allowance(1, NOW + 0.25)


async def test_a_synchronous_framework_takes_a_synchronous_client_only(valkey_url: str) -> None:
    with Redis.from_url(valkey_url) as client:
        SYNC.check("throttle", RedisThrottleStore(client), ThrottleStore)
    async with AsyncRedis.from_url(valkey_url) as client:
        with pytest.raises(ConfigurationError, match="async def"):
            SYNC.check("throttle", RedisThrottleStore(client), ThrottleStore)


@pytest.mark.parametrize("sync", [True, False])
async def test_a_stopped_server_is_an_outage(sync: bool) -> None:
    server = Valkey()
    try:
        server.start()
        store = RedisThrottleStore.open(server.url, sync=sync)
        assert await call(store.attempt, {"k": LIMIT}, NOW) is None
        server.stop()
        with pytest.raises(StoreUnavailable, match="Redis cannot answer"):
            await call(store.attempt, {"k": LIMIT}, NOW)
        server.start()
        assert await call(store.attempt, {"other": LIMIT}, NOW) is None
        if isinstance(store.client, Redis):
            store.client.close()
        else:
            await store.client.aclose()
    finally:
        server.remove()
