"""What happened that matters to security: values for subscribers, lines for the log.

No event ever holds a token, a code, a secret or a password. Login names that nobody has are
attacker's input and may be a password typed into the wrong field: failures carry the subject when
there is one, and never the name.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from inspect import iscoroutinefunction
from typing import TypeAlias

from bezant.errors import ConfigurationError

__all__ = [
    "AuthorizationRevoked",
    "ClientAuthenticationFailed",
    "CodeReplayed",
    "ConsentGiven",
    "ConsentWithdrawn",
    "Event",
    "Events",
    "KeyRetired",
    "KeyRotated",
    "LoginFailed",
    "LoginSucceeded",
    "LoginThrottled",
    "LogoutNoticeFailed",
    "PasswordRehashed",
    "RefreshReuseDetected",
    "SessionEnded",
    "Subscriber",
    "TokenIssued",
    "TokenRefreshed",
    "TokenRejected",
    "TokenRevoked",
]

logger: logging.Logger = logging.getLogger("bezant.events")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. ``at`` is in seconds since the epoch."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenIssued(Event):
    """An access token was issued."""

    client_id: str
    subject: str
    grant_type: str
    scopes: tuple[str, ...]
    token_id: str
    authorization_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefreshed(Event):
    """An authorization moved on to its next generation, or a lost answer was given again
    (``retried``).
    """

    client_id: str
    subject: str
    authorization_id: str
    generation: int
    retried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshReuseDetected(Event):
    """A spent refresh token came back; the authorization is revoked (RFC 9700 section 4.14.2)."""

    client_id: str
    subject: str
    authorization_id: str
    generation: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginSucceeded(Event):
    """A resource owner proved who they are."""

    subject: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFailed(Event):
    """Wrong name, wrong password, or a disabled account."""

    subject: str | None
    address: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginThrottled(Event):
    """An attempt was refused unseen. ``retry_after`` is in seconds."""

    address: str
    limit: str
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordRehashed(Event):
    """A stored hash of old strength or foreign format was replaced at login."""

    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAuthenticationFailed(Event):
    """A client could not prove who it is. ``client_id`` is what it claimed, cut to printable
    ASCII.
    """

    client_id: str
    address: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRevoked(Event):
    """One access token was revoked."""

    client_id: str
    subject: str
    token_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRevoked(Event):
    """Everything one resource owner gave one client at one login has ended."""

    client_id: str
    subject: str
    authorization_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeReplayed(Event):
    """An authorization code came back; what it gave is revoked (RFC 6749 section 4.1.2)."""

    client_id: str
    subject: str
    authorization_id: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentGiven(Event):
    """A resource owner lets a client have scopes."""

    client_id: str
    subject: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentWithdrawn(Event):
    """A resource owner took a consent back; what the client got is revoked."""

    client_id: str
    subject: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEnded(Event):
    """A sign-in in a browser ended, and with it what was given in it. ``clients`` are told."""

    subject: str
    session_id: str
    clients: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutNoticeFailed(Event):
    """A client could not be told that a sign-in ended, and will not be tried again."""

    client_id: str
    subject: str
    session_id: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(Event):
    """A new signing key was made. ``activates_at`` is in seconds since the epoch."""

    kid: str
    algorithm: str
    activates_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRetired(Event):
    """A signing key was withdrawn at once; its tokens are refused."""

    kid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRejected(Event):
    """A resource server refused an access token. ``reason`` never quotes the token."""

    reason: str


Subscriber: TypeAlias = Callable[[Event], None]

_ROUTINE = (TokenIssued, TokenRefreshed)
_ALARMING = (CodeReplayed, RefreshReuseDetected, LoginThrottled, LogoutNoticeFailed, KeyRetired)


def _level(event: Event) -> int:
    if isinstance(event, _ROUTINE):
        return logging.DEBUG
    return logging.WARNING if isinstance(event, _ALARMING) else logging.INFO


class Events:
    """Hands events to subscribers and writes one log line each.

    A subscriber that raises is logged and does not disturb the request or the others.
    """

    def __init__(self, subscribers: Iterable[Subscriber] = ()) -> None:
        self._subscribers: list[Subscriber] = []
        for subscriber in subscribers:
            self.subscribe(subscriber)

    def subscribe(self, subscriber: Subscriber) -> Subscriber:
        """Add a subscriber; usable as a decorator.

        Raises:
            ConfigurationError: It is ``async def``: events come from synchronous code too.
        """
        if iscoroutinefunction(subscriber):
            raise ConfigurationError("subscribers", "give a plain 'def'; it may start a task")
        self._subscribers.append(subscriber)
        return subscriber

    def emit(self, event: Event) -> None:
        """Log an event and hand it on."""
        level = _level(event)
        if logger.isEnabledFor(level):
            values = " ".join(
                f"{f.name}={getattr(event, f.name)!r}" for f in fields(event) if f.name != "at"
            )
            logger.log(level, "%s %s", type(event).__name__, values, extra={"event": event})
        for subscriber in self._subscribers:
            try:
                subscriber(event)
            except Exception:
                logger.exception("a subscriber failed on %s", type(event).__name__)
