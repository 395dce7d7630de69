"""Forms: read within limits, and only those that a page of this server showed to this browser.

Every form carries a token that only its page knows: a MAC under what a cookie of the browser holds,
which no script can read. After a login it is the cookie of the sign-in, so that a form of one
sign-in is worth nothing in another; before, a cookie of its own. Where a browser says which page a
form comes from, that has to be one of ours, too.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64encode
from secrets import token_urlsafe
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

import bezant.http
from bezant.http import Form, read_form
from bezant_server.pages.site import Problem, Site
from bezant_server.sessions import Browser, cookie_name

__all__ = ["Forms", "local_path"]

MAX_BODY: Final = 16384
"""Bytes of a form at most."""

_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_LOCAL: Final = re.compile(r"/(?!/)[A-Za-z0-9/._~%?&=+-]{0,1000}")


class Forms:
    """What every form goes through.

    Args:
        site: The pages; a form has to come from one of them.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._cookie = cookie_name("bezant-form", secure=site.secure)

    def before_login(self, request: Request) -> str | None:
        """What a browser that shows the login page holds; None when it did not send it."""
        secret = request.cookies.get(self._cookie, "")
        return secret if _SECRET.fullmatch(secret) else None

    def new_secret(self) -> str:
        """For a browser that holds nothing yet."""
        return token_urlsafe(32)

    def give(self, response: Response, secret: str) -> None:
        """Let a browser hold it."""
        response.set_cookie(
            self._cookie,
            secret,
            path="/",
            secure=self._site.secure,
            httponly=True,
            samesite="lax",
        )

    def token(self, secret: str | None) -> str:
        """What a form carries."""
        mac = hmac.digest((secret or "").encode(), b"form", "sha256")
        return urlsafe_b64encode(mac).rstrip(b"=").decode()

    async def read(self, request: Request) -> Form:
        """The fields of a form that comes from here; whose it is, `check` looks at.

        Raises:
            Problem: It comes from elsewhere.
            InvalidRequest: It is malformed.
            PayloadTooLarge: It is too large.
        """
        fetched_from = request.headers.get("sec-fetch-site", "same-origin")
        origin = request.headers.get("origin", self._site.origin)
        if fetched_from != "same-origin" or origin != self._site.origin:
            raise Problem(403, "error.origin_title", "error.origin")
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                break
        sent = bezant.http.Request(
            "POST",
            tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw),
            bytes(body),
        )
        return read_form(sent, limit=MAX_BODY)

    def check(self, form: Form, secret: str | None) -> None:
        """Refuse a form that was not made for who sends it.

        Args:
            form: What was sent.
            secret: What the browser holds.

        Raises:
            Problem: It was made for another sign-in, or by somebody else.
        """
        sent = form.get("csrf", "").encode()
        if secret is None or not hmac.compare_digest(sent, self.token(secret).encode()):
            raise Problem(403, "error.form_title", "error.form", retry=True)

    async def of(self, request: Request, browser: Browser) -> Form:
        """The fields of a form of somebody who is signed in.

        Raises:
            Problem: It comes from elsewhere, or was made for another sign-in.
            InvalidRequest: It is malformed.
            PayloadTooLarge: It is too large.
        """
        form = await self.read(request)
        self.check(form, browser.secret)
        return form


def local_path(path: str | None, default: str) -> str:
    """Where to go on, when that is on this server; else a default.

    Args:
        path: As anybody may have written it.
        default: A path.
    """
    return path if path is not None and _LOCAL.fullmatch(path) else default
