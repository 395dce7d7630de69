"""A web application whose users sign in by the server: no password ever reaches it.

All that it knows of the protocol is in five calls: `RelyingParty.begin` and `finish`, the URL of
the end session endpoint, and a `LogoutReceiver` that ends sessions when it is told to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from secrets import token_urlsafe
from typing import Any, Final
from urllib.parse import urlencode

import httpx2
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

import bezant.http
from bezant import HTTPFetch
from bezant.codes import Codes
from bezant.endpoints import Endpoint
from bezant.fetch import FetchError
from bezant.issuer_metadata import IssuerMetadata
from bezant.logout_receiver import LogoutReceiver
from bezant.relying_party import RelyingParty, new_browser_secret
from bezant.stores.memory import MemoryCodeStore
from bezant.upstream import Identity, SignInDenied, SignInFailed, UpstreamProvider
from bezant_server.demo.data import Application
from fastapi_bezant import RUNTIME

__all__ = ["create"]

PROMPTS: Final = ("", "none", "login", "consent", "select_account")
"""What ``/login?prompt=`` may ask the server for (OpenID Connect Core section 3.1.2.1)."""

SCOPES: Final = ("openid", "profile", "email", "items:read")


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in here, because the server says so."""

    subject: str
    session_id: str | None
    """``sid`` of the ID token: which sign-in at the server this one hangs on."""
    name: str
    auth_time: float | None
    access_token: str = field(repr=False)
    id_token: str = field(repr=False)

    @classmethod
    def of(cls, identity: Identity) -> Session:
        """From what came back from the server."""
        return cls(
            identity.subject,
            identity.claims.get("sid"),
            str(identity.claims.get("name") or identity.subject),
            identity.auth_time,
            identity.tokens["access_token"],
            identity.tokens["id_token"],
        )


