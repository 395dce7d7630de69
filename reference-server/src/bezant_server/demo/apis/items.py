"""What there is to protect."""

from __future__ import annotations

from typing import Any

from bezant import Principal

__all__ = ["about", "new_items"]


def new_items() -> dict[int, str]:
    """Some items by their numbers."""
    return {1: "a gold coin", 2: "a silver spoon", 3: "a copper kettle"}


def about(who: Principal) -> dict[str, Any]:
    """What a token says of whoever sent it."""
    return {
        "subject": who.subject,
        "issuer": who.claims["iss"],
        "client": who.client_id,
        "scopes": sorted(who.scopes),
        "roles": sorted(who.roles),
        "permissions": sorted(who.permissions),
    }
