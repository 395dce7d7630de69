"""Signed JWTs: made and taken apart in one place (RFC 7515, RFC 7519, with RFC 8725 as the
checklist).

A *profile* per kind of token fixes its ``typ``, issuer, audience and required claims, so that no
kind passes for another. The pre-parser is ours and strict; signatures are made by PyJWT's algorithm
objects and checked by cryptography, on keys prepared once. PyJWT's own ``decode`` is never called:
it spends most of its time outside cryptography and lets through what RFC 8725 forbids.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from bezant.encoding import b64url_decode, b64url_encode, json_encode, json_object
from bezant.errors import ConfigurationError, InvalidToken, UnknownKey
from bezant.keys import Key, KeySource

__all__ = [
    "ACCESS_TOKEN_TYPE",
    "LATEST",
    "Profile",
    "check_audience",
    "check_claims",
    "check_dates",
    "claimed_issuer",
    "claimed_type",
    "decode",
    "encode",
    "signed_claims",
]

ACCESS_TOKEN_TYPE: Final = "at+jwt"
"""``typ`` of access tokens (RFC 9068 section 2.1)."""

LATEST: Final = 253402300799
"""The last second of the year 9999: a later date is nonsense, not a long life."""

LONGEST: Final = 65536
"""Bytes of an unverified token that are looked at, whatever its verifier allows."""

# Members of a header that change how a token is to be read. Whoever does not understand them must
# refuse it.
_FORBIDDEN_HEADERS: Final = ("crit", "zip", "b64", "enc")

_STRINGS: Final = ("sub", "jti", "client_id", "sid")
_DATES: Final = (("exp", None), ("iat", 0), ("nbf", 0))  # with what an absent one is taken for
_NUMBERS: Final = (int, float)
_ONLY_STRINGS: Final = frozenset({str})


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What one kind of token has to look like.

    Args:
        typ: The only ``typ`` taken; ``application/`` in front of it and its case do not matter (RFC
            7515 section 4.1.9).
        issuer: The only ``iss`` taken, compared as a string.
        audience: ``aud`` must name at least one of these. None is for an issuer that looks at its
            own tokens only.
        required: Claims that must be there beside ``iss``, ``aud``, ``exp``.
        leeway: Seconds that clocks may differ.
        max_size: Bytes.
    """

    typ: str
    issuer: str
    audience: frozenset[str] | None
    required: tuple[str, ...] = ()
    leeway: float = 10.0
    max_size: int = 16384

    def __post_init__(self) -> None:
        if not self.issuer:
            raise ConfigurationError("issuer", "name the issuer whose tokens are taken")
        if self.audience is not None and not (self.audience and all(self.audience)):
            raise ConfigurationError(
                "audience", "name the resource server that the tokens must be meant for"
            )
        if not 0 <= self.leeway <= 60:
            raise ConfigurationError("leeway", "must be 0 to 60 seconds")


@dataclass(frozen=True, slots=True)
class _Header:
    algorithm: str
    kid: str | None
    typ: str


# Headers of one issuer are few and repeat in every token: parsed once, kept only after a good
# signature.
_headers: dict[bytes, _Header] = {}
_MAX_HEADERS: Final = 256


def encode(key: Key, typ: str, claims: Mapping[str, Any]) -> str:
    """Sign claims.

    Raises:
        ConfigurationError: The key is public.
        ValueError: A claim is not JSON.
    """
    message = _header(key.algorithm, key.kid, typ) + b"." + b64url_encode(json_encode(claims))
    return (message + b"." + b64url_encode(key.sign(message))).decode("ascii")


@lru_cache(maxsize=64)  # one for each key and kind of token
def _header(algorithm: str, kid: str, typ: str) -> bytes:
    return b64url_encode(json_encode({"alg": algorithm, "kid": kid, "typ": typ}))


def decode(token: str, profile: Profile, keys: KeySource, now: float) -> tuple[dict[str, Any], Key]:
    """Verify a token against its profile.

    Args:
        token: The compact serialisation.
        profile: What it has to look like.
        keys: Where its key must be found.
        now: Seconds since the epoch.

    Returns:
        Its claims and the key that signed it.

    Raises:
        InvalidToken: It is not good. Only what a good signature covers is told apart in public.
    """
    claims, key = signed_claims(token, profile.typ, keys, profile.max_size)
    check_claims(claims, profile, now)
    return claims, key


