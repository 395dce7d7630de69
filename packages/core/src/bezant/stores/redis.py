"""Counters of login attempts in Redis or Valkey, shared by many nodes (extra ``bezant[redis]``).

Each verb is one Lua script, so it is atomic. What is past expires by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, ParamSpec, TypeVar

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError

from bezant.errors import StoreUnavailable
from bezant.runtime import MaybeAwaitable
from bezant.stores import ThrottleLimit

__all__ = ["RedisThrottleStore"]

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 2.0
"""Seconds to connect, and to wait for an answer."""

ATTEMPT = """
local now, memory, free = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local count, blocked, touched = unpack(redis.call('HMGET', KEYS[1], 'count', 'blocked', 'touched'))
if blocked and now < tonumber(blocked) then
  return string.format('%.17g', tonumber(blocked) - now)
end
count = (touched and now - tonumber(touched) < memory) and tonumber(count) + 1 or 1
local wait = 0
if count >= free then
  wait = tonumber(ARGV[math.min(4 + count - free, #ARGV)])
end
blocked = wait > 0 and string.format('%.17g', now + wait) or '0'
redis.call('HSET', KEYS[1], 'count', count, 'blocked', blocked, 'touched', ARGV[1])
redis.call('EXPIRE', KEYS[1], math.ceil(math.max(memory, wait)) + 1)
return '0'
"""

REFUND = """
local count = redis.call('HGET', KEYS[1], 'count')
if count then
  redis.call('HSET', KEYS[1], 'count', math.max(0, tonumber(count) - 1), 'blocked', '0')
end
return 0
"""

SPEND = """
local credits, expires_at = unpack(redis.call('HMGET', KEYS[1], 'credits', 'expires_at'))
if credits and tonumber(credits) > 0 and tonumber(ARGV[1]) < tonumber(expires_at) then
  redis.call('HINCRBY', KEYS[1], 'credits', -1)
  return 1
end
return 0
"""

# The server's clock may differ from the caller's, so an allowance is kept a day longer than it is
# good for.
EARN = """
redis.call('HSET', KEYS[1], 'credits', ARGV[1], 'expires_at', ARGV[2])
local rest = tonumber(ARGV[2]) - tonumber(redis.call('TIME')[1])
redis.call('EXPIRE', KEYS[1], math.ceil(math.max(rest, 0)) + 86400)
return 0
"""


class _Call(NamedTuple):
    """One run of a script."""

    script: str
    key: str
    arguments: tuple[str | float, ...] = ()


def _attempt(key: str, now: float, limit: ThrottleLimit, /) -> _Call:
    waits = [limit.wait(limit.free)]
    while waits[-1] < limit.cap and len(waits) < 64:
        waits.append(limit.wait(limit.free + len(waits)))
    return _Call(ATTEMPT, f"attempts:{key}", (now, limit.memory, limit.free, *waits))


def _refund(key: str, /) -> _Call:
    return _Call(REFUND, f"attempts:{key}")


def _spend(key: str, now: float, /) -> _Call:
    return _Call(SPEND, f"allowance:{key}", (now,))


def _earn(key: str, credits: int, expires_at: float, /) -> _Call:
    return _Call(EARN, f"allowance:{key}", (credits, expires_at))


class RedisThrottleStore:
    """Counters of login attempts in Redis or Valkey (`bezant.stores.ThrottleStore`).

    Its methods are ``async def`` with an asynchronous client, ``def`` with a synchronous one.

    Args:
        client: A client of redis-py. Give it timeouts, or a server that hangs holds up logins.
        prefix: Begins every key.
    """

    def __init__(self, client: Redis | AsyncRedis, *, prefix: str = "bezant:") -> None:
        self.client: Redis | AsyncRedis = client
        bind = _Binder(client, prefix)
        self.attempt: Callable[[str, float, ThrottleLimit], MaybeAwaitable[float]] = bind(
            _attempt, float
        )
        self.refund: Callable[[str], MaybeAwaitable[None]] = bind(_refund, _nothing)
        self.spend: Callable[[str, float], MaybeAwaitable[bool]] = bind(_spend, bool)
        self.earn: Callable[[str, int, float], MaybeAwaitable[None]] = bind(_earn, _nothing)

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
        scripts = (ATTEMPT, REFUND, SPEND, EARN)
        self._scripts: dict[str, Any] = {lua: client.register_script(lua) for lua in scripts}

    def __call__(
        self, prepare: Callable[P, _Call], read: Callable[[Any], T]
    ) -> Callable[P, MaybeAwaitable[T]]:
        def run(*args: P.args, **kwargs: P.kwargs) -> Any:
            script, key, arguments = prepare(*args, **kwargs)
            return self._scripts[script](keys=[self._prefix + key], args=arguments)

        def verb(*args: P.args, **kwargs: P.kwargs) -> T:
            with _translated():
                return read(run(*args, **kwargs))

        async def verb_async(*args: P.args, **kwargs: P.kwargs) -> T:
            with _translated():
                return read(await run(*args, **kwargs))

        return verb_async if self._asynchronous else verb


def _nothing(reply: object) -> None:
    pass


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        raise StoreUnavailable(f"Redis cannot answer: {type(error).__name__}") from None
