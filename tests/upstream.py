"""A provider to sign in at, for tests of its clients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from bezant.http import Response, json_response
from bezant.pkce import challenge_of
from bezant.signing import encode
from bezant.testing import fixed_key

if TYPE_CHECKING:
    from collections.abc import Callable

ISSUER = "https://login.example.org"
ALICE = "alice-at-org"


class Provider:
    """A provider that says what it is told to, reached without a network (`bezant.fetch.Fetch`)."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.key = fixed_key("RS256")
        self.metadata: dict[str, Any] = {
            "issuer": ISSUER,
            "authorization_endpoint": f"{ISSUER}/authorize",
            "token_endpoint": f"{ISSUER}/token",
            "userinfo_endpoint": f"{ISSUER}/userinfo",
            "jwks_uri": f"{ISSUER}/keys",
            "authorization_response_iss_parameter_supported": True,
        }
        self.jwks: dict[str, Any] = {"keys": [self.key.public_jwk()]}
        self.claims: dict[str, Any] = {}
        """Changes to the claims of the next ID token; None leaves one out."""
        self.id_token: Callable[[dict[str, Any]], str] = lambda claims: encode(
            self.key, "JWT", claims
        )
        self.tokens: dict[str, Any] = {}
        """Changes to the answer of the token endpoint."""
        self.userinfo: dict[str, Any] = {"sub": ALICE, "email": "alice@example.org"}
        self.answers: dict[str, Response] = {}
        """Answers in place of the truth, by path."""
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        """Of the last token request."""
        self.form: dict[str, str] = {}
        """The last token request."""
        self.request: dict[str, str] = {}
        """The authorization request that the code is for."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        path = urlsplit(url).path
        self.asked.append(path)
        if path in self.answers:
            return self.answers[path]
        match path:
            case "/.well-known/openid-configuration":
                return json_response(200, self.metadata)
            case "/keys":
                return json_response(200, self.jwks)
            case "/token":
                assert method == "POST"
                assert body is not None
                self.headers, self.form = dict(headers), dict(parse_qsl(body.decode()))
                return self._answer_token_request()
            case "/userinfo":
                assert dict(headers)["authorization"] == "Bearer upstream-access-token"
                return json_response(200, self.userinfo)
        return Response(404, (), b"")

    def _answer_token_request(self) -> Response:
        if (
            self.form["code"] != "upstream-code"
            or self.form["redirect_uri"] != self.request["redirect_uri"]
            or challenge_of(self.form["code_verifier"]) != self.request["code_challenge"]
        ):
            return json_response(400, {"error": "invalid_grant"})
        now = int(self.clock())
        claims = {
            "iss": ISSUER,
            "sub": ALICE,
            "aud": "app",
            "exp": now + 300,
            "iat": now,
            "nonce": self.request.get("nonce"),
            "name": "Alice",
            **self.claims,
        }
        tokens = {
            "access_token": "upstream-access-token",
            "token_type": "Bearer",
            "id_token": self.id_token({k: v for k, v in claims.items() if v is not None}),
            **self.tokens,
        }
        return json_response(200, {k: v for k, v in tokens.items() if v is not None})
