"""The landing page, and answers for paths that lead nowhere and for mistakes of ours."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bezant.errors import ServerError
from bezant.http import error_response
from bezant_server.logs import REQUEST_ID
from bezant_server.pages.site import Problem, Site, answered

__all__ = ["add_landing"]

_HEADERS = {"x-content-type-options": "nosniff", "referrer-policy": "same-origin"}


def add_landing(app: FastAPI, site: Site, *, accounts: bool) -> None:
    """Put the landing page at `/`, and answer what leads nowhere. Programs get JSON.

    Args:
        app: The application.
        site: The pages.
        accounts: Whether browsers can sign in here.
    """
    links = {
        "metadata": f"{site.issuer}/.well-known/oauth-authorization-server",
        "health": f"{site.issuer}/healthz",
        "readiness": f"{site.issuer}/readyz",
    }
    described = {
        "name": "Bezant",
        "description": "An OAuth 2 authorization server",
        "issuer": site.issuer,
        **links,
    }

    async def landing(request: Request) -> Response:
        if _wants_html(request):
            return site.render(request, "landing.html", links=links, accounts=accounts)
        return JSONResponse(described, headers=_HEADERS)

    async def failed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _failure(site, request, error)

    async def broke(request: Request, error: Exception) -> Response:
        return _apology(site, request)

    app.router.routes.append(Route("/", landing, include_in_schema=False))
    app.add_exception_handler(HTTPException, failed)
    app.add_exception_handler(Exception, broke)


def _apology(site: Site, request: Request) -> Response:
    """A mistake of ours. The log has the cause under the id of the request."""
    if _wants_html(request):
        return site.problem(request, Problem(500, "error.failed_title", "error.failed"))
    response = answered(error_response(ServerError(REQUEST_ID.get() or "-")))
    response.headers.update(_HEADERS)
    return response


def _failure(site: Site, request: Request, error: HTTPException) -> Response:
    """An error of the framework's own, such as an unknown path."""
    status, headers = HTTPStatus(error.status_code), dict(error.headers or {})
    if _wants_html(request):
        words = {404: "error.not_found", 405: "error.method"}.get(status, "error.request")
        title = "error.not_found_title" if status == HTTPStatus.NOT_FOUND else "error.title"
        return site.problem(request, Problem(status, title, words, headers=headers.items()))
    name = status.phrase.lower().replace(" ", "_")
    document: dict[str, Any] = {"error": name, "error_description": status.description}
    return JSONResponse(document, status.value, {**headers, **_HEADERS})


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
