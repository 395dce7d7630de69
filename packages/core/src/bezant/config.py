"""Settings of an authorization server. Every field's text becomes a line of the configuration
reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bezant.errors import ConfigurationError
from bezant.scopes import is_scope
from bezant.stores import ThrottleLimit
from bezant.urls import is_loopback

__all__ = ["ALGORITHMS", "ServerConfig", "check_issuer"]

ALGORITHMS = ("ES256", "EdDSA", "RS256", "PS256", "HS256")
"""Signature algorithms, RFC 7518 and RFC 8037. HS256 suits one party that both issues and
verifies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How an authorization server behaves.

    Raises:
        ConfigurationError: A setting is missing, unsafe or contradictory; the message names it.
    """

    issuer: str
    """The server's own URL, exactly as it stands in ``iss``: https, no trailing slash. Plain http
    on loopback only."""
    audience: tuple[str, ...] = ()
    """Resource servers that tokens are for when a client names none. Empty means the issuer
    itself."""
    scopes: Mapping[str, str] = field(default_factory=dict)
    """Scopes and what they allow, in words for people."""
    endpoint_prefix: str = "/oauth"
    """Where the endpoints are, below the issuer."""
    algorithm: str = "ES256"
    """What access tokens are signed with."""
    access_token_ttl: int = 600
    """Seconds that an access token lives, unless its client says otherwise."""
    max_access_token_ttl: int = 3600
    """Seconds; no client's access tokens live longer. Old keys and revocations are kept at least as
    long."""
    refresh_token_ttl: int = 30 * 86400
    """Seconds after which a resource owner has to sign in again, however often the token was
    refreshed."""
    refresh_idle_ttl: int = 14 * 86400
    """Seconds without a refresh after which the resource owner has to sign in again."""
    code_ttl: int = 60
    """Seconds, 1 to 600, in which a client has to redeem an authorization code."""
    refresh_retry_window: int = 10
    """Seconds, 0 to 60, in which a client that missed the answer may send the last refresh token
    again."""
    leeway: int = 10
    """Seconds, 0 to 60, that the clocks of issuer and verifier may differ."""
    jwks_max_age: int = 300
    """Seconds that others may cache the public keys; a new key signs only after them."""
    key_refresh: float = 5.0
    """Seconds after which a process looks for keys that another made or retired."""
    revocation_refresh: float = 1.0
    """Seconds after which a process looks for revocations that another recorded."""
    revocation_max_stale: float = 60.0
    """Seconds that tokens are still accepted while revocations cannot be read; then requests are
    answered 503."""
    client_cache_ttl: float = 0.25
    """Seconds that a client's registration is remembered; 0 reads it for every request."""
    max_body_size: int = 65536
    """Bytes of a request body that are read."""
    max_token_size: int = 16384
    """Bytes of a token that are looked at."""
    account_limit: ThrottleLimit = ThrottleLimit(free=10, base=1.0, cap=300.0, memory=3600.0)
    """Login attempts on one account from addresses where it never signed in."""
    address_limit: ThrottleLimit = ThrottleLimit(free=100, base=1.0, cap=300.0, memory=3600.0)
    """Failed login attempts from one address on accounts that never signed in there."""
    trusted_address_credits: int = 50
    """Attempts that an address gets on an account that has signed in there, whatever others do to
    the account or behind the address; a sign-in that finds less than half of them left restores
    them."""
    trusted_address_ttl: int = 30 * 86400
    """Seconds that an address stays trusted; a sign-in in the second half of them begins anew."""

    def __post_init__(self) -> None:
        check_issuer("issuer", self.issuer)
        if isinstance(self.audience, str):
            raise ConfigurationError("audience", "give a tuple of resource servers, not one string")
        if not all(self.audience):
            raise ConfigurationError("audience", "a resource server's name is empty")
        for scope in self.scopes:
            if not is_scope(scope):
                raise ConfigurationError("scopes", f"{scope!r} is not one scope")
        if self.endpoint_prefix and (
            not self.endpoint_prefix.startswith("/") or self.endpoint_prefix.endswith("/")
        ):
            raise ConfigurationError(
                "endpoint_prefix", "start with a slash and do not end with one"
            )
        if self.algorithm not in ALGORITHMS:
            raise ConfigurationError("algorithm", f"choose one of {', '.join(ALGORITHMS)}")
        for name in (
            "access_token_ttl",
            "refresh_token_ttl",
            "refresh_idle_ttl",
            "max_body_size",
            "max_token_size",
        ):
            if getattr(self, name) <= 0:
                raise ConfigurationError(name, "must be greater than 0")
        if self.access_token_ttl > self.max_access_token_ttl:
            raise ConfigurationError("access_token_ttl", "must not exceed max_access_token_ttl")
        if not 1 <= self.code_ttl <= 600:
            raise ConfigurationError("code_ttl", "must be 1 to 600 seconds")
        for name in ("refresh_retry_window", "leeway"):
            if not 0 <= getattr(self, name) <= 60:
                raise ConfigurationError(name, "must be 0 to 60 seconds")
        for name in (
            "jwks_max_age",
            "key_refresh",
            "revocation_refresh",
            "revocation_max_stale",
            "client_cache_ttl",
        ):
            if getattr(self, name) < 0:
                raise ConfigurationError(name, "must not be negative")

    @property
    def default_audience(self) -> tuple[str, ...]:
        """Whom tokens are for when the client does not say."""
        return self.audience or (self.issuer,)

    @property
    def key_retention(self) -> float:
        """Seconds that a key outlives its last signature, so that no good token is refused."""
        return self.max_access_token_ttl + self.leeway + self.key_refresh


def check_issuer(setting: str, issuer: str) -> None:
    """Refuse an issuer that no client could rely on (RFC 8414 section 2).

    Raises:
        ConfigurationError: Not https outside loopback; or with a query, a fragment, credentials or
            a trailing slash.
    """
    try:
        url = urlsplit(issuer)
        host = url.hostname or ""
        _ = url.port
    except ValueError:
        raise ConfigurationError(setting, "is not a URL") from None
    if url.scheme not in {"https", "http"} or not host:
        raise ConfigurationError(setting, "give a URL such as https://id.example.com")
    if url.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(setting, "use https; plain http is accepted on loopback only")
    if url.query or url.fragment or url.username is not None or "?" in issuer or "#" in issuer:
        raise ConfigurationError(
            setting, "must have no query, fragment or credentials (RFC 8414 section 2)"
        )
    if issuer.endswith("/"):
        raise ConfigurationError(
            setting, "remove the trailing slash; issuers are compared as strings"
        )
