"""Resource indicators: which resource servers a token is for (RFC 8707)."""

from __future__ import annotations

from collections.abc import Iterable

from bezant.errors import InvalidTarget

__all__ = ["narrow_resources"]


def narrow_resources(requested: Iterable[str], allowed: tuple[str, ...]) -> tuple[str, ...]:
    """Who a token is for: those named, or all that may be named (section 2).

    Args:
        requested: The ``resource`` parameters.
        allowed: What may be named.

    Raises:
        InvalidTarget: One of them is unknown, or not for this client.
    """
    wanted = tuple(dict.fromkeys(requested))
    if not wanted:
        return allowed
    if not set(wanted) <= set(allowed):
        raise InvalidTarget("this client cannot get tokens for that resource")
    return wanted
