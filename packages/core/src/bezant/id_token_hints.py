"""``id_token_hint``: an ID token of ours that a client shows again, to say whom it means."""

from __future__ import annotations

from typing import Any, Final

from bezant.clients import Client
from bezant.config import ServerConfig
from bezant.errors import InvalidRequest, InvalidToken, UnknownKey
from bezant.keyring import KeyRing
from bezant.signing import signed_claims

__all__ = ["IDTokenHints"]

_NOT_OURS: Final = "id_token_hint is no ID token that this server gave this client"


class IDTokenHints:
    """Reads hints. An ID token that has expired still says whom it was about (OpenID Connect Core
    section 3.1.2.1).

    Args:
        config: The issuer.
        keys: What signed them.
    """

    def __init__(self, config: ServerConfig, keys: KeyRing) -> None:
        self._config = config
        self._keys = keys

    def subject(self, hint: str | None, client: Client) -> str | None:
        """Whom a client means; None when it does not say.

        Raises:
            InvalidRequest: It is not an ID token of ours, or was given to another client.
        """
        if hint is None:
            return None
        claims = self.claims(hint)
        if claims is None or claims["aud"] != client.client_id:
            raise InvalidRequest(_NOT_OURS)
        subject: str = claims["sub"]
        return subject

    def claims(self, hint: str) -> dict[str, Any] | None:
        """What an ID token of ours says, whoever it was given to. None when it is signed with a key
        that is not here: it is somebody else's, or its key is gone, and nobody can tell any more.

        Raises:
            InvalidRequest: It is no ID token of ours.
        """
        try:
            claims, _ = signed_claims(hint, "jwt", self._keys, self._config.max_token_size)
        except UnknownKey:
            return None
        except InvalidToken:
            raise InvalidRequest(_NOT_OURS) from None
        # UserInfo and logout tokens are signed with the same keys.
        if claims.get("iss") != self._config.issuer or not all(
            type(claims.get(name)) is str for name in ("sub", "aud")
        ):
            raise InvalidRequest(_NOT_OURS)
        if "auth_time" not in claims:
            raise InvalidRequest(_NOT_OURS)
        return claims
