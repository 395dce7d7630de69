"""The client credentials grant (RFC 6749 section 4.4): a client acts for itself."""

from __future__ import annotations

from bezant.config import ServerConfig
from bezant.grants import Decision, TokenContext
from bezant.resources import narrow_resources
from bezant.scopes import narrow

__all__ = ["ClientCredentialsGrant"]


class ClientCredentialsGrant:
    """No resource owner, no refresh token (RFC 6749 section 4.4.3).

    Args:
        config: The default audience.
    """

    grant_type = "client_credentials"

    def __init__(self, config: ServerConfig) -> None:
        self._config = config

    async def decide(self, context: TokenContext, /) -> Decision:
        """Give the client what it is registered for.

        Raises:
            InvalidScope: It asks for more.
            InvalidTarget: So it does for a resource.
        """
        client, form = context.client, context.form
        audience = client.audience or self._config.default_audience
        return Decision(
            client=client,
            subject=client.client_id,
            scopes=narrow(form.get("scope"), client.scopes),
            audience=narrow_resources(form.all("resource"), audience),
        )
