"""Clients, and how they prove who they are (RFC 6749 section 2.3)."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, TypeAlias
from urllib.parse import unquote_plus

from bezant import redirects
from bezant.errors import ConfigurationError, InvalidClient, InvalidRequest, Refused
from bezant.fetch import FetchError, check_url
from bezant.http import Form, Request, one_authorization
from bezant.keys import KeySet
from bezant.scopes import MAX_LENGTH, format_scope, is_scope
from bezant.signing import claimed_issuer

__all__ = [
    "ASSERTION_TYPE",
    "AUTH_METHODS",
    "ID_TOKEN_ALGORITHMS",
    "SECRET_METHODS",
    "AssertionCheck",
    "Client",
    "ClientSecret",
    "authenticate_client",
    "new_secret",
    "read_keys",
    "registered_keys",
]

SECRET_METHODS: Final = ("client_secret_basic", "client_secret_post")
AUTH_METHODS: Final = (*SECRET_METHODS, "private_key_jwt", "none")
"""Client authentication methods, as named by RFC 7591 section 2."""

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""``client_assertion_type`` of ``private_key_jwt`` (RFC 7523 section 2.2)."""

ID_TOKEN_ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")
"""What a client may have ID tokens and UserInfo signed with."""

MIN_SECRET_LENGTH = 8
MAX_CREDENTIAL_LENGTH = 2048
MAX_ID_LENGTH = 255
MAX_KEYS: Final = 32
"""Keys of one client: each of them may be tried on an assertion that does not name its own."""


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A stored client secret: salted and hashed.

    Secrets are random, so one SHA-256 is enough; `new_secret` makes them so.
    """

    hashed: str = field(repr=False)
    """``sha256$salt$digest``."""
    expires_at: float | None = None
    """Seconds since the epoch; None for the newest secret."""

    @classmethod
    def of(cls, secret: str, *, expires_at: float | None = None) -> ClientSecret:
        """Hash a secret.

        Raises:
            ConfigurationError: It is shorter than 8 or longer than 2,048 characters.
        """
        if not MIN_SECRET_LENGTH <= len(secret) <= MAX_CREDENTIAL_LENGTH:
            raise ConfigurationError(
                "client secret",
                f"use {MIN_SECRET_LENGTH} to {MAX_CREDENTIAL_LENGTH} characters",
            )
        salt = secrets.token_hex(8)
        return cls(f"sha256${salt}${_digest(salt, secret)}", expires_at)

    def matches(self, secret: str, now: float) -> bool:
        """Whether this is the secret and it has not expired. Takes the same time for any wrong
        one.
        """
        _, salt, digest = self.hashed.split("$")
        same = hmac.compare_digest(_digest(salt, secret), digest)
        return same and (self.expires_at is None or now < self.expires_at)


def _digest(salt: str, secret: str) -> str:
    return sha256(f"{salt}{secret}".encode("utf-8", "surrogatepass")).hexdigest()


def new_secret() -> str:
    """A client secret with 256 bits of randomness."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Client:
    """A registered client (RFC 6749 section 2).

    Raises:
        ConfigurationError: The registration contradicts itself.
    """

    client_id: str
    """Unique, printable ASCII."""
    grants: frozenset[str]
    """Grant types that this client may use, such as ``password`` and ``refresh_token``."""
    scopes: tuple[str, ...] = ()
    """Scopes that this client may get, and gets when it does not ask for fewer."""
    audience: tuple[str, ...] = ()
    """Resource servers that its access tokens are for; empty means the server's default
    audience."""
    auth_method: str = "client_secret_basic"
    """``client_secret_basic``, ``client_secret_post``, ``private_key_jwt``, or ``none`` for a
    public client."""
    secrets: tuple[ClientSecret, ...] = field(default=(), repr=False)
    """Newest first; two may be valid at once, so that a secret can be rotated."""
    name: str = ""
    """For people."""
    active: bool = True
    """A disabled client is answered ``invalid_client``."""
    introspect: bool = True
    """Whether a confidential client may ask the introspection endpoint about tokens meant for its
    audience."""
    access_token_ttl: int | None = None
    """Seconds; None means the server's default."""
    refresh_retry_window: int | None = None
    """Seconds, 0 to 60; None means the server's default."""
    redirect_uris: tuple[str, ...] = ()
    """Where the authorization endpoint may send people back to, compared as strings."""
    post_logout_redirect_uris: tuple[str, ...] = ()
    """Where people may be sent after a logout, compared as strings."""
    backchannel_logout_uri: str | None = None
    """Where the client is told of logouts (OpenID Connect Back-Channel Logout)."""
    first_party: bool = False
    """Whether it belongs to whoever runs the server: people are not asked for consent."""
    jwks: Mapping[str, Any] | None = None
    """Public keys for ``private_key_jwt``, as a JWK Set. A key whose ``alg`` is not given signs
    with RS256, ES256 or EdDSA, by its type."""
    jwks_uri: str | None = None
    """Where these keys are published instead."""
    id_token_signed_response_alg: str = "RS256"
    """What its ID tokens are signed with; RS256 is what clients expect that do not say."""
    userinfo_signed_response_alg: str | None = None
    """What answers of UserInfo are signed with; None for plain JSON."""

    def __post_init__(self) -> None:
        def refuse(problem: str) -> None:
            raise ConfigurationError(f"client {self.client_id!r}", problem)

        if not _is_id(self.client_id):
            refuse("the id must be 1 to 255 printable ASCII characters without spaces")
        if any(isinstance(names, str) for names in (self.grants, self.scopes, self.audience)):
            refuse("grants, scopes and audience are collections of names, not one string")
        if self.auth_method not in AUTH_METHODS:
            refuse(f"the authentication method must be one of {', '.join(AUTH_METHODS)}")
        if self.secrets and self.auth_method not in SECRET_METHODS:
            refuse(f"a client that authenticates by {self.auth_method} has no secret")
        if self.auth_method in SECRET_METHODS and not self.secrets:
            refuse("a confidential client needs a secret")
        if self.public and "client_credentials" in self.grants:
            refuse("a public client cannot use client_credentials (RFC 6749 section 4.4)")
        if "refresh_token" in self.grants and self.grants == {"refresh_token"}:
            refuse("refresh_token needs another grant that issues refresh tokens")
        if not all(map(is_scope, self.scopes)):
            refuse("each scope must be one name without spaces or quotes (RFC 6749 section 3.3)")
        if len(format_scope(self.scopes)) > MAX_LENGTH:
            refuse(f"all scopes together may have {MAX_LENGTH} characters: verifiers take no more")
        if self.refresh_retry_window is not None and not 0 <= self.refresh_retry_window <= 60:
            refuse("the refresh retry window must be 0 to 60 seconds")
        if self.access_token_ttl is not None and self.access_token_ttl <= 0:
            refuse("the access token lifetime must be a positive number of seconds")
        self._check_keys(refuse)
        self._check_redirects(refuse)

    def _check_keys(self, refuse: Callable[[str], None]) -> None:
        if self.auth_method == "private_key_jwt" and (self.jwks is None) == (self.jwks_uri is None):
            refuse("private_key_jwt needs either jwks or jwks_uri")
        if self.jwks is not None:
            try:
                registered_keys(self.jwks)
            except ConfigurationError as error:
                refuse(f"jwks: {error.problem}")
        for name in ("id_token_signed_response_alg", "userinfo_signed_response_alg"):
            algorithm = getattr(self, name)
            if algorithm not in ID_TOKEN_ALGORITHMS and (algorithm, name) != (
                None,
                "userinfo_signed_response_alg",
            ):
                refuse(f"{name} must be one of {', '.join(ID_TOKEN_ALGORITHMS)}")

    def _check_redirects(self, refuse: Callable[[str], None]) -> None:
        for name in ("redirect_uris", "post_logout_redirect_uris"):
            uris = getattr(self, name)
            if isinstance(uris, str):
                refuse(f"{name} is a collection of URIs, not one string")
            for uri in uris:
                if (problem := redirects.problem_with(uri)) is not None:
                    refuse(f"the URI {uri[:200]!r} of {name} {problem}")
        for name in ("backchannel_logout_uri", "jwks_uri"):
            if (uri := getattr(self, name)) is None:
                continue
            if (problem := redirects.problem_with(uri)) is not None:
                refuse(f"{name} {problem}")
            try:
                check_url(uri)
            except FetchError as error:
                refuse(f"{name}: {error}")
        if "authorization_code" in self.grants and not self.redirect_uris:
            refuse("authorization_code needs a redirect URI")

    @property
    def public(self) -> bool:
        """Whether the client cannot keep a secret (RFC 6749 section 2.1)."""
        return self.auth_method == "none"

    def with_new_secret(self, secret: str, *, now: float, overlap: float) -> Client:
        """The client with another secret, and for a while with its newest one until now, so that
        nothing stops.

        Args:
            secret: The new secret; `new_secret` makes one.
            now: Seconds since the epoch.
            overlap: Seconds that the old secret stays good; 0 after a leak.

        Raises:
            Refused: The client has no secret.
            ConfigurationError: The secret is too short or too long.
        """
        if not self.secrets:
            why = "a public client" if self.public else "a client with a key of its own"
            raise Refused(f"{self.client_id!r} is {why}: it has no secret")
        newest, end = self.secrets[0], now + overlap
        if newest.expires_at is not None:
            end = min(end, newest.expires_at)
        kept = (replace(newest, expires_at=end),) if overlap > 0 else ()
        return replace(self, secrets=(ClientSecret.of(secret), *kept))


