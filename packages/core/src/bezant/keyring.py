"""The issuer's own keys: next, active, retiring, gone.

A state is never stored. It follows from three times, so that all processes agree without talking:

- a new key is *next* until everybody who caches the JWK Set has seen it
- then it is *active*: it signs
- when a later key becomes active it is *retiring*: it still verifies, until the last token it
  signed has expired
- then it is *gone*; also at once when it is retired by hand
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from bezant.config import ServerConfig
from bezant.errors import BezantError, ConfigurationError, KeyUnavailable
from bezant.events import Events, KeyRetired, KeyRotated
from bezant.keys import Key, KeySet
from bezant.runtime import Runtime
from bezant.secret_key import SecretKeyRing
from bezant.stores import KeyStore, StoredKey
from bezant.verification import Source

__all__ = ["KeyInfo", "KeyRing", "KeyState"]

logger: logging.Logger = logging.getLogger(__name__)

LOOK_AGAIN: Final = 1.0
"""Seconds between looks for the keys of tokens that name unknown ones."""

KeyState: TypeAlias = Literal["next", "active", "retiring", "gone"]


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """A key for people: what it is and where it stands. Times are seconds since the epoch."""

    kid: str
    algorithm: str
    state: KeyState
    created_at: float
    activates_at: float
    gone_at: float | None


class KeyRing(Source):
    """Keys in a store, opened with the secret key ring and kept in memory.

    `refresh` must run before the first use and from time to time; the server's flows see to it.

    Args:
        store: Where the sealed keys are.
        secret_keys: What opens them.
        config: ``algorithm``, ``jwks_max_age``, ``key_refresh`` and the lifetimes matter here.
        events: Told of rotation and retirement.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: KeyStore,
        secret_keys: SecretKeyRing,
        config: ServerConfig,
        events: Events,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.store: KeyStore = store
        self.algorithms: tuple[str, ...] = (config.algorithm,)
        """What is signed with; the first is that of access tokens."""
        self._secret_keys = secret_keys
        self._config = config
        self._events = events
        self._clock = clock
        self._held: Sequence[tuple[StoredKey, Key]] = ()
        self._live: dict[str, Key] = {}
        self._ensured = False
        self._due = 0.0
        self._looked = 0.0

    # Keys in use

    def signing_key(self, algorithm: str | None = None) -> Key:
        """The active key of an algorithm, the configured one by default.

        Raises:
            KeyUnavailable: There is none.
        """
        wanted = algorithm or self._config.algorithm
        now = self._clock()
        for stored, key in reversed(self._held):
            if (
                stored.algorithm == wanted
                and stored.retired_at is None
                and stored.activates_at <= now
            ):
                return key
        raise KeyUnavailable(f"there is no active {wanted} key; `KeyRing.ensure` makes one")

    def find(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The key that a token with this header must be signed with (`bezant.keys.KeySource`)."""
        if kid is None:
            return None
        key = self._live.get(kid)
        return key if key is not None and key.algorithm == algorithm else None

    def holds(self, key: Key, /) -> bool:
        """Whether ``key`` may still verify (`bezant.keys.KeySource`)."""
        return self._live.get(key.kid) is key

    async def look_again(self, runtime: Runtime, /) -> bool:
        """Read the store for a token whose key is unknown, once a second at most
        (`bezant.keys.KeySource`): another process may have made the key just now.
        """
        if self._clock() < self._looked + LOOK_AGAIN:
            return False
        await self.refresh(runtime)
        return True

    def published(self) -> KeySet:
        """All keys that others may meet, the next ones included.

        Raises:
            KeyUnavailable: There is none.
        """
        if not self._live:
            raise KeyUnavailable("there are no keys yet; `KeyRing.ensure` makes one")
        return KeySet(self._live.values())

    def describe(self) -> list[KeyInfo]:
        """All stored keys with their states, oldest first."""
        now = self._clock()
        return [
            KeyInfo(
                kid=stored.kid,
                algorithm=stored.algorithm,
                state=self._state(stored, now),
                created_at=stored.created_at,
                activates_at=stored.activates_at,
                gone_at=self._gone_at(stored),
            )
            for stored, _ in self._held
        ]

    def _described(self, kid: str) -> KeyInfo:
        """One key; the newest when it has been forgotten already, or could not be read."""
        infos = self.describe()
        return next((info for info in infos if info.kid == kid), infos[-1])

    # Agreement with other processes

    @property
    def due(self) -> bool:
        """Whether it is time to look into the store again. Until there are keys it always is."""
        return not self._live or self._clock() >= self._due

    async def refresh(self, runtime: Runtime) -> None:
        """Read the store; a failure keeps the keys that are in memory.

        Raises:
            StoreUnavailable: The store cannot answer and no key was ever read.
            KeyUnavailable: A key was sealed with a secret that is not in the ring.
        """
        now = self._looked = self._clock()
        self._due = now + self._config.key_refresh
        try:
            stored = sorted(await runtime.call(self.store.load), key=lambda key: key.sequence)
        except BezantError as error:
            if not self._live:
                self._due = 0.0
                raise
            logger.warning("keys cannot be read; going on with those in memory: %s", error)
            return
        known = {held.kid: key for held, key in self._held}
        # One assignment: another thread may be choosing the key that signs.
        self._held = [(key, known.get(key.kid) or self._open(key)) for key in stored]
        self._live = {
            stored.kid: key for stored, key in self._held if self._state(stored, now) != "gone"
        }

    async def ready(self, runtime: Runtime) -> None:
        """See to it that there is something to sign with; costs nothing when all is well.

        That keys could be read is not enough: a verifier may have read them before there was one of
        each algorithm, and another thread may be making the last one.
        """
        if self.due or not self._ensured:
            await self.ensure(runtime)

    async def ensure(self, runtime: Runtime) -> None:
        """Make a first key of each algorithm that is signed with, where none is active."""
        await self.refresh(runtime)
        for algorithm in self.algorithms:
            while not self._signs(algorithm):
                # On what was just looked at: what others add meanwhile is then found in the way.
                await self._add(runtime, immediately=True, algorithm=algorithm)
        self._ensured = True

    def _signs(self, algorithm: str) -> bool:
        try:
            self.signing_key(algorithm)
        except KeyUnavailable:
            return False
        return True

    async def rotate(
        self, runtime: Runtime, *, immediately: bool = False, algorithm: str | None = None
    ) -> KeyInfo:
        """Add a key that will sign once everybody can have seen it.

        When another process adds one of the same algorithm at the same moment, that one is returned
        and none is made.

        Args:
            runtime: How to call the store.
            immediately: Sign with it at once; verifiers that cached the old set refuse its tokens
                until they look again.
            algorithm: Another one than configured.

        Raises:
            ConfigurationError: The algorithm is not supported.
        """
        await self.refresh(runtime)
        return await self._add(runtime, immediately=immediately, algorithm=algorithm)

    async def _add(self, runtime: Runtime, *, immediately: bool, algorithm: str | None) -> KeyInfo:
        now = self._clock()
        key = Key.generate(algorithm or self._config.algorithm)
        live = self._live.values()
        if live and key.symmetric != all(other.symmetric for other in live):
            raise ConfigurationError(
                "algorithm",
                "HS256 and asymmetric keys cannot be in one ring; "
                "retire the keys of the other kind first",
            )
        stored = StoredKey(
            kid=key.kid,
            algorithm=key.algorithm,
            sequence=max((other.sequence for other, _ in self._held), default=0) + 1,
            sealed=self._secret_keys.seal(key.private_jwk(), context=_context(key.kid)),
            created_at=now,
            activates_at=now
            if immediately
            else now + self._config.jwks_max_age + self._config.key_refresh,
        )
        while not await runtime.call(self.store.add, stored):
            await self.refresh(runtime)
            others = [other for other, _ in self._held if other.sequence >= stored.sequence]
            same = [other.kid for other in others if other.algorithm == stored.algorithm]
            if same:
                return self._described(same[0])
            sequence = max([stored.sequence, *(other.sequence for other in others)]) + 1
            stored = replace(stored, sequence=sequence)
        self._events.emit(
            KeyRotated(
                at=now, kid=key.kid, algorithm=key.algorithm, activates_at=stored.activates_at
            )
        )
        await self.refresh(runtime)
        return self._described(stored.kid)

    async def retire(self, runtime: Runtime, kid: str) -> bool:
        """Withdraw a key at once: its tokens are refused. The one that signs is replaced first.

        Returns:
            False when there is no such key, or it was withdrawn before.
        """
        await self.refresh(runtime)
        info = next((info for info in self.describe() if info.kid == kid), None)
        if info is None:
            return False
        if info.state == "active" and info.algorithm in self.algorithms:
            # Again, when another process has just added one that does not sign yet.
            while self.signing_key(info.algorithm).kid == kid:
                await self.rotate(runtime, immediately=True, algorithm=info.algorithm)
        now = self._clock()
        if retired := await runtime.call(self.store.retire, kid, now):
            self._events.emit(KeyRetired(at=now, kid=kid))
        await self.refresh(runtime)
        return retired

    async def prune(self, runtime: Runtime) -> int:
        """Forget the keys that are gone. Returns how many."""
        await self.refresh(runtime)
        gone = [info.kid for info in self.describe() if info.state == "gone"]
        for kid in gone:
            await runtime.call(self.store.remove, kid)
        await self.refresh(runtime)
        return len(gone)

    # States

    def _gone_at(self, stored: StoredKey) -> float | None:
        if stored.retired_at is not None:
            return stored.retired_at
        successors = [
            other.activates_at
            for other, _ in self._held
            if other.algorithm == stored.algorithm
            and other.sequence > stored.sequence
            and (other.retired_at is None or other.retired_at >= other.activates_at)
        ]
        return min(successors) + self._config.key_retention if successors else None

    def _state(self, stored: StoredKey, now: float) -> KeyState:
        gone_at = self._gone_at(stored)
        if gone_at is not None and now >= gone_at:
            return "gone"
        if now < stored.activates_at:
            return "next"
        superseded = gone_at is not None and now >= gone_at - self._config.key_retention
        return "retiring" if superseded else "active"

    def _open(self, stored: StoredKey) -> Key:
        return Key.from_jwk(
            json.loads(self._secret_keys.open(stored.sealed, context=_context(stored.kid)))
        )


def _context(kid: str) -> str:
    return f"signing key {kid}"
