"""Counting login attempts in Redis or Valkey, for all nodes together."""

from __future__ import annotations

from bezant.errors import ConfigurationError
from bezant.stores import ThrottleStore
from bezant_server.settings import Settings

__all__ = ["check_redis", "open_throttle"]

SETTING = "BEZANT_REDIS_URL"


def open_throttle(settings: Settings) -> ThrottleStore | None:
    """The counters that the settings name; None when attempts are counted in the database."""
    if settings.redis_url is None:
        return None
    raise ConfigurationError(SETTING, "is not supported by this version")


def check_redis(settings: Settings) -> None:
    """Ask Redis for a sign of life."""
    open_throttle(settings)
