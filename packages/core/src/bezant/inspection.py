"""Looking into a token: what it says, what that means, and whether it would be refused.

For people who look after a server or an API. Nothing is sent anywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from bezant.descriptions import visible
from bezant.encoding import b64url_decode, json_object
from bezant.errors import InvalidGrant, InvalidToken
from bezant.refresh_tokens import PREFIX
from bezant.runtime import Runtime
from bezant.server import AuthorizationServer
from bezant.signing import ACCESS_TOKEN_TYPE
from bezant.stores import Authorization
from bezant.verification import Verifier
from bezant.verifier import TokenVerifier

__all__ = ["Inspection", "Line", "explain", "inspect", "issuer_of"]

MEANINGS: Final[Mapping[str, str]] = {
    "alg": "the signature's algorithm",
    "typ": "the kind of token",
    "kid": "which key signed it",
    "iss": "who issued it",
    "sub": "whom it speaks for: a user, or the client itself",
    "aud": "the API it is meant for",
    "exp": "when it ends",
    "nbf": "from when it is good",
    "iat": "when it was issued",
    "jti": "its own id",
    "client_id": "the client it was given to",
    "scope": "what the client may do with it",
    "auth_time": "when the user signed in",
    "sid": "the session it belongs to",
    "roles": "the user's roles",
    "permissions": "what the roles allow",
}
_TIMES: Final = frozenset({"exp", "nbf", "iat", "auth_time"})

_REASONS: Final[Mapping[str, str]] = {
    "oversized": "it is too long",
    "not a compact JWT": "it is no JWT",
    "wrong typ": f"its typ is not {ACCESS_TOKEN_TYPE}: it is another kind of token",
    "no key for this kid and alg": "no key of this server has this kid and algorithm",
    "bad signature": "the signature is not the server's: it was changed, or made by someone else",
    "expired": "it has expired",
    "revoked": "it has been revoked",
    "wrong iss": "another server issued it",
    "wrong aud": "it is not meant for this API",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a token says."""

    name: str
    value: Any = field(repr=False)
    meaning: str

    @property
    def text(self) -> str:
        """The value for people, fit for a terminal."""
        if self.name in _TIMES and type(self.value) in {int, float}:
            return _moment(self.value)
        if isinstance(self.value, list):
            return visible(", ".join(map(str, self.value))) or "-"
        return visible(str(self.value))


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found."""

    kind: str
    claims: tuple[Line, ...]
    refused: bool | None
    """None: nothing speaks against it, but not all could be checked."""
    verdict: str
    notes: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "kind": self.kind,
            "refused": self.refused,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "claims": {line.name: line.value for line in self.claims},
            "meanings": {line.name: line.meaning for line in self.claims if line.meaning},
        }


async def inspect(
    token: str,
    runtime: Runtime,
    *,
    now: float,
    server: AuthorizationServer | None = None,
    verifier: Verifier | None = None,
    audience: str | None = None,
    unchecked: str = "",
) -> Inspection:
    """Look into a token.

    Args:
        token: An access token or a refresh token.
        runtime: How to call stores.
        now: Seconds since the epoch.
        server: Who issues tokens here; without it refresh tokens cannot be read.
        verifier: What access tokens have to pass instead of the server's own verifier.
        audience: The API that would have to take the token; without it any.
        unchecked: Why there is neither, for people.

    Raises:
        StoreUnavailable: Keys, revocations or sessions cannot be read.
    """
    if token.startswith(PREFIX):
        return await _refresh_token(token, server, runtime, now, unchecked)
    try:
        header, claims = _read(token)
    except (ValueError, RecursionError):
        verdict = "would be refused: it is neither a JWT nor a refresh token of Bezant"
        return Inspection("unknown", (), True, verdict)
    any_audience = verifier is None and audience is None
    if verifier is None and server is not None:
        verifier = server.verifier(audience) if audience is not None else _own(server)
    notes = []
    if verifier is None:
        reason, notes = _local_reason(header, claims, now), [f"not checked: {unchecked}"]
    else:
        reason = await _reason(token, verifier, runtime)
    if reason is None and any_audience:
        notes.append(f"an API takes it only if it calls itself {_names(claims.get('aud'))}")
    exp = claims.get("exp")
    if reason is None and type(exp) is int:
        notes.append(f"it ends in {max(0, int(exp - now))} seconds")
    refused: bool | None
    if reason is not None:
        refused, verdict = True, f"would be refused: {reason}"
    elif verifier is None:
        refused, verdict = None, "nothing speaks against it, but its signature was not checked"
    else:
        refused, verdict = False, "is good"
    lines = explain(header) + explain(claims)
    return Inspection("access token", lines, refused, verdict, tuple(notes))


def explain(document: Mapping[str, Any]) -> tuple[Line, ...]:
    """The members of a header or of claims, with their meanings."""
    return tuple(
        Line(visible(name), value, MEANINGS.get(name, "")) for name, value in document.items()
    )


def issuer_of(token: str) -> str | None:
    """Who says to have issued an access token. Nothing is checked."""
    try:
        _, claims = _read(token)
    except (ValueError, RecursionError):
        return None
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else None


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = token.split(".")
    return (
        json_object(b64url_decode(header.encode("ascii"))),
        json_object(b64url_decode(claims.encode("ascii"))),
    )


def _own(server: AuthorizationServer) -> Verifier:
    """Takes a server's tokens for whatever audience."""
    return TokenVerifier.of_issuer(
        server.config.issuer,
        keys=server.keys,
        revocations=server.revocations.view,
        sources=(server.keys, server.revocations),
        max_token_size=server.config.max_token_size,
        clock=server.clock,
    )


