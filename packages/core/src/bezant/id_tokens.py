"""ID tokens: who signed in, when and how, for the client alone (OpenID Connect Core section 2)."""

from __future__ import annotations

from hashlib import sha256, sha512
from typing import Any, Final

from bezant.claims import of_id_token, released
from bezant.config import ServerConfig
from bezant.encoding import b64url_encode
from bezant.grants import Decision
from bezant.keyring import KeyRing
from bezant.signing import encode

__all__ = ["IDTokens", "half_hash"]

ID_TOKEN_TYPE: Final = "JWT"
"""``typ`` of ID tokens. An access token has another, so that neither passes for the other."""

TTL: Final = 600
"""Seconds that an ID token lives, and no longer than any access token: its key is kept for that
long. It is read at once."""


class IDTokens:
    """Makes ID tokens.

    Args:
        config: The issuer.
        keys: What signs, with the algorithm that the client registered.
    """

    def __init__(self, config: ServerConfig, keys: KeyRing) -> None:
        self._config = config
        self._keys = keys

    def issue(self, decision: Decision, access_token: str, now: float) -> str:
        """The ID token that goes with an access token.

        Args:
            decision: Who signed in at whose request.
            access_token: Bound to it by ``at_hash``.
            now: Seconds since the epoch.

        Raises:
            KeyUnavailable: There is nothing to sign with.
        """
        client, authorization, user = decision.client, decision.authorization, decision.user
        assert authorization is not None
        assert user is not None
        key = self._keys.signing_key(client.id_token_signed_response_alg)
        claims: dict[str, Any] = {
            "iss": self._config.issuer,
            "sub": decision.subject,
            "aud": client.client_id,
            "exp": int(now) + min(TTL, self._config.max_access_token_ttl),
            "iat": int(now),
            "auth_time": int(authorization.auth_time),
            "at_hash": half_hash(access_token, key.algorithm),
        }
        optional = {
            "nonce": decision.nonce,
            "acr": decision.acr,
            "amr": list(decision.amr) or None,
            "sid": authorization.session_id,
        }
        claims |= {name: value for name, value in optional.items() if value is not None}
        extra = released(user.profile, of_id_token(decision.scopes, authorization.claims))
        return encode(key, ID_TOKEN_TYPE, {**extra, **claims})


def half_hash(text: str, algorithm: str) -> str:
    """``at_hash`` (OpenID Connect Core section 3.1.3.6): the left half of the hash that the
    signature's algorithm uses.
    """
    digest = (sha512 if algorithm == "EdDSA" else sha256)(text.encode("ascii")).digest()
    return b64url_encode(digest[: len(digest) // 2]).decode()
