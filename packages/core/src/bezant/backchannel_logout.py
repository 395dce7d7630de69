"""Telling clients that a sign-in has ended (OpenID Connect Back-Channel Logout 1.0).

Who is to be told stands in a store before anybody is: a process that dies loses no notice, and a
client that is away is told later.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from secrets import token_bytes
from typing import Any, Final
from urllib.parse import urlencode

from bezant.clients import Client
from bezant.config import ServerConfig
from bezant.encoding import b64url_encode
from bezant.errors import BezantError
from bezant.events import Events, LogoutNoticeFailed
from bezant.fetch import Fetch, FetchError
from bezant.http import FORM_TYPE
from bezant.keyring import KeyRing
from bezant.runtime import Runtime
from bezant.signing import encode
from bezant.stores import ClientStore, LogoutNotice, LogoutStore

__all__ = ["EVENT", "LOGOUT_TOKEN_TYPE", "BackchannelLogout", "logout_claims"]

logger: logging.Logger = logging.getLogger(__name__)

EVENT: Final = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_TOKEN_TYPE: Final = "logout+jwt"
"""``typ`` of logout tokens (section 2.4)."""

TTL: Final = 120
"""Seconds that a logout token lives."""

LEASE: Final = 60.0
"""Seconds that one sender has for the notices that it took."""

AT_ONCE: Final = 10
"""Notices that one round takes: with a client that is slow behind each of them, it still ends well
before the lease."""

TIMEOUT: Final = 3.0
"""Seconds that a client has to answer."""

WAITS: Final = (5.0, 30.0, 120.0, 600.0, 3600.0, 14400.0)
"""Seconds until the next try, after the first, the second ...; then it is given up."""


class BackchannelLogout:
    """Queues notices, and delivers them.

    Args:
        store: The queue.
        clients: Where they are told.
        config: The issuer.
        keys: What signs.
        fetch: Sends requests.
        events: Told of clients that are given up.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: LogoutStore,
        clients: ClientStore,
        config: ServerConfig,
        keys: KeyRing,
        fetch: Fetch,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._clients = clients
        self._config = config
        self._keys = keys
        self._fetch = fetch
        self._events = events
        self._clock = clock

    async def queue(
        self, client_ids: Iterable[str], subject: str, session_id: str, runtime: Runtime
    ) -> tuple[str, ...]:
        """Queue a notice for each client that wants one. Returns which those are."""
        now, notices = self._clock(), []
        for client_id in dict.fromkeys(client_ids):
            client = await runtime.call(self._clients.get, client_id)
            if client is not None and client.backchannel_logout_uri is not None:
                name = b64url_encode(token_bytes(16)).decode()
                notices.append(
                    LogoutNotice(name, client_id, subject, session_id, created_at=now, due_at=now)
                )
        if notices:
            await runtime.call(self._store.add, notices)
        return tuple(notice.client_id for notice in notices)

    async def deliver(self, runtime: Runtime) -> int:
        """One round: try what is due. Returns how many notices there were; call again soon when
        there were any.
        """
        await self._keys.ready(runtime)  # no endpoint need have been asked in this process
        now = self._clock()
        until = now + LEASE
        notices = await runtime.call(self._store.claim, now, until, AT_ONCE)
        for notice in notices:
            if self._clock() + TIMEOUT >= until:
                break  # somebody else may take the rest any moment
            try:
                await self._try(notice, runtime)
            except BezantError as error:  # of the queue; the others need not wait for it
                logger.warning("a logout notice is tried again when its lease ends: %s", error)
        return len(notices)

    async def _try(self, notice: LogoutNotice, runtime: Runtime) -> None:
        try:
            settled = await self._is_settled(notice, runtime)
        except BezantError as error:  # it cannot be read, or there is nothing to sign with
            logger.warning("client %s was not told of a logout: %s", notice.client_id, error)
            settled = False
        if settled:
            await runtime.call(self._store.done, notice.id)
        else:
            await self._later(notice, runtime)

    async def _is_settled(self, notice: LogoutNotice, runtime: Runtime) -> bool:
        """Whether the client was told, or no longer wants to be."""
        client = await runtime.call(self._clients.get, notice.client_id)
        if client is None or not client.active or client.backchannel_logout_uri is None:
            return True
        return await self._send(client, client.backchannel_logout_uri, notice, runtime)

    async def _send(self, client: Client, url: str, notice: LogoutNotice, runtime: Runtime) -> bool:
        body = urlencode({"logout_token": self.logout_token(client, notice)}).encode()
        try:
            answer = await runtime.call(
                self._fetch,
                "POST",
                url,
                headers=(("content-type", FORM_TYPE),),
                body=body,
                timeout=TIMEOUT,
            )
        except FetchError as error:
            reason = str(error)
        else:
            if answer.status in {200, 204}:
                return True
            reason = f"it answered {answer.status}"
        logger.warning("client %s was not told of a logout: %s", client.client_id, reason)
        return False

    async def _later(self, notice: LogoutNotice, runtime: Runtime) -> None:
        if notice.attempts > len(WAITS):
            await runtime.call(self._store.done, notice.id)
            self._events.emit(
                LogoutNoticeFailed(
                    at=self._clock(),
                    client_id=notice.client_id,
                    subject=notice.subject,
                    session_id=notice.session_id,
                    attempts=notice.attempts,
                )
            )
            return
        wait = WAITS[notice.attempts - 1]
        await runtime.call(self._store.retry, notice.id, self._clock() + wait)

    def logout_token(self, client: Client, notice: LogoutNotice) -> str:
        """A logout token.

        Raises:
            KeyUnavailable: There is nothing to sign with.
        """
        claims = logout_claims(
            self._config.issuer,
            client.client_id,
            notice.subject,
            notice.session_id,
            self._clock(),
            min(TTL, self._config.max_access_token_ttl),
        )
        key = self._keys.signing_key(client.id_token_signed_response_alg)
        return encode(key, LOGOUT_TOKEN_TYPE, claims)


def logout_claims(
    issuer: str, client_id: str, subject: str, session_id: str, now: float, ttl: int = TTL
) -> dict[str, Any]:
    """The claims of a logout token (section 2.4)."""
    return {
        "iss": issuer,
        "sub": subject,
        "aud": client_id,
        "iat": int(now),
        "exp": int(now) + ttl,
        "jti": b64url_encode(token_bytes(16)).decode(),
        "sid": session_id,
        "events": {EVENT: {}},
    }
