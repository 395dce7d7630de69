"""From the text of an access token to a principal, or a refusal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from bezant.errors import ConfigurationError, InvalidToken, StoreUnavailable, UnknownKey
from bezant.fetch import Fetch, HTTPFetch
from bezant.introspection_verifier import IntrospectionVerifier
from bezant.issuer_metadata import IssuerMetadata
from bezant.keys import Key, KeySource
from bezant.principal import Principal
from bezant.remote_issuer import RemoteIssuer, WhenStale
from bezant.revocation import RevocationView
from bezant.runtime import Runtime
from bezant.signing import ACCESS_TOKEN_TYPE, Profile, decode
from bezant.verification import Source, Verifier

__all__ = ["TokenVerifier"]

REQUIRED: Final = ("sub", "client_id", "iat", "jti")
"""What RFC 9068 section 2.2 demands beside iss, aud and exp."""

TAIL: Final = 43
"""Characters of the shortest signature, that of HS256."""


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
        otherwise: Asked instead while ``sources`` cannot say what must be known.
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
        otherwise: Verifier | None = None,
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
        self.issuers: tuple[str, ...] = (issuer,)
        self.clock: Callable[[], float] = clock
        self._keys = keys
        self._revocations = revocations
        self._sources = tuple(sources)
        self._otherwise = otherwise
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

    @classmethod
    def from_issuer(
        cls,
        issuer: str,
        *,
        audience: str | Iterable[str],
        revocation_bound: float | None = 5.0,
        when_stale: WhenStale = 60.0,
        client_id: str | None = None,
        client_secret: str | None = None,
        jwks_uri: str | None = None,
        keys_max_stale: float = 3600.0,
        cool_down: float = 10.0,
        timeout: float = 3.0,
        leeway: float = 10.0,
        max_token_size: int = 16384,
        cache_size: int = 10_000,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> TokenVerifier:
        """For tokens of an issuer somewhere else: its metadata tell where its keys and revocations
        are, and both are kept up to date in the background. Nothing is read before the first token
        or `start`.

        Args:
            issuer: Its URL, exactly as it stands in ``iss``.
            audience: This resource server's name, or several.
            revocation_bound: Seconds within which a revocation is known here; None for an issuer
                without a revocation feed, whose tokens live until they expire.
            when_stale: What happens while that cannot be kept: ``"refuse"`` (answer 503),
                ``"introspect"`` (ask about each token), or seconds for which tokens are accepted
                all the same, and then refused.
            client_id: For ``"introspect"``: what this resource server is registered as.
            client_secret: For ``"introspect"``.
            jwks_uri: Where the keys are, when that is not at the issuer's own origin.
            keys_max_stale: Seconds that keys are trusted when they cannot be read again.
            cool_down: Seconds between two looks for the keys of tokens that name unknown ones.
            timeout: Seconds for each request to the issuer.
            leeway: Seconds that the clocks may differ, 0 to 60.
            max_token_size: Bytes.
            cache_size: Verified tokens that are remembered; 0 for none.
            fetch: Sends requests; give one for a proxy or a private certificate authority
                (``HTTPFetch(tls=...)``).
            clock: Seconds since the epoch.
            timer: Seconds of a clock that only goes forward.

        Raises:
            ConfigurationError: A setting is missing or out of range.
        """
        fetch = fetch or HTTPFetch()
        names = (audience,) if isinstance(audience, str) else tuple(audience)
        otherwise = None
        if when_stale == "introspect":
            if client_id is None or client_secret is None:
                raise ConfigurationError(
                    "when_stale", "'introspect' needs client_id and client_secret"
                )
            otherwise = IntrospectionVerifier(
                issuer,
                audience=names,
                client_id=client_id,
                client_secret=client_secret,
                timeout=timeout,
                leeway=leeway,
                max_token_size=max_token_size,
                fetch=fetch,
                clock=clock,
                timer=timer,
            )
        elif client_id is not None or client_secret is not None:
            raise ConfigurationError("client_id", "is of use with when_stale='introspect' only")
        remote = RemoteIssuer(
            IssuerMetadata(
                issuer,
                fetch,
                elsewhere={} if jwks_uri is None else {"jwks_uri": jwks_uri},
                timeout=timeout,
                timer=timer,
            ),
            fetch,
            keys_max_stale=keys_max_stale,
            cool_down=cool_down,
            revocation_bound=revocation_bound,
            when_stale=when_stale,
            leeway=leeway,
            timeout=timeout,
            clock=clock,
            timer=timer,
        )
        return cls(
            issuer=issuer,
            audience=names,
            keys=remote.keys,
            revocations=remote.view,
            sources=(remote,),
            otherwise=otherwise,
            leeway=leeway,
            max_token_size=max_token_size,
            cache_size=cache_size,
            clock=clock,
        )

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Like `verify`, after a look for new keys and revocations when one is due.

        Raises:
            InvalidToken: The token is not good.
            StoreUnavailable: What must be known to trust a token cannot be read.
        """
        for source in self._sources:
            if source.due:
                try:
                    await source.refresh(runtime)
                except StoreUnavailable:
                    if self._otherwise is None:
                        raise
                    return await self._otherwise.averify(token, runtime)
        try:
            return self.verify(token)
        except UnknownKey:
            if not await self._keys.look_again(runtime):
                raise
        return self.verify(token)

    async def check_revoked(self, principal: Principal, runtime: Runtime) -> None:
        """Refuse somebody whose tokens are revoked here, whoever verified them.

        Raises:
            InvalidToken: They are revoked.
            StoreUnavailable: Revocations cannot be read, and what is known is too old to be
                trusted.
        """
        for source in self._sources:
            if source.due:
                await source.refresh(runtime)
        if self._revocations is not None and self._revocations.revokes(principal):
            raise _revoked()

    def start(self) -> None:
        """Begin to follow the issuer."""
        for source in self._sources:
            source.start()

    def close(self) -> None:
        """No longer follow the issuer."""
        for source in self._sources:
            source.close()

    def verify(self, token: str) -> Principal:
        """Verify an access token with what is in memory.

        Raises:
            InvalidToken: It is malformed, forged, expired, revoked, or not meant for this resource
                server.
        """
        now, cache = self.clock(), self._cache
        if cache is None:
            principal, _ = self._verify(token, now)
        else:
            name = _name(token[: self.profile.max_size + 1])
            entry = cache.young.get(name) or cache.old_entry(name)
            # Verified once is enough, unless the token or its key has died since.
            if entry is not None and now < entry[2] and self._keys.holds(entry[1]):
                principal = entry[0]
            else:
                principal, key = self._verify(token, now)
                cache.put(name, (principal, key, principal.expires_at + self.profile.leeway))
        if self._revocations is not None and self._revocations.revokes(principal):
            raise _revoked()
        return principal

    def verify_now(self, token: str, /) -> Principal | None:
        """Like `verify`, unless a source is due or the key is not known."""
        for source in self._sources:
            if source.due:
                return None
        try:
            return self.verify(token)
        except UnknownKey:
            return None

    def _verify(self, token: str, now: float) -> tuple[Principal, Key]:
        claims, key = decode(token, self.profile, self._keys, now)
        return Principal.from_claims(claims), key


