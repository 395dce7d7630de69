"""A browser without scripts, the server it visits, and the clients that send it there."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

from starlette.testclient import TestClient

from bezant.clients import Client, ClientSecret
from bezant.testing import FrozenClock
from bezant_server.administration import administration
from bezant_server.app import Application, create_app
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.server.installation import PASSWORD

__all__ = ["ISSUER", "PASSWORD", "SECRET", "Page", "Visitor", "World", "world"]

ISSUER: Final = "https://id.example.com"
SECRET: Final = "a secret of the client shop"
VERIFIER: Final = "v" * 43
CALLBACK: Final = "https://shop.example.com/callback"
GOODBYE: Final = "https://shop.example.com/goodbye"
SCOPES: Final = ("openid", "profile", "email", "items:read", "offline_access")
FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[dict[str, Any]] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append((tag, given))
        if tag == "form":
            self.forms.append({"action": given["action"], "fields": {}, "buttons": []})
        elif tag == "a":
            self.links.append(given["href"])
        elif tag == "input" and self.forms and "name" in given:
            self.forms[-1]["fields"][given["name"]] = given.get("value", "")
        elif tag == "button" and self.forms and "name" in given:
            self.forms[-1]["buttons"].append((given["name"], given["value"]))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@dataclass
class Page:
    """What a browser got."""

    url: str
    status: int
    headers: Any
    html: str
    forms: list[dict[str, Any]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    text: str = ""

    @property
    def location(self) -> str:
        """Where it sends the browser."""
        return str(self.headers["location"])

    @property
    def form(self) -> dict[str, Any]:
        """Its one form."""
        (form,) = self.forms
        return dict(form)

    def parameters(self) -> dict[str, str]:
        """The query of where it sends the browser."""
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}


class Visitor:
    """A browser.

    Args:
        client: Reaches the server; its cookies are the browser's.
    """

    def __init__(self, client: TestClient) -> None:
        self.http = client

    @property
    def cookies(self) -> dict[str, str]:
        """What it holds."""
        return {cookie.name: cookie.value or "" for cookie in self.http.cookies.jar}

    def get(self, url: str, **headers: str) -> Page:
        """Open a page; where it sends the browser is not followed."""
        answer = self.http.get(url, follow_redirects=False, headers=headers or None)
        return _page(url, answer)

    def post(self, url: str, fields: dict[str, str], **headers: str) -> Page:
        """Send a form."""
        answer = self.http.post(url, data=fields, follow_redirects=False, headers=headers or None)
        return _page(url, answer)

    def open(self, url: str) -> Page:
        """Open a page, and follow within the server."""
        page = self.get(url)
        while page.status == 303 and urljoin(ISSUER, page.location).startswith(ISSUER + "/"):
            page = self.get(page.location)
        return page

    def submit(self, page: Page, button: tuple[str, str] | None = None, **fields: str) -> Page:
        """Fill the form of a page in, and send it."""
        form = page.form
        sent = {**form["fields"], **fields}
        if button is not None:
            assert button in form["buttons"], form["buttons"]
            sent[button[0]] = button[1]
        return self.post(form["action"], sent)

    def sign_in(
        self, username: str = "alice", password: str = PASSWORD, url: str = "/login"
    ) -> Page:
        """Sign in on the sign-in page."""
        answer = self.submit(self.get(url), username=username, password=password)
        assert answer.status == 303, answer.text
        return answer


def _page(url: str, answer: Any) -> Page:
    reader = _Reader()
    if answer.headers.get("content-type", "").startswith("text/html"):
        reader.feed(answer.text)
    text = " ".join("".join(reader.words).split())
    return Page(
        url,
        answer.status_code,
        answer.headers,
        answer.text,
        reader.forms,
        reader.links,
        reader.tags,
        text,
    )


@dataclass
class World:
    """A server with Alice and Bob, the client `shop`, and the first-party client `portal`."""

    app: Application
    settings: Settings
    clock: FrozenClock
    http: TestClient

    def visitor(self, user_agent: str = FIREFOX, address: str = "192.0.2.7") -> Visitor:
        """Another browser."""
        client = TestClient(
            self.app,
            base_url=ISSUER,
            client=(address, 50000),
            headers={"user-agent": user_agent, "accept": "text/html"},
        )
        return Visitor(client)

    def request(self, **parameters: str) -> str:
        """The URL with which `shop` sends a browser here."""
        digest = hashlib.sha256(VERIFIER.encode()).digest()
        asked = {
            "client_id": "shop",
            "redirect_uri": CALLBACK,
            "response_type": "code",
            "scope": "openid profile items:read",
            "state": "a-state",
            "nonce": "a-nonce",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **parameters,
        }
        return f"/oauth/authorize?{urlencode(asked)}"

    def redeem(self, code: str, client_id: str = "shop") -> Any:
        """The tokens for a code."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.http.post("/oauth/token", data=form, auth=(client_id, SECRET))

    def refresh(self, tokens: dict[str, str], client_id: str = "shop") -> Any:
        """Other tokens for a refresh token."""
        form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        return self.http.post("/oauth/token", data=form, auth=(client_id, SECRET))

    def shop_tokens(self, visitor: Visitor, **parameters: str) -> dict[str, Any]:
        """Tokens of `shop` for who is signed in, consent included."""
        page = visitor.open(self.request(**parameters))
        if page.status == 200:
            page = visitor.submit(page, ("decision", "allow"))
            page = visitor.open(page.location)
        assert page.location.startswith(CALLBACK), page.text
        tokens: dict[str, Any] = self.redeem(page.parameters()["code"]).json()
        return tokens


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    payload = token.split(".")[1]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=="))
    return decoded


@contextmanager
def world(**overrides: Any) -> Iterator[World]:
    """A server on the database in the current directory, which is migrated and empty."""
    clock = FrozenClock()
    scopes = {"items:read": "See <your> items"}
    settings = load_settings(**{"issuer": ISSUER, "scopes": scopes, **overrides})
    ring = prepare(settings, lambda _: None)
    with administration(settings, lambda _: None) as at:
        hashed = at.new_password_hash(PASSWORD)
        at.directory.add_user(
            "alice", password_hash=hashed, name="Alice Liddell", email="alice@example.com"
        )
        at.directory.add_user("bob", password_hash=hashed)
        for client_id, name, first_party in (
            ("shop", "The <b>Shop</b>", False),
            ("portal", "", True),
        ):
            at.add_client(
                Client(
                    client_id,
                    frozenset({"authorization_code", "refresh_token"}),
                    SCOPES,
                    ("https://api.example.com",),
                    secrets=(ClientSecret.of(SECRET),),
                    name=name,
                    redirect_uris=(CALLBACK,),
                    post_logout_redirect_uris=(GOODBYE,),
                    first_party=first_party,
                )
            )
    app = create_app(settings, ring, clock=clock)
    with TestClient(app, base_url=ISSUER, client=("192.0.2.7", 50000)) as client:
        yield World(app, settings, clock, client)
