"""Being told that a sign-in has ended elsewhere: a client's side of OpenID Connect Back-Channel
Logout, as an endpoint that every extension can serve.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final

from bezant.backchannel_logout import EVENT, LOGOUT_TOKEN_TYPE
from bezant.endpoints import Endpoint
from bezant.endpoints.handling import answering
from bezant.errors import ConfigurationError, InvalidRequest, InvalidToken, UnknownKey
from bezant.fetch import Fetch, HTTPFetch
from bezant.http import NO_STORE, Request, Response, read_form
from bezant.issuer_metadata import IssuerMetadata
from bezant.keys import KeySource
from bezant.remote_issuer import RemoteIssuer
from bezant.runtime import MaybeAwaitable, Runtime
from bezant.signing import Profile, check_claims, signed_claims
from bezant.verification import Source

__all__ = ["LogoutReceiver"]

MAX_BODY: Final = 32768
MAX_REMEMBERED: Final = 10_000
"""Logout tokens that a process remembers: one that comes again is refused."""

LONGEST: Final = 600
"""Seconds that a logout token may live."""

KEYS_MAX_STALE: Final = 3600.0
COOL_DOWN: Final = 10.0

TYPES: Final = frozenset({LOGOUT_TOKEN_TYPE, "jwt", ""})
"""Issuers older than the standard's last version leave ``typ`` out. What tells a logout token from
an ID token then is ``events``, and that it has no nonce."""


class LogoutReceiver:
    """Takes logout tokens and tells the application who is to be signed out.

    Args:
        issuer: Whose logout tokens are taken.
        client_id: ``aud`` of logout tokens: what this application is registered as there.
        keys: The issuer's keys.
        on_logout: Called with ``sub`` (or None) and ``sid`` (or None): end the sessions of that
            sign-in, or, without a ``sid``, all of that subject. ``def`` or ``async def``.
        path: Where the endpoint is.
        sources: What ``keys`` are fed from.
        leeway: Seconds that clocks may differ.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: A setting is empty or out of range.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        keys: KeySource,
        on_logout: Callable[[str | None, str | None], MaybeAwaitable[None]],
        path: str = "/backchannel-logout",
        sources: tuple[Source, ...] = (),
        leeway: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not path.startswith("/"):
            raise ConfigurationError("path", "start with a slash")
        self._profile = Profile(
            typ=LOGOUT_TOKEN_TYPE,
            issuer=issuer,
            audience=frozenset({client_id}),
            required=("iat", "jti"),
            leeway=leeway,
        )
        self._keys = keys
        self._on_logout = on_logout
        self._sources = sources
        self._clock = clock
        self._lock = Lock()
        self._seen: OrderedDict[str, float] = OrderedDict()
        self.endpoint: Endpoint = Endpoint(
            "backchannel_logout",
            ("POST",),
            path,
            answering(("POST",), self._answer, clock, cross_origin=False),
            max_body=MAX_BODY,
            summary="Told of logouts (OpenID Connect Back-Channel Logout)",
        )

    @classmethod
    def from_issuer(
        cls,
        issuer: str,
        client_id: str,
        *,
        on_logout: Callable[[str | None, str | None], MaybeAwaitable[None]],
        path: str = "/backchannel-logout",
        jwks_uri: str | None = None,
        timeout: float = 3.0,
        leeway: float = 10.0,
        fetch: Fetch | None = None,
        clock: Callable[[], float] = time.time,
    ) -> LogoutReceiver:
        """For an issuer somewhere else, whose metadata tell where its keys are. Nothing is read
        before the first logout token.

        Args:
            issuer: Its URL, exactly as it stands in ``iss``.
            client_id: What this application is registered as there.
            on_logout: As above.
            path: Where the endpoint is.
            jwks_uri: Where the keys are, when that is not at the issuer's own origin.
            timeout: Seconds for each request to the issuer.
            leeway: Seconds that clocks may differ.
            fetch: Sends requests.
            clock: Seconds since the epoch.

        Raises:
            ConfigurationError: A setting is empty or out of range.
        """
        fetch = fetch or HTTPFetch()
        remote = RemoteIssuer(
            IssuerMetadata(
                issuer,
                fetch,
                elsewhere={} if jwks_uri is None else {"jwks_uri": jwks_uri},
                timeout=timeout,
            ),
            fetch,
            keys_max_stale=KEYS_MAX_STALE,
            cool_down=COOL_DOWN,
            revocation_bound=None,
            when_stale="refuse",
            leeway=leeway,
            timeout=timeout,
            clock=clock,
        )
        return cls(
            issuer,
            client_id,
            keys=remote.keys,
            on_logout=on_logout,
            path=path,
            sources=(remote,),
            leeway=leeway,
            clock=clock,
        )

    def check(self, runtime: Runtime) -> None:
        """Refuse an ``on_logout`` that a framework cannot call.

        Raises:
            ConfigurationError: It is ``async def`` where there is no event loop.
        """
        runtime.check("on_logout", self._on_logout)

    def close(self) -> None:
        """No longer follow the issuer. The next logout token begins anew."""
        for source in self._sources:
            source.close()

    async def _answer(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        form = read_form(request, limit=MAX_BODY)
        for source in self._sources:
            if source.due:
                await source.refresh(runtime)
        try:
            claims = await self._claims(form.require("logout_token"), now, runtime)
        except InvalidToken as error:
            raise InvalidRequest(
                "the logout token is not valid here", detail=error.detail
            ) from None
        self._check(claims)
        self._remember(claims["jti"], claims["exp"], now)
        try:
            await runtime.call(self._on_logout, claims.get("sub"), claims.get("sid"))
        except BaseException:
            with self._lock:
                self._seen.pop(claims["jti"], None)  # the issuer is free to send it again
            raise
        return Response(200, NO_STORE, b"")

    async def _claims(self, token: str, now: float, runtime: Runtime) -> dict[str, Any]:
        try:
            claims, _ = signed_claims(token, TYPES, self._keys, self._profile.max_size)
        except UnknownKey:
            if not await self._keys.look_again(runtime):
                raise
            claims, _ = signed_claims(token, TYPES, self._keys, self._profile.max_size)
        check_claims(claims, self._profile, now)
        return claims

    def _check(self, claims: dict[str, Any]) -> None:
        """What makes it a logout token (section 2.6)."""
        events = claims.get("events")
        if not isinstance(events, dict) or not isinstance(events.get(EVENT), dict):
            raise InvalidRequest("the logout token speaks of no logout")
        if "nonce" in claims:
            raise InvalidRequest("a logout token has no nonce")
        if "sub" not in claims and "sid" not in claims:
            raise InvalidRequest("the logout token names neither sub nor sid")
        if claims["exp"] - claims["iat"] > LONGEST:
            raise InvalidRequest("the logout token lives too long")

    def _remember(self, token_id: str, expires_at: float, now: float) -> None:
        with self._lock:
            if token_id in self._seen:
                raise InvalidRequest("the logout token was used before")
            while self._seen and (
                len(self._seen) >= MAX_REMEMBERED or next(iter(self._seen.values())) <= now
            ):
                self._seen.popitem(last=False)
            self._seen[token_id] = expires_at + self._profile.leeway
