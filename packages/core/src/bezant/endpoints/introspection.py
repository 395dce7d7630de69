"""Token introspection (RFC 7662)."""

from __future__ import annotations

from typing import Any

from bezant.authorizations import Authorizations
from bezant.client_authentication import ClientAuthentication
from bezant.clients import Client
from bezant.config import ServerConfig
from bezant.errors import InvalidClient, InvalidGrant, InvalidToken
from bezant.http import Request, Response, json_response, read_form
from bezant.revocation import Revocations
from bezant.runtime import Runtime
from bezant.scopes import format_scope
from bezant.verifier import TokenVerifier

__all__ = ["IntrospectionEndpoint"]

INACTIVE = {"active": False}
"""The whole answer for everything that is not a live token of the caller's (RFC 7662 section
2.2)."""


class IntrospectionEndpoint:
    """Says whether a token is live, to callers that it concerns.

    An access token concerns the client it was issued to and the resource servers it is meant for; a
    refresh token concerns its client alone. To anybody else it looks like no token at all.

    Args:
        authentication: Says which client is asking; public clients are refused (RFC 7662 section
            2.1).
        authorizations: Looks refresh tokens up.
        revocations: Read anew for each question, so that the answer is as of now.
        own_tokens: Verifies access tokens of this issuer, whatever their audience.
        config: The default audience and the body limit.
    """

    def __init__(
        self,
        authentication: ClientAuthentication,
        authorizations: Authorizations,
        revocations: Revocations,
        own_tokens: TokenVerifier,
        config: ServerConfig,
    ) -> None:
        self._authentication = authentication
        self._authorizations = authorizations
        self._revocations = revocations
        self._own_tokens = own_tokens
        self._config = config

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer an introspection request."""
        form = read_form(request, limit=self._config.max_body_size)
        client = await self._authentication(request, form, now, runtime)
        if client.public or not client.introspect:
            raise InvalidClient("this client may not introspect tokens")
        token = form.require("token")
        document = await self._refresh_token(client, token, now, runtime)
        if document is None:
            document = await self._access_token(client, token, runtime)
        return json_response(200, document or INACTIVE)

    async def _access_token(
        self, client: Client, token: str, runtime: Runtime
    ) -> dict[str, Any] | None:
        await self._revocations.read(runtime)
        try:
            principal = await self._own_tokens.averify(token, runtime)
        except InvalidToken:
            return None
        concerned = {client.client_id, *(client.audience or self._config.default_audience)}
        if principal.client_id != client.client_id and concerned.isdisjoint(principal.audience):
            return None
        return {**principal.claims, "active": True, "token_type": "Bearer"}

    async def _refresh_token(
        self, client: Client, token: str, now: float, runtime: Runtime
    ) -> dict[str, Any] | None:
        try:
            authorization = await self._authorizations.find(client, token, runtime)
            _, generation = self._authorizations.tokens.read(token)
        except InvalidGrant:
            return None
        end = min(authorization.expires_at, authorization.idle_expires_at)
        if (
            authorization.revoked_at is not None
            or now >= end
            or generation != authorization.generation
        ):
            return None
        return {
            "active": True,
            "iss": self._config.issuer,
            "sub": authorization.subject,
            "client_id": authorization.client_id,
            "scope": format_scope(authorization.scopes),
            "exp": int(end),
            "iat": int(authorization.rotated_at),
            "sid": authorization.id,
        }
