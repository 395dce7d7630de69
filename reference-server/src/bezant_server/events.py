"""What core tells, and this server besides: one log line and one count per event.

The two events of daily business, a token issued and a token refreshed, are logged at `debug`: they
are by far the most, and the counters know them. Every other event is a line at `info` or `warning`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from typing import Final

import structlog

from bezant.events import (
    Event,
    KeyRetired,
    LoginThrottled,
    RefreshReuseDetected,
    TokenIssued,
    TokenRefreshed,
)

__all__ = ["PasswordChanged", "log_event"]

_QUIET: Final = (TokenIssued, TokenRefreshed)
_LOUD: Final = (RefreshReuseDetected, LoginThrottled, KeyRetired)


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordChanged(Event):
    """A password was replaced. ``address`` is empty when an administrator did it."""

    subject: str
    address: str = ""


_logger = logging.getLogger("bezant_server.audit")
_lines: structlog.stdlib.BoundLogger = structlog.get_logger("bezant_server.audit")


def log_event(event: Event) -> None:
    """Write the line of an event; no event holds a secret."""
    if isinstance(event, _QUIET):
        level = logging.DEBUG
    else:
        level = logging.WARNING if isinstance(event, _LOUD) else logging.INFO
    if _logger.isEnabledFor(level):
        values = {f.name: getattr(event, f.name) for f in fields(event) if f.name != "at"}
        _lines.log(level, type(event).__name__, **values)
