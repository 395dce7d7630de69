"""From the text of an access token to a principal, or a refusal."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from hashlib import sha256
from typing import Final, Protocol

from bezant.errors import InvalidToken
from bezant.keys import Key, KeySource
from bezant.principal import Principal
from bezant.revocation import RevocationView
from bezant.runtime import Runtime
from bezant.signing import ACCESS_TOKEN_TYPE, Profile, decode

__all__ = ["TokenVerifier", "Verifier"]

REQUIRED: Final = ("sub", "client_id", "iat", "jti")
"""What RFC 9068 section 2.2 demands beside iss, aud and exp."""


class Source(Protocol):
    """Something that is read again from time to time: a key ring, revocations."""

    @property
    def due(self) -> bool: ...
    async def refresh(self, runtime: Runtime, /) -> None: ...


class Verifier(ABC):
    """What tells good access tokens from bad ones, and whose they are.

    Several threads and event loops use one verifier at a time.
    """

    issuers: tuple[str, ...]
    """The issuers whose tokens are taken."""
    clock: Callable[[], float]
    """Seconds since the epoch."""

    @abstractmethod
    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Verify an access token.

        Args:
            token: As it stands in the header.
            runtime: How to wait and how to call stores.

        Raises:
            InvalidToken: The token is not good.
            StoreUnavailable: What must be known to trust a token cannot be read.
        """

    def start(self) -> None:  # noqa: B027 (most have nothing to start)
        """Begin what runs in the background, without waiting for it. Adapters call this when an
        application starts; otherwise the first token does it. It may be called several times.
        """

    def close(self) -> None:  # noqa: B027
        """End what runs in the background. The verifier may be started again."""


class TokenVerifier(Verifier):
    """Verifies access tokens (RFC 9068 section 4) and remembers those it has verified.

    Args:
        issuer: The only ``iss`` taken.
        audience: This resource server's name, or several; ``aud`` must hold one of them.
        keys: The issuer's keys.
        revocations: What has been revoked; None means that nothing can be, until it expires.
        sources: What ``keys`` and ``revocations`` are fed from; each is refreshed when it says that
            it is due.
        leeway: Seconds that the clocks may differ, 0 to 60.
        max_token_size: Bytes.
        cache_size: Verified tokens that are remembered, so that their signatures are not checked
            again; 0 for none.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: No issuer, no audience, or leeway out of range.
    """

    def __init__(
        self,
        *,
        issuer: str,
        audience: str | Iterable[str],
        keys: KeySource,
        revocations: RevocationView | None = None,
        sources: Iterable[Source] = (),
        leeway: float = 10.0,
        max_token_size: int = 16384,
        cache_size: int = 10_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.profile: Profile = Profile(
            typ=ACCESS_TOKEN_TYPE,
            issuer=issuer,
            audience=frozenset((audience,) if isinstance(audience, str) else audience),
            required=REQUIRED,
            leeway=leeway,
            max_size=max_token_size,
        )
        self.issuers = (issuer,)
        self.clock = clock
        self._keys = keys
        self._revocations = revocations
        self._sources = tuple(sources)
        self._cache = _Cache(cache_size) if cache_size > 0 else None

    @classmethod
    def of_issuer(
        cls,
        issuer: str,
        *,
        keys: KeySource,
        revocations: RevocationView,
        sources: Iterable[Source],
        max_token_size: int,
        clock: Callable[[], float],
    ) -> TokenVerifier:
        """For an issuer that looks at its own tokens, whatever their audience. Never for protecting
        a resource.
        """
        self = cls(
            issuer=issuer,
            audience=issuer,
            keys=keys,
            revocations=revocations,
            sources=sources,
            max_token_size=max_token_size,
            clock=clock,
        )
        self.profile = replace(self.profile, audience=None)
        return self

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Like `verify`, after a look for new keys and revocations when one is due.

        Raises:
            InvalidToken: The token is not good.
            StoreUnavailable: What must be known to trust a token cannot be read.
        """
        for source in self._sources:
            if source.due:
                await source.refresh(runtime)
        return self.verify(token)

    def verify(self, token: str) -> Principal:
        """Verify an access token with what is in memory.

        Raises:
            InvalidToken: It is malformed, forged, expired, revoked, or not meant for this resource
                server.
        """
        now = self.clock()
        if self._cache is None:
            principal, _ = self._verify(token, now)
        else:
            principal = self._recall(self._cache, token, now)
        if self._revocations is not None and self._revocations.revokes(principal):
            raise InvalidToken("the access token has been revoked", detail="revoked")
        return principal

    def _recall(self, cache: _Cache, token: str, now: float) -> Principal:
        """Verify, unless this token was verified before and neither it nor its key has died."""
        # Keyed by digest: the cache holds no token that a memory dump could give away.
        name = sha256(token[: self.profile.max_size + 1].encode("utf-8", "surrogatepass")).digest()
        entry = cache.get(name)
        if (
            entry is None
            or now >= entry[0].expires_at + self.profile.leeway
            or not self._keys.holds(entry[1])
        ):
            entry = self._verify(token, now)
            cache.put(name, entry)
        return entry[0]

    def _verify(self, token: str, now: float) -> _Entry:
        claims, key = decode(token, self.profile, self._keys, now)
        return Principal.from_claims(claims), key


_Entry = tuple[Principal, Key]


class _Cache:
    """A bounded memory of recently used entries, as two generations: no lock, no bookkeeping on a
    hit.

    New and used entries are in the young one. When that is full the old one is dropped and the
    young one becomes old.
    """

    def __init__(self, size: int) -> None:
        self._half = (size + 1) // 2
        self._young: dict[bytes, _Entry] = {}
        self._old: dict[bytes, _Entry] = {}

    def get(self, name: bytes) -> _Entry | None:
        entry = self._young.get(name)
        if entry is None:
            entry = self._old.get(name)
            if entry is not None:
                self.put(name, entry)
        return entry

    def put(self, name: bytes, entry: _Entry) -> None:
        if len(self._young) >= self._half:
            self._old, self._young = self._young, {}
        self._young[name] = entry
