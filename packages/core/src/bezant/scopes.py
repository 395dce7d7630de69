"""Scopes: a set of case-sensitive names, written with single spaces (RFC 6749 section 3.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bezant.errors import InvalidScope

__all__ = ["MAX_LENGTH", "format_scope", "is_scope", "narrow", "parse_scope"]

MAX_LENGTH = 2048
"""Characters of a ``scope`` parameter, or claim, at most."""

_TOKEN = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
_LIST = re.compile(rf"{_TOKEN.pattern}(?: {_TOKEN.pattern})*")


def is_scope(name: str) -> bool:
    """Whether ``name`` is one well-formed scope."""
    return _TOKEN.fullmatch(name) is not None


def parse_scope(text: str) -> tuple[str, ...]:
    """Split a ``scope`` parameter, keeping order and dropping repeats.

    Raises:
        InvalidScope: Empty names, forbidden characters, or longer than 2,048 characters.
    """
    if len(text) > MAX_LENGTH or not _LIST.fullmatch(text):
        raise InvalidScope(
            f"scope is a list of names separated by single spaces, {MAX_LENGTH} characters at most"
        )
    return tuple(dict.fromkeys(text.split(" ")))


def format_scope(scopes: Iterable[str]) -> str:
    """Write scopes as a ``scope`` parameter or claim."""
    return " ".join(scopes)


def narrow(requested: str | None, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """What a request gets out of what it may have: never more, all of it when it does not say.

    Args:
        requested: The ``scope`` parameter, or None when it is absent.
        allowed: What may be given.

    Raises:
        InvalidScope: It is malformed, or asks for something not allowed.
    """
    if requested is None:
        return allowed
    scopes = parse_scope(requested)
    excess = [scope for scope in scopes if scope not in allowed]
    if excess:
        raise InvalidScope(f"not allowed here: {format_scope(excess)}"[:200])
    return scopes
