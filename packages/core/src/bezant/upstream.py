"""Another issuer that people may sign in at: how it is asked, what it says, how that can fail."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

from bezant.claims import OPENID
from bezant.clients import AUTH_METHODS, SECRET_METHODS
from bezant.config import check_issuer
from bezant.errors import BezantError, ConfigurationError
from bezant.fetch import FetchError, check_url
from bezant.keys import Key
from bezant.scopes import is_scope
from bezant.signing import LATEST

__all__ = [
    "Identity",
    "ProviderUnavailable",
    "ResponseRefused",
    "SignInDenied",
    "SignInFailed",
    "UpstreamProvider",
]

_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,30}[a-z0-9])?")
_URLS: Final = ("authorize_url", "token_url", "userinfo_url", "jwks_url")
_OWN: Final = frozenset(
    {
        *("client_id", "code_challenge", "code_challenge_method", "login_hint", "max_age", "nonce"),
        *("redirect_uri", "request", "request_uri", "response_mode", "response_type", "scope"),
        "state",
    }
)
"""Parameters that mean something to the flow, and so are not for settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamProvider:
    """How one provider is asked: OpenID Connect by discovery, or OAuth 2 alone by URLs.

    Raises:
        ConfigurationError: A setting is missing, unsafe or contradictory; the message names it.
    """

    name: str
    """For paths and people who look after the server: lower-case letters, digits, ``-``, ``_``."""
    issuer: str
    """Whose subjects these are, exactly as it stands in ``iss``; metadata are found below it. For
    OAuth 2 alone, a URL of the provider that never changes: identities are kept under it."""
    client_id: str
    """What this application is registered as there."""
    client_secret: str | None = field(default=None, repr=False)
    """Its secret; None for ``private_key_jwt`` and for public clients."""
    client_key: Key | None = field(default=None, repr=False)
    """What signs assertions of ``private_key_jwt``; its public part is registered there."""
    auth_method: str | None = None
    """A method of RFC 7591 section 2; by default ``client_secret_basic`` with a secret,
    ``private_key_jwt`` with a key, ``none`` without either."""
    openid: bool = True
    """Whether it speaks OpenID Connect. Without, its UserInfo alone says who somebody is."""
    scopes: tuple[str, ...] = (OPENID, "email", "profile")
    """What it is asked for."""
    authorize_url: str | None = None
    """The authorization endpoint, where metadata are not to be followed or there are none."""
    token_url: str | None = None
    """The token endpoint, likewise."""
    userinfo_url: str | None = None
    """The UserInfo endpoint, likewise."""
    jwks_url: str | None = None
    """The published keys, likewise."""
    userinfo: bool = True
    """Whether the UserInfo endpoint is asked, when there is one. It costs one request."""
    subject_claim: str = "sub"
    """Which member of UserInfo is the subject; another than ``sub`` for OAuth 2 alone."""
    parameters: Mapping[str, str] = field(default_factory=dict)
    """More parameters for the authorization request, such as ``prompt=select_account``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigurationError("name", "1 to 32 lower-case letters, digits, '-' and '_'")
        check_issuer("issuer", self.issuer.removesuffix("/"))
        if not self.client_id:
            raise ConfigurationError("client_id", "say what is registered at the provider")
        self._check_authentication()
        self._check_scopes()
        for name in _URLS:
            if (url := getattr(self, name)) is not None:
                try:
                    check_url(url)
                except FetchError as error:
                    raise ConfigurationError(name, str(error)) from None
        if self.openid:
            if self.subject_claim != "sub":
                raise ConfigurationError("subject_claim", "OpenID Connect has it in sub")
        else:
            for name in _URLS[:3]:
                if getattr(self, name) is None:
                    raise ConfigurationError(name, "a provider without OpenID Connect needs it")
        if reserved := sorted(_OWN.intersection(self.parameters)):
            raise ConfigurationError("parameters", f"{reserved[0]} is not for settings")

    def _check_authentication(self) -> None:
        if self.client_secret is not None and self.client_key is not None:
            raise ConfigurationError("client_key", "give a secret or a key, not both")
        if self.method not in AUTH_METHODS:
            raise ConfigurationError("auth_method", f"choose one of {', '.join(AUTH_METHODS)}")
        if (self.method in SECRET_METHODS) != bool(self.client_secret):
            raise ConfigurationError("client_secret", f"it does not go with {self.method}")
        if (self.method == "private_key_jwt") != (self.client_key is not None):
            raise ConfigurationError("client_key", f"it does not go with {self.method}")
        if self.client_key is not None and self.client_key.symmetric:
            raise ConfigurationError("client_key", "private_key_jwt needs an asymmetric key")

    def _check_scopes(self) -> None:
        for scope in self.scopes:
            if not is_scope(scope):
                raise ConfigurationError("scopes", f"{scope!r} is not one scope")
        if self.openid != (OPENID in self.scopes):
            raise ConfigurationError("scopes", "openid is there for OpenID Connect, and only then")

    @property
    def method(self) -> str:
        """How this application proves to be the client."""
        if self.auth_method is not None:
            return self.auth_method
        if self.client_key is not None:
            return "private_key_jwt"
        return "none" if self.client_secret is None else "client_secret_basic"

    @property
    def urls(self) -> dict[str, str]:
        """The endpoints that settings name, by their names in metadata."""
        known = {
            "authorization_endpoint": self.authorize_url,
            "token_endpoint": self.token_url,
            "userinfo_endpoint": self.userinfo_url,
            "jwks_uri": self.jwks_url,
        }
        return {name: url for name, url in known.items() if url is not None}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who somebody is at a provider. Issuer and subject together name them, and nothing else does:
    an e-mail address may be given to somebody else (OpenID Connect Core section 5.7).
    """

    issuer: str
    subject: str
    claims: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the provider says of them."""
    tokens: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The answer of the token endpoint, for an application that calls APIs in their name. It is
    secret."""

    @property
    def email(self) -> str | None:
        """Their e-mail address, whoever says so."""
        email = self.claims.get("email")
        return email if isinstance(email, str) and email else None

    @property
    def email_verified(self) -> bool:
        """Whether the provider says that it has made sure of the address. Only ``true`` says so:
        a string or a number does not.
        """
        return self.email is not None and self.claims.get("email_verified") is True

    @property
    def auth_time(self) -> float | None:
        """When they proved who they are, in seconds since the epoch; None when it is not told."""
        value = self.claims.get("auth_time")
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            return None
        return float(value) if 0 <= value <= LATEST else None


class SignInFailed(BezantError):
    """Nobody is signed in.

    Args:
        description: For the person in front of the browser. It says what to do, and holds nothing
            that the provider or the browser sent.
        detail: For logs only.
    """

    default: ClassVar[str] = "the sign-in failed; begin again"

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        super().__init__(description or self.default)
        self.description: str = description or self.default
        self.detail: str = detail
        self.note: Mapping[str, Any] = {}
        """What the application left with the attempt, once it is known to be this browser's."""


class SignInDenied(SignInFailed):
    """The provider says no, mostly because the person did.

    Args:
        code: ``error`` of RFC 6749 section 4.1.2.1 and its extensions, fit to be shown.
    """

    default = "the sign-in was cancelled there; try again or choose another way"

    def __init__(self, code: str) -> None:
        super().__init__(detail=f"the provider answered {code}")
        self.code: str = code


class ProviderUnavailable(SignInFailed):
    """The provider does not answer, or not as it should."""

    default = "the provider cannot be reached now; try again later or choose another way"


class ResponseRefused(SignInFailed):
    """What came back is not to be believed: expired, used, meant for somebody else, or forged."""

    default = "the answer of the provider is not valid here; begin again"
