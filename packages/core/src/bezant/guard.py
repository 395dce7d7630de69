"""Protecting a resource: credentials in a request become a principal, or the right challenge (RFC
6750).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from bezant.endpoints import Endpoint
from bezant.errors import (
    BearerError,
    ConfigurationError,
    InvalidToken,
    MalformedCredentials,
    MissingToken,
    OAuthError,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant.events import Events, TokenRejected
from bezant.http import Response, error_response, one_authorization
from bezant.principal import Principal, Requirement
from bezant.runtime import Runtime
from bezant.verification import Verifier

__all__ = ["ResourceGuard"]

_NO_TOKEN = re.compile(r"^$|[ \t,]")
_QUOTABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")


class ResourceGuard:
    """Stands in front of a resource. The same object serves every route.

    Args:
        verifier: Verifies the tokens.
        realm: What the challenge calls the protected space.
        resource_metadata: URL of this resource's metadata, named in every challenge (RFC 9728
            section 5.1).
        events: Told of refused tokens; by default nobody, until somebody subscribes.
        endpoints: What the application serves beside its resources.

    Raises:
        ConfigurationError: ``realm`` or ``resource_metadata`` does not fit a header.
    """

    def __init__(
        self,
        verifier: Verifier,
        *,
        realm: str = "api",
        resource_metadata: str | None = None,
        events: Events | None = None,
        endpoints: Iterable[Endpoint] = (),
    ) -> None:
        for setting, value in (("realm", realm), ("resource_metadata", resource_metadata or "")):
            if not _QUOTABLE.fullmatch(value):
                raise ConfigurationError(
                    setting, "use printable ASCII without quotes and backslashes"
                )
        self.verifier: Verifier = verifier
        self.realm: str = realm
        self.resource_metadata: str | None = resource_metadata
        self.endpoints: tuple[Endpoint, ...] = tuple(endpoints)
        self.events: Events = events or Events()

    async def authenticate(
        self, authorization: Sequence[str], runtime: Runtime, requirement: Requirement | None = None
    ) -> Principal:
        """Let a request pass or say why not.

        Args:
            authorization: The values of all its Authorization headers.
            runtime: How to call stores, when it is time to look for revocations.
            requirement: What the resource demands beyond a good token.

        Raises:
            BearerError: Missing, bad or insufficient token.
            TemporarilyUnavailable: What must be known to trust a token cannot be read.
        """
        principal = await self.authenticate_if_present(authorization, runtime)
        if principal is None:
            raise MissingToken
        if requirement is not None:
            requirement.check(principal, self.verifier.clock())
        return principal

    def authenticate_now(self, authorization: Sequence[str]) -> Principal | None:
        """Whom a request comes from, when that can be told without waiting, as of most. None says
        nothing: ask `authenticate_if_present`.

        Raises:
            InvalidToken: The token is not good.
        """
        if len(authorization) != 1 or not authorization[0].startswith("Bearer "):
            return None
        token = authorization[0][7:]
        try:
            return self.verifier.verify_now(token)
        except InvalidToken as error:
            if _NO_TOKEN.search(token):
                return None  # the header is malformed, which is another refusal
            self._tell(error)
            raise

    async def authenticate_if_present(
        self, authorization: Sequence[str], runtime: Runtime
    ) -> Principal | None:
        """Like `authenticate`, but a request without credentials passes as nobody. A bad token is
        still refused.
        """
        token = bearer_token(authorization)
        if token is None:
            return None
        try:
            return await self.verifier.averify(token, runtime)
        except InvalidToken as error:
            self._tell(error)
            raise
        except StoreUnavailable as error:
            raise TemporarilyUnavailable(detail=str(error)) from error

    def _tell(self, error: InvalidToken) -> None:
        self.events.emit(TokenRejected(at=self.verifier.clock(), reason=error.detail))

    def challenge(self, error: BearerError) -> str:
        """The value of ``WWW-Authenticate`` (RFC 6750 section 3)."""
        parameters = [("realm", self.realm)]
        if error.code:
            parameters += [
                ("error", error.code),
                ("error_description", error.description),
                *error.attributes,
            ]
        if self.resource_metadata is not None:
            parameters.append(("resource_metadata", self.resource_metadata))
        return "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parameters)

    def refuse(self, error: OAuthError) -> Response:
        """The answer to a refused request."""
        response = error_response(error)
        if not isinstance(error, BearerError):
            return response
        headers = (*response.headers, ("www-authenticate", self.challenge(error)))
        return Response(response.status, headers, response.body)


def bearer_token(authorization: Sequence[str]) -> str | None:
    """The token in the Authorization headers of a request, or None when there are no Bearer
    credentials.

    Raises:
        MalformedCredentials: Two headers, or Bearer with anything but one space and one token (RFC
            6750 section 2.1).
    """
    if not authorization:
        return None
    try:
        scheme, _, token = one_authorization(authorization).partition(" ")
    except ValueError:
        raise MalformedCredentials("send one Authorization header") from None
    if scheme.lower() != "bearer":
        return None
    if not token or " " in token or "\t" in token:
        raise MalformedCredentials("write 'Authorization: Bearer', one space, one token")
    return token
