"""From a decision to tokens and the answer that carries them."""

from __future__ import annotations

from dataclasses import dataclass, field
from secrets import token_bytes
from typing import Any, Final

from bezant.claims import OPENID
from bezant.config import ServerConfig
from bezant.encoding import b64url_encode
from bezant.errors import ConfigurationError
from bezant.grants import Decision
from bezant.id_tokens import IDTokens
from bezant.keyring import KeyRing
from bezant.refresh_tokens import RefreshTokens
from bezant.revocation import RevocationView
from bezant.scopes import format_scope
from bezant.signing import ACCESS_TOKEN_TYPE, encode

__all__ = ["Issued", "Issuer"]

RESERVED: Final = frozenset(
    {
        "acr",
        "act",
        "amr",
        "at_hash",
        "aud",
        "auth_time",
        "authorization_details",
        "azp",
        "client_id",
        "cnf",
        "events",
        "exp",
        "iat",
        "iss",
        "jti",
        "may_act",
        "nbf",
        "nonce",
        "permissions",
        "roles",
        "scope",
        "sid",
        "sub",
        "typ",
    }
)
"""Claims with a meaning of their own, which an application cannot set."""


@dataclass(frozen=True, slots=True)
class Issued:
    """Tokens, ready to be sent. Its repr shows none of them."""

    access_token: str = field(repr=False)
    token_id: str
    expires_in: int
    """Seconds."""
    scopes: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)
    id_token: str | None = field(default=None, repr=False)

    def document(self) -> dict[str, Any]:
        """The successful answer of RFC 6749 section 5.1."""
        document: dict[str, Any] = {
            "access_token": self.access_token,
            "token_type": "Bearer",
            "expires_in": self.expires_in,
            "scope": format_scope(self.scopes),
        }
        if self.refresh_token is not None:
            document["refresh_token"] = self.refresh_token
        if self.id_token is not None:
            document["id_token"] = self.id_token
        return document


class Issuer:
    """Builds access tokens of RFC 9068 and hands out refresh tokens.

    Args:
        config: Issuer and lifetimes.
        keys: What signs.
        refresh_tokens: Derives refresh tokens.
        revoked: What has been revoked; what is issued now is not.
        id_tokens: Makes ID tokens, where people sign in in browsers.
    """

    def __init__(
        self,
        config: ServerConfig,
        keys: KeyRing,
        refresh_tokens: RefreshTokens,
        revoked: RevocationView,
        id_tokens: IDTokens | None = None,
    ) -> None:
        self._id_tokens = id_tokens
        self._revoked = revoked
        self._config = config
        self._keys = keys
        self._refresh_tokens = refresh_tokens

    def issue(self, decision: Decision, now: float) -> Issued:
        """Issue what was decided.

        Args:
            decision: Who gets what.
            now: Seconds since the epoch.

        Raises:
            ConfigurationError: The application set a claim that the protocol owns, or so many that
                the token is longer than ``max_token_size``.
            KeyUnavailable: There is nothing to sign with.
        """
        client, user, authorization = decision.client, decision.user, decision.authorization
        life = min(
            client.access_token_ttl or self._config.access_token_ttl,
            self._config.max_access_token_ttl,
        )
        token_id = b64url_encode(token_bytes(16)).decode()
        issued_at = max(
            int(now), self._revoked.first_second_after(decision.subject, client.client_id)
        )
        claims: dict[str, Any] = {
            "iss": self._config.issuer,
            "sub": decision.subject,
            "aud": decision.audience[0] if len(decision.audience) == 1 else list(decision.audience),
            "exp": issued_at + life,
            "iat": issued_at,
            "jti": token_id,
            "client_id": client.client_id,
            "scope": format_scope(decision.scopes),
        }
        if authorization is not None:
            claims["auth_time"] = int(authorization.auth_time)
            claims["sid"] = authorization.id
        if user is not None:
            if not RESERVED.isdisjoint(user.claims):
                owned = ", ".join(sorted(RESERVED.intersection(user.claims)))
                raise ConfigurationError(
                    "User.claims", f"the protocol owns {owned}; choose other names"
                )
            claims["roles"] = list(user.roles)
            claims["permissions"] = list(user.permissions)
            claims.update(user.claims)
        refresh_token = None
        if authorization is not None and "refresh_token" in client.grants:
            refresh_token = self._refresh_tokens.mint(authorization.id, authorization.generation)
        access_token = encode(self._keys.signing_key(), ACCESS_TOKEN_TYPE, claims)
        if len(access_token) > self._config.max_token_size:
            raise ConfigurationError(
                "max_token_size",
                f"an access token would have {len(access_token)} bytes, and no verifier would take "
                "it; give the user fewer roles, permissions or claims",
            )
        id_token = None
        if self._id_tokens is not None and self._is_about_a_sign_in(decision):
            id_token = self._id_tokens.issue(decision, access_token, now)
        return Issued(
            access_token=access_token,
            token_id=token_id,
            expires_in=life,
            scopes=decision.scopes,
            refresh_token=refresh_token,
            id_token=id_token,
        )

    @staticmethod
    def _is_about_a_sign_in(decision: Decision) -> bool:
        authorization = decision.authorization
        return (
            authorization is not None
            and authorization.session_id is not None
            and OPENID in decision.scopes
        )
