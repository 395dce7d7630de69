"""Which claims about a resource owner a client gets (OpenID Connect Core section 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["OPENID", "SCOPES", "STANDARD", "of_scopes", "released", "requested"]

OPENID: Final = "openid"
"""The scope that makes a request one of OpenID Connect."""

SCOPES: Final[Mapping[str, tuple[str, ...]]] = {
    "profile": (
        *("name", "family_name", "given_name", "middle_name", "nickname", "preferred_username"),
        *("profile", "picture", "website", "gender", "birthdate", "zoneinfo", "locale"),
        "updated_at",
    ),
    "email": ("email", "email_verified"),
    "address": ("address",),
    "phone": ("phone_number", "phone_number_verified"),
}
"""What each scope asks for (section 5.4)."""

STANDARD: Final = tuple(claim for claims in SCOPES.values() for claim in claims)
"""All standard claims; no other is given out."""


def of_scopes(scopes: Iterable[str]) -> tuple[str, ...]:
    """The claims that scopes ask for."""
    return tuple(claim for scope in scopes for claim in SCOPES.get(scope, ()))


def requested(members: Mapping[str, Any]) -> tuple[str, ...]:
    """The claims that a part of the ``claims`` parameter asks for by name (section 5.5)."""
    return tuple(name for name in members if name in STANDARD)


def released(profile: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What is known of a person, of what was asked for. What is not known is left out."""
    return {name: profile[name] for name in names if profile.get(name) not in {None, ""}}
