"""What all pages share: how they are rendered, in which language, with which headers, and what
becomes of those that go wrong.

Pages are Jinja2 templates that escape what they are given. Nothing of them comes from elsewhere, no
script and no style is in them, and all but the token inspector have no script at all.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from importlib.resources import files
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

import bezant.http
from bezant.errors import (
    OAuthError,
    PayloadTooLarge,
    ServerError,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant_server.logs import REQUEST_ID
from bezant_server.pages.words import LANGUAGES, Language, choose_language
from bezant_server.sessions import cookie_name

__all__ = ["Problem", "Site", "answered", "see_other"]

Handler = Callable[[Request], Awaitable[Response]]

_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_HEADERS: Final = {
    "cache-control": "no-store",
    # Not "no-referrer": browsers then say `Origin: null` even for forms of our own.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_STATIC: Final = {
    "style.css": "text/css; charset=utf-8",
    "inspect.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
_CHOSEN: Final = "bezant-language"


class Problem(Exception):
    """Why a page cannot be shown, for the person in front of it.

    Args:
        status: Of the answer.
        words: Names in the catalogue: a title, and a text.
        retry: Whether the same page may be opened again.
        detail: More, in technical English.
        reference: What finds the cause in the log; by default the id of the request.
        headers: Of the answer.
    """

    def __init__(
        self,
        status: int,
        *words: str,
        retry: bool = False,
        detail: str | None = None,
        reference: str | None = None,
        headers: Iterable[tuple[str, str]] = (),
    ) -> None:
        super().__init__(*words)
        self.status = status
        self.words = words
        self.retry = retry
        self.detail = detail
        self.reference = reference
        self.headers = dict(headers)


class Site:
    """The pages of this server.

    Args:
        name: What it calls itself.
        issuer: Its URL, from which all links are made.
        scopes: What scopes allow, in words.
        providers: Other places to sign in at: their names, and what people call them.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        *,
        name: str,
        issuer: str,
        scopes: Mapping[str, str],
        providers: Mapping[str, str] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        parts = urlsplit(issuer)
        self.issuer: str = issuer
        self.origin: str = f"{parts.scheme}://{parts.netloc}"
        self.secure: bool = parts.scheme == "https"
        self.providers: Mapping[str, str] = providers or {}
        self.clock: Callable[[], float] = clock
        self._base = parts.path
        self._scopes = scopes
        folder = files("bezant_server.pages").joinpath("static")
        self._files = {name: folder.joinpath(name).read_bytes() for name in _STATIC}
        # One for all: they refer to each other.
        self._tag = sha256(b"".join(self._files.values())).hexdigest()[:16]
        self._cookie = cookie_name(_CHOSEN, secure=self.secure)
        self._templates = Environment(
            loader=PackageLoader("bezant_server.pages"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(
            site=name,
            issuer=issuer,
            url=self.url,
            static=self.static,
            languages=LANGUAGES,
            providers=self.providers,
            moment=_moment,
        )

    def url(self, path: str, **parameters: str | None) -> str:
        """A page's own address, below the origin."""
        given = {name: value for name, value in parameters.items() if value is not None}
        return f"{self._base}{path}" + (f"?{urlencode(given)}" if given else "")

    def static(self, name: str) -> str:
        """The address of a file, which is another one when a file has changed."""
        return self.url(f"/static/{self._tag}/{name}")

    def language(self, request: Request, asked: Iterable[str] = ()) -> Language:
        """The language of a page.

        Args:
            request: Who asks for it.
            asked: What an application asked for (`ui_locales`).
        """
        chosen = (request.query_params.get("lang"), request.cookies.get(self._cookie))
        return choose_language(chosen, asked, request.headers.get("accept-language", ""))

    def render(
        self,
        request: Request,
        template: str,
        *,
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        asked: Iterable[str] = (),
        leads_away: bool = False,
        scripts: bool = False,
        **context: Any,
    ) -> HTMLResponse:
        """A page.

        Args:
            request: Who asks for it.
            template: Its template.
            status: Of the answer.
            headers: More headers.
            asked: Languages that an application asked for.
            leads_away: Whether a form of it leads to another site in the end. Some browsers hold
                `form-action` against redirects, too, and the application may be anywhere.
            scripts: Whether it has scripts.
            context: What the template needs.
        """
        t = self.language(request, asked)
        body = self._templates.get_template(template).render(
            t=t,
            now=self.clock(),
            **{"here": self._in_languages(request), **context},
        )
        policy = _POLICY
        if not leads_away:
            policy += "; form-action 'self'"
        if scripts:
            policy += "; script-src 'self'"
        response = HTMLResponse(
            body,
            status,
            {
                **_HEADERS,
                "content-security-policy": policy,
                "content-language": t.code,
                **(headers or {}),
            },
        )
        if (chosen := request.query_params.get("lang", "")) in LANGUAGES:
            response.set_cookie(
                self._cookie,
                chosen,
                max_age=365 * 86400,
                path="/",
                secure=self.secure,
                httponly=True,
                samesite="lax",
            )
        return response

    def scope(self, t: Language, name: str) -> str:
        """What a scope allows, in words."""
        if words := self._scopes.get(name):
            return words
        return t(f"scope.{name}") if f"scope.{name}" in t else t("scope.other", scope=name)

    # What goes wrong

    def page(self, handler: Handler) -> Handler:
        """A handler whose problems are pages, too."""

        async def handle(request: Request) -> Response:
            try:
                return await handler(request)
            except Problem as problem:
                return self.problem(request, problem)
            except OAuthError as error:
                return self.problem(request, _explained(error))
            except StoreUnavailable:
                return self.problem(request, _explained(TemporarilyUnavailable()))

        return handle

    def problem(self, request: Request, problem: Problem) -> Response:
        """The page that says what is wrong, and what to do. It leads nowhere but here."""
        t = self.language(request)
        title, text = problem.words
        reference = problem.reference or REQUEST_ID.get() or "-"
        return self.render(
            request,
            "problem.html",
            status=problem.status,
            headers=problem.headers,
            title=t(title),
            text=t(text, issuer=self.issuer, reference=reference),
            detail=problem.detail,
            again=self.url(_path(request), **_again(request)) if problem.retry else None,
            here={},
        )

    def error_page(self, error: OAuthError, request: bezant.http.Request) -> bezant.http.Response:
        """What core's own pages show a person (`bezant.interactions.InteractionConfig`)."""
        response = self.problem(request.native, _explained(error))
        headers = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in response.raw_headers]
        kept = tuple((name, value) for name, value in headers if name != "content-length")
        return bezant.http.Response(response.status_code, kept, bytes(response.body))

    # Files

    @property
    def routes(self) -> list[Route]:
        """The files that pages need."""
        return [Route("/static/{tag}/{name}", self._file, include_in_schema=False)]

    async def _file(self, request: Request) -> Response:
        name, tag = request.path_params["name"], request.path_params["tag"]
        if tag != self._tag or name not in self._files:
            return Response(status_code=404, headers={"cache-control": "no-store"})
        headers = {
            "cache-control": "public, max-age=31536000, immutable",
            "etag": f'"{tag}-{name}"',
            "x-content-type-options": "nosniff",
            "content-security-policy": "default-src 'none'",
        }
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(self._files[name], headers=headers, media_type=_STATIC[name])

    def _in_languages(self, request: Request) -> Mapping[str, str]:
        """This page in each language. What a form sent is not in it."""
        query = [pair for pair in request.query_params.multi_items() if pair[0] != "lang"]
        path = self.url(_path(request))
        return {code: f"{path}?{urlencode([*query, ('lang', code)])}" for code in LANGUAGES}


def see_other(url: str) -> RedirectResponse:
    """Send the browser elsewhere, with GET."""
    return RedirectResponse(url, 303, dict(_HEADERS))


def answered(answer: bezant.http.Response) -> Response:
    """Core's answer as one of Starlette's."""
    response = Response(answer.body, answer.status)
    response.raw_headers += [(k.encode("latin-1"), v.encode("latin-1")) for k, v in answer.headers]
    return response


def _path(request: Request) -> str:
    """The path alone: whatever the Host header says, it is not in it."""
    return quote(request.scope["path"])


def _again(request: Request) -> dict[str, str]:
    interaction = request.query_params.get("interaction")
    return {} if interaction is None else {"interaction": interaction}


def _explained(error: OAuthError) -> Problem:
    """What a person is told of an error of core's."""
    if isinstance(error, ServerError):
        words = ("error.failed_title", "error.failed")
        return Problem(error.status, *words, reference=error.reference)
    if isinstance(error, TemporarilyUnavailable):
        words = ("error.busy_title", "error.busy")
    elif isinstance(error, PayloadTooLarge):
        words = ("error.title", "error.too_large")
    else:
        words = ("error.title", "error.request")
    return Problem(
        error.status, *words, detail=error.description or error.code, headers=error.headers
    )


def _moment(seconds: float) -> Markup:
    """A time for the `datetime` attribute."""
    return Markup(datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))  # noqa: S704
