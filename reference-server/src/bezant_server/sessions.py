"""Who is signed in in a browser, behind a cookie.

A page that has proven by itself who somebody is signs them in so, and sends the browser on:

    response = RedirectResponse(url, 303)
    await sessions.start(request, response, subject, amr=("fed",))
    return response

where ``url`` is ``server.interactions.resume(interaction_id)`` when the page was opened with
``?interaction=``, and a path of our own such as ``/account`` otherwise. ``sessions`` is the
`Sessions` that `bezant_server.app.create_app` makes; ``subject`` is that of an active account.

The cookie holds 256 random bits, the database their digest. At each login, and when another account
is chosen, the browser gets another cookie, and the one before is worth nothing any more. Several
people may be signed in in one browser; the one who came last, or was chosen, counts.
"""

from __future__ import annotations

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from secrets import token_urlsafe
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bezant.logouts import Logouts
from bezant.runtime import Runtime
from bezant.sign_in import SignIn
from bezant_server.accounts.session_store import Session, SessionStore
from bezant_server.devices import device

__all__ = ["Browser", "Sessions", "cookie_name"]

SEEN_EVERY: Final = 60.0
"""Seconds between two notes of when a browser was seen."""

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Browser:
    """Who is signed in in the browser that a request came from."""

    secret: str | None = field(default=None, repr=False)
    """What its cookie holds; None when that is nobody's, or there is none."""
    sessions: Sequence[Session] = ()
    """Its sign-ins, the one in use first."""

    @property
    def current(self) -> Session | None:
        """The sign-in in use."""
        return self.sessions[0] if self.sessions else None


NOBODY: Final = Browser()


class Sessions:
    """Sign-ins in browsers.

    Args:
        store: Where they are.
        secure: Whether the server is reached by https; if not, cookies go without what browsers
            demand of it.
        idle_ttl: Seconds after which a browser that was not here is signed out.
        ttl: Seconds after which one has to sign in again.
        runtime: How to call the store.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        store: SessionStore,
        *,
        secure: bool,
        idle_ttl: float,
        ttl: float,
        runtime: Runtime,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._secure = secure
        self._idle_ttl = idle_ttl
        self._ttl = ttl
        self._runtime = runtime
        self._clock = clock
        self._cookie = cookie_name("bezant", secure=secure)

    # Who is there

    async def sign_in(self, request: Request) -> SignIn | None:
        """Who is signed in, for core (`bezant.sign_in.SignInCallable`)."""
        current = (await self.browser(request)).current
        return None if current is None else current.sign_in

    async def browser(self, request: Request) -> Browser:
        """Who is signed in in the browser that a request came from: one statement, and at most once
        a minute another one.

        Raises:
            StoreUnavailable: Nobody can tell.
        """
        secret = request.cookies.get(self._cookie, "")
        if not _SECRET.fullmatch(secret):
            return NOBODY
        found = await self._runtime.call(self._store.of_browser, _digest(secret), *self._floors())
        if not found:
            return NOBODY
        current, now = found[0], self._clock()
        if now - current.last_seen >= SEEN_EVERY:
            await self._runtime.call(self._store.touch, current.id, now, _address(request))
        return Browser(secret, found)

    async def of_subject(self, subject: str) -> Sequence[Session]:
        """A person's sign-ins, in all browsers."""
        return await self._runtime.call(self._store.of_subject, subject, *self._floors())

    # What changes it

    async def start(
        self, request: Request, response: Response, subject: str, *, amr: Iterable[str]
    ) -> SignIn:
        """Sign somebody in in the browser that a request came from, beside whoever is signed in
        there already. Somebody who is stays the same sign-in, proven anew.

        Args:
            request: Where the browser's cookie is.
            response: Gets the new cookie.
            subject: Who it is: proven, and allowed to sign in.
            amr: By what that was proven (RFC 8176), such as ``pwd``.

        Raises:
            StoreUnavailable: It could not be stored; nobody is signed in.
        """
        now, by = self._clock(), tuple(amr)
        session = Session(
            id=token_urlsafe(16),
            subject=subject,
            auth_time=now,
            last_seen=now,
            amr=by,
            device=device(request.headers.get("user-agent", "")),
            address=_address(request),
            username="",
            name="",
        )
        before = request.cookies.get(self._cookie, "")
        known = _digest(before) if _SECRET.fullmatch(before) else None
        secret = token_urlsafe(32)
        name = await self._runtime.call(
            self._store.start, known, _digest(secret), session, *self._floors()
        )
        self._give(response, secret)
        return SignIn(subject, now, name, amr=by)

    async def choose(self, browser: Browser, response: Response, session_id: str) -> bool:
        """Go on as another one of those who are signed in in a browser. Returns False when nobody
        there is that one.
        """
        if browser.secret is None:
            return False
        secret = token_urlsafe(32)
        if not await self._runtime.call(
            self._store.choose,
            _digest(browser.secret),
            _digest(secret),
            session_id,
            *self._floors(),
        ):
            return False
        self._give(response, secret)
        return True

    async def end(self, sign_ins: Iterable[SignIn], logouts: Logouts | None) -> int:
        """End sign-ins, with what was given to clients in them. Returns how many authorizations
        ended.

        Args:
            sign_ins: Which.
            logouts: Core's side of it; None where browsers cannot sign in.

        Raises:
            StoreUnavailable: Not all of them could be ended; call again.
        """
        ended = 0
        for sign_in in sign_ins:
            # In this order: should the second step fail, all of it can be asked for again.
            if logouts is not None:
                ended += await logouts.end(sign_in, self._runtime)
            await self._runtime.call(self._store.forget, sign_in.session_id)
        return ended

    async def end_all_of(
        self, subject: str, logouts: Logouts | None, *, but: str | None = None
    ) -> int:
        """End a person's sign-ins everywhere. Returns how many authorizations ended.

        Args:
            subject: Whose.
            logouts: As for `end`.
            but: The id of one that stays.
        """
        found = await self._runtime.call(self._store.all_of_subject, subject)
        return await self.end([one for one in found if one.session_id != but], logouts)

    async def purge(self, logouts: Logouts | None) -> int:
        """End the sign-ins whose time is over. Returns how many."""
        count = 0
        while found := await self._runtime.call(self._store.ended, *self._floors()):
            await self.end(found, logouts)
            count += len(found)
        return count

    def forget_cookie(self, response: Response) -> None:
        """Take the cookie back, when nobody is signed in any more."""
        response.delete_cookie(
            self._cookie, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _give(self, response: Response, secret: str) -> None:
        # Without an age: it ends with the browser, at the latest.
        response.set_cookie(
            self._cookie, secret, path="/", secure=self._secure, httponly=True, samesite="lax"
        )

    def _floors(self) -> tuple[float, float]:
        now = self._clock()
        return now - self._ttl, now - self._idle_ttl


def cookie_name(name: str, *, secure: bool) -> str:
    """``__Host-`` keeps other hosts of the same domain from setting it; browsers take it by https
    only.
    """
    return f"__Host-{name}" if secure else name


def _digest(secret: str) -> str:
    return urlsafe_b64encode(sha256(secret.encode()).digest()).rstrip(b"=").decode()


def _address(request: Request) -> str:
    return request.client.host[:64] if request.client is not None else ""
