"""What a test says to a server, in few words."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from hashlib import sha256
from html import unescape
from itertools import count
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from bezant.clients import ASSERTION_TYPE
from bezant.http import Request
from bezant.testing import FrozenClock, fixed_key
from tests.jose import compact, signer
from tests.world import CALLBACK, ISSUER, PASSWORD, clients, code_clients, secret_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bezant.http import Response
    from tests.harness import App

TOKEN = "/oauth/token"
REVOKE = "/oauth/revoke"
INTROSPECT = "/oauth/introspect"
JWKS = "/oauth/jwks.json"
FEED = "/oauth/revocations"
METADATA = "/.well-known/oauth-authorization-server"
OPENID_CONFIGURATION = "/.well-known/openid-configuration"
AUTHORIZE = "/oauth/authorize"
PAR = "/oauth/par"

FORM = ("content-type", "application/x-www-form-urlencoded")
ADDRESS = "192.0.2.1"

METHODS = {client.client_id: client.auth_method for client in (*clients(), *code_clients())}

VERIFIER = "a-verifier.of~43_characters-that-is-no-secret"


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636 section 4.2."""
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


CHALLENGE = challenge_of(VERIFIER)


def basic(client_id: str, secret: str) -> tuple[str, str]:
    """The header of ``client_secret_basic`` (RFC 6749 section 2.3.1)."""
    credentials = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return "authorization", f"Basic {b64encode(credentials).decode()}"


def proof(client_id: str) -> str:
    """An assertion of ``private_key_jwt`` (RFC 7523 section 3), good for the first hour."""
    key = fixed_key("EdDSA")
    claims = {"iss": client_id, "sub": client_id, "aud": ISSUER, "exp": FrozenClock().now + 3600}
    claims["jti"] = f"assertion {next(_numbers)}"
    return compact({"alg": key.algorithm}, claims, signer(key))


_numbers = count()


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