def _is_id(text: str) -> bool:
    return 0 < len(text) <= MAX_ID_LENGTH and all("!" <= c <= "~" for c in text)


def read_keys(document: Mapping[str, Any]) -> KeySet:
    """The public keys that a client publishes, as a JWK Set.

    Raises:
        ConfigurationError: It is no JWK Set, holds private or symmetric keys, no usable one, or too
            many.
    """
    published = document.get("keys")
    if isinstance(published, list) and len(published) > MAX_KEYS:
        raise ConfigurationError("JWK Set", f"it holds more than {MAX_KEYS} keys")
    return KeySet.from_jwks(document)


def registered_keys(jwks: Mapping[str, Any]) -> KeySet:
    """The public keys in a client's registration, which are read once.

    Raises:
        ConfigurationError: They cannot be used; see `read_keys`.
    """
    try:
        return _read_once(json.dumps(dict(jwks), sort_keys=True))
    except (TypeError, ValueError):
        raise ConfigurationError("JWK Set", "it is no JSON object") from None


@lru_cache(maxsize=256)
def _read_once(jwks: str) -> KeySet:
    return read_keys(json.loads(jwks))


Lookup: TypeAlias = Callable[[str], Awaitable[Client | None]]

AssertionCheck: TypeAlias = Callable[[Client, str], Awaitable[None]]
"""Raises `InvalidClient` for an assertion that does not prove a client."""

