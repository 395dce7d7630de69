"""What is fine on a developer's machine, and better changed before a server faces the world (RFC
9700). For the checks of every framework; none of it is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from bezant.server import AuthorizationServer
from bezant.stores.memory import MemoryAuthorizationStore
from bezant.verification import Verifier

__all__ = ["NAMES", "PASSWORD_GRANT", "Advice", "advise"]

HOUR: Final = 3600
DAY: Final = 24 * HOUR


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to change."""

    name: str
    """What it is about, for programs; one of `NAMES`."""
    problem: str
    remedy: str


PASSWORD_GRANT: Final = Advice(
    "password-grant",
    "The password grant is on: clients see the passwords of people.",
    "Give it to your own clients alone, while they have no other (RFC 9700 section 2.4).",
)


def advise(verifier: Verifier, server: AuthorizationServer | None = None) -> Iterator[Advice]:
    """What to change.

    Args:
        verifier: Verifies the tokens that an application takes.
        server: Issues tokens in the same application, if any does.
    """
    for issuer in verifier.issuers:
        if urlsplit(issuer).scheme != "https":
            yield Advice(
                "tls",
                f"Tokens of {issuer} travel without TLS.",
                "Give the issuer an https URL (RFC 9700 section 2.6).",
            )
    if server is not None:
        yield from (advice for applies, advice in _OF_SERVERS if applies(server))


_OF_SERVERS: Final[tuple[tuple[Callable[[AuthorizationServer], bool], Advice], ...]] = (
    (
        lambda server: any(grant.grant_type == "password" for grant in server.grants),
        PASSWORD_GRANT,
    ),
    (
        lambda server: server.config.access_token_ttl > HOUR,
        Advice(
            "access-token-ttl",
            "Access tokens live longer than an hour.",
            "Lower access_token_ttl; clients have refresh tokens for what lasts.",
        ),
    ),
    (
        lambda server: server.config.max_access_token_ttl > DAY,
        Advice(
            "max-access-token-ttl",
            "A client may have access tokens that live longer than a day.",
            "Lower max_access_token_ttl.",
        ),
    ),
    (
        lambda server: server.config.algorithm.startswith("HS"),
        Advice(
            "shared-key",
            "Tokens are signed with a shared secret: whoever can verify them can make them.",
            "Use ES256, EdDSA, RS256 or PS256, unless their issuer alone takes them.",
        ),
    ),
    (
        lambda server: isinstance(server.stores.authorizations, MemoryAuthorizationStore),
        Advice(
            "memory",
            "Sessions are kept in memory: they end with the process, and others do not know them.",
            "Keep them in a database.",
        ),
    ),
    (
        lambda server: server.config.revocation_max_stale > HOUR,
        Advice(
            "stale-revocations",
            "Revoked tokens are accepted for more than an hour while revocations cannot be read.",
            "Lower revocation_max_stale.",
        ),
    ),
)

NAMES: Final[tuple[str, ...]] = ("tls", *(advice.name for _, advice in _OF_SERVERS))
"""All that `advise` may speak of."""
