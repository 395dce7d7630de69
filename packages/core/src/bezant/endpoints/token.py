"""The token endpoint (RFC 6749 section 3.2)."""

from __future__ import annotations

from collections.abc import Iterable

from bezant.client_authentication import ClientAuthentication
from bezant.errors import UnauthorizedClient, UnsupportedGrantType
from bezant.events import Events, TokenIssued
from bezant.grants import Decision, Grant, TokenContext
from bezant.http import Form, Request, Response, json_response, read_form
from bezant.runtime import Runtime
from bezant.tokens import Issued, Issuer

__all__ = ["TokenEndpoint"]


class TokenEndpoint:
    """Takes a grant, gives tokens.

    Args:
        authentication: Says which client is asking.
        grants: What the server offers.
        issuer: Makes the tokens.
        events: Told of every token issued.
        max_body_size: Bytes.
    """

    def __init__(
        self,
        authentication: ClientAuthentication,
        grants: Iterable[Grant],
        issuer: Issuer,
        events: Events,
        *,
        max_body_size: int,
    ) -> None:
        self._authentication = authentication
        self._grants = {grant.grant_type: grant for grant in grants}
        self._issuer = issuer
        self._events = events
        self._max_body_size = max_body_size

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a token request, in the order of RFC 6749."""
        form = read_form(request, limit=self._max_body_size)
        client = await self._authentication(request, form, now, runtime)
        grant = self._pick_grant(form)
        if grant.grant_type not in client.grants:
            raise UnauthorizedClient(f"this client may not use the grant {grant.grant_type}")
        decision = await grant.decide(TokenContext(client, form, request.address, now, runtime))
        issued = self._issuer.issue(decision, now)
        self._announce(decision, issued, grant.grant_type, now)
        return json_response(200, issued.document())

    def _pick_grant(self, form: Form) -> Grant:
        grant = self._grants.get(form.require("grant_type"))
        if grant is None:
            raise UnsupportedGrantType(f"this server offers {', '.join(sorted(self._grants))}")
        return grant

    def _announce(self, decision: Decision, issued: Issued, grant_type: str, now: float) -> None:
        self._events.emit(
            TokenIssued(
                at=now,
                client_id=decision.client.client_id,
                subject=decision.subject,
                grant_type=grant_type,
                scopes=issued.scopes,
                token_id=issued.token_id,
                authorization_id=decision.authorization.id
                if decision.authorization is not None
                else None,
            )
        )