# Compared against when the client is unknown, so that an unknown id and a wrong secret take the
# same time.
_NOBODY = ClientSecret.of(new_secret())


async def _no_assertions(_client: Client, _assertion: str) -> None:
    raise InvalidClient(detail="assertions are not taken here")


async def authenticate_client(
    request: Request,
    form: Form,
    lookup: Lookup,
    now: float,
    *,
    check_assertion: AssertionCheck = _no_assertions,
) -> Client:
    """The client that a request proves to come from.

    Args:
        request: The request.
        form: Its form.
        lookup: Finds a client by id.
        now: Seconds since the epoch.
        check_assertion: Checks what ``private_key_jwt`` sends.

    Raises:
        InvalidRequest: Two methods at once, or a ``client_id`` that contradicts the credentials.
        InvalidClient: No credentials, unknown client, wrong secret or assertion, other method than
            registered, or disabled.
    """
    client_id, secret, method = read_credentials(request, form)
    client = await lookup(client_id)
    if method == "private_key_jwt":
        if client is None or client.auth_method != method or not client.active:
            raise InvalidClient(detail="no client with this id uses assertions")
        await check_assertion(client, secret or "")
        return client
    if secret is not None:
        known = client.secrets if client is not None and client.secrets else (_NOBODY,)
        # Every stored secret is compared, so that the time does not tell which one it was.
        proven = sum(stored.matches(secret, now) for stored in known) > 0
    else:
        proven = client is not None and client.public
    if client is None:
        raise InvalidClient(detail="unknown client")
    if not proven:
        raise InvalidClient(detail="wrong secret" if secret is not None else "no secret")
    if method != client.auth_method:
        raise InvalidClient(detail=f"used {method}, registered for {client.auth_method}")
    if not client.active:
        raise InvalidClient(detail="disabled")
    return client