def _name(token: str) -> _Name:
    """What the cache calls a token: 128 bits, from which no dump of the memory gives it away.

    They come from the interpreter's own hash (PEP 456: SipHash under a key of this process), since
    SHA-256 would be the dearest part of a hit: half of them from all of the token, half from the
    end of its signature. They need not resist collisions: whoever has the token may use it.
    Nobody else can do better than guess, 64 bits in one request even when the signature is known.
    """
    return hash(token), hash(token[-TAIL:])


def _revoked() -> InvalidToken:
    return InvalidToken("the access token has been revoked", detail="revoked")


_Name = tuple[int, int]
_Entry = tuple[Principal, Key, float]
"""Whose token it was, what it was signed with, and the moment until which it is good."""


class _Cache:
    """A bounded memory of recently used entries, as two generations: no lock, no bookkeeping on a
    hit.

    New and used entries are in the young one. When that is full the old one is dropped and the
    young one becomes old.
    """

    def __init__(self, size: int) -> None:
        self._half = (size + 1) // 2
        self.young: dict[_Name, _Entry] = {}
        self._old: dict[_Name, _Entry] = {}

    def old_entry(self, name: _Name) -> _Entry | None:
        """What is not among the young ones, and will be from now on."""
        entry = self._old.get(name)
        if entry is not None:
            self.put(name, entry)
        return entry

    def put(self, name: _Name, entry: _Entry) -> None:
        if len(self.young) >= self._half:
            self._old, self.young = self.young, {}
        self.young[name] = entry
