"""A small world for what OpenID Connect adds: a browser in which somebody is signed in or not,
clients that registered in several ways, and a wire that remembers what was sent over it.
"""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from bezant import AuthorizationServer, Client, ClientSecret, Key, ServerConfig, User
from bezant.fetch import FetchError
from bezant.http import Request, Response
from bezant.interactions import InteractionConfig
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from bezant.stores.memory import MemoryStores, MemoryUserStore
from bezant.testing import FrozenClock
from tests.jose import b64

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from bezant.events import Event
    from bezant.stores import StoredKey

ISSUER: Final = "https://id.example.com"
API: Final = "https://api.example.com"
SECRET_KEY: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
SECRET: Final = "a secret of twenty-six letters"
FORM: Final = ("content-type", "application/x-www-form-urlencoded")
VERIFIER: Final = "v" * 43
CHALLENGE: Final = b64(sha256(VERIFIER.encode()).digest())

SCOPES: Final = (
    *("openid", "profile", "email", "address", "phone", "offline_access", "items:read"),
)
PROFILE: Final[Mapping[str, Any]] = {
    "name": "Alice Archer",
    "given_name": "Alice",
    "family_name": "Archer",
    "nickname": "",
    "picture": None,
    "updated_at": 1_700_000_000,
    "email": "alice@example.com",
    "email_verified": False,
    "address": {"locality": "Ghent", "country": "BE"},
    "phone_number": "+32 9 123 45 67",
    "phone_number_verified": True,
    "shoe_size": 38,
}
ALGORITHMS: Final = ("RS256", "ES256", "EdDSA")


def relying_party(client_id: str, **options: Any) -> Client:
    """A web application that signs people in."""
    settings: dict[str, Any] = {
        "scopes": SCOPES,
        "audience": (API,),
        "secrets": (ClientSecret.of(SECRET),),
        "first_party": True,
        "redirect_uris": (f"https://{client_id}.example.com/cb",),
        "post_logout_redirect_uris": (f"https://{client_id}.example.com/bye",),
        **options,
    }
    return Client(client_id, frozenset({"authorization_code", "refresh_token"}), **settings)


@cache
def clients() -> tuple[Client, ...]:
    return (
        relying_party("web", backchannel_logout_uri="https://web.example.com/bcl"),
        relying_party("shop", backchannel_logout_uri="https://shop.example.com/bcl?from=id"),
        relying_party("quiet"),
        relying_party("plain", scopes=("openid", "items:read")),
        *(
            relying_party(
                f"signed-{name}",
                id_token_signed_response_alg=name,
                userinfo_signed_response_alg=name,
                backchannel_logout_uri=f"https://signed-{name}.example.com/bcl",
            )
            for name in ALGORITHMS
        ),
        Client(
            "machine",
            frozenset({"client_credentials"}),
            ("openid", "items:read"),
            (API,),
            secrets=(ClientSecret.of(SECRET),),
        ),
    )


