"""What a browser calls itself, in few words."""

from __future__ import annotations

from typing import Final

__all__ = ["device"]

LONGEST: Final = 1000
"""Characters of the header that are looked at."""

# In this order: each names itself beside those that come after it.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)


def device(user_agent: str) -> str:
    """Such as ``Firefox, Linux``, in words of our own; empty when it is none that we know.

    Args:
        user_agent: The header, which may hold anything.
    """
    seen = user_agent[:LONGEST]
    names = (
        next((name for mark, name in known if mark in seen), "") for known in (_BROWSERS, _SYSTEMS)
    )
    return ", ".join(filter(None, names))
