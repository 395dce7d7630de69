"""The resource owner password credentials grant (RFC 6749 section 4.3).

RFC 9700 section 2.4 forbids it to new designs: a client sees the password. It is here for
first-party clients that were given it one by one, behind the same throttle and checks as any other
sign-in.
"""

from __future__ import annotations

from bezant.authorizations import Authorizations
from bezant.config import ServerConfig
from bezant.errors import InvalidGrant
from bezant.grants import Decision, TokenContext
from bezant.login import WRONG, Login
from bezant.resources import narrow_resources
from bezant.scopes import narrow

__all__ = ["PasswordGrant"]


class PasswordGrant:
    """A name and a password become an authorization.

    Args:
        login: Checks the resource owner.
        authorizations: Records what was given.
        config: The default audience.
    """

    grant_type = "password"

    def __init__(self, login: Login, authorizations: Authorizations, config: ServerConfig) -> None:
        self._login = login
        self._authorizations = authorizations
        self._config = config

    async def decide(self, context: TokenContext, /) -> Decision:
        """Sign the resource owner in.

        Raises:
            InvalidRequest: ``username`` or ``password`` is missing.
            InvalidScope: The client asks for more than it is registered for.
            InvalidTarget: So it does for a resource.
            InvalidGrant: Wrong name or password, disabled, or throttled.
        """
        client, form = context.client, context.form
        username, password = form.require("username"), form.require("password")
        scopes = narrow(form.get("scope"), client.scopes)
        audience = narrow_resources(
            form.all("resource"), client.audience or self._config.default_audience
        )
        user = await self._login.authenticate(
            username, password, address=context.address, now=context.now, runtime=context.runtime
        )
        if user.subject == client.client_id:
            # A token whose subject is the client means that the client acts for itself (RFC 9700
            # section 4.15).
            raise InvalidGrant(
                "this account cannot sign in here", detail="the subject equals the client id"
            )
        authorization = await self._authorizations.open(
            client,
            user,
            scopes,
            audience,
            now=context.now,
            address=context.address,
            runtime=context.runtime,
        )
        # Read anew: whoever disabled the account while its password was being checked has ended
        # what was open then, and this was not yet.
        present = await context.runtime.call(self._login.accounts.get, user.subject)
        if present is None or not present.active:
            await self._authorizations.revoke(
                authorization.id, now=context.now, runtime=context.runtime
            )
            raise InvalidGrant(WRONG, detail="disabled during the login")
        return Decision(
            client, user.subject, scopes, audience, user=present, authorization=authorization
        )
