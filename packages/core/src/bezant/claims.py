"""Which claims about a resource owner a client gets (OpenID Connect Core section 5)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Final

__all__ = ["OPENID", "SCOPES", "STANDARD", "implied", "of_id_token", "of_userinfo", "released"]

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

_SCOPE_OF: Final = {claim: scope for scope, claims in SCOPES.items() for claim in claims}


def implied(claims: Mapping[str, Any], scopes: Iterable[str], allowed: Iterable[str]) -> list[str]:
    """The scopes that a ``claims`` parameter asks for without saying so: a claim that is asked for
    by name (section 5.5) needs the consent, and the registration, that its scope needs.

    Args:
        claims: The parameter.
        scopes: What was asked for as scopes.
        allowed: What the client may have.
    """
    named = [name for part in ("userinfo", "id_token") for name in claims.get(part, {})]
    wanted = dict.fromkeys(_SCOPE_OF[name] for name in named if name in _SCOPE_OF)
    return [scope for scope in wanted if scope in set(allowed) - set(scopes)]


def of_userinfo(scopes: Collection[str], claims: str) -> tuple[str, ...]:
    """What UserInfo tells.

    Args:
        scopes: What was given.
        claims: The ``claims`` parameter as it is kept, with ``implied`` beside its parts: of these
            scopes only what was named.
    """
    wanted = json.loads(claims) if claims else {}
    whole = [scope for scope in scopes if scope not in wanted.get("implied", ())]
    return (*_of_scopes(whole), *_named(wanted.get("userinfo", {}), scopes))


def of_id_token(scopes: Collection[str], claims: str) -> tuple[str, ...]:
    """What an ID token tells of a person: what was named. All else is for UserInfo (section 5.4).

    Args:
        scopes: What was given.
        claims: The ``claims`` parameter as it is kept.
    """
    return _named(json.loads(claims).get("id_token", {}), scopes) if claims else ()


def _of_scopes(scopes: Iterable[str]) -> Iterator[str]:
    return (claim for scope in scopes for claim in SCOPES.get(scope, ()))


def _named(members: Mapping[str, Any], scopes: Collection[str]) -> tuple[str, ...]:
    return tuple(name for name in members if _SCOPE_OF.get(name) in scopes)


def released(profile: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What is known of a person, of what was asked for. What is not known is left out (section
    5.3.2).
    """
    known = ((name, profile.get(name)) for name in names)
    return {name: value for name, value in known if value is not None and value != ""}
