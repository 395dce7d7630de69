"""Counters of login attempts in Redis or Valkey, shared by many nodes (extra ``bezant[redis]``).

Each verb is one Lua script, so it is atomic. What is past expires by itself.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from bezant.errors import StoreUnavailable
from bezant.runtime import MaybeAwaitable
from bezant.stores import Allowance, Blocked, ThrottleLimit

__all__ = ["RedisThrottleStore"]

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 2.0
"""Seconds to connect, and to wait for an answer."""

ATTEMPT = """
local now, limits = tonumber(ARGV[1]), cjson.decode(ARGV[2])
local counts = {}
for i, key in ipairs(KEYS) do
  local count, blocked, touched = unpack(redis.call('HMGET', key, 'count', 'blocked', 'touched'))
  if blocked and now < tonumber(blocked) then
    return {i, string.format('%.17g', tonumber(blocked) - now)}
  end
  local remembered = touched and now - tonumber(touched) < limits[i].memory
  counts[i] = remembered and tonumber(count) + 1 or 1
end
for i, key in ipairs(KEYS) do
  local limit, wait = limits[i], 0
  if counts[i] >= limit.free then
    wait = limit.waits[math.min(1 + counts[i] - limit.free, #limit.waits)]
  end
  local blocked = wait > 0 and string.format('%.17g', now + wait) or '0'
  redis.call('HSET', key, 'count', counts[i], 'blocked', blocked, 'touched', ARGV[1])
  redis.call('EXPIRE', key, math.ceil(math.max(limit.memory, wait)) + 1)
end
return false
"""

REFUND = """
for _, key in ipairs(KEYS) do
  local count = redis.call('HGET', key, 'count')
  if count then
    redis.call('HSET', key, 'count', math.max(0, tonumber(count) - 1), 'blocked', '0')
  end
end
return false
"""

SPEND = """
local credits, expires_at = unpack(redis.call('HMGET', KEYS[1], 'credits', 'expires_at'))
if credits and tonumber(credits) > 0 and tonumber(ARGV[1]) < tonumber(expires_at) then
  return {redis.call('HINCRBY', KEYS[1], 'credits', -1), expires_at}
end
return false
"""

GIVE_BACK = """
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HINCRBY', KEYS[1], 'credits', 1)
end
return false
"""

# The server's clock may differ from the caller's, so an allowance is kept a day longer than it is
# good for.
EARN = """
redis.call('HSET', KEYS[1], 'credits', ARGV[1], 'expires_at', ARGV[2])
local rest = tonumber(ARGV[2]) - tonumber(redis.call('TIME')[1])
redis.call('EXPIRE', KEYS[1], math.ceil(math.max(rest, 0)) + 86400)
return false
"""


def _nothing(_: object) -> None:
    pass


class _Call(NamedTuple, Generic[T]):
    """One run of a script."""

    script: str
    keys: Collection[str]
    arguments: tuple[str | float, ...]
    read: Callable[[Any], T]
    """What a reply means."""


def _attempt(counters: Mapping[str, ThrottleLimit], now: float, /) -> _Call[Blocked | None]:
    limits = [
        {"memory": limit.memory, "free": limit.free, "waits": _waits(limit)}
        for limit in counters.values()
    ]
    names = list(counters)

    def read(reply: Any) -> Blocked | None:
        return None if reply is None else Blocked(names[reply[0] - 1], float(reply[1]))

    return _Call(ATTEMPT, _counters(names), (now, json.dumps(limits)), read)


def _waits(limit: ThrottleLimit) -> list[float]:
    """The waits that grow; the last one is for all attempts after those."""
    waits = [limit.wait(limit.free)]
    while waits[-1] < limit.cap and len(waits) < 64:
        waits.append(limit.wait(limit.free + len(waits)))
    return waits


def _refund(keys: Collection[str], /) -> _Call[None]:
    return _Call(REFUND, _counters(keys), (), _nothing)


def _counters(keys: Collection[str]) -> list[str]:
    return [f"attempts:{key}" for key in keys]


def _spend(key: str, now: float, /) -> _Call[Allowance | None]:
    def read(reply: Any) -> Allowance | None:
        return None if reply is None else Allowance(int(reply[0]), float(reply[1]))

    return _Call(SPEND, [f"allowance:{key}"], (now,), read)


def _give_back(key: str, /) -> _Call[None]:
    return _Call(GIVE_BACK, [f"allowance:{key}"], (), _nothing)


def _earn(key: str, credits: int, expires_at: float, /) -> _Call[None]:
    return _Call(EARN, [f"allowance:{key}"], (credits, expires_at), _nothing)


class RedisThrottleStore:
    """Counters of login attempts in Redis or Valkey (`bezant.stores.ThrottleStore`).

    Its methods are ``async def`` with an asynchronous client, ``def`` with a synchronous one.

    Args:
        client: A client of redis-py. Give it timeouts, or a server that hangs holds up logins.
        prefix: Begins every key. In a cluster give it a hash tag, such as ``{bezant}:``: an attempt
            is counted at two keys at once, which must be on one node.
    """

    def __init__(self, client: Redis | AsyncRedis, *, prefix: str = "bezant:") -> None:
        self.client: Redis | AsyncRedis = client
        bind = _Binder(client, prefix)
        self.attempt: Callable[
            [Mapping[str, ThrottleLimit], float], MaybeAwaitable[Blocked | None]
        ] = bind(_attempt)
        self.refund: Callable[[Collection[str]], MaybeAwaitable[None]] = bind(_refund)
        self.spend: Callable[[str, float], MaybeAwaitable[Allowance | None]] = bind(_spend)
        self.give_back: Callable[[str], MaybeAwaitable[None]] = bind(_give_back)
        self.earn: Callable[[str, int, float], MaybeAwaitable[None]] = bind(_earn)

    @classmethod
    def open(cls, url: str, /, *, sync: bool = False) -> RedisThrottleStore:
        """A store at a URL such as ``redis://host`` or ``unix:///path``, with short timeouts."""
        client = (Redis if sync else AsyncRedis).from_url(
            url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT
        )
        return cls(client)

    def purge(self, before: float, /) -> int:
        """Nothing: the server forgets by itself."""
        return 0


class _Binder:
    """Makes methods, ``def`` or ``async def``, of functions that prepare calls."""

    def __init__(self, client: Redis | AsyncRedis, prefix: str) -> None:
        self._asynchronous = isinstance(client, AsyncRedis)
        self._prefix = prefix
        scripts = (ATTEMPT, REFUND, SPEND, GIVE_BACK, EARN)
        self._scripts: dict[str, Any] = {lua: client.register_script(lua) for lua in scripts}

    def __call__(self, prepare: Callable[P, _Call[T]]) -> Callable[P, MaybeAwaitable[T]]:
        def run(call: _Call[T]) -> Any:
            keys = [self._prefix + key for key in call.keys]
            return self._scripts[call.script](keys=keys, args=call.arguments)

        def verb(*args: P.args, **kwargs: P.kwargs) -> T:
            call = prepare(*args, **kwargs)
            with _translated():
                return call.read(run(call))

        async def verb_async(*args: P.args, **kwargs: P.kwargs) -> T:
            call = prepare(*args, **kwargs)
            with _translated():
                return call.read(await run(call))

        return verb_async if self._asynchronous else verb


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"Redis cannot answer: {type(error).__name__}") from None
