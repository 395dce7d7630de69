"""UserInfo (OpenID Connect Core section 5.3): what a client may know of a resource owner."""

from __future__ import annotations

from bezant.claims import of_userinfo, released
from bezant.config import ServerConfig
from bezant.errors import InvalidToken
from bezant.guard import ResourceGuard
from bezant.http import NO_STORE, Request, Response, json_response
from bezant.keyring import KeyRing
from bezant.login import Accounts
from bezant.principal import Requirement
from bezant.runtime import Runtime
from bezant.signing import encode
from bezant.stores import AuthorizationStore, ClientStore

__all__ = ["UserInfoEndpoint"]

OPENID = Requirement("openid")


class UserInfoEndpoint:
    """Tells claims about whoever an access token was given by.

    Args:
        guard: Protects it, as it would any resource.
        authorizations: What the resource owner gave.
        accounts: What is known of them now.
        clients: Whether they want it signed.
        config: The issuer.
        keys: What signs.
    """

    def __init__(
        self,
        guard: ResourceGuard,
        authorizations: AuthorizationStore,
        accounts: Accounts,
        clients: ClientStore,
        config: ServerConfig,
        keys: KeyRing,
    ) -> None:
        self._guard = guard
        self._authorizations = authorizations
        self._accounts = accounts
        self._clients = clients
        self._config = config
        self._keys = keys

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a client."""
        principal = await self._guard.authenticate(request.header("authorization"), runtime, OPENID)
        if principal.session_id is None:
            raise _refused("nobody's")
        # What is told is of now: whoever has ended, or was disabled, is not spoken of.
        authorization = await runtime.call(self._authorizations.get, principal.session_id)
        if authorization is None or authorization.revoked_at is not None:
            raise _refused("its authorization has ended")
        user = await runtime.call(self._accounts.get, principal.subject)
        if user is None or not user.active:
            raise _refused("the user is gone or disabled")
        client = await runtime.call(self._clients.get, principal.client_id)
        if client is None or not client.active:
            raise _refused("the client is gone or disabled")
        scopes = [scope for scope in client.scopes if scope in principal.scopes]
        names = of_userinfo(scopes, authorization.claims)
        document = {**released(user.profile, names), "sub": principal.subject}
        if client.userinfo_signed_response_alg is None:
            return json_response(200, document)
        key = self._keys.signing_key(client.userinfo_signed_response_alg)
        signed = encode(
            key, "JWT", {**document, "iss": self._config.issuer, "aud": client.client_id}
        )
        return Response(200, (("content-type", "application/jwt"), *NO_STORE), signed.encode())


def _refused(reason: str) -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail=reason)
