"""The few pages for people, and answers for paths that lead nowhere. Nothing from elsewhere."""

from __future__ import annotations

from html import escape
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bezant.errors import ServerError
from bezant.http import error_response
from bezant.server import AuthorizationServer
from bezant_server.logs import REQUEST_ID

__all__ = ["add_pages"]

_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.6 system-ui, sans-serif; }}
main {{ max-width: 40rem; margin: 10vh auto; padding: 0 1rem; }}
dt {{ font-weight: 600; margin-top: .75rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


def add_pages(app: FastAPI, server: AuthorizationServer) -> None:
    """Put the landing page at `/`, and answer what leads nowhere."""
    issuer = server.config.issuer
    links = {
        "issuer": issuer,
        "metadata": f"{issuer}/.well-known/oauth-authorization-server",
        "health": f"{issuer}/healthz",
        "readiness": f"{issuer}/readyz",
    }
    described = {"name": "Bezant", "description": "An OAuth 2 authorization server", **links}
    items = "".join(
        f'<dt>{name.capitalize()}</dt><dd><a href="{escape(url)}">{escape(url)}</a></dd>\n'
        for name, url in links.items()
        if name != "issuer"
    )
    page = _PAGE.format(
        title="Bezant",
        body=(
            "<p>This is an OAuth 2 authorization server. Its issuer is "
            f"<code>{escape(issuer)}</code>; client libraries find everything else in its "
            f"metadata.</p>\n<dl>\n{items}</dl>"
        ),
    )

    async def landing(request: Request) -> Response:
        if _wants_html(request):
            return HTMLResponse(page, headers=_HEADERS)
        return JSONResponse(described, headers=_HEADERS)

    async def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _failure(request, error)

    async def broke(request: Request, error: Exception) -> Response:
        return _apology(request)

    app.router.routes.append(Route("/", landing, include_in_schema=False))
    app.add_exception_handler(HTTPException, failed)
    app.add_exception_handler(Exception, broke)


def _apology(request: Request) -> Response:
    """A mistake of ours. The log has the cause under the id of the request."""
    answer = error_response(ServerError(REQUEST_ID.get() or "-"))
    if _wants_html(request):
        body = f"<p>{escape(str(answer.json()['error_description']))}</p>"
        return HTMLResponse(_PAGE.format(title="Something failed", body=body), 500, _HEADERS)
    return Response(answer.body, answer.status, {**dict(answer.headers), **_HEADERS})


def _failure(request: Request, error: HTTPException) -> Response:
    """An error of the framework's own, such as an unknown path."""
    status = HTTPStatus(error.status_code)
    headers = {**(error.headers or {}), **_HEADERS}
    if _wants_html(request):
        body = '<p>There is nothing here. <a href="/">What is this server?</a></p>'
        page = _PAGE.format(title=f"{status.value} {status.phrase}", body=body)
        return HTMLResponse(page, status.value, headers)
    name = status.phrase.lower().replace(" ", "_")
    document: dict[str, Any] = {"error": name, "error_description": status.description}
    return JSONResponse(document, status.value, headers)


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
