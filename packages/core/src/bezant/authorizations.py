"""Authorizations: opened at login, renewed generation by generation, ended with everything they
gave.

One row per authorization, not per token (RFC 9700 section 4.14).
"""

from __future__ import annotations

from typing import Final

from bezant.clients import Client
from bezant.config import ServerConfig
from bezant.errors import InvalidGrant
from bezant.events import AuthorizationRevoked, Events, RefreshReuseDetected, TokenRefreshed
from bezant.refresh_tokens import RefreshTokens, new_authorization_id
from bezant.revocation import Revocations
from bezant.runtime import Runtime
from bezant.stores import Authorization, AuthorizationStore, Outcome
from bezant.users import User

__all__ = ["OFFLINE_ACCESS", "Authorizations"]

OFFLINE_ACCESS: Final = "offline_access"
"""The scope whose authorizations outlive the sign-in that they were given in."""


class Authorizations:
    """The life of authorizations.

    Args:
        store: Where they are.
        tokens: Makes and reads refresh tokens.
        revocations: Ends the access tokens of an authorization that ends.
        config: Lifetimes and the retry window.
        events: Told of refreshes, reuse and revocations.
    """

    def __init__(
        self,
        store: AuthorizationStore,
        tokens: RefreshTokens,
        revocations: Revocations,
        config: ServerConfig,
        events: Events,
    ) -> None:
        self.store: AuthorizationStore = store
        self.tokens: RefreshTokens = tokens
        self._revocations = revocations
        self._config = config
        self._events = events

    async def open(
        self,
        client: Client,
        user: User,
        scopes: tuple[str, ...],
        audience: tuple[str, ...],
        *,
        now: float,
        address: str,
        runtime: Runtime,
        authorization_id: str | None = None,
        auth_time: float | None = None,
        session_id: str | None = None,
        claims: str = "",
    ) -> Authorization:
        """Record what a resource owner gives a client.

        Args:
            client: Whom.
            user: Who.
            scopes: What.
            audience: Where it is good.
            now: Seconds since the epoch.
            address: Where from.
            runtime: How to call stores.
            authorization_id: A name that it was given before.
            auth_time: When the resource owner signed in; by default just now.
            session_id: The sign-in in a browser that it is given in.
            claims: The ``claims`` parameter, as JSON.
        """
        refreshable = "refresh_token" in client.grants
        life = self._config.refresh_token_ttl if refreshable else self._config.max_access_token_ttl
        authorization = Authorization(
            id=authorization_id or new_authorization_id(),
            client_id=client.client_id,
            subject=user.subject,
            scopes=scopes,
            audience=audience,
            auth_time=now if auth_time is None else auth_time,
            created_at=now,
            expires_at=now + life,
            idle_expires_at=now + min(life, self._config.refresh_idle_ttl),
            rotated_at=now,
            address=address,
            session_id=session_id,
            claims=claims,
        )
        # What was revoked a moment ago elsewhere must not be taken for what is given now.
        await self._revocations.refresh(runtime)
        await runtime.call(self.store.add, authorization)
        return authorization

    async def find(self, client: Client, token: str, runtime: Runtime) -> Authorization:
        """The authorization behind a refresh token of this client; nothing is spent.

        Raises:
            InvalidGrant: The token is not ours, or another client's.
        """
        authorization_id, _ = self.tokens.read(token)
        authorization = await runtime.call(self.store.get, authorization_id)
        if authorization is None or authorization.client_id != client.client_id:
            raise InvalidGrant(
                "the refresh token is not valid", detail="unknown, or another client's"
            )
        return authorization

    async def refresh(
        self, client: Client, token: str, *, now: float, address: str, runtime: Runtime
    ) -> tuple[Authorization, User | None]:
        """Spend a refresh token: one compare-and-set in the store decides (RFC 6749 section 6).

        Returns:
            The authorization at the generation whose refresh token is to be handed out, and its
            resource owner as of now, when the store has told; else None.

        Raises:
            InvalidGrant: Forged, another client's, expired, revoked, or spent; when spent, the
                authorization and all that it gave has been revoked.
        """
        authorization_id, generation = self.tokens.read(token)
        window = client.refresh_retry_window
        rotation = await runtime.call(
            self.store.rotate,
            authorization_id,
            client.client_id,
            generation,
            now,
            now + self._config.refresh_idle_ttl,
            self._config.refresh_retry_window if window is None else window,
        )
        authorization, outcome = rotation.authorization, rotation.outcome
        if authorization is None:
            raise InvalidGrant(
                "the refresh token is not valid", detail="unknown, or another client's"
            )
        if outcome is Outcome.REUSED:
            self._events.emit(
                RefreshReuseDetected(
                    at=now,
                    client_id=client.client_id,
                    subject=authorization.subject,
                    authorization_id=authorization.id,
                    generation=generation,
                    address=address,
                )
            )
            await self._end_access_tokens(authorization, runtime)
            raise InvalidGrant(
                "the refresh token was used before; "
                "all tokens of this sign-in are revoked, sign in again"
            )
        if outcome in {Outcome.ROTATED, Outcome.RETRIED}:
            self._events.emit(
                TokenRefreshed(
                    at=now,
                    client_id=client.client_id,
                    subject=authorization.subject,
                    authorization_id=authorization.id,
                    generation=authorization.generation,
                    retried=outcome is Outcome.RETRIED,
                )
            )
            return authorization, rotation.user
        if outcome is Outcome.REVOKED and now < self._tokens_end(authorization):
            # Whoever revoked it may have failed before its access tokens were ended too.
            await self._end_access_tokens(authorization, runtime)
        raise InvalidGrant(f"the refresh token is {outcome.value}; sign in again")

    async def revoke(self, authorization_id: str, *, now: float, runtime: Runtime) -> bool:
        """End an authorization and the access tokens it gave. Returns False when it had ended
        before.
        """
        # In this order: should the second step fail, all of it can be asked for again.
        await self._revocations.revoke(runtime, "authorization", authorization_id)
        authorization = await runtime.call(self.store.revoke, authorization_id, now)
        if authorization is None:
            return False
        self._events.emit(
            AuthorizationRevoked(
                at=now,
                client_id=authorization.client_id,
                subject=authorization.subject,
                authorization_id=authorization.id,
            )
        )
        return True

    async def revoke_for_subject(self, subject: str, *, now: float, runtime: Runtime) -> int:
        """End everything of a resource owner, access tokens included. Returns how many
        authorizations were live.
        """
        # In this order: who opens an authorization, and then looks for what was revoked, finds this
        # or is found by it.
        await self._revocations.revoke(runtime, "subject", subject)
        return await runtime.call(self.store.revoke_for_subject, subject, now)

    async def revoke_for_client(self, client_id: str, *, now: float, runtime: Runtime) -> int:
        """End everything of a client, access tokens included. Returns how many authorizations were
        live.
        """
        await self._revocations.revoke(runtime, "client", client_id)
        return await runtime.call(self.store.revoke_for_client, client_id, now)

    async def clients_of_session(self, session_id: str, runtime: Runtime) -> tuple[str, ...]:
        """The clients that something was given to in a sign-in."""
        given = await runtime.call(self.store.list_for_session, session_id)
        return tuple(dict.fromkeys(authorization.client_id for authorization in given))

    async def revoke_for_session(self, session_id: str, *, now: float, runtime: Runtime) -> int:
        """End what was given in a sign-in, but what was given for longer (``offline_access``,
        OpenID Connect Core section 11). Returns how many authorizations were live.
        """
        given = await runtime.call(self.store.list_for_session, session_id)
        ended = 0
        for authorization in given:
            if OFFLINE_ACCESS not in authorization.scopes:
                ended += await self.revoke(authorization.id, now=now, runtime=runtime)
        return ended

    async def _end_access_tokens(self, authorization: Authorization, runtime: Runtime) -> None:
        await self._revocations.revoke(runtime, "authorization", authorization.id)

    def _tokens_end(self, authorization: Authorization) -> float:
        """When the last access token of a revoked authorization has expired."""
        revoked_at = authorization.revoked_at or 0.0
        return revoked_at + self._config.max_access_token_ttl + self._config.leeway
