"""Who a request comes from, and what a resource demands of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from bezant.errors import (
    ConfigurationError,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidScope,
    InvalidToken,
)
from bezant.http import printable
from bezant.scopes import format_scope, is_scope, parse_scope

__all__ = ["Principal", "Requirement"]


@dataclass(frozen=True)
class Principal:
    """What a verified access token says.

    Its repr names the subject and the client only; claims may hold personal data.
    """

    subject: str
    """``sub``: the resource owner, or the client itself when it acts on its own behalf."""
    client_id: str = field(default="")
    """``client_id``: the client that the token was issued to."""
    scopes: frozenset[str] = field(default=frozenset(), repr=False)
    """``scope``, split."""
    permissions: frozenset[str] = field(default=frozenset(), repr=False)
    """``permissions``: what the resource owner's roles allow."""
    roles: frozenset[str] = field(default=frozenset(), repr=False)
    """``roles`` of the resource owner."""
    audience: tuple[str, ...] = field(default=(), repr=False)
    """``aud``: the resource servers that the token is meant for."""
    expires_at: int = field(default=0, repr=False)
    """``exp``, in seconds since the epoch."""
    auth_time: int | None = field(default=None, repr=False)
    """When the resource owner signed in, in seconds since the epoch."""
    token_id: str = field(default="", repr=False)
    """``jti``."""
    session_id: str | None = field(default=None, repr=False)
    """``sid``: the authorization that the token belongs to."""
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False, hash=False)
    """All claims, read-only."""

    @classmethod
    def from_claims(cls, claims: dict[str, Any]) -> Principal:
        """The principal of a verified access token (RFC 9068 section 2.2).

        Raises:
            InvalidToken: ``scope``, ``roles`` or ``permissions`` is malformed.
        """
        audience = claims["aud"]
        auth_time = claims.get("auth_time")
        try:
            scopes = _scope_set(claims.get("scope", ""))
        except (TypeError, InvalidScope):
            raise InvalidToken(
                "the access token is not valid here", detail="scope is malformed"
            ) from None
        fields = {
            "subject": claims["sub"],
            "client_id": claims["client_id"],
            "scopes": scopes,
            "permissions": _string_set(claims, "permissions"),
            "roles": _string_set(claims, "roles"),
            "audience": (audience,) if type(audience) is str else tuple(audience),
            "expires_at": int(claims["exp"]),
            "auth_time": auth_time if type(auth_time) is int else None,
            "token_id": claims["jti"],
            "session_id": claims.get("sid"),
            "claims": MappingProxyType(claims),
        }
        # All at once: a frozen __init__ would set eleven fields the slow way, and this runs for
        # every token that is verified.
        self = _new(cls)
        _set(self, "__dict__", fields)
        return self

    @property
    def is_client(self) -> bool:
        """Whether a client speaks for itself, with no resource owner (RFC 9068 section 2.2)."""
        return self.subject == self.client_id

    def has(self, *scopes: str) -> bool:
        """Whether the token carries all of these scopes."""
        return self.scopes.issuperset(scopes)


_NOTHING: frozenset[str] = frozenset()
_new: Final = object.__new__
_set: Final = object.__setattr__


@lru_cache(maxsize=1024)  # few combinations of scopes stand in many tokens
def _scope_set(scope: Any) -> frozenset[str]:
    if type(scope) is not str:
        raise TypeError
    return frozenset(parse_scope(scope)) if scope else _NOTHING


def _string_set(claims: dict[str, Any], name: str) -> frozenset[str]:
    if name not in claims:
        return _NOTHING
    value = claims[name]
    try:
        if type(value) is not list:
            raise TypeError
        "".join(value)  # the quickest way to ask whether all are strings
    except TypeError:
        raise InvalidToken(
            "the access token is not valid here", detail=f"{name} is not a list of strings"
        ) from None
    return frozenset(value)


def _public(names: Iterable[str]) -> str:
    # Permissions and roles may be called anything; what goes into a header may not.
    return " ".join(map(printable, sorted(names)))


def _names(value: str | Iterable[str] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)


def _check_scope(scope: object) -> None:
    if not isinstance(scope, str) or not is_scope(scope):
        raise ConfigurationError(
            "require(...)", f"{scope!r} is not one scope; give each as its own argument"
        )


class Requirement:
    """What a resource demands: every scope, permission and role, and one of ``any_of``.

    Args:
        scopes: Scopes that the token must all carry.
        permission: One permission or several; the resource owner must have them all.
        role: One role or several; the resource owner must have them all.
        any_of: Scopes of which one is enough.
        fresh: Seconds; the resource owner must have signed in within them (RFC 9470).

    Raises:
        ConfigurationError: A scope is malformed, or ``fresh`` is not a positive number of seconds.
    """

    __slots__ = ("any_of", "fresh", "permissions", "roles", "scopes")

    def __init__(
        self,
        *scopes: str,
        permission: str | Iterable[str] | None = None,
        role: str | Iterable[str] | None = None,
        any_of: Iterable[str] = (),
        fresh: int | None = None,
    ) -> None:
        if isinstance(any_of, str):
            raise ConfigurationError("require(any_of=...)", "give a list of scopes, not one string")
        any_of = tuple(any_of)
        for scope in (*scopes, *any_of):
            _check_scope(scope)
        self.scopes: frozenset[str] = frozenset(scopes)
        self.any_of: frozenset[str] = frozenset(any_of)
        self.permissions: frozenset[str] = frozenset(_names(permission))
        self.roles: frozenset[str] = frozenset(_names(role))
        self.fresh: int | None = fresh
        if fresh is not None and fresh <= 0:
            raise ConfigurationError("require(fresh=...)", "give a positive number of seconds")

    def __or__(self, other: Requirement) -> Requirement:
        """Both demands at once, as when a router and a route each have one."""
        if self.any_of and other.any_of and self.any_of != other.any_of:
            raise ConfigurationError(
                "require(any_of=...)", "two different any_of lists cannot be merged"
            )
        limits = [fresh for fresh in (self.fresh, other.fresh) if fresh is not None]
        return Requirement(
            *(self.scopes | other.scopes),
            permission=self.permissions | other.permissions,
            role=self.roles | other.roles,
            any_of=self.any_of | other.any_of,
            fresh=min(limits, default=None),
        )

    def check(self, principal: Principal, now: float) -> None:
        """Let a principal pass or say why not.

        Args:
            principal: Who asks.
            now: Seconds since the epoch.

        Raises:
            InsufficientScope: A scope, permission or role is missing (RFC 6750 section 3.1).
            InsufficientAuthentication: The sign-in is too long ago (RFC 9470 section 3).
        """
        if not self.scopes <= principal.scopes:
            wanted = sorted(self.scopes)
            raise InsufficientScope(f"this needs the scope {format_scope(wanted)}", scopes=wanted)
        if self.any_of and self.any_of.isdisjoint(principal.scopes):
            wanted = sorted(self.any_of)
            raise InsufficientScope(
                f"this needs one scope of {format_scope(wanted)}", scopes=wanted
            )
        if not self.permissions <= principal.permissions:
            raise InsufficientScope(f"this needs the permission {_public(self.permissions)}")
        if not self.roles <= principal.roles:
            raise InsufficientScope(f"this needs the role {_public(self.roles)}")
        if self.fresh is not None and (
            principal.auth_time is None or principal.auth_time < now - self.fresh
        ):
            raise InsufficientAuthentication(self.fresh)