async def _reason(token: str, verifier: Verifier, runtime: Runtime) -> str | None:
    """Why a verifier refuses a token."""
    try:
        await verifier.averify(token, runtime)
    except InvalidToken as error:
        return _REASONS.get(error.detail, error.detail or str(error))
    return None


def _local_reason(header: Mapping[str, Any], claims: Mapping[str, Any], now: float) -> str | None:
    """What can be said without keys."""
    if str(header.get("typ", "")).lower().removeprefix("application/") != ACCESS_TOKEN_TYPE:
        return _REASONS["wrong typ"]
    exp = claims.get("exp")
    if not isinstance(exp, int | float):
        return "it has no exp"
    return _REASONS["expired"] if now >= exp else None


async def _refresh_token(
    token: str, server: AuthorizationServer | None, runtime: Runtime, now: float, unchecked: str
) -> Inspection:
    kind = "refresh token"
    if server is None:
        verdict = "only the server that made it can read it"
        return Inspection(kind, (), None, verdict, (f"not checked: {unchecked}",))
    try:
        session_id, generation = server.authorizations.tokens.read(token)
    except InvalidGrant as error:
        return Inspection(kind, (), True, f"would be refused: {error.detail}")
    session = await runtime.call(server.stores.authorizations.get, session_id)
    lines = [
        Line("sid", session_id, MEANINGS["sid"]),
        Line("generation", generation, "how often the session was refreshed, plus one"),
    ]
    if session is None:
        return Inspection(kind, tuple(lines), True, "would be refused: its session is gone")
    lines += [
        Line("client_id", session.client_id, MEANINGS["client_id"]),
        Line("sub", session.subject, MEANINGS["sub"]),
        Line("scope", " ".join(session.scopes), MEANINGS["scope"]),
        Line("auth_time", session.auth_time, MEANINGS["auth_time"]),
        Line("exp", min(session.expires_at, session.idle_expires_at), MEANINGS["exp"]),
    ]
    reason = _spent(session, generation, now)
    verdict = "is good" if reason is None else f"would be refused: {reason}"
    return Inspection(kind, tuple(lines), reason is not None, verdict)


def _spent(session: Authorization, generation: int, now: float) -> str | None:
    if session.revoked_at is not None:
        return "its session was revoked"
    if now >= min(session.expires_at, session.idle_expires_at):
        return "its session has ended"
    if generation == session.generation:
        return None
    if generation == session.generation - 1:
        return "it was used already; for a moment after that the same answer is given again"
    return "it was used long ago; whoever sends it ends the session"


def _names(audience: Any) -> str:
    return visible(" or ".join(map(str, audience if isinstance(audience, list) else [audience])))


def _moment(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
