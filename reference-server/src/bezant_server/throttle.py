"""Counting login attempts in Redis or Valkey, for all nodes together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bezant.errors import ConfigurationError, StoreUnavailable
from bezant_server.settings import Settings

if TYPE_CHECKING:
    from bezant.stores.redis import RedisThrottleStore

__all__ = ["check_throttle", "open_throttle"]

SETTING = "BEZANT_REDIS_URL"


def open_throttle(settings: Settings, *, sync: bool = False) -> RedisThrottleStore | None:
    """The counters that the settings name; None when attempts are counted in the database.

    Raises:
        ConfigurationError: The URL or what it needs is missing. It is not repeated: it may hold a
            password.
    """
    if settings.redis_url is None:
        return None
    try:
        from bezant.stores.redis import RedisThrottleStore
    except ImportError:
        raise ConfigurationError(
            SETTING, "this needs redis-py: pip install 'bezant-server[redis]'"
        ) from None
    try:
        return RedisThrottleStore.open(settings.redis_url, sync=sync)
    except ValueError:
        raise ConfigurationError(
            SETTING, "write it like redis://:password@host:6379/0 or unix:///path/to/socket"
        ) from None


def check_throttle(settings: Settings) -> None:
    """Ask for a sign of life.

    Raises:
        ConfigurationError: The URL cannot be used.
        StoreUnavailable: Nobody answers.
    """
    throttle = open_throttle(settings, sync=True)
    if throttle is None:
        return
    from redis.exceptions import RedisError

    try:
        throttle.client.ping()
    except RedisError as error:
        raise StoreUnavailable(f"{SETTING}: no answer ({type(error).__name__})") from None
    finally:
        throttle.client.close()
