"""The pushed authorization request endpoint (RFC 9126 section 2)."""

from __future__ import annotations

from bezant.authorization_request import AuthorizationRequest, proven_redirect
from bezant.client_authentication import ClientAuthentication
from bezant.config import ServerConfig
from bezant.http import Request, Response, json_response, read_form
from bezant.pushed_requests import TTL, PushedRequests, without_credentials
from bezant.runtime import Runtime

__all__ = ["PAREndpoint"]


class PAREndpoint:
    """Takes an authorization request from the client itself, and gives it a name.

    Args:
        authentication: Says which client is asking.
        pushed: Keeps the request.
        config: Audiences and limits.
    """

    def __init__(
        self, authentication: ClientAuthentication, pushed: PushedRequests, config: ServerConfig
    ) -> None:
        self._authentication = authentication
        self._pushed = pushed
        self._config = config

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a client. The request is looked at now, so that errors go to the client, too."""
        form = read_form(request, limit=self._config.max_body_size)
        client = await self._authentication(request, form, now, runtime)
        pushed = without_credentials(form, client.client_id)
        _, redirect_uri = proven_redirect(pushed, client)
        AuthorizationRequest.read(
            pushed,
            client,
            redirect_uri,
            audience=client.audience or self._config.default_audience,
        )
        uri = await self._pushed.keep(pushed, now, runtime)
        return json_response(201, {"request_uri": uri, "expires_in": TTL})
