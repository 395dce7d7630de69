"""Refresh tokens: opaque to clients, derivable by the server, stored nowhere.

A token names an authorization and one of its generations and carries an HMAC under a server key, so
that a forged one is refused without touching the store, and a lost answer can be given again
without keeping it.

    bzr_ base64url( version 1 | secret key id 4 | authorization id 16 | generation 4 | HMAC-SHA256
    32 )
"""

from __future__ import annotations

import hmac
import struct
from secrets import token_bytes
from typing import Final

from bezant.encoding import b64url_decode, b64url_encode
from bezant.errors import InvalidGrant
from bezant.secret_key import SecretKeyRing

__all__ = ["RefreshTokens", "new_authorization_id"]

PREFIX: Final = "bzr_"
"""Lets secret scanners find leaked tokens."""

_VERSION: Final = 1
_BODY: Final = struct.Struct(">B4s16sI")
_LENGTH: Final = len(PREFIX) + (_BODY.size + 32) * 4 // 3


def new_authorization_id() -> str:
    """128 random bits as 22 characters of base64url."""
    return b64url_encode(token_bytes(16)).decode()


class RefreshTokens:
    """Makes and reads refresh tokens.

    Args:
        secret_keys: The newest makes tokens; all read them.
    """

    def __init__(self, secret_keys: SecretKeyRing) -> None:
        keys = secret_keys.keys("refresh token")
        self._keys = {key_id: hmac.new(key, digestmod="sha256") for key_id, key in keys}
        self._newest = next(iter(self._keys))

    def mint(self, authorization_id: str, generation: int) -> str:
        """The refresh token of one generation; always the same text under the same key."""
        authorization = b64url_decode(authorization_id.encode())
        body = _BODY.pack(_VERSION, self._newest, authorization, generation)
        return PREFIX + b64url_encode(body + _mac(self._keys[self._newest], body)).decode()

    def read(self, token: str) -> tuple[str, int]:
        """The authorization id and the generation.

        Raises:
            InvalidGrant: This server did not make it, or with a secret key that is gone.
        """
        try:
            if len(token) != _LENGTH or not token.startswith(PREFIX):
                raise ValueError
            raw = b64url_decode(token[len(PREFIX) :].encode("ascii"))
        except ValueError:
            raise InvalidGrant("the refresh token is not valid", detail="malformed") from None
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        version, key_id, authorization, generation = _BODY.unpack(body)
        key = self._keys.get(key_id)
        if version != _VERSION or key is None or not hmac.compare_digest(_mac(key, body), mac):
            raise InvalidGrant("the refresh token is not valid", detail="not made by this server")
        return b64url_encode(authorization).decode(), generation


def _mac(key: hmac.HMAC, body: bytes) -> bytes:
    # `hmac.digest` would give up the interpreter's lock each time, and wait to get it back.
    mac = key.copy()
    mac.update(body)
    return mac.digest()
