"""Resource owners, as core sees them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["User"]


@dataclass(frozen=True, slots=True)
class User:
    """A resource owner at one moment. The host application owns the account behind it."""

    subject: str
    """``sub``: stable, never reused, never equal to a client's id."""
    username: str = field(default="", repr=False)
    """The login name."""
    password_hash: str | None = field(default=None, repr=False)
    """A PHC string or an imported format; None when this account has no password."""
    active: bool = True
    """A disabled account can neither sign in nor refresh."""
    roles: tuple[str, ...] = ()
    """Roles, for the ``roles`` claim."""
    permissions: tuple[str, ...] = ()
    """What the roles allow, for the ``permissions`` claim."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """More claims for access tokens; names that the protocol uses are refused."""
    profile: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What clients may learn at UserInfo: the standard claims of OpenID Connect Core section 5.1,
    such as ``name`` and ``email``. Never ``email_verified`` on somebody's own word."""
