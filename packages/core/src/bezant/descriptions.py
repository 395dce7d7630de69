"""Clients, keys and sessions as JSON documents, for commands and pages that people look at.

Nothing secret is in them. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bezant.clients import Client
    from bezant.keyring import KeyInfo
    from bezant.stores import Authorization

__all__ = ["ago", "describe_client", "describe_key", "describe_session", "moment", "visible"]


def describe_client(client: Client) -> dict[str, Any]:
    """A client as metadata names its parts (RFC 7591 section 2), without its secrets."""
    return {
        "client_id": client.client_id,
        "client_name": client.name,
        "active": client.active,
        "grant_types": sorted(client.grants),
        "scopes": list(client.scopes),
        "audience": list(client.audience),
        "token_endpoint_auth_method": client.auth_method,
        "introspect": client.introspect,
        "access_token_ttl": client.access_token_ttl,
        "refresh_retry_window": client.refresh_retry_window,
        "redirect_uris": list(client.redirect_uris),
        "post_logout_redirect_uris": list(client.post_logout_redirect_uris),
        "backchannel_logout_uri": client.backchannel_logout_uri,
        "first_party": client.first_party,
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "id_token_signed_response_alg": client.id_token_signed_response_alg,
        "userinfo_signed_response_alg": client.userinfo_signed_response_alg,
    }


def describe_key(info: KeyInfo) -> dict[str, Any]:
    """A signing key and where it stands."""
    return {
        "kid": info.kid,
        "algorithm": info.algorithm,
        "state": info.state,
        "created_at": moment(info.created_at),
        "activates_at": moment(info.activates_at),
        "gone_at": moment(info.gone_at),
    }


def describe_session(session: Authorization, username: str | None = None) -> dict[str, Any]:
    """What a resource owner gave a client at one sign-in.

    Args:
        session: The authorization.
        username: What to call its subject before people.
    """
    return {
        "id": session.id,
        "subject": session.subject,
        "username": username,
        "client_id": session.client_id,
        "scopes": list(session.scopes),
        "audience": list(session.audience),
        "address": session.address,
        "generation": session.generation,
        "signed_in_at": moment(session.auth_time),
        "last_used_at": moment(session.rotated_at),
        "ends_at": moment(min(session.expires_at, session.idle_expires_at)),
    }


def moment(seconds: float | None) -> str | None:
    """A time as ISO 8601 in UTC.

    Args:
        seconds: Since the epoch.
    """
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).isoformat().replace("+00:00", "Z")


def ago(seconds: float, now: float) -> str:
    """A time as people say it.

    Args:
        seconds: Since the epoch.
        now: Seconds since the epoch.
    """
    distance = abs(now - seconds)
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1)):
        if distance >= size:
            count = int(distance // size)
            span = f"{count} {unit}{'s' if count > 1 else ''}"
            return f"{span} ago" if seconds <= now else f"in {span}"
    return "now"


def visible(text: str) -> str:
    """Text from anywhere, fit for a terminal: what would steer the terminal is written out."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
