"""``private_key_jwt``: a client proves who it is with a signed assertion (RFC 7523 section 2.2)."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from time import monotonic
from typing import Any, Final

from bezant.clients import Client
from bezant.codes import Codes
from bezant.errors import ConfigurationError, InvalidClient, InvalidToken
from bezant.fetch import Fetch, FetchError
from bezant.issuer_metadata import read_json
from bezant.keys import KeySet
from bezant.runtime import Runtime
from bezant.signing import check_dates, signed_claims

__all__ = ["ClientAssertions"]

TYPES: Final = frozenset({"", "jwt", "client-authentication+jwt"})
"""``typ`` of assertions: most clients leave it out, and none is that of another kind of token."""

LONGEST: Final = 3600
"""Seconds that an assertion may live: as long its ``jti`` is remembered."""

MAX_AGE, COOL_DOWN = 300.0, 10.0
"""Seconds that published keys of a client are kept, and between two looks for unknown ones."""

MAX_SETS: Final = 256
"""Sets of published keys that are kept."""


class ClientAssertions:
    """Verifies assertions of clients.

    Args:
        issuer: ``aud`` of assertions; the token endpoint's URL will do as well, which older clients
            send.
        token_url: That URL.
        codes: Remembers which assertions were used.
        fetch: Reads the keys that clients publish.
        leeway: Seconds that clocks may differ.
        max_size: Bytes.
        timer: Seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        issuer: str,
        token_url: str,
        codes: Codes,
        fetch: Fetch,
        *,
        leeway: float,
        max_size: int,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        self._audiences = frozenset({issuer, token_url})
        self._codes = codes
        self._fetch = fetch
        self._leeway = leeway
        self._max_size = max_size
        self._timer = timer
        self._published: dict[str, tuple[float, KeySet]] = {}

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
            keys = _key_set(json.dumps(client.jwks, sort_keys=True))
            return signed_claims(assertion, TYPES, keys, self._max_size)[0]
        assert client.jwks_uri is not None
        keys = await self._read(client.jwks_uri, MAX_AGE, runtime)
        try:
            return signed_claims(assertion, TYPES, keys, self._max_size)[0]
        except InvalidToken:
            # Signed with a key that is new there, or with none of theirs.
            keys = await self._read(client.jwks_uri, COOL_DOWN, runtime)
            return signed_claims(assertion, TYPES, keys, self._max_size)[0]

    async def _read(self, url: str, max_age: float, runtime: Runtime) -> KeySet:
        read_at, keys = self._published.get(url, (0.0, None))
        if keys is not None and self._timer() - read_at < max_age:
            return keys
        try:
            answer = await runtime.call(self._fetch, "GET", url)
            keys = KeySet.from_jwks(read_json(answer, url))
        except (FetchError, ConfigurationError) as error:
            if keys is None:
                raise InvalidClient(
                    detail=f"assertion: the client's keys cannot be read: {error}"
                ) from None
        if len(self._published) >= MAX_SETS:
            self._published.clear()
        self._published[url] = self._timer(), keys
        return keys


@lru_cache(maxsize=MAX_SETS)
def _key_set(jwks: str) -> KeySet:
    return KeySet.from_jwks(json.loads(jwks))
