"""What a test says to a server, in few words."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode

from bezant.http import Request
from tests.world import PASSWORD, clients, secret_of

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

FORM = ("content-type", "application/x-www-form-urlencoded")
ADDRESS = "192.0.2.1"

METHODS = {client.client_id: client.auth_method for client in clients()}


def basic(client_id: str, secret: str) -> tuple[str, str]:
    """The header of ``client_secret_basic`` (RFC 6749 section 2.3.1)."""
    credentials = f"{quote_plus(client_id)}:{quote_plus(secret)}".encode()
    return "authorization", f"Basic {b64encode(credentials).decode()}"


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


def challenge(response: Response) -> dict[str, str]:
    """The parameters of a Bearer challenge (RFC 6750 section 3)."""
    value = response.header("www-authenticate") or ""
    scheme, _, parameters = value.partition(" ")
    assert scheme == "Bearer"
    assert re.fullmatch(r'[a-z_]+="[^"\\]*"(, [a-z_]+="[^"\\]*")*', parameters)
    pairs = re.findall(r'([a-z_]+)="([^"\\]*)"', parameters)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
