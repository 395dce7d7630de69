"""Redirect URIs: what may be registered, and when a requested one is a registered one.

They are compared as strings (RFC 9700 section 2.1). The one exception is the port of a loopback
address, which a native application cannot know beforehand (RFC 8252 section 7.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from bezant.urls import is_loopback

__all__ = ["MAX_LENGTH", "is_plain", "is_registered", "problem_with"]

MAX_LENGTH: Final = 2048
"""Characters of a URI at most."""

_CHARACTERS: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
_LOOPBACK: Final = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]))(?::([0-9]{1,5}))?((?:[/?].*)?)", re.DOTALL
)
_PRIVATE_SCHEME: Final = re.compile(r"[a-z][a-z0-9+-]*\.[a-z0-9+.-]*[a-z0-9]")


def problem_with(uri: str) -> str | None:
    """Why a redirect URI cannot be registered; None when it can.

    https; http on this machine; and schemes of native applications, which are domain names
    turned round (RFC 8252 section 7.1), so that ``javascript:`` and its like are none.
    """
    if not uri or len(uri) > MAX_LENGTH:
        return f"must have 1 to {MAX_LENGTH} characters"
    if not is_plain(uri):
        return "has a fragment, or characters that a URI has not"
    try:
        url = urlsplit(uri)
        host, _ = url.hostname or "", url.port
    except ValueError:
        return "is no URI"
    if _PRIVATE_SCHEME.fullmatch(url.scheme):
        return None
    if url.scheme not in {"https", "http"} or not host:
        return "must begin with https://, or with the reversed domain name of a native application"
    if "@" in url.netloc:
        return "must hold no credentials"
    if url.scheme == "http" and not is_loopback(host):
        return "must begin with https://; http is for this machine alone"
    return None


def is_plain(uri: str) -> bool:
    """Whether a URI, or a path, has no fragment and nothing but characters of URIs (RFC 3986): no
    space, no backslash, no control character, nothing beyond ASCII.
    """
    return _CHARACTERS.fullmatch(uri) is not None


def is_registered(uri: str, registered: Iterable[str]) -> bool:
    """Whether a requested redirect URI is one of those registered."""
    if len(uri) > MAX_LENGTH:
        return False
    portless = _without_port(uri)
    return any(
        uri == known or (portless is not None and portless == _without_port(known))
        for known in registered
    )


def _without_port(uri: str) -> str | None:
    """A loopback URI less its port; None for any other."""
    found = _LOOPBACK.fullmatch(uri)
    if found is None or int(found[2] or 0) > 65535:
        return None
    return found[1] + found[3]
