"""Refreshing an access token (RFC 6749 section 6, with the rotation of RFC 9700 section 4.14)."""

from __future__ import annotations

from bezant.authorizations import Authorizations
from bezant.errors import InvalidGrant
from bezant.grants import Decision, TokenContext
from bezant.login import Accounts
from bezant.resources import narrow_resources
from bezant.scopes import narrow

__all__ = ["RefreshTokenGrant"]


class RefreshTokenGrant:
    """One spent refresh token becomes its successor and a new access token.

    Args:
        authorizations: Decides by one compare-and-set.
        accounts: Say the resource owner's present state.
    """

    grant_type = "refresh_token"

    def __init__(self, authorizations: Authorizations, accounts: Accounts) -> None:
        self._authorizations = authorizations
        self._accounts = accounts

    async def decide(self, context: TokenContext, /) -> Decision:
        """Renew, with the scopes and for the resources first given or fewer.

        Raises:
            InvalidRequest: ``refresh_token`` is missing.
            InvalidScope: More than first given is asked for; the refresh token stays good.
            InvalidTarget: So it is for a resource.
            InvalidGrant: The refresh token is not good, or the resource owner is gone or disabled.
        """
        client, form = context.client, context.form
        token = form.require("refresh_token")
        if "scope" in form or form.all("resource"):
            # Looked at before the token is spent, so that a wrong scope costs the client nothing.
            given = await self._authorizations.find(client, token, context.runtime)
            narrow(form.get("scope"), _still_allowed(given.scopes, client.scopes))
            narrow_resources(form.all("resource"), given.audience)
        authorization, user = await self._authorizations.refresh(
            client, token, now=context.now, address=context.address, runtime=context.runtime
        )
        if user is None:
            user = await context.runtime.call(self._accounts.get, authorization.subject)
        if user is None or not user.active:
            await self._authorizations.revoke(
                authorization.id, now=context.now, runtime=context.runtime
            )
            raise InvalidGrant(
                "the refresh token is revoked; sign in again", detail="the user is gone or disabled"
            )
        return Decision(
            client,
            authorization.subject,
            narrow(form.get("scope"), _still_allowed(authorization.scopes, client.scopes)),
            narrow_resources(form.all("resource"), authorization.audience),
            user=user,
            authorization=authorization,
        )


def _still_allowed(given: tuple[str, ...], registered: tuple[str, ...]) -> tuple[str, ...]:
    """What was given, less what the client has since lost."""
    return tuple(scope for scope in given if scope in registered)
