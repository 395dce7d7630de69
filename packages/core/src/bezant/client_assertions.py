"""``private_key_jwt``: a client proves who it is with a signed assertion (RFC 7523 section 2.2)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from bezant.clients import Client, read_keys, registered_keys
from bezant.codes import Codes
from bezant.errors import ConfigurationError, InvalidClient, InvalidToken, UnknownKey
from bezant.fetch import Fetch, FetchError
from bezant.issuer_metadata import read_json
from bezant.keys import KeySet
from bezant.runtime import Runtime
from bezant.signing import check_dates, signed_claims

__all__ = ["ClientAssertions"]

logger: logging.Logger = logging.getLogger(__name__)

TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})
"""``typ`` of assertions: most clients leave it out, and none is that of another kind of token."""

LONGEST: Final = 3600
"""Seconds that an assertion may live: as long its ``jti`` is remembered."""

MAX_AGE, MAX_STALE, COOL_DOWN = 300.0, 3600.0, 10.0
"""Seconds that published keys of a client are kept, that they are trusted when they cannot be read
again, and between two looks at them."""

MAX_SETS: Final = 256
"""Sets of published keys that are kept."""

NEVER: Final = float("-inf")


@dataclass(slots=True)
class _Published:
    """Keys of a client as they were read last, and when that was tried last."""

    tried_at: float
    read_at: float = NEVER
    keys: KeySet | None = None


class ClientAssertions:
    """Verifies assertions of clients.

    Args:
        audiences: What ``aud`` may be: the issuer, and the URLs of the token endpoint (RFC 7523
            section 3) and of the one for pushed requests (RFC 9126 section 2), which older clients
            send.
        codes: Remembers which assertions were used.
        fetch: Reads the keys that clients publish.
        leeway: Seconds that clocks may differ.
        max_size: Bytes.
        timer: Seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        audiences: Iterable[str],
        codes: Codes,
        fetch: Fetch,
        *,
        leeway: float,
        max_size: int,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._audiences = frozenset(audiences)
        self._codes = codes
        self._fetch = fetch
        self._leeway = leeway
        self._max_size = max_size
        self._timer = timer
        self._published: dict[str, _Published] = {}

    async def check(self, client: Client, assertion: str, now: float, runtime: Runtime) -> None:
        """Refuse an assertion that does not prove this client, or was used before.

        Raises:
            InvalidClient: It does not.
            StoreUnavailable: Nobody can tell whether it was used before.
        """
        try:
            claims = await self._claims(client, assertion, runtime)
            check_dates(claims, now, self._leeway)
        except InvalidToken as error:
            raise InvalidClient(detail=f"assertion: {error.detail}") from None
        audience = claims.get("aud")
        if type(audience) is list and len(audience) == 1:
            audience = audience[0]
        if type(audience) is not str or audience not in self._audiences:
            raise InvalidClient(detail="assertion: aud is not this server alone")
        if not claims.get("iss") == claims.get("sub") == client.client_id:
            raise InvalidClient(detail="assertion: iss and sub are not the client")
        if claims["exp"] > now + LONGEST + self._leeway:
            raise InvalidClient(detail="assertion: it lives too long")
        token_id = claims.get("jti")
        if type(token_id) is not str or not token_id:
            raise InvalidClient(detail="assertion: jti is missing")
        if not await self._codes.first_use(
            "assertion",
            f"{client.client_id} {token_id}",
            expires_at=claims["exp"] + self._leeway,
            runtime=runtime,
        ):
            raise InvalidClient(detail="assertion: used before")

    async def _claims(self, client: Client, assertion: str, runtime: Runtime) -> dict[str, Any]:
        if client.jwks is not None:
            return self._signed(assertion, registered_keys(client.jwks))
        assert client.jwks_uri is not None
        keys = await self._read(client.jwks_uri, MAX_AGE, runtime)
        try:
            return self._signed(assertion, keys)
        except InvalidToken:
            # Signed with a key that is new there, or with none of theirs.
            fresh = await self._read(client.jwks_uri, COOL_DOWN, runtime)
            if fresh is keys:
                raise
            return self._signed(assertion, fresh)

    def _signed(self, assertion: str, keys: KeySet) -> dict[str, Any]:
        try:
            return signed_claims(assertion, TYPES, keys, self._max_size)[0]
        except UnknownKey:
            # It need not name its key (RFC 7515 section 4.1.4); then any of them may be the one.
            for key in keys:
                with suppress(InvalidToken):
                    return signed_claims(assertion, TYPES, KeySet([key]), self._max_size)[0]
            raise

    async def _read(self, url: str, max_age: float, runtime: Runtime) -> KeySet:
        """The keys that a client publishes, not older than ``max_age`` if they can be read."""
        now, known = self._timer(), self._published.get(url)
        if known is None or now >= max(known.read_at + max_age, known.tried_at + COOL_DOWN):
            if known is not None:
                known.tried_at = now  # nobody else need wait for it
            known = await self._look(url, known or _Published(now), runtime)
        if known.keys is None or now - known.read_at > MAX_STALE:
            raise InvalidClient(detail="assertion: the client's keys cannot be read")
        return known.keys

    async def _look(self, url: str, known: _Published, runtime: Runtime) -> _Published:
        try:
            answer = await runtime.call(self._fetch, "GET", url)
            known.keys, known.read_at = read_keys(read_json(answer, url)), self._timer()
        except (FetchError, ConfigurationError) as error:
            logger.warning("the keys of a client cannot be read: %s", error)
        known.tried_at = self._timer()
        if len(self._published) >= MAX_SETS:
            self._published.clear()
        self._published[url] = known
        return known
