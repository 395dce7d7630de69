"""Token revocation (RFC 7009)."""

from __future__ import annotations

from bezant.authorizations import Authorizations
from bezant.client_authentication import ClientAuthentication
from bezant.clients import Client
from bezant.errors import InvalidGrant, InvalidToken
from bezant.events import Events, TokenRevoked
from bezant.http import Request, Response, json_response, read_form
from bezant.revocation import Revocations
from bezant.runtime import Runtime
from bezant.verifier import TokenVerifier

__all__ = ["RevocationEndpoint"]


class RevocationEndpoint:
    """Ends a token on behalf of the client it was issued to.

    A refresh token ends its authorization, access tokens included; an access token ends alone.
    Unknown, expired and other clients' tokens are answered like revoked ones (RFC 7009 section
    2.2). ``token_type_hint`` is not needed: the two kinds cannot be confused.

    Args:
        authentication: Says which client is asking.
        authorizations: Ends authorizations.
        revocations: Ends access tokens.
        own_tokens: Verifies access tokens of this issuer, whatever their audience.
        events: Told of revoked access tokens.
        max_body_size: Bytes.
    """

    def __init__(
        self,
        authentication: ClientAuthentication,
        authorizations: Authorizations,
        revocations: Revocations,
        own_tokens: TokenVerifier,
        events: Events,
        *,
        max_body_size: int,
    ) -> None:
        self._authentication = authentication
        self._authorizations = authorizations
        self._revocations = revocations
        self._own_tokens = own_tokens
        self._events = events
        self._max_body_size = max_body_size

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a revocation request; 200 for whatever token is sent (RFC 7009 section 2.2)."""
        form = read_form(request, limit=self._max_body_size)
        client = await self._authentication(request, form, now, runtime)
        token = form.require("token")
        if not await self._revoke_refresh_token(client, token, now, runtime):
            await self._revoke_access_token(client, token, now, runtime)
        return json_response(200, {})

    async def _revoke_refresh_token(
        self, client: Client, token: str, now: float, runtime: Runtime
    ) -> bool:
        try:
            authorization = await self._authorizations.find(client, token, runtime)
        except InvalidGrant:
            return False
        await self._authorizations.revoke(authorization.id, now=now, runtime=runtime)
        return True

    async def _revoke_access_token(
        self, client: Client, token: str, now: float, runtime: Runtime
    ) -> None:
        try:
            principal = await self._own_tokens.averify(token, runtime)
        except InvalidToken:
            return
        if principal.client_id == client.client_id:
            await self._revocations.revoke(runtime, "token", principal.token_id)
            self._events.emit(
                TokenRevoked(
                    at=now,
                    client_id=client.client_id,
                    subject=principal.subject,
                    token_id=principal.token_id,
                )
            )