def read_credentials(request: Request, form: Form) -> tuple[str, str | None, str]:
    """The client id, the secret or the assertion, and the method that a request uses, none of them
    checked yet.

    A Basic header whose secret is empty is no authentication: Swagger UI sends ``Basic Og==`` (both
    empty) by default and ``client:`` for a public client.

    Raises:
        InvalidRequest: Two methods at once, or a ``client_id`` that contradicts the header.
        InvalidClient: No client is named, or the header cannot be read.
    """
    basic_id, basic_secret = _read_basic(request)
    form_id, form_secret = form.get("client_id"), form.get("client_secret")
    if basic_secret and form_secret:
        raise InvalidRequest(
            "authenticate the client once: in the Authorization header or in the body, not both"
        )
    if basic_id and form_id and basic_id != form_id:
        raise InvalidRequest("client_id in the body is not the client in the Authorization header")
    if "client_assertion" in form or "client_assertion_type" in form:
        if basic_secret or form_secret:
            raise InvalidRequest("authenticate the client once: by a secret or by an assertion")
        return _read_assertion(form, basic_id or form_id)
    client_id = basic_id or ("" if basic_secret else form_id)
    if not client_id:
        raise InvalidClient("authenticate the client: no client_id was sent")
    if (
        len(client_id) > MAX_CREDENTIAL_LENGTH
        or len(basic_secret or form_secret or "") > MAX_CREDENTIAL_LENGTH
    ):
        raise InvalidClient(detail="oversized credentials")
    if basic_secret:
        return client_id, basic_secret, "client_secret_basic"
    if form_secret:
        return client_id, form_secret, "client_secret_post"
    return client_id, None, "none"


def _read_assertion(form: Form, client_id: str | None) -> tuple[str, str, str]:
    """RFC 7523 section 2.2; the client is whom the assertion speaks for."""
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise InvalidClient(f"client_assertion_type must be {ASSERTION_TYPE}")
    assertion = form.get("client_assertion", "")
    claimed = claimed_issuer(assertion)
    if not _is_id(claimed) or client_id not in {None, "", claimed}:
        raise InvalidClient(detail="the assertion is another client's, or nobody's")
    return claimed, assertion, "private_key_jwt"


def _read_basic(request: Request) -> tuple[str, str]:
    """Decode HTTP Basic, both parts form-urlencoded (RFC 6749 section 2.3.1)."""
    headers = request.header("authorization")
    if not headers:
        return "", ""
    try:
        scheme, _, encoded = one_authorization(headers).partition(" ")
    except ValueError:
        raise InvalidRequest("send one Authorization header") from None
    if scheme.lower() != "basic":
        raise InvalidClient("authenticate the client with HTTP Basic or in the body")
    try:
        decoded = base64.b64decode(encoded.strip(" "), validate=True).decode("utf-8")
        client_id, colon, secret = decoded.partition(":")
        parts = unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")
    except (binascii.Error, UnicodeError, ValueError):
        raise InvalidClient("the Basic credentials are not base64 of UTF-8 text") from None
    if not colon:
        raise InvalidClient("the Basic credentials have no colon")
    if any("\0" in part for part in parts):
        raise InvalidClient("the Basic credentials hold a NUL character")
    return parts