class Site:
    """One application.

    Args:
        application: Which.
        issuer: The server's URL.
        url: Its own.
        api: URL of the API that it calls in its users' names.
        links: All applications, by name.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        application: Application,
        *,
        issuer: str,
        url: str,
        api: str,
        links: Mapping[str, str],
        clock: Callable[[], float],
    ) -> None:
        self.name: str = application.name
        self._client_id = application.client_id
        self._url = url
        self._api = api
        self._links = dict(links)
        fetch, codes = HTTPFetch(), Codes(MemoryCodeStore())
        provider = UpstreamProvider(
            name="bezant",
            issuer=issuer,
            client_id=application.client_id,
            client_secret=application.secret,
            scopes=SCOPES,
        )
        self._parties = {
            prompt: RelyingParty(
                replace(provider, parameters={"prompt": prompt} if prompt else {}),
                codes,
                fetch,
                redirect_uri=f"{url}/callback",
                clock=clock,
            )
            for prompt in PROMPTS
        }
        self._metadata = IssuerMetadata(issuer, fetch)
        self._sessions: dict[str, Session] = {}
        # Ports of one host share their cookies: each application has names of its own.
        self._browser_cookie = f"{application.client_id}-browser"
        self._session_cookie = f"{application.client_id}-session"

    @property
    def routes(self) -> list[Route]:
        """Its pages."""
        return [
            Route("/", self.home),
            Route("/login", self.login),
            Route("/callback", self.callback),
            Route("/items", self.items),
            Route("/logout", self.logout, methods=["POST"]),
            Route("/signed-out", self.signed_out),
        ]

    # Signing in

    async def login(self, request: Request) -> Response:
        """Send the browser to the server."""
        prompt = request.query_params.get("prompt", "")
        max_age = request.query_params.get("max_age", "")
        if prompt not in PROMPTS or (max_age and not max_age.isdecimal()):
            return self._page("Not a sign-in", "<p>This link asks for nothing we know.</p>", 400)
        browser = request.cookies.get(self._browser_cookie) or new_browser_secret()
        try:
            url = await self._parties[prompt].begin(
                browser,
                RUNTIME,
                max_age=int(max_age) if max_age else None,
                login_hint=request.query_params.get("login_hint"),
            )
        except SignInFailed as error:
            return self._failed(error)
        answer = RedirectResponse(url, 303)
        _give(answer, self._browser_cookie, browser)
        return answer

    async def callback(self, request: Request) -> Response:
        """The browser is back."""
        browser = request.cookies.get(self._browser_cookie, "")
        try:
            identity, _ = await self._parties[""].finish(request.url.query, browser, RUNTIME)
        except SignInFailed as error:
            return self._failed(error)
        self._end(request)
        name = token_urlsafe(32)
        self._sessions[name] = Session.of(identity)
        answer = RedirectResponse("/", 303)
        _give(answer, self._session_cookie, name)
        return answer

    # Signing out

    async def logout(self, request: Request) -> Response:
        """End the session here, and send the browser to the server to end the sign-in."""
        session = self._end(request)
        if session is None:
            return RedirectResponse("/signed-out", 303)
        try:
            url = await run_in_threadpool(self._metadata.endpoint, "end_session_endpoint")
        except FetchError:
            url = None
        if url is None:
            return RedirectResponse("/signed-out", 303)
        parameters = {
            "id_token_hint": session.id_token,
            "client_id": self._client_id,
            "post_logout_redirect_uri": f"{self._url}/signed-out",
        }
        return RedirectResponse(f"{url}?{urlencode(parameters)}", 303)

    def end_sessions(self, subject: str | None, session_id: str | None) -> None:
        """What the server tells us: somebody has signed out elsewhere."""
        for name, session in [*self._sessions.items()]:
            if session_id == session.session_id or (
                session_id is None and subject == session.subject
            ):
                del self._sessions[name]

    # Pages

    async def home(self, request: Request) -> Response:
        """Who is signed in."""
        session = self._session(request)
        if session is None:
            return self._page(
                self.name,
                "<p>Nobody is signed in here.</p>"
                '<p><a class="button" href="/login">Sign in</a></p>'
                '<ul><li><a href="/login?prompt=none">Sign in without being asked</a></li>'
                '<li><a href="/login?prompt=select_account">Choose an account</a></li></ul>',
            )
        return self._page(
            self.name,
            f"<p>Signed in as <strong>{escape(session.name)}</strong>, "
            f"<code>{escape(session.subject)}</code> to us.</p>"
            '<p><a class="button" href="/items">See the items</a></p>'
            '<form method="post" action="/logout"><button>Sign out</button></form>'
            '<ul><li><a href="/login?max_age=0">Prove again who you are</a></li>'
            '<li><a href="/login?prompt=select_account">Choose another account</a></li></ul>',
        )

    async def items(self, request: Request) -> Response:
        """What the API says to whoever is signed in."""
        session = self._session(request)
        if session is None:
            return RedirectResponse("/", 303)
        headers = {"Authorization": f"Bearer {session.access_token}"}
        try:
            async with httpx2.AsyncClient(timeout=10, trust_env=False) as http:
                answer = await http.get(f"{self._api}/items", headers=headers)
        except httpx2.HTTPError:
            return self._page("Items", "<p>The API does not answer.</p>", 502)
        if answer.status_code != 200:
            again = '<p>The API wants a newer token. <a href="/login">Sign in again</a>.</p>'
            return self._page("Items", again, 502)
        items = "".join(f"<li>{escape(str(item))}</li>" for item in answer.json().values())
        text = f"<p>The API at <code>{escape(self._api)}</code> has</p><ul>{items}</ul>"
        return self._page("Items", text + '<p><a href="/">Back</a></p>')

    async def signed_out(self, request: Request) -> Response:
        """The browser is back from the server."""
        return self._page("Signed out", '<p>You are signed out.</p><p><a href="/">Back</a></p>')

    def _failed(self, error: SignInFailed) -> Response:
        code = f" (<code>{escape(error.code)}</code>)" if isinstance(error, SignInDenied) else ""
        text = error.description[:1].upper() + error.description[1:]
        return self._page(
            "Not signed in",
            f'<p>{escape(text)}{code}.</p><p><a class="button" href="/login">Sign in</a></p>',
            403,
        )

    def _page(self, title: str, body: str, status: int = 200) -> Response:
        links = "".join(
            f'<a href="{escape(url)}">{escape(name)}</a> ' for name, url in self._links.items()
        )
        heading = title if title == self.name else f"{title} - {self.name}"
        page = _PAGE.format(heading=escape(heading), title=escape(title), body=body, links=links)
        return HTMLResponse(page, status, _HEADERS)

    # Sessions

    def _session(self, request: Request) -> Session | None:
        return self._sessions.get(request.cookies.get(self._session_cookie, ""))

    def _end(self, request: Request) -> Session | None:
        return self._sessions.pop(request.cookies.get(self._session_cookie, ""), None)


def create(
    application: Application,
    *,
    issuer: str,
    url: str,
    api: str,
    links: Mapping[str, str],
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """The application, served; see `Site` for the arguments."""
    site = Site(application, issuer=issuer, url=url, api=api, links=links, clock=clock)
    receiver = LogoutReceiver.from_issuer(
        issuer, application.client_id, on_logout=site.end_sessions, clock=clock
    )
    return Starlette(routes=[*site.routes, _route(receiver.endpoint)])


def _route(endpoint: Endpoint) -> Route:
    """One of core's endpoints. An application that verifies access tokens, too, gives its receiver
    to `fastapi_bezant.Bezant` instead, which serves it.
    """

    async def answer(request: Request) -> Response:
        headers = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in request.headers.raw)
        sent = bezant.http.Request(request.method, headers, await request.body())
        given = await endpoint.handler(sent, RUNTIME)
        return Response(given.body, given.status, dict(given.headers))

    return Route(endpoint.path, answer, methods=[*endpoint.methods])


def _give(answer: Response, name: str, value: str) -> None:
    """A cookie that no script reads. On a real host, it would be ``__Host-`` and ``Secure``."""
    answer.set_cookie(name, value, path="/", httponly=True, samesite="lax")


_HEADERS: Final[Mapping[str, Any]] = {
    "cache-control": "no-store",
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{heading}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, sans-serif; margin: 0; }}
nav, main {{ max-width: 36rem; margin: 0 auto; padding: 1rem; overflow-wrap: anywhere; }}
a {{ color: inherit; }}
.button, button {{
  display: inline-block; padding: .4rem 1rem; border: 1px solid; border-radius: .3rem;
  font: inherit; color: inherit; background: none; text-decoration: none; cursor: pointer;
}}
</style>
</head>
<body>
<nav aria-label="Applications">{links}</nav>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
