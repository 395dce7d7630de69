"""What happens between accounts and other providers. No event holds what a provider says of
somebody.
"""

from __future__ import annotations

from dataclasses import dataclass

from bezant.events import Event

__all__ = ["AccountCreated", "IdentityLinked", "IdentityUnlinked", "ProviderSignInFailed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountCreated(Event):
    """Somebody came from a provider for the first time, and got an account."""

    subject: str
    provider: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityLinked(Event):
    """From now on somebody at a provider may sign in to an account. ``rule`` says why: ``owner``,
    who was signed in, or ``email``, which the provider is trusted with.
    """

    subject: str
    provider: str
    rule: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityUnlinked(Event):
    """Somebody at a provider may not sign in to an account any more."""

    subject: str
    provider: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSignInFailed(Event):
    """Nobody was signed in by a provider. ``reason`` quotes neither codes nor tokens."""

    provider: str
    reason: str
    address: str
