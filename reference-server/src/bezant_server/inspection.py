"""Looking into a token: what it says, what that means, and whether it would be refused."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from bezant.config import is_loopback
from bezant.encoding import b64url_decode, json_object
from bezant.errors import BezantError, InvalidGrant, InvalidToken
from bezant.refresh_tokens import PREFIX
from bezant.runtime import SYNC, run_sync
from bezant.signing import ACCESS_TOKEN_TYPE
from bezant.stores import Authorization
from bezant.verifier import TokenVerifier
from bezant_server.administration import Administration, administration
from bezant_server.secret_file import secret_source
from bezant_server.settings import Settings

__all__ = ["Inspection", "Line", "explain", "inspect"]

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
        """The value for people."""
        if self.name in _TIMES and type(self.value) in {int, float}:
            return _moment(self.value)
        if isinstance(self.value, list):
            return ", ".join(map(str, self.value)) or "-"
        return str(self.value)


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


def inspect(
    token: str, settings: Settings, *, audience: str | None = None, now: float | None = None
) -> Inspection:
    """Look into a token, without sending it anywhere.

    Args:
        token: An access token or a refresh token.
        settings: Where the keys are, if there is a database.
        audience: The API that would have to take it.
        now: Seconds since the epoch.
    """
    now = time.time() if now is None else now
    if token.startswith(PREFIX):
        return _refresh_token(token, settings, now)
    try:
        header_part, claims_part, _ = token.split(".")
        header = json_object(b64url_decode(header_part.encode("ascii")))
        claims = json_object(b64url_decode(claims_part.encode("ascii")))
    except (ValueError, RecursionError):
        reason = "it is neither a JWT nor a refresh token of Bezant"
        return Inspection("unknown", (), True, f"would be refused: {reason}")
    return _access_token(token, header, claims, settings, audience, now)


def explain(document: Mapping[str, Any]) -> tuple[Line, ...]:
    """The members of a header or of claims, with their meanings."""
    return tuple(Line(name, value, MEANINGS.get(name, "")) for name, value in document.items())


def _access_token(
    token: str,
    header: dict[str, Any],
    claims: dict[str, Any],
    settings: Settings,
    audience: str | None,
    now: float,
) -> Inspection:
    lines = explain(header) + explain(claims)
    notes = []
    issuer = claims.get("iss")
    if settings.issuer is None and isinstance(issuer, str) and _is_local(issuer):
        # Nobody said who the issuer is, so it is whoever serves on this machine.
        settings = settings.model_copy(update={"issuer": issuer})
    with _opened(settings) as (at, missing):
        if at is None:
            reason, notes = _local_reason(header, claims, now), [f"not checked: {missing}"]
        else:
            reason = _reason(token, at, audience)
    if reason is None and audience is None:
        notes.append(f"an API takes it only if it calls itself {_names(claims.get('aud'))}")
    exp = claims.get("exp")
    if reason is None and type(exp) is int:
        notes.append(f"it ends in {max(0, int(exp - now))} seconds")
    if reason is not None:
        return Inspection("access token", lines, True, f"would be refused: {reason}", tuple(notes))
    if at is None:
        verdict = "nothing speaks against it, but its signature was not checked"
        return Inspection("access token", lines, None, verdict, tuple(notes))
    return Inspection("access token", lines, False, "is good", tuple(notes))


def _reason(token: str, at: Administration, audience: str | None) -> str | None:
    """Why the server's own verifier refuses a token."""
    server = at.server
    verifier = (
        server.verifier(audience)
        if audience is not None
        else TokenVerifier.of_issuer(
            server.config.issuer,
            keys=server.keys,
            revocations=server.revocations.view,
            sources=(server.keys, server.revocations),
            max_token_size=server.config.max_token_size,
            clock=server.clock,
        )
    )
    try:
        run_sync(verifier.averify(token, SYNC))
    except InvalidToken as error:
        return _REASONS.get(error.detail, error.detail)
    return None


def _local_reason(header: Mapping[str, Any], claims: Mapping[str, Any], now: float) -> str | None:
    """What can be said without keys."""
    if str(header.get("typ", "")).lower().removeprefix("application/") != ACCESS_TOKEN_TYPE:
        return _REASONS["wrong typ"]
    exp = claims.get("exp")
    if not isinstance(exp, int | float):
        return "it has no exp"
    return _REASONS["expired"] if now >= exp else None


def _refresh_token(token: str, settings: Settings, now: float) -> Inspection:
    kind = "refresh token"
    with _opened(settings) as (at, missing):
        if at is None:
            verdict = "only the server that made it can read it"
            return Inspection(kind, (), None, verdict, (f"not checked: {missing}",))
        try:
            session_id, generation = at.server.authorizations.tokens.read(token)
        except InvalidGrant as error:
            return Inspection(kind, (), True, f"would be refused: {error.detail}")
        session = at.session(session_id)
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


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Administration | None, str]]:
    """The database, if there is one that can be used; else why not."""
    with ExitStack() as stack:
        at, missing = None, ""
        try:
            source = secret_source(settings)
            if source.ours and source.file is not None and not source.file.exists():
                missing = "there is no database here with the server's keys"
            else:
                at = stack.enter_context(administration(settings, lambda _: None))
        except BezantError as error:
            missing = str(error)
        yield at, missing


def _is_local(issuer: str) -> bool:
    try:
        url = urlsplit(issuer)
        return url.scheme == "http" and is_loopback(url.hostname or "")
    except ValueError:
        return False


def _names(audience: Any) -> str:
    return " or ".join(audience) if isinstance(audience, list) else str(audience)


def _moment(seconds: float) -> str:
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return str(seconds)
