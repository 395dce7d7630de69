"""Which client sends a request: the one place where endpoints ask."""

from __future__ import annotations

from bezant.client_assertions import ClientAssertions
from bezant.clients import Client, authenticate_client, read_credentials
from bezant.errors import InvalidClient, OAuthError
from bezant.events import ClientAuthenticationFailed, Events
from bezant.http import Form, Request, printable
from bezant.runtime import Runtime
from bezant.stores import ClientStore

__all__ = ["ClientAuthentication"]

MAX_REMEMBERED = 1024


class ClientAuthentication:
    """Authenticates clients against a store, whose answers it remembers for a moment.

    A moment of a quarter of a second saves nearly every query of a busy client, and a change of a
    registration is still effective at once for people. Unknown ids are not remembered.

    Args:
        store: The registered clients.
        assertions: Checks what ``private_key_jwt`` sends.
        events: Told of failures.
        ttl: Seconds that a registration is remembered.
    """

    def __init__(
        self, store: ClientStore, assertions: ClientAssertions, events: Events, *, ttl: float
    ) -> None:
        self._store = store
        self._assertions = assertions
        self._events = events
        self._ttl = ttl
        self._remembered: dict[str, tuple[float, Client]] = {}

    async def __call__(self, request: Request, form: Form, now: float, runtime: Runtime) -> Client:
        """The client that a request proves to come from (RFC 6749 section 2.3).

        Raises:
            InvalidRequest: Two methods at once, or contradicting ids.
            InvalidClient: Anything that does not prove a client.
        """

        async def lookup(client_id: str) -> Client | None:
            return await self._find(client_id, now, runtime)

        async def check_assertion(client: Client, assertion: str) -> None:
            await self._assertions.check(client, assertion, now, runtime)

        try:
            return await authenticate_client(
                request, form, lookup, now, check_assertion=check_assertion
            )
        except InvalidClient as error:
            self._events.emit(
                ClientAuthenticationFailed(
                    at=now,
                    client_id=_claimed(request, form),
                    address=request.address,
                    reason=error.detail or error.description,
                )
            )
            raise

    async def _find(self, client_id: str, now: float, runtime: Runtime) -> Client | None:
        until, client = self._remembered.get(client_id, (0.0, None))
        if client is not None and until - self._ttl <= now < until:
            return client
        client = await runtime.call(self._store.get, client_id)
        if client is not None and self._ttl > 0:
            if len(self._remembered) >= MAX_REMEMBERED:
                self._remembered.clear()
            self._remembered[client_id] = (now + self._ttl, client)
        return client


def _claimed(request: Request, form: Form) -> str:
    """The client that a failed request names, for the event."""
    try:
        return printable(read_credentials(request, form)[0])
    except OAuthError:
        return ""
