"""The revocation feed: what an issuer has revoked, signed, for every resource server to read.

A feed is a JWT that holds all revocations which can still match a living token. It names nobody: an
entry goes by a digest of its kind and value, of use only to whoever holds the token. Entries are
merged into what is known, so an old feed shown again takes nothing back, and it expires within a
minute, so that nobody can keep showing it.
"""

from __future__ import annotations

from typing import Any, Final

from bezant.errors import InvalidToken
from bezant.keys import Key, KeySource
from bezant.revocation import RevocationView
from bezant.signing import Profile, decode, encode

__all__ = ["read_feed", "sign_feed"]

FEED_TYPE: Final = "revocations+jwt"
RESIGNED: Final = 30
"""Seconds after which an unchanged feed is signed anew."""
LIFE: Final = 2 * RESIGNED
MAX_SIZE: Final = 4 * 1024 * 1024
"""Bytes: about 80,000 entries."""


def sign_feed(view: RevocationView, issuer: str, key: Key, now: float) -> str:
    """The feed as of now.

    Args:
        view: What is revoked.
        issuer: Who says so.
        key: What signs.
        now: Seconds since the epoch.
    """
    entries = view.entries()
    begun = int(now) // RESIGNED * RESIGNED
    return encode(
        key,
        FEED_TYPE,
        {
            "iss": issuer,
            "aud": issuer,
            "iat": begun,
            "exp": begun + LIFE,
            # Seconds that each entry has to be kept, counted from the moment it speaks of.
            "life": max((int(expires - before) + 1 for _, (before, expires) in entries), default=0),
            # ``iat`` of a token has no fractions, so nothing is lost.
            # In one order, so that all nodes make the same feed of the same entries.
            "revoked": {name: int(before) for name, (before, _) in sorted(entries)},
        },
    )


def read_feed(
    feed: str, view: RevocationView, issuer: str, keys: KeySource, now: float, leeway: float
) -> float:
    """Merge a feed into a view.

    Args:
        feed: As it was sent.
        view: Takes the entries in.
        issuer: Whose feed it must be.
        keys: The issuer's keys.
        now: Seconds since the epoch.
        leeway: Seconds that clocks may differ.

    Returns:
        When the feed expires, in seconds since the epoch.

    Raises:
        InvalidToken: It is no good feed of this issuer.
    """
    profile = Profile(
        typ=FEED_TYPE,
        issuer=issuer,
        audience=frozenset({issuer}),
        required=("iat",),
        leeway=leeway,
        max_size=MAX_SIZE,
    )
    claims, _ = decode(feed, profile, keys, now)
    life, revoked = claims.get("life"), claims.get("revoked")
    if type(life) is not int or type(revoked) is not dict or not _are_times(revoked):
        raise InvalidToken("the revocation feed is malformed", detail="life or revoked")
    for name, before in revoked.items():
        view.merge(name, before, before + life)
    view.prune(now)
    expires: float = claims["exp"]
    return expires


def _are_times(revoked: dict[str, Any]) -> bool:
    return all(type(before) is int for before in revoked.values())
