"""Every error Bezant raises, in one tree.

    BezantError
      ConfigurationError          a setting is missing, unsafe or contradictory; raised at set-up
      SuspendedError              an async store was driven from synchronous code
      StoreUnavailable            the database or another backing service cannot answer
      KeyUnavailable              nothing to sign with, or a secret that no key opens
      Refused                     what whoever looks after a server asked for cannot be done
      OAuthError                  an answer of the protocol, with a code and a status
        InvalidRequest            400  RFC 6749 section 5.2
          UnsupportedMediaType    415
          MethodNotAllowed        405
          PayloadTooLarge         413
        InvalidClient             401  RFC 6749 section 5.2
        InvalidGrant              400  RFC 6749 section 5.2
          TooManyAttempts         429
        UnauthorizedClient        400  RFC 6749 section 5.2
        UnsupportedGrantType      400  RFC 6749 section 5.2
        UnsupportedTokenType      400  RFC 7009 section 2.2.1
        InvalidScope              400  RFC 6749 section 5.2
        InvalidTarget             400  RFC 8707 section 2
        AccessDenied              400  RFC 6749 section 4.1.2.1
        UnsupportedResponseType   400  RFC 6749 section 4.1.2.1
        LoginRequired             400  OpenID Connect Core section 3.1.2.6
        AccountSelectionRequired  400  OpenID Connect Core section 3.1.2.6
        ConsentRequired           400  OpenID Connect Core section 3.1.2.6
        RequestNotSupported       400  OpenID Connect Core section 3.1.2.6
        RequestURINotSupported    400  OpenID Connect Core section 3.1.2.6
        InvalidRequestURI         400  OpenID Connect Core section 3.1.2.6
        UnmetAuthenticationRequirements 400  OpenID Connect Core Unmet Authentication Requirements
        ServerError               500
        TemporarilyUnavailable    503
        BearerError               an answer of a resource server, RFC 6750 section 3
          MissingToken            401  no error code: the request carried no credentials
          MalformedCredentials    400  invalid_request
          InvalidToken            401  invalid_token
            UnknownKey            401  invalid_token
          InsufficientScope       403  insufficient_scope
          InsufficientAuthentication 401  insufficient_user_authentication, RFC 9470

``description`` is public: it is sent to the client and says what to do. ``detail`` is for logs
only. Neither ever holds a password, a secret or a token.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import ClassVar

__all__ = [
    "AccessDenied",
    "AccountSelectionRequired",
    "BearerError",
    "BezantError",
    "ConfigurationError",
    "ConsentRequired",
    "InsufficientAuthentication",
    "InsufficientScope",
    "InvalidClient",
    "InvalidGrant",
    "InvalidRequest",
    "InvalidRequestURI",
    "InvalidScope",
    "InvalidTarget",
    "InvalidToken",
    "KeyUnavailable",
    "LoginRequired",
    "MalformedCredentials",
    "MethodNotAllowed",
    "MissingToken",
    "OAuthError",
    "PayloadTooLarge",
    "Refused",
    "RequestNotSupported",
    "RequestURINotSupported",
    "ServerError",
    "StoreUnavailable",
    "SuspendedError",
    "TemporarilyUnavailable",
    "TooManyAttempts",
    "UnauthorizedClient",
    "UnknownKey",
    "UnmetAuthenticationRequirements",
    "UnsupportedGrantType",
    "UnsupportedMediaType",
    "UnsupportedResponseType",
    "UnsupportedTokenType",
]


class BezantError(Exception):
    """Base of everything raised on purpose."""


class ConfigurationError(BezantError):
    """A setting is missing, unsafe or contradictory.

    Raised at set-up, never while answering a request.

    Args:
        setting: The setting to change, as its user spells it.
        problem: What is wrong with it and what to do.
    """

    def __init__(self, setting: str, problem: str) -> None:
        super().__init__(f"{setting}: {problem}")
        self.setting: str = setting
        self.problem: str = problem


class SuspendedError(BezantError):
    """Synchronous code drove a coroutine that waited for an event loop."""


class StoreUnavailable(BezantError):
    """A backing service cannot answer now. Requests are answered 503, never let through."""


class KeyUnavailable(BezantError):
    """No key fits: none to sign with, or a stored secret that no configured secret key opens."""


class Refused(BezantError):
    """What whoever looks after a server asked for cannot be done; the message says why."""


class OAuthError(BezantError):
    """An answer of the protocol.

    Args:
        description: Public, ``error_description`` of RFC 6749 section 5.2: printable ASCII.
        detail: For logs only.
    """

    code: ClassVar[str] = "server_error"
    status: ClassVar[int] = 400

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        super().__init__(description or self.code)
        self.description: str = description
        self.detail: str = detail

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers that this answer needs beside the usual ones."""
        return ()


class InvalidRequest(OAuthError):
    """The request is missing a parameter, repeats one, or is otherwise malformed."""

    code = "invalid_request"


class UnsupportedMediaType(InvalidRequest):
    """The body is not ``application/x-www-form-urlencoded``."""

    status = 415


class MethodNotAllowed(InvalidRequest):
    """The endpoint does not take this method."""

    status = 405

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed: tuple[str, ...] = tuple(sorted(allowed))
        super().__init__(f"this endpoint takes {' or '.join(self.allowed)} only")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("allow", ", ".join(self.allowed)),)


class PayloadTooLarge(InvalidRequest):
    """The body is larger than the configured limit."""

    status = 413


