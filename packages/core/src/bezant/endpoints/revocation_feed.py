"""The revocation feed as an endpoint: ETag, and an answer that waits for news."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from typing import Final

from bezant.config import ServerConfig
from bezant.errors import InvalidRequest, StoreUnavailable
from bezant.http import Form, Request, Response, parse_form
from bezant.keyring import KeyRing
from bezant.revocation import Revocations
from bezant.revocation_feed import RESIGNED, sign_feed
from bezant.runtime import Runtime

__all__ = ["RevocationFeedEndpoint"]

MAX_WAIT: Final = 5
"""Seconds that an answer waits for news at most: so long may a server take that is told to stop."""

MAX_WAITING: Final = 1000
"""Requests of one process that wait; the others are answered at once."""


class RevocationFeedEndpoint:
    """All revocations, to anybody (see `bezant.revocation_feed`).

    ``?wait=3`` holds the answer up to so many seconds while there is nothing newer than what
    ``If-None-Match`` names. Without an event loop the answer always comes at once: waiting would
    hold a thread.

    Args:
        config: The issuer.
        keys: What signs.
        revocations: Read from the store when due, by one of the requests that wait.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        config: ServerConfig,
        keys: KeyRing,
        revocations: Revocations,
        clock: Callable[[], float],
    ) -> None:
        self._config = config
        self._keys = keys
        self._revocations = revocations
        self._clock = clock
        self._waiting = 0
        self._made: tuple[object, str, bytes] | None = None

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer with the feed, or 304."""
        known = _etags(request)
        deadline = now + (_wait(request) if self._waiting < MAX_WAITING else 0)
        self._waiting += 1
        try:
            while True:
                etag, feed = await self._current(runtime)
                left = deadline - self._clock()
                if etag not in known or left <= 0 or runtime.sleep is None:
                    break
                await runtime.sleep(min(left, self._config.revocation_refresh or 0.1))
        finally:
            self._waiting -= 1
        headers = (("etag", etag), ("cache-control", "no-cache"))
        if etag in known:
            return Response(304, headers, b"")
        return Response(200, (("content-type", "application/jwt"), *headers), feed)

    async def _current(self, runtime: Runtime) -> tuple[str, bytes]:
        revocations = self._revocations
        if revocations.due:
            await revocations.read(runtime)
        now = self._clock()
        # Of many requests one reads, and the others must not vouch for what it may not get.
        if now - revocations.read_at > 2 * self._config.revocation_refresh + 1:
            raise StoreUnavailable("revocations were not read in time")
        key = self._keys.signing_key()
        state = (revocations.view.version, int(now) // RESIGNED, key.kid)
        if self._made is None or self._made[0] != state:
            feed = sign_feed(revocations.view, self._config.issuer, key, now).encode()
            # The signature differs each time; what it covers is the same on every node.
            covered = feed.rpartition(b".")[0]
            self._made = state, f'"{sha256(covered).hexdigest()[:32]}"', feed
        return self._made[1:]


def _etags(request: Request) -> set[str]:
    """RFC 9110 section 13.1.2, compared weakly."""
    values = ",".join(request.header("if-none-match")).split(",")
    return {value.strip().removeprefix("W/") for value in values}


def _wait(request: Request) -> int:
    text = Form(parse_form(request.query.encode("latin-1"))).get("wait", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 3):
        raise InvalidRequest("wait is a number of seconds")
    return min(int(text), MAX_WAIT)
