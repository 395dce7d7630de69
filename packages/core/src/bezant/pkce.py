"""Proof Key for Code Exchange (RFC 7636), S256 alone: ``plain`` proves nothing to whoever can read
the request.
"""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from bezant.encoding import b64url_encode
from bezant.errors import InvalidRequest

__all__ = ["METHOD", "challenge_of", "check_challenge", "is_proven"]

METHOD: Final = "S256"

_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def check_challenge(challenge: str | None, method: str | None) -> str:
    """The challenge of an authorization request (RFC 7636 section 4.3).

    Raises:
        InvalidRequest: There is none, it is malformed, or its method is not S256. A method that is
            left out means ``plain``.
    """
    if challenge is None:
        raise InvalidRequest("code_challenge is missing: PKCE is required, with S256 (RFC 7636)")
    if method != METHOD:
        raise InvalidRequest("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise InvalidRequest("code_challenge must be 43 characters of base64url: a SHA-256")
    return challenge


def is_proven(challenge: str, verifier: str) -> bool:
    """Whether a verifier is the one behind a challenge (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    return compare_digest(challenge_of(verifier), challenge)


def challenge_of(verifier: str) -> str:
    """What a client sends in place of its verifier (RFC 7636 section 4.2)."""
    return b64url_encode(sha256(verifier.encode("ascii")).digest()).decode()