class Wire:
    """What a server sends to clients, and what they answer; by default 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []
        self.answers: dict[str, Response | FetchError | Callable[[], Response]] = {}
        self.timeouts: list[float] = []

    def __call__(
        self,
        method: str,
        url: str,
        *,
        headers: tuple[tuple[str, str], ...] = (),
        body: bytes | None = None,
        timeout: float = 3.0,
    ) -> Response:
        if method == "POST":
            assert headers == (FORM,)
        self.requests.append((method, url, body or b""))
        self.timeouts.append(timeout)
        answer = self.answers.get(url) or Response(200, (), b"")
        if isinstance(answer, FetchError):
            raise answer
        return answer if isinstance(answer, Response) else answer()

    def publish(self, url: str, *keys: Key) -> None:
        """Let a client publish keys."""
        document = {"keys": [key.public_jwk() for key in keys]}
        self.answers[url] = Response(200, (), json.dumps(document).encode())

    def logout_tokens(self) -> list[tuple[str, str]]:
        """The URLs and the logout tokens that were sent, in order."""
        return [
            (url, parse_qs(body.decode())["logout_token"][0])
            for method, url, body in self.requests
            if method == "POST"
        ]


class World:
    """A server, and the browser in front of it."""

    def __init__(
        self,
        *,
        more_clients: Iterable[Client] = (),
        interaction: bool = True,
        logout_url: str | None = "/sign-out",
        stores: Any = None,
        clock: FrozenClock | None = None,
        own_keys: bool = False,
        **config: Any,
    ) -> None:
        self.clock = clock or FrozenClock()
        self.signed_in: SignIn | None = None
        self.wire = Wire()
        self.events: list[Event] = []
        self.stores: MemoryStores = stores or MemoryStores([*clients(), *more_clients])
        self.users = MemoryUserStore(
            [User("alice", "alice", None, profile=PROFILE), User("bob", "bob", None)]
        )
        pages = InteractionConfig(
            login_url="/login",
            consent_url="/consent",
            logout_url=logout_url,
            sign_in=lambda native: self.signed_in,
        )
        settings = {
            "issuer": ISSUER,
            "audience": (API,),
            "algorithm": "EdDSA",
            "client_cache_ttl": 0,
            **config,
        }
        self.server = AuthorizationServer(
            ServerConfig(**settings),
            stores=self.stores,
            secret_key=SECRET_KEY,
            users=self.users,
            interaction=pages if interaction else None,
            fetch=self.wire,
            subscribers=[self.events.append],
            clock=self.clock,
        )
        self.endpoints = {endpoint.name: endpoint for endpoint in self.server.endpoints}
        if not own_keys and interaction and self.server.config.algorithm == "EdDSA":
            for key in first_keys():
                self.stores.keys.add(key)
        run_sync(self.server.prepare(SYNC))

    # The browser

    def sign_in(self, subject: str = "alice", session: str = "sid-1", **options: Any) -> SignIn:
        self.signed_in = SignIn(subject, options.pop("at", self.clock()), session, **options)
        return self.signed_in

    def get(self, name: str, *headers: tuple[str, str], **query: Any) -> Response:
        text = urlencode({key: value for key, value in query.items() if value is not None})
        return self.ask(name, Request("GET", headers, query=text))

    def post(self, name: str, *headers: tuple[str, str], **form: Any) -> Response:
        given = {key: value for key, value in form.items() if value is not None}
        return self.ask(name, Request("POST", (FORM, *headers), urlencode(given).encode()))

    def ask(self, name: str, request: Request) -> Response:
        return run_sync(self.endpoints[name].handler(request, SYNC))

    # A client

    def authorize(self, client_id: str = "web", **query: Any) -> Response:
        client = self.stores.clients.get(client_id)
        assert client is not None
        asked = {
            "client_id": client_id,
            "redirect_uri": client.redirect_uris[0],
            "response_type": "code",
            "scope": "openid",
            "state": "a state",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return self.get("authorize", **{**asked, **query})

    def redeem(self, code: str, client_id: str = "web", **form: Any) -> Response:
        client = self.stores.clients.get(client_id)
        assert client is not None
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": client.redirect_uris[0],
            "code_verifier": VERIFIER,
        }
        return self.post("token", basic(client_id), **{**sent, **form})

    def tokens(self, client_id: str = "web", **query: Any) -> dict[str, Any]:
        """What the token endpoint answers after a sign-in."""
        answer = self.redeem(sent_back(self.authorize(client_id, **query))["code"], client_id)
        assert answer.status == 200, answer.body
        document: dict[str, Any] = answer.json()
        return document

    def refresh(self, token: str, client_id: str = "web", **form: Any) -> Response:
        return self.post(
            "token", basic(client_id), grant_type="refresh_token", refresh_token=token, **form
        )

    def userinfo(self, access_token: str, method: str = "GET") -> Response:
        return self.ask("userinfo", Request(method, (bearer(access_token),)))

    def jwks(self) -> dict[str, Any]:
        document: dict[str, Any] = self.get("jwks").json()
        return document

    def change_client(self, client_id: str, **changes: Any) -> None:
        client = self.stores.clients.get(client_id)
        assert client is not None
        self.stores.clients.add(replace(client, **changes))

    def seen(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    # Logging out

    def end_session(self, **query: Any) -> str:
        """The id under which a logout waits for a person."""
        answer = self.get("end_session", **query)
        return waiting_at(answer, "/sign-out")

    def deliver(self) -> int:
        return run_sync(self.server.logouts.notices.deliver(SYNC))


@cache
def first_keys() -> Sequence[StoredKey]:
    """The keys that a server begins with, made once: RSA takes its time."""
    return World(own_keys=True).stores.keys.load()


def basic(client_id: str) -> tuple[str, str]:
    return "authorization", "Basic " + b64encode(f"{client_id}:{SECRET}".encode()).decode()


def bearer(token: str) -> tuple[str, str]:
    return "authorization", f"Bearer {token}"


def sent_back(answer: Response) -> dict[str, str]:
    """The parameters with which a browser is sent back to a client."""
    assert answer.status == 303, answer.body
    location = answer.header("location") or ""
    assert location.startswith("https://"), location
    return dict(parse_qsl(urlsplit(location).query, strict_parsing=True))


def waiting_at(answer: Response, page: str) -> str:
    """The id of the interaction for which a browser is sent to a page of the application."""
    assert answer.status == 303, answer.body
    location = urlsplit(answer.header("location") or "")
    assert location.path == page
    return parse_qs(location.query)["interaction"][0]


def published(*keys: Key) -> dict[str, Any]:
    """A JWK Set of public keys."""
    return {"keys": [key.public_jwk() for key in keys]}
