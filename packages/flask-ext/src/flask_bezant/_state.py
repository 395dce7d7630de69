"""What an application remembers of its `Bezant`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from flask import Flask, Request, current_app, request

from bezant import AuthorizationServer, ConfigurationError, ResourceGuard

EXTENSION: Final = "bezant"
"""The key in ``app.extensions``."""


@dataclass(frozen=True)
class State:
    """The value in ``app.extensions["bezant"]``."""

    guard: ResourceGuard
    """What stands in front of the application's views."""
    server: AuthorizationServer | None
    """What issues its tokens, when that is in this process."""


# What Flask's proxies stand for: an attribute by way of a proxy takes ten times as long, and these
# are asked for every request. The method is public, for all its underscore.
_app: Callable[[], Flask] = cast(Any, current_app)._get_current_object  # noqa: SLF001
current_request: Callable[[], Request] = cast(Any, request)._get_current_object  # noqa: SLF001


def state_of(app: Flask | None = None) -> State:
    """What `Bezant.init_app` left in an application, by default in the current one.

    Raises:
        ConfigurationError: It was not called.
    """
    try:
        state: State = (app or _app()).extensions[EXTENSION]
    except KeyError:
        raise ConfigurationError("init_app", "call Bezant().init_app(app) first") from None
    return state