class Api:
    """Requests to one application."""

    def __init__(self, app: App) -> None:
        self.app = app

    def post(
        self,
        path: str,
        form: Iterable[tuple[str, str]] | bytes = (),
        *headers: tuple[str, str],
        method: str = "POST",
        content_type: str | None = FORM[1],
        query: str = "",
        address: str = ADDRESS,
    ) -> Response:
        """A request with a form."""
        if content_type is not None:
            headers += (("content-type", content_type),)
        body = form if isinstance(form, bytes) else urlencode(list(form)).encode()
        return self.app.send(path, Request(method, headers, body, query, address))

    def get(
        self,
        path: str,
        *headers: tuple[str, str],
        token: str | None = None,
        method: str = "GET",
        query: str = "",
    ) -> Response:
        """A request without a body, with a token when one is given."""
        if token is not None:
            headers += (bearer(token),)
        return self.app.send(path, Request(method, headers, b"", query, ADDRESS))

    def ask(self, client: str, path: str, **request: Any) -> Response:
        """A form from a client that authenticates as it is registered.

        Args:
            client: Its id.
            path: The endpoint.
            request: Parameters; those given as None are left out. ``address``: the peer's.
        """
        address = request.pop("address", ADDRESS)
        form = [(name, str(value)) for name, value in request.items() if value is not None]
        method = METHODS.get(client, "client_secret_basic")
        if method == "client_secret_basic":
            return self.post(path, form, basic(client, secret_of(client)), address=address)
        if method == "private_key_jwt":
            form += [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", proof(client))]
            return self.post(path, form, address=address)
        form.append(("client_id", client))
        if method == "client_secret_post":
            form.append(("client_secret", secret_of(client)))
        return self.post(path, form, address=address)

    def token(self, client: str, grant_type: str, **form: Any) -> Response:
        return self.ask(client, TOKEN, grant_type=grant_type, **form)

    def login(
        self, client: str = "web", username: str = "alice", password: str = PASSWORD, **form: Any
    ) -> Response:
        """The password grant."""
        return self.token(client, "password", username=username, password=password, **form)

    def asked(self, client: str = "app", **changes: Any) -> list[tuple[str, str]]:
        """The parameters of an authorization request. Those given as None are left out; a list is
        sent one by one.
        """
        parameters = {
            "client_id": client,
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid items:read",
            "state": "state-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            **changes,
        }
        return [
            (name, str(one))
            for name, value in parameters.items()
            for one in (value if isinstance(value, list) else [value])
            if one is not None
        ]

    def authorize(self, client: str = "app", **changes: Any) -> Response:
        """An authorization request that a browser brings by GET."""
        return self.get(AUTHORIZE, query=urlencode(self.asked(client, **changes)))

    def resume(self, interaction: str) -> Response:
        """The browser comes back from a page."""
        return self.get(AUTHORIZE, query=urlencode({"interaction": interaction}))

    def waiting(self, client: str = "app", **changes: Any) -> str:
        """A request that waits for a person. Returns the name of the interaction."""
        return interaction_of(self.authorize(client, **changes))

    def code(self, client: str = "portal", **changes: Any) -> str:
        """A code for a client that whoever is signed in need not be asked for."""
        return answer_of(self.authorize(client, **changes))["code"]

    def redeem(self, code: str | None, client: str = "portal", **changes: Any) -> Response:
        """A code is exchanged for tokens."""
        form = {"redirect_uri": CALLBACK, "code_verifier": VERIFIER, "code": code, **changes}
        resources = form.pop("resource", None)
        if resources is None:
            return self.token(client, "authorization_code", **form)
        pairs = [(name, str(value)) for name, value in form.items()]
        pairs += [("grant_type", "authorization_code"), *(("resource", one) for one in resources)]
        return self.post(TOKEN, pairs, basic(client, secret_of(client)))

    def push(self, client: str = "app", **changes: Any) -> Response:
        """A pushed authorization request."""
        return self.post(PAR, self.asked(client, **changes), basic(client, secret_of(client)))

    def refresh(self, token: str, client: str = "web", **form: Any) -> Response:
        return self.token(client, "refresh_token", refresh_token=token, **form)

    def tokens(self, client: str = "web", username: str = "alice", **form: Any) -> tuple[str, str]:
        """The access token and the refresh token of a new sign-in."""
        answer = self.login(client, username, **form).json()
        return answer["access_token"], answer["refresh_token"]

    def revoke(self, token: str, client: str = "web", **form: Any) -> Response:
        return self.ask(client, REVOKE, token=token, **form)

    def introspect(self, token: str, client: str = "api", **form: Any) -> Response:
        return self.ask(client, INTROSPECT, token=token, **form)

    def is_active(self, token: str, client: str = "api") -> bool:
        return bool(self.introspect(token, client).json()["active"])


# ---- what answers look like ------------------------------------------------------------------


def is_not_stored(response: Response) -> bool:
    """RFC 6749 section 5.1."""
    return (
        response.header("cache-control") == "no-store" and response.header("pragma") == "no-cache"
    )


def refusal(response: Response) -> tuple[int, str]:
    """The status and the code of an error, after a look at all that every error has in common."""
    document = response.json()
    assert response.status >= 400
    assert response.header("content-type") == "application/json"
    assert is_not_stored(response)
    assert document.keys() <= {"error", "error_description"}
    # RFC 6749 section 5.2: %x20-21 / %x23-5B / %x5D-7E
    assert all(" " <= c <= "~" and c not in '"\\' for c in document["error_description"])
    return response.status, document.get("error", "")


def client_refusal(response: Response) -> tuple[int, str]:
    """`refusal`, by an endpoint that clients authenticate at."""
    challenge = response.header("www-authenticate")
    if response.status == 401:
        assert challenge == 'Basic realm="oauth", charset="UTF-8"'
    else:
        assert challenge is None
    return refusal(response)


def answer_of(
    response: Response, redirect_uri: str = CALLBACK, issuer: str = ISSUER
) -> dict[str, str]:
    """What the authorization endpoint sends to a client by a redirect, after a look at all that
    every such answer has in common.
    """
    assert (response.status, response.body) == (303, b"")
    assert is_not_stored(response)
    assert response.header("referrer-policy") == "no-referrer"
    location = response.header("location") or ""
    assert location.isascii()
    assert location.isprintable()
    assert location.startswith(redirect_uri)
    given = urlsplit(redirect_uri).query
    sent = urlsplit(location).query.removeprefix(given).removeprefix("&")
    pairs = parse_qsl(sent, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    answer = dict(pairs)
    assert answer.pop("iss") == issuer
    return answer


def error_of(response: Response, redirect_uri: str = CALLBACK) -> str:
    """The code of an error that a client is sent."""
    answer = answer_of(response, redirect_uri)
    assert answer.keys() <= {"error", "error_description", "state"}
    assert all(" " <= c <= "~" and c not in '"\\' for c in answer["error_description"])
    return answer["error"]


def form_of(response: Response) -> tuple[str, dict[str, str]]:
    """Where a form that submits itself goes, and what it sends."""
    assert response.status == 200
    check_page(response)
    page = response.body.decode()
    (action,) = re.findall(r'<form method=post action="([^"]*)">', page)
    pairs = re.findall(r'<input type=hidden name="([^"]*)" value="([^"]*)">', page)
    assert page.count("<input") == len(pairs)
    assert page.count("<script") == 1
    return unescape(action), {unescape(name): unescape(value) for name, value in pairs}


def error_page_of(response: Response) -> tuple[int, str]:
    """The status of an error that a person is shown, and what it says. It leads nowhere."""
    assert response.status >= 400
    assert response.header("location") is None
    check_page(response)
    page = response.body.decode()
    assert not re.search("<(script|form|a|meta http|iframe)", page)
    (text,) = re.findall(r"<h1>.*?</h1><p>(.*?)</p>", page)
    return response.status, unescape(text)


def check_page(response: Response) -> None:
    """What every page of core has in common."""
    assert is_not_stored(response)
    assert response.header("content-type") == "text/html; charset=utf-8"
    policy = response.header("content-security-policy") or ""
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert response.header("x-frame-options") == "DENY"
    assert response.header("referrer-policy") == "no-referrer"
    assert response.header("x-content-type-options") == "nosniff"
    assert response.header("access-control-allow-origin") is None


def page_of(response: Response) -> str:
    """The page of the application that a browser is sent to."""
    assert (response.status, response.body) == (303, b"")
    assert is_not_stored(response)
    return urlsplit(response.header("location") or "").path


def interaction_of(response: Response) -> str:
    """The interaction that a browser is sent to a page for, or back to the endpoint."""
    assert response.status == 303
    query = dict(parse_qsl(urlsplit(response.header("location") or "").query))
    assert query.keys() == {"interaction"}
    return query["interaction"]


def challenge(response: Response) -> dict[str, str]:
    """The parameters of a Bearer challenge (RFC 6750 section 3)."""
    value = response.header("www-authenticate") or ""
    scheme, _, parameters = value.partition(" ")
    assert scheme == "Bearer"
    assert re.fullmatch(r'[a-z_]+="[^"\\]*"(, [a-z_]+="[^"\\]*")*', parameters)
    pairs = re.findall(r'([a-z_]+)="([^"\\]*)"', parameters)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