def signed_claims(
    token: str, typ: str | Collection[str], keys: KeySource, max_size: int
) -> tuple[dict[str, Any], Key]:
    """What a good signature covers, and the key that made it. No claim has been looked at: that is
    for the caller.

    Raises:
        InvalidToken: It is malformed, of another ``typ``, oversized, or not signed by one of the
            keys.
    """
    if len(token) > max_size:
        raise _refused("oversized")
    try:
        # Another dot would be in the payload's part, and refused there, as what is not ASCII is.
        message, _, signature_part = token.encode().rpartition(b".")
        header_part, _, payload_part = message.partition(b".")
        known = _headers.get(header_part)
        header = known or _parse_header(header_part)
        payload = b64url_decode(payload_part)
        signature = b64url_decode(signature_part)
    except ValueError:
        raise _refused("not a compact JWT") from None

    if header.typ != typ if isinstance(typ, str) else header.typ not in typ:
        raise _refused("wrong typ")
    key = keys.find(header.kid, header.algorithm)
    if key is None:
        raise UnknownKey("the access token is not valid here", detail="no key for this kid and alg")
    if not key.verify(message, signature):
        raise _refused("bad signature")
    if known is None:
        if len(_headers) >= _MAX_HEADERS:
            _headers.clear()
        _headers[header_part] = header

    try:
        claims = json_object(payload)
    except ValueError:
        raise _refused("the claims are not one strict JSON object") from None
    return claims, key


def claimed_issuer(token: str) -> str:
    """What stands in ``iss`` of a token that nobody has verified; empty when that cannot be read.
    Of use only to choose who verifies it.
    """
    try:
        payload = token[:LONGEST].encode("ascii").split(b".")[1]
        issuer = json_object(b64url_decode(payload)).get("iss")
    except (ValueError, IndexError):
        return ""
    return issuer if type(issuer) is str else ""


def claimed_type(token: str) -> str:
    """What stands in ``typ`` of a token that nobody has verified, as `Profile` has it; empty when
    that cannot be read. Of use only to choose who verifies it.
    """
    try:
        segment = token[:LONGEST].encode("ascii").partition(b".")[0]
        return (_headers.get(segment) or _parse_header(segment)).typ
    except ValueError:
        return ""


def _parse_header(segment: bytes) -> _Header:
    """Raises ValueError for anything but a plain, understood header. Embedded keys and URLs of keys
    are never used.
    """
    header = json_object(b64url_decode(segment))
    # Without a typ it is of no kind that has one: no profile takes it, but that of assertions.
    algorithm, kid, typ = header.get("alg"), header.get("kid"), header.get("typ", "")
    if (
        type(algorithm) is not str
        or type(typ) is not str
        or (kid is not None and type(kid) is not str)
    ):
        raise ValueError("alg, typ or kid is missing or no string")
    if any(name in header for name in _FORBIDDEN_HEADERS):
        raise ValueError("an extension that is not understood")
    return _Header(algorithm, kid, typ.lower().removeprefix("application/"))


def check_claims(claims: dict[str, Any], profile: Profile, now: float) -> None:
    """The claims that every token has (RFC 7519 section 4.1)."""
    if claims.get("iss") != profile.issuer:
        raise _refused("wrong iss")
    audience = claims.get("aud")
    if profile.audience is None or type(audience) is not str or audience not in profile.audience:
        check_audience(audience, profile.audience)
    check_dates(claims, now, profile.leeway)
    for name in profile.required:
        if name not in claims:
            raise _refused(f"{name} is missing")
    for name in _STRINGS:
        if type(value := claims.get(name, name)) is not str or not value:
            raise _refused(f"{name} is not a string")


def check_dates(claims: dict[str, Any], now: float, leeway: float) -> None:
    """``exp``, which must be there, and ``iat`` and ``nbf`` (RFC 7519 section 4.1.4 to 4.1.6)."""
    for name, absent in _DATES:
        value: Any = claims.get(name, absent)
        if type(value) not in _NUMBERS or not 0 <= value <= LATEST:  # NaN fails the comparison
            raise _refused(f"{name} is missing, absurd or no date")
        if name != "exp" and value > now + leeway:
            raise _refused(f"{name} is in the future")
    if now >= claims["exp"] + leeway:
        raise InvalidToken(
            "the access token has expired; get a new one with the refresh token", detail="expired"
        )


def check_audience(audience: Any, expected: frozenset[str] | None) -> None:
    """``aud`` is one name or a list of names, and holds one that is expected (RFC 7519 section
    4.1.3). None expects nothing in particular.
    """
    names = [audience] if type(audience) is str else audience
    if not names or not _is_strings(names):
        raise _refused("aud is missing or malformed")
    if expected is not None and expected.isdisjoint(names):
        raise _refused("wrong aud")


def _is_strings(value: Any) -> bool:
    return type(value) is list and _ONLY_STRINGS.issuperset(map(type, value))


def _refused(reason: str) -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail=reason)
