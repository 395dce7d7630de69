"""What the authorization endpoint tells a client, by way of the browser (RFC 6749 section 4.1.2),
always with ``iss`` (RFC 9207).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from typing import Final
from urllib.parse import urlencode

from bezant.authorization_request import AuthorizationRequest
from bezant.errors import OAuthError
from bezant.http import NO_STORE, Request, Response

__all__ = ["answer_error", "error_page", "granted", "refused", "see_other"]

_SUBMIT: Final = "document.forms[0].submit()"
_SUBMIT_HASH: Final = b64encode(sha256(_SUBMIT.encode()).digest()).decode()
_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:15vh auto;padding:0 1rem}"
    "@media(prefers-color-scheme:dark){body{background:#16181d;color:#e6e6e6}}"
)
_STYLE_HASH: Final = b64encode(sha256(_STYLE.encode()).digest()).decode()


def granted(request: AuthorizationRequest, code: str, issuer: str) -> Response:
    """A code for the client."""
    return _answer(request, {"code": code}, issuer)


def refused(request: AuthorizationRequest, error: OAuthError, issuer: str) -> Response:
    """An error for the client."""
    return answer_error(request.redirect_uri, request.response_mode, request.state, error, issuer)


def answer_error(
    redirect_uri: str, response_mode: str, state: str | None, error: OAuthError, issuer: str
) -> Response:
    """An error for a client whose redirect URI is proven, whatever else of its request is not."""
    parameters = {"error": error.code}
    if error.description:
        parameters["error_description"] = error.description
    return _send(redirect_uri, response_mode, state, parameters, issuer)


def see_other(url: str) -> Response:
    """Send the browser elsewhere, with GET (RFC 9700 section 4.12)."""
    headers = (("location", url), *NO_STORE, ("referrer-policy", "no-referrer"))
    return Response(303, headers, b"")


def error_page(error: OAuthError, _request: Request) -> Response:
    """A plain page for the person in front of the browser."""
    body = (
        "<!doctype html><html lang=en><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width">'
        f"<title>Sign-in failed</title><style>{_STYLE}</style>"
        f"<h1>This sign-in cannot go on</h1><p>{escape(error.description or error.code)}</p>"
        "<p>Go back to the application and begin again."
    )
    return _page(error.status, body, f"style-src 'sha256-{_STYLE_HASH}'", *error.headers)


def _answer(request: AuthorizationRequest, parameters: Mapping[str, str], issuer: str) -> Response:
    return _send(request.redirect_uri, request.response_mode, request.state, parameters, issuer)


def _send(
    uri: str, mode: str, state: str | None, parameters: Mapping[str, str], issuer: str
) -> Response:
    sent = {**parameters, "iss": issuer}
    if state is not None:
        sent["state"] = state
    if mode == "form_post":
        return _form_post(uri, sent)
    separator = "&" if "?" in uri else "?"
    return see_other(f"{uri}{separator}{urlencode(sent)}")


def _form_post(uri: str, parameters: Mapping[str, str]) -> Response:
    """OAuth 2.0 Form Post Response Mode: a form that submits itself, with a button where scripts do
    not run.
    """
    fields = "".join(
        f'<input type=hidden name="{escape(name)}" value="{escape(value)}">'
        for name, value in parameters.items()
    )
    body = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>Continue</title>"
        f'<form method=post action="{escape(uri)}">{fields}'
        f"<noscript><button>Continue</button></noscript></form><script>{_SUBMIT}</script>"
    )
    return _page(200, body, f"script-src 'sha256-{_SUBMIT_HASH}'")


def _page(status: int, body: str, allowed: str, *headers: tuple[str, str]) -> Response:
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; frame-ancestors 'none'"
    return Response(
        status,
        (
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", policy),
            ("referrer-policy", "no-referrer"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            *NO_STORE,
            *headers,
        ),
        body.encode(),
    )
