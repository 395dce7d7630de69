"""Strict base64url and JSON, as JWTs need them: one spelling for one value, nothing lenient."""

from __future__ import annotations

import json
import string
from binascii import Error, a2b_base64, b2a_base64
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final

__all__ = ["b64_basic", "b64url_decode", "b64url_encode", "json_encode", "json_object"]

# All bytes but the URL-safe letters become one that base64 does not know. So no decoder ever sees
# a byte with a meaning of its own: padding, white space, a quote, a backslash.
_URLSAFE: Final = (string.ascii_letters + string.digits + "-_").encode()
_TO_STANDARD: Final = bytes(
    byte if byte in _URLSAFE else ord("!") for byte in range(256)
).translate(bytes.maketrans(b"-_", b"+/"))
_TO_URLSAFE: Final = bytes.maketrans(b"+/", b"-_")

# With 2 or 3 characters in the last group some bits are unused. They must be zero, else two texts
# mean one value.
_CANONICAL_LAST: Final[tuple[frozenset[int] | None, ...]] = (
    None,
    frozenset(),
    frozenset(b"AQgw"),
    frozenset(b"AEIMQUYcgkosw048"),
)

MAX_CONTAINERS: Final = 500
"""Objects and arrays in one document; far below the parser's recursion limit even when all are
nested."""


def b64url_decode(segment: bytes) -> bytes:
    """Decode unpadded base64url (RFC 7515 section 2), refusing every other spelling of the same
    bytes.

    Raises:
        ValueError: Padding, foreign characters, or unused bits that are not zero.
    """
    rest = len(segment) & 3
    canonical = _CANONICAL_LAST[rest]
    if canonical is not None and segment[-1] not in canonical:
        raise ValueError("not canonical base64url")
    try:
        return _a2b(_OPENING + segment.translate(_TO_STANDARD) + _ENDINGS[rest])
    except _Malformed:
        raise ValueError("not base64url") from None


def b64url_encode(raw: bytes) -> bytes:
    """Encode as unpadded base64url (RFC 7515 section 2)."""
    return b2a_base64(raw, newline=False).translate(_TO_URLSAFE).rstrip(b"=")


def b64_basic(name: str, secret: str) -> str:
    """HTTP Basic credentials (RFC 7617 section 2)."""
    return "Basic " + b2a_base64(f"{name}:{secret}".encode(), newline=False).decode("ascii")


def json_encode(document: Mapping[str, Any]) -> bytes:
    """Encode compactly, as ASCII.

    Raises:
        ValueError: NaN or infinity.
    """
    return _encode(document).encode("ascii")


_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is repeated")
    return members


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


# `scan_once` is the C scanner behind `decode`, without its two regular expressions for surrounding
# white space. The type stubs do not know it.
_decoder: Any = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refuse_constant)
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once


def json_object(raw: bytes) -> dict[str, Any]:
    """Parse one JSON object: UTF-8, no repeated member, no NaN, no lone surrogate, shallow.

    Raises:
        ValueError: It is anything else.
    """
    if len(raw) > MAX_CONTAINERS and raw.count(b"{") + raw.count(b"[") > MAX_CONTAINERS:
        raise ValueError("too deep")
    value = _quick(raw)
    if value is None:
        value = _strict(raw)
    if type(value) is not dict:
        raise ValueError("not an object")
    return value


def _strict(raw: bytes) -> Any:
    text = raw.decode("utf-8")
    try:
        value, end = _scan(text, 0)
    except (StopIteration, RecursionError):
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("not one JSON value")
    if "\\u" in text:
        _encode_utf8(value)
    return value


try:
    from msgspec import MsgspecError
    from msgspec import json as msgspec_json
except ImportError:  # optional: `bezant[fast]`
    _a2b: Callable[[bytes], bytes] = partial(a2b_base64, strict_mode=True)
    _Malformed: type[Exception] = Error
    _OPENING = b""
    _ENDINGS = (b"", b"", b"==", b"=")

    def _quick(raw: bytes) -> Any:
        """Without msgspec there is no quick way."""
        return None

else:
    # As msgspec takes bytes in JSON, twice as fast as `binascii`: between quotes, a text that holds
    # neither quotes nor backslashes.
    _a2b = msgspec_json.Decoder(bytes).decode
    _Malformed = MsgspecError
    _OPENING = b'"'
    _ENDINGS = (b'"', b'"', b'=="', b'="')
    _json_decode = msgspec_json.Decoder().decode
    _json_encode = msgspec_json.Encoder().encode

    def _quick(raw: bytes) -> Any:
        """Parse with msgspec, or give up and return None.

        msgspec is lenient where we are not; of repeated members it keeps the last. But a text that
        it writes again byte for byte holds nothing that could be read in two ways.
        """
        try:
            value = _json_decode(raw)
            return value if _json_encode(value) == raw else None
        except (MsgspecError, RecursionError):
            return None


def _encode_utf8(value: Any) -> None:
    # A lone surrogate survives parsing and would fail later, in a log or a database: refuse it
    # here.
    json.dumps(value, ensure_ascii=False).encode("utf-8")
