"""Revoked access tokens, known to every verifier without a call per request.

The store holds a few short-lived entries. A `RevocationView` keeps them in memory and reads what is
new when a request comes by and the last look is too long ago, so a revocation reaches each process
within `revocation_refresh` seconds plus one read.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from typing import Final

from bezant.config import ServerConfig
from bezant.encoding import b64url_encode
from bezant.errors import StoreUnavailable
from bezant.principal import Principal
from bezant.runtime import Runtime
from bezant.stores import Revocation, RevocationKind, RevocationStore
from bezant.verification import Source

__all__ = ["RevocationView", "Revocations"]

logger: logging.Logger = logging.getLogger(__name__)

OVERLAP: Final = 10.0
"""Seconds read again each time: an entry may become visible later than the moment it was recorded
at."""


@lru_cache(maxsize=4096)  # subjects and clients stand in many tokens
def digest(kind: RevocationKind, value: str) -> str:
    """What an entry goes by: of use only to whoever knows its value."""
    return b64url_encode(sha256(f"{kind}:{value}".encode()).digest()[:15]).decode()


class RevocationView:
    """What is revoked, in memory. Reading it costs a few dictionary look-ups, none when nothing is
    revoked.
    """

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, float]] = {}
        self.version: int = 0
        """Another number after each change."""

    def put(self, revocation: Revocation) -> None:
        """Take in an entry; an earlier one for the same tokens never weakens a later one."""
        name = digest(revocation.kind, revocation.value)
        self.merge(name, revocation.issued_before, revocation.expires_at)

    def merge(self, name: str, issued_before: float, expires_at: float) -> None:
        """Take in an entry by its digest."""
        before, expires = old = self._until.get(name, (0.0, 0.0))
        new = (max(before, issued_before), max(expires, expires_at))
        if new != old:
            self._until[name] = new
            self.version += 1

    def prune(self, now: float) -> None:
        """Drop entries that can match no living token."""
        expired = [name for name, (_, expires) in self._until.items() if expires <= now]
        for name in expired:
            self._until.pop(name, None)
            self.version += 1

    def entries(self) -> list[tuple[str, tuple[float, float]]]:
        """All entries: each digest with the moment up to which tokens are revoked, and with the one
        at which the entry ends.
        """
        return list(self._until.items())

    def revokes(self, principal: Principal) -> bool:
        """Whether a token with these claims has been revoked."""
        if not self._until:
            return False
        issued_at = principal.claims.get("iat", 0)
        names: tuple[tuple[RevocationKind, str | None], ...] = (
            ("token", principal.token_id),
            ("authorization", principal.session_id),
            ("subject", principal.subject),
            ("client", principal.client_id),
        )
        return any(
            value is not None
            and (entry := self._until.get(digest(kind, value))) is not None
            and issued_at <= entry[0]
            for kind, value in names
        )

    def first_second_after(self, subject: str, client_id: str) -> int:
        """The first whole second in which a token of theirs is not revoked; 0 without an entry.

        ``iat`` has no fractions: a token of the second in which everything was revoked could not
        be told from those that were.
        """
        names = digest("subject", subject), digest("client", client_id)
        return max(
            (int(self._until[name][0]) + 1 for name in names if name in self._until), default=0
        )

    def last_end(self, subject: str, client_id: str) -> float:
        """When everything of theirs was revoked last, in seconds since the epoch; 0 without an
        entry.
        """
        names = digest("subject", subject), digest("client", client_id)
        return max((self._until[name][0] for name in names if name in self._until), default=0.0)

    def __len__(self) -> int:
        return len(self._until)


class Revocations(Source):
    """The store of revocations with its view, for one process.

    Args:
        store: Where all processes meet.
        config: ``revocation_refresh``, ``revocation_max_stale`` and the longest token life matter
            here.
        clock: Seconds since the epoch.
    """

    def __init__(
        self, store: RevocationStore, config: ServerConfig, clock: Callable[[], float] = time.time
    ) -> None:
        self.store: RevocationStore = store
        self.view: RevocationView = RevocationView()
        self._config = config
        self._clock = clock
        self._due = 0.0
        self._last_read: float | None = None

    async def revoke(self, runtime: Runtime, kind: RevocationKind, value: str) -> None:
        """Refuse, from now on, the access tokens issued until now to a token id, authorization,
        subject or client.

        Raises:
            StoreUnavailable: It could not be recorded.
        """
        now = self._clock()
        # What is issued right after a revocation is dated to the second that follows it. Nothing is
        # issued again under the name of a token or of an authorization: those entries reach so far.
        end = now + 1 if kind in {"token", "authorization"} else now
        life = self._config.max_access_token_ttl + self._config.leeway
        revocation = Revocation(
            kind, value, issued_before=end, expires_at=end + life, recorded_at=now
        )
        await runtime.call(self.store.add, revocation)
        self.view.put(revocation)

    @property
    def due(self) -> bool:
        """Whether it is time to look into the store again. Until the first look it always is."""
        return self._last_read is None or self._clock() >= self._due

    async def refresh(self, runtime: Runtime) -> None:
        """Read what is new, or go on for a while with what is known.

        Raises:
            StoreUnavailable: Nothing could be read for longer than ``revocation_max_stale``
                seconds.
        """
        try:
            await self.read(runtime)
        except StoreUnavailable as error:
            now = self._clock()
            if self._last_read is None or now - self._last_read > self._config.revocation_max_stale:
                raise StoreUnavailable(
                    "revocations cannot be read, so no token can be trusted"
                ) from error
            logger.warning(
                "revocations cannot be read; going on with those of %.0f s ago",
                now - self._last_read,
            )

    async def read(self, runtime: Runtime) -> None:
        """Read what is new.

        Raises:
            StoreUnavailable: It cannot be read now.
        """
        now = self._clock()
        # Set before the read: of many requests at this moment one reads, and the others go on with
        # what is known.
        self._due = now + self._config.revocation_refresh
        since = 0.0 if self._last_read is None else self._last_read - OVERLAP
        try:
            fresh = await runtime.call(self.store.since, since, now)
        except StoreUnavailable:
            self._due = now
            raise
        self._last_read = now
        for revocation in fresh:
            self.view.put(revocation)
        self.view.prune(now)

    @property
    def read_at(self) -> float:
        """When the store was read last, in seconds since the epoch; 0 before the first time."""
        return self._last_read or 0.0