class InvalidClient(OAuthError):
    """Client authentication failed. The answer always challenges for HTTP Basic (RFC 6749 section
    5.2).
    """

    code = "invalid_client"
    status = 401

    def __init__(self, description: str = "", *, detail: str = "") -> None:
        super().__init__(description or "client authentication failed", detail=detail)

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("www-authenticate", 'Basic realm="oauth", charset="UTF-8"'),)


class InvalidGrant(OAuthError):
    """The credentials or the refresh token are wrong, expired, revoked or another client's."""

    code = "invalid_grant"


class TooManyAttempts(InvalidGrant):
    """Throttled. The answer is the same whether or not the account exists.

    Args:
        retry_after: Seconds after which another attempt is looked at.
    """

    status = 429

    def __init__(self, retry_after: float) -> None:
        self.retry_after: int = max(1, ceil(retry_after))
        super().__init__(f"too many attempts; try again in {self.retry_after} seconds")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("retry-after", str(self.retry_after)),)


class UnauthorizedClient(OAuthError):
    """This client may not use this grant."""

    code = "unauthorized_client"


class UnsupportedGrantType(OAuthError):
    """The server does not offer this grant."""

    code = "unsupported_grant_type"


class UnsupportedTokenType(OAuthError):
    """The server cannot revoke this kind of token."""

    code = "unsupported_token_type"


class InvalidScope(OAuthError):
    """The scope is malformed, unknown, or more than may be given."""

    code = "invalid_scope"


class AccessDenied(OAuthError):
    """The resource owner refused (RFC 6749 section 4.1.2.1)."""

    code = "access_denied"


class AccountSelectionRequired(OAuthError):
    """The resource owner has to choose an account, and ``prompt=none`` forbids to ask."""

    code = "account_selection_required"


class ConsentRequired(OAuthError):
    """The resource owner has to consent, and ``prompt=none`` forbids to ask."""

    code = "consent_required"


class InvalidRequestURI(OAuthError):
    """``request_uri`` is no pushed request of this client that waits."""

    code = "invalid_request_uri"


class InvalidTarget(OAuthError):
    """A resource is unknown, or not for this client (RFC 8707 section 2)."""

    code = "invalid_target"


class LoginRequired(OAuthError):
    """The resource owner has to sign in, and ``prompt=none`` forbids to ask."""

    code = "login_required"


class RequestNotSupported(OAuthError):
    """Request objects are not taken."""

    code = "request_not_supported"


class RequestURINotSupported(OAuthError):
    """Request objects are not fetched."""

    code = "request_uri_not_supported"


class UnmetAuthenticationRequirements(OAuthError):
    """The resource owner signed in, but not as well as the client says is essential."""

    code = "unmet_authentication_requirements"


class UnsupportedResponseType(OAuthError):
    """Only codes are given at the authorization endpoint."""

    code = "unsupported_response_type"


class ServerError(OAuthError):
    """Something failed that the client cannot mend. ``reference`` finds the log entry."""

    code = "server_error"
    status = 500

    def __init__(self, reference: str) -> None:
        self.reference: str = reference
        super().__init__(f"the server failed; its log has the cause under {reference}")


class TemporarilyUnavailable(OAuthError):
    """A backing service is away or the server is full; the same request may succeed later.

    Args:
        description: Public text.
        retry_after: Seconds.
    """

    code = "temporarily_unavailable"
    status = 503

    def __init__(
        self,
        description: str = "the server cannot answer now; try again",
        *,
        retry_after: int = 1,
        detail: str = "",
    ) -> None:
        super().__init__(description, detail=detail)
        self.retry_after: int = retry_after

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("retry-after", str(self.retry_after)),)


class BearerError(OAuthError):
    """A request to a resource server was refused. ``guard`` adds the challenge (RFC 6750 section
    3).

    ``attributes`` are extra parameters of the challenge, in order.
    """

    status = 401

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        return ()


class MissingToken(BearerError):
    """No credentials at all: the challenge carries no error code (RFC 6750 section 3.1)."""

    code = ""

    def __init__(self) -> None:
        super().__init__("send an access token in the header 'Authorization: Bearer ...'")


class MalformedCredentials(BearerError):
    """The Authorization header cannot be read, or there are two of them."""

    code = "invalid_request"
    status = 400


class InvalidToken(BearerError):
    """The token is malformed, expired, revoked, or not meant for this resource server."""

    code = "invalid_token"


class UnknownKey(InvalidToken):
    """The token names a key that its issuer may have published since the last look."""


class InsufficientScope(BearerError):
    """The token is good but does not reach this far.

    Args:
        description: Public text.
        scopes: The scopes that the resource demands, for the challenge's ``scope``.
    """

    code = "insufficient_scope"
    status = 403

    def __init__(self, description: str, *, scopes: Iterable[str] = ()) -> None:
        super().__init__(description)
        self.scopes: tuple[str, ...] = tuple(scopes)

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        return (("scope", " ".join(self.scopes)),) if self.scopes else ()


class InsufficientAuthentication(BearerError):
    """The resource owner signed in too long ago (RFC 9470 section 3).

    Args:
        max_age: Seconds since the sign-in that the resource accepts.
    """

    code = "insufficient_user_authentication"

    def __init__(self, max_age: int) -> None:
        self.max_age: int = max_age
        super().__init__(f"sign in again: this needs a sign-in of the last {max_age} seconds")

    @property
    def attributes(self) -> tuple[tuple[str, str], ...]:
        return (("max_age", str(self.max_age)),)
