"""Asking the issuer about each token (RFC 7662): for opaque tokens, and for whoever wants the
issuer's word of this moment.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from hashlib import sha256
from threading import Lock
from time import monotonic
from typing import Any, Final
from urllib.parse import quote_plus, urlencode

from bezant.breaker import Breaker
from bezant.encoding import b64_basic
from bezant.errors import (
    ConfigurationError,
    InvalidToken,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant.fetch import Fetch, FetchError, HTTPFetch
from bezant.http import FORM_TYPE
from bezant.issuer_metadata import IssuerMetadata, read_json
from bezant.pool import BoundedPool
from bezant.principal import Principal
from bezant.runtime import Runtime
from bezant.signing import ACCESS_TOKEN_TYPE, Profile, check_claims
from bezant.verification import Verifier

__all__ = ["IntrospectionVerifier"]

logger: logging.Logger = logging.getLogger(__name__)

WORKERS: Final = 8
BACKLOG: Final = 256
REQUIRED: Final = ("sub", "client_id")
"""Claims of an active token that a principal cannot do without."""


class IntrospectionVerifier(Verifier):
    """Asks the issuer whether a token is good, and remembers the answer for a few seconds.

    Requests run on a few threads of its own, never on an event loop; those who ask about the same
    token at the same time share one. An issuer that keeps failing is left alone for a while.

    Args:
        issuer: Whose tokens.
        audience: This resource server's name, or several; ``aud`` must hold one of them.
        client_id: Of this resource server, registered at the issuer as a client that may
            introspect.
        client_secret: Of the same.
        endpoint: Where to ask, when it is not at the issuer's origin; by default what the issuer's
            metadata says.
        cache_ttl: Seconds that an answer is remembered, and so the time within which a revocation
            is known here; 0 asks each time.
        cache_size: Answers that are remembered.
        timeout: Seconds for each request.
        max_token_size: Bytes; longer ones are refused unasked.
        leeway: Seconds that clocks may differ, 0 to 60.
        fetch: Sends requests.
        clock: Seconds since the epoch.
        timer: Seconds of a clock that only goes forward.

    Raises:
        ConfigurationError: A setting is missing or out of range.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str | Iterable[str],
        client_id: str,
        client_secret: str,
        endpoint: str | None = None,
        cache_ttl: float = 5.0,
        cache_size: int = 10_000,
        timeout: float = 3.0,
        max_token_size: int = 16384,
        leeway: float = 10.0,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = monotonic,
    ) -> None:
        if not client_id or not client_secret:
            raise ConfigurationError(
                "client_secret", "introspection needs a client_id and its client_secret"
            )
        for name, value in (("cache_ttl", cache_ttl), ("cache_size", cache_size)):
            if value < 0:
                raise ConfigurationError(name, "must not be negative")
        if timeout <= 0:
            raise ConfigurationError("timeout", "must be more than 0 seconds")
        self.issuers: tuple[str, ...] = (issuer,)
        self.clock: Callable[[], float] = clock
        self._profile = Profile(
            typ=ACCESS_TOKEN_TYPE,
            issuer=issuer,
            audience=frozenset((audience,) if isinstance(audience, str) else audience),
            required=REQUIRED,
            leeway=leeway,
            max_size=max_token_size,
        )
        self._fetch = fetch or HTTPFetch()
        elsewhere = {} if endpoint is None else {"introspection_endpoint": endpoint}
        self._metadata = IssuerMetadata(
            issuer, self._fetch, elsewhere=elsewhere, timeout=timeout, timer=timer
        )
        # RFC 6749 section 2.3.1: both parts are form-urlencoded before they are joined.
        self._authorization = b64_basic(quote_plus(client_id), quote_plus(client_secret))
        self._timeout = timeout
        self._cache_ttl, self._cache_size = cache_ttl, cache_size
        self._timer = timer
        self._pool = BoundedPool("bezant-introspection", WORKERS, BACKLOG)
        self._breaker = Breaker(timer)
        self._lock = Lock()
        self._known: dict[bytes, tuple[float, Principal | None]] = {}
        self._asked: dict[bytes, list[Future[Principal | None]]] = {}

    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Ask about a token, unless that was done a moment ago."""
        if len(token) > self._profile.max_size or not token.isascii():
            raise _inactive()
        name = sha256(token.encode("ascii")).digest()
        until, principal = self._known.get(name, (0.0, None))
        if self._timer() >= until:
            try:
                principal = await runtime.wait(self._ask(name, token))
            except TemporarilyUnavailable as error:
                raise StoreUnavailable("too many tokens wait for introspection") from error
        if principal is None or self.clock() >= principal.expires_at + self._profile.leeway:
            raise _inactive()
        return principal

    def _ask(self, name: bytes, token: str) -> Future[Principal | None]:
        """One request for all who ask about a token; each has a future of its own to give up on."""
        future: Future[Principal | None] = Future()
        with self._lock:
            waiting = self._asked.get(name)
            if waiting is not None:
                waiting.append(future)
                return future
            self._breaker.check()
            self._pool.submit(self._answer, name, token)
            self._asked[name] = [future]
        return future

    def _answer(self, name: bytes, token: str) -> None:
        principal: Principal | None = None
        failure: StoreUnavailable | None = None
        try:
            principal = self._principal(self._request(token))
        except FetchError as error:
            if self._breaker.failed():
                logger.warning("%s; it is left alone for a while", error)
            failure = StoreUnavailable(f"introspection failed: {error}")
        except Exception:
            logger.exception("introspection failed")
            failure = StoreUnavailable("introspection failed")
        else:
            self._breaker.succeeded()
            self._remember(name, principal)
        with self._lock:
            waiting = self._asked.pop(name, [])
        for future in waiting:
            if future.set_running_or_notify_cancel():  # somebody still waits
                if failure is None:
                    future.set_result(principal)
                else:
                    future.set_exception(failure)

    def _request(self, token: str) -> Mapping[str, Any]:
        url = self._metadata.endpoint("introspection_endpoint")
        if url is None:
            raise FetchError(f"{self.issuers[0]} offers no introspection")
        answer = self._fetch(
            "POST",
            url,
            headers=(
                ("authorization", self._authorization),
                ("content-type", FORM_TYPE),
                ("accept", "application/json"),
            ),
            body=urlencode({"token": token, "token_type_hint": "access_token"}).encode("ascii"),
            timeout=self._timeout,
        )
        if answer.status == 401:
            raise FetchError(f"{url} refused this client; check client_id and client_secret")
        return read_json(answer, url)

    def _principal(self, answer: Mapping[str, Any]) -> Principal | None:
        """Whose token it is; None when it is not good here."""
        if answer.get("active") is not True:
            return None
        claims = {name: value for name, value in answer.items() if name != "active"}
        claims.setdefault("iss", self.issuers[0])  # the one that was asked
        try:
            check_claims(claims, self._profile, self.clock())
            return Principal.from_claims({"jti": "", **claims})  # which an answer may leave out
        except InvalidToken as error:
            logger.info("an active token is not taken: %s", error.detail)
            return None

    def _remember(self, name: bytes, principal: Principal | None) -> None:
        if self._cache_ttl and self._cache_size:
            if len(self._known) >= self._cache_size:
                self._known.clear()
            self._known[name] = (self._timer() + self._cache_ttl, principal)

    def close(self) -> None:
        """Forget the answers."""
        self._known.clear()


def _inactive() -> InvalidToken:
    return InvalidToken("the access token is not valid here", detail="not active")
