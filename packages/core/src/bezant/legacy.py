"""Tokens of the library that an application used before, for the time of a cut-over.

Such tokens are plain JWTs (``typ: JWT``) without an issuer, and one secret signs all of them: those
for access, for refreshing, for resetting a password. So what is taken is named, piece by piece, and
all else is refused; and none is taken after a day that is set from the beginning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from bezant.errors import ConfigurationError, InvalidToken
from bezant.keys import Key, KeySet
from bezant.principal import Principal
from bezant.runtime import MaybeAwaitable, Runtime
from bezant.signing import (
    LATEST,
    check_audience,
    check_dates,
    claimed_issuer,
    claimed_type,
    signed_claims,
)
from bezant.verification import Verifier

__all__ = ["LegacyTokens", "LegacyVerifier"]

TYPE: Final = "jwt"
"""``typ`` of the old tokens. A token of Bezant has another (RFC 9068 section 2.1)."""


class LegacyTokens:
    """Which old tokens are good, until when, and what they are worth.

    Nothing is taken over from their claims but the subject: neither scopes nor roles nor
    permissions, whatever they are called there. `admit` gives them.

    Example::

        LegacyTokens(
            key=os.environ["JWT_SECRET_KEY"],
            required={"type": "access"},
            accepted_until=datetime(2030, 1, 31, tzinfo=UTC),
        )

    Args:
        key: The old secret, for HS256; or a `Key` of another algorithm. Only this algorithm is
            taken.
        accepted_until: The end of the cut-over, in seconds since the epoch or as a datetime with a
            time zone. No token outlives it.
        required: Claims and the one value that each must have: what tells access tokens from all
            else that the key has signed.
        subject_claim: What holds the resource owner's id, a text or a whole number.
        issuer: The only ``iss`` taken; None where old tokens have none.
        audience: ``aud`` must name one of these; none where old tokens have none.
        client_id: What these tokens go by in `Principal.client_id`; no registered client's id.
        admit: Called with the principal of each good old token; returns the one to go on with
            (`dataclasses.replace` adds scopes), or None to refuse. ``def`` or ``async def``;
            called as stores are.
        leeway: Seconds that clocks may differ, 0 to 60.
        max_size: Bytes.

    Raises:
        ConfigurationError: A setting is missing, weak or out of range.
    """

    def __init__(
        self,
        *,
        key: Key | str | bytes,
        accepted_until: float | datetime,
        required: Mapping[str, str] | None = None,
        subject_claim: str = "sub",
        issuer: str | None = None,
        audience: str | Iterable[str] = (),
        client_id: str = "legacy",
        admit: Callable[[Principal], MaybeAwaitable[Principal | None]] | None = None,
        leeway: float = 10.0,
        max_size: int = 16384,
    ) -> None:
        self._keys = KeySet([key if isinstance(key, Key) else _secret(key)])
        self.accepted_until: float = _seconds(accepted_until)
        self._required = dict(required or {})
        self._audience = frozenset((audience,) if isinstance(audience, str) else audience)
        if not self._required and not self._audience:
            raise ConfigurationError(
                "required", "name the claim and the value that only access tokens have"
            )
        texts = (*self._required.values(), *self._audience, subject_claim, client_id)
        if not all(map(_is_text, texts)):
            raise ConfigurationError(
                "LegacyTokens", "claims, audience and client_id are texts that are not empty"
            )
        if not 0 <= leeway <= 60:
            raise ConfigurationError("leeway", "must be 0 to 60 seconds")
        self.issuer: str | None = issuer
        self.admit: Callable[[Principal], MaybeAwaitable[Principal | None]] | None = admit
        self._subject_claim = subject_claim
        self._client_id = client_id
        self._leeway = leeway
        self._max_size = max_size

    def verify(self, token: str, now: float) -> Principal:
        """Whose token it is, before anybody was asked whether they are admitted.

        Args:
            token: As it stands in the header.
            now: Seconds since the epoch.

        Raises:
            InvalidToken: It is malformed, forged, expired, of another kind, or the cut-over is
                over.
        """
        if now >= self.accepted_until:
            raise _refused("the cut-over is over")
        claims, _ = signed_claims(token, TYPE, self._keys, self._max_size)
        check_dates(claims, now, self._leeway)
        if claims.get("iss") != self.issuer or (self.issuer is None and "iss" in claims):
            raise _refused("wrong iss")
        if self._audience:
            check_audience(claims.get("aud"), self._audience)
        elif "aud" in claims:
            raise _refused("wrong aud")
        for name, value in self._required.items():
            if claims.get(name) != value:
                raise _refused(f"wrong {name}")
        return self._principal(claims)

    def _principal(self, claims: dict[str, Any]) -> Principal:
        subject, token_id = claims.get(self._subject_claim), claims.get("jti", "")
        if type(subject) not in {str, int} or subject == "":
            raise _refused(f"{self._subject_claim} is missing, or neither text nor whole number")
        if type(token_id) is not str:
            raise _refused("jti is not a string")
        audience = claims.get("aud", ())
        return Principal(
            subject=str(subject),
            client_id=self._client_id,
            audience=(audience,) if type(audience) is str else tuple(audience),
            expires_at=int(min(claims["exp"], self.accepted_until)),
            token_id=token_id,
            claims=MappingProxyType(claims),
        )


class LegacyVerifier(Verifier):
    """Takes old tokens beside new ones.

    What an unverified token says of itself decides only who verifies it. One that calls itself
    ``JWT``, and does not name an issuer of new tokens alone, must be a good old one; each other
    must be a good new one. None is ever tried as both.

    Revocations that reach ``otherwise`` end old tokens too: by subject, by token id, and all of
    them as those of one client. They are kept no longer than new tokens live: raise
    ``ServerConfig.max_access_token_ttl`` to the life of the old ones until the cut-over is over.
    Behind `TrustedIssuers` there is nothing of the kind, for a subject may be somebody else at each
    issuer: there, `LegacyTokens.admit` must know.

    Args:
        otherwise: Verifies new tokens.
        legacy: The old ones.
    """

    def __init__(self, otherwise: Verifier, legacy: LegacyTokens) -> None:
        self.issuers: tuple[str, ...] = otherwise.issuers
        self.clock: Callable[[], float] = otherwise.clock
        self._otherwise = otherwise
        self._legacy = legacy

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Verify as an old token or as a new one, whichever it claims to be."""
        if claimed_type(token) != TYPE or self._is_of_new_issuer(token):
            return await self._otherwise.averify(token, runtime)
        principal = self._legacy.verify(token, self.clock())
        if self._legacy.admit is not None:
            admitted = await runtime.call(self._legacy.admit, principal)
            if admitted is None:
                raise _refused("not admitted")
            principal = admitted
        if principal.is_client:
            # A token whose subject is the client means that the client acts for itself (RFC 9700
            # section 4.15), which no old token does.
            raise _refused("the subject equals the client id")
        await self._otherwise.check_revoked(principal, runtime)
        return principal

    def _is_of_new_issuer(self, token: str) -> bool:
        issuer = claimed_issuer(token)
        return issuer in self.issuers and issuer != self._legacy.issuer

    async def check_revoked(self, principal: Principal, runtime: Runtime) -> None:
        """Ask the verifier of new tokens."""
        await self._otherwise.check_revoked(principal, runtime)

    def check(self, runtime: Runtime) -> None:
        """Refuse an ``admit`` that a framework cannot call."""
        if self._legacy.admit is not None:
            runtime.check("LegacyTokens.admit", self._legacy.admit)
        self._otherwise.check(runtime)

    def start(self) -> None:
        """Begin what the verifier of new tokens runs in the background."""
        self._otherwise.start()

    def close(self) -> None:
        """End what the verifier of new tokens runs in the background."""
        self._otherwise.close()


def _secret(text: str | bytes) -> Key:
    secret = text.encode("utf-8") if isinstance(text, str) else text
    if b"-----BEGIN " in secret or secret.startswith((b"ssh-", b"ecdsa-sha2-")):
        # Published, it would make a secret that everybody knows (RFC 8725 section 2.1).
        raise ConfigurationError("key", "this is no secret of HS256; give a Key made from it")
    # With a name of its own: the usual one is a thumbprint, and so a way to test guesses.
    return Key("HS256", secret, secret, "legacy")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _seconds(moment: float | datetime) -> float:
    if isinstance(moment, datetime):
        if moment.tzinfo is None:
            raise ConfigurationError("accepted_until", "give the datetime a time zone")
        moment = moment.timestamp()
    if not 0 < moment <= LATEST:  # a moment in milliseconds would never come
        raise ConfigurationError("accepted_until", "give seconds since the epoch")
    return float(moment)


def _refused(reason: str) -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail=reason)
