"""The story of a token: got, used, renewed, revoked, refused. Each step is real, and checked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import httpx2

from bezant.encoding import b64url_decode, json_object
from bezant_server.demo.browser import Browser, Page
from bezant_server.demo.data import ALICE, AUDIENCE, BOB, CAROL, KIOSK, WEB, Person

__all__ = ["BOUND", "Place", "Story", "Teller"]


BOUND: Final = 5.0
"""Seconds within which all APIs must know of a revocation."""

PATIENCE: Final = 10.0
"""Seconds within which an application must know of a logout elsewhere."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the server is, the APIs by framework, and the web applications by name."""

    issuer: str
    apis: Mapping[str, str]
    applications: Mapping[str, str]

    @property
    def api(self) -> str:
        """The first of the APIs, where one is enough."""
        return next(iter(self.apis.values()))


class Teller(Protocol):
    """Tells the story."""

    def step(self, title: str, text: str) -> None:
        """A new step begins."""

    def exchange(self, response: httpx2.Response) -> None:
        """A request was answered."""

    def hop(self, response: httpx2.Response) -> None:
        """A browser was answered, with a page or with a redirect."""

    def claims(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        """What a token says."""

    def outcome(self, good: bool, text: str) -> None:
        """The step ended as it should, or not."""


class Story:
    """The story. It begins with nothing but two names and two passwords.

    Args:
        place: Where the servers are.
        teller: Tells it.
    """

    def __init__(self, place: Place, teller: Teller) -> None:
        self._place = place
        self._teller = teller
        # Whatever proxy the environment names, it is of no use between two loopback ports.
        self._http = httpx2.Client(timeout=10, trust_env=False)
        self._failed = 0

    def run(self) -> bool:
        """Tell it. Returns whether every step ended as it should."""
        try:
            with self._http:
                self._discover()
                tokens = self._sign_in()
                self._look_into(tokens["access_token"])
                self._use(tokens["access_token"])
                self._enforce(tokens["access_token"])
                self._another_issuer(tokens["access_token"])
                renewed = self._refresh(tokens["refresh_token"])
                self._revoke(renewed)
                self._reuse()
                with Browser(self._teller.hop) as browser:
                    self._sign_in_by_browser(browser)
                    self._single_sign_on(browser)
                    self._single_logout(browser)
        except (httpx2.HTTPError, LookupError, ValueError) as error:
            self._expect(False, f"The story cannot go on: {type(error).__name__}.")
        return not self._failed

    # The steps

    def _discover(self) -> None:
        self._teller.step(
            "A client finds its way",
            "All it has to know is the issuer's URL: the metadata (RFC 8414) says the rest.",
        )
        answer = self._get(self._place.issuer + "/.well-known/oauth-authorization-server")
        self._expect(
            answer.status_code == 200 and answer.json()["issuer"] == self._place.issuer,
            "The metadata names the issuer and its endpoints.",
        )

    def _sign_in(self) -> dict[str, Any]:
        self._teller.step(
            "Alice signs in",
            "The client web proves itself with its id and secret, Alice with her name and password "
            "(RFC 6749 section 4.3). The answer is a short-lived access token and a refresh token.",
        )
        answer = self._token(_password_of(ALICE))
        tokens: dict[str, Any] = answer.json()
        self._expect(
            answer.status_code == 200 and {"access_token", "refresh_token"} <= tokens.keys(),
            "She has an access token and a refresh token.",
        )
        return tokens

    def _look_into(self, token: str) -> None:
        self._teller.step(
            "What the access token says",
            "It is a signed JWT (RFC 9068): anyone can read it, nobody can change it unnoticed.",
        )
        header, claims, _ = token.split(".")
        head, body = (
            json_object(b64url_decode(header.encode())),
            json_object(b64url_decode(claims.encode())),
        )
        self._teller.claims(head, body)
        self._expect(
            body["aud"] == AUDIENCE and body["permissions"] == ["items.delete"],
            "It is meant for the APIs alone, and carries what Alice's role allows.",
        )

    def _use(self, token: str) -> None:
        self._teller.step(
            "Four frameworks take the token",
            "Each API is a process of its own. It verifies signature, issuer, audience, end of "
            "life and the scope items:read without asking the server.",
        )
        for name, url in self._place.apis.items():
            answer = self._get(url + "/items", token)
            self._expect(answer.status_code == 200, f"Alice sees the items in {name}.")

        self._teller.step("No token, no items", "The API says what it wants (RFC 6750 section 3).")
        answers = [self._http.get(url + "/items") for url in self._place.apis.values()]
        self._shown(answers[0])
        self._expect(
            all(answer.status_code == 401 for answer in answers)
            and len({(a.content, a.headers["www-authenticate"]) for a in answers}) == 1,
            "401, with the same challenge from all four, to the byte.",
        )

    def _enforce(self, token: str) -> None:
        self._teller.step(
            "What a user may do",
            "Deleting needs the permission items.delete. Bob signs in with the same client and "
            "gets the same scopes, but his role does not allow it.",
        )
        answer = self._token(_password_of(BOB))
        bobs = answer.json().get("access_token", "")
        for name, url in self._place.apis.items():
            answer = self._delete(url + "/items/1", bobs)
            self._expect(answer.status_code == 403, f"Bob is refused with 403 in {name}.")
            answer = self._delete(url + "/items/1", token)
            self._expect(answer.status_code == 200, f"Alice, an editor, may delete in {name}.")

    def _another_issuer(self, token: str) -> None:
        flask, aiohttp = self._place.apis["Flask"], self._place.apis["aiohttp"]
        self._teller.step(
            "Another issuer",
            "The Flask API has token endpoints of its own, for Carol, who has no account at the "
            "server. The aiohttp API trusts both issuers, by name; FastAPI and Django trust the "
            "server only.",
        )
        answer = self._shown(
            self._http.post(
                flask + "/oauth/token", data={**_password_of(CAROL), "client_id": KIOSK}
            )
        )
        carols = answer.json().get("access_token", "")
        self._expect(answer.status_code == 200, "Carol gets a token from the Flask API.")
        answer = self._get(aiohttp + "/me", carols)
        self._expect(
            answer.status_code == 200 and answer.json()["issuer"] == flask,
            "The aiohttp API takes it.",
        )
        answer = self._get(aiohttp + "/me", token)
        self._expect(
            answer.status_code == 200 and answer.json()["issuer"] == self._place.issuer,
            "It takes Alice's, too.",
        )
        for name in ("FastAPI", "Django"):
            answer = self._http.get(self._place.apis[name] + "/me", headers=_bearer(carols))
            self._expect(answer.status_code == 401, f"{name} refuses Carol's.")

    def _refresh(self, refresh_token: str) -> dict[str, Any]:
        self._teller.step(
            "The token is renewed",
            "A refresh token is good once (RFC 6749 section 6): it is spent for a new access token "
            "and its own successor.",
        )
        answer = self._token({"grant_type": "refresh_token", "refresh_token": refresh_token})
        tokens: dict[str, Any] = answer.json()
        self._expect(
            answer.status_code == 200 and tokens.get("refresh_token") != refresh_token,
            "A new access token and a new refresh token.",
        )
        answer = self._get(self._place.api + "/me", tokens.get("access_token", ""))
        self._expect(answer.status_code == 200, "The API takes the new access token.")
        return tokens

    def _revoke(self, tokens: Mapping[str, Any]) -> None:
        self._teller.step(
            "Alice signs out",
            "The client revokes the refresh token (RFC 7009). That ends the session: the access "
            "token, good for minutes still, is refused from now on.",
        )
        answer = self._client("/oauth/revoke", {"token": tokens["refresh_token"]})
        self._expect(answer.status_code == 200, "The session is ended.")
        self._refused_everywhere(tokens["access_token"])
        answer = self._client("/oauth/introspect", {"token": tokens["access_token"]})
        self._expect(
            answer.status_code == 200 and answer.json() == {"active": False},
            "Introspection (RFC 7662) calls it inactive.",
        )
        answer = self._token(
            {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
        )
        self._expect(
            answer.status_code == 400 and answer.json().get("error") == "invalid_grant",
            "The refresh token is refused, too.",
        )

    def _reuse(self) -> None:
        self._teller.step(
            "A stolen refresh token",
            "Alice signs in again and refreshes twice. Then somebody sends her first refresh "
            "token, copied long ago. Thief or owner, nobody can tell: the whole session ends "
            "(RFC 9700 section 4.14).",
        )
        first = self._token(_password_of(ALICE), quiet=True).json()
        second = self._spend(first)
        third = self._spend(second)
        answer = self._token(
            {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
        )
        self._expect(
            answer.status_code == 400 and answer.json().get("error") == "invalid_grant",
            "The old refresh token is refused.",
        )
        answer = self._token(
            {"grant_type": "refresh_token", "refresh_token": third.get("refresh_token", "")}
        )
        self._expect(answer.status_code == 400, "The newest one has ended with it.")
        self._refused_everywhere(third.get("access_token", ""))

    def _sign_in_by_browser(self, browser: Browser) -> None:
        shop = self._place.applications["Shop"]
        self._teller.step(
            "Alice signs in to a web application",
            "Shop never sees her password: it sends her browser to the server (OpenID Connect, "
            "authorization code flow with PKCE), and the server sends it back with a code that is "
            "good once.",
        )
        page = browser.open(shop + "/login")
        form = page.form("username", "password")
        page = browser.submit(page, form, {"username": ALICE.name, "password": ALICE.password})
        self._expect(
            page.url == shop + "/" and _greets(page, ALICE),
            "She is back at the Shop, which knows her by name.",
        )
        page = browser.open(shop + "/items")
        self._expect(
            page.status == 200 and "a silver spoon" in page.text,
            "With its access token, Shop gets her the items from an API.",
        )

    def _single_sign_on(self, browser: Browser) -> None:
        notes = self._place.applications["Notes"]
        self._teller.step(
            "One login, two applications",
            "Notes belongs to somebody else, so the server asks Alice what Notes may have. It does "
            "not ask for her password again.",
        )
        page = browser.open(notes + "/login")
        form = page.form("decision")
        self._expect("password" not in form.names, "No password is asked for.")
        page = browser.submit(page, form, {"decision": "allow"})
        self._expect(
            page.url == notes + "/" and _greets(page, ALICE), "She is signed in to Notes, too."
        )

    def _single_logout(self, browser: Browser) -> None:
        shop, notes = self._place.applications["Shop"], self._place.applications["Notes"]
        self._teller.step(
            "One logout, two applications",
            "Alice signs out of the Shop. The server ends her sign-in and tells Notes behind her "
            "back (OpenID Connect Back-Channel Logout).",
        )
        page = browser.open(shop + "/")
        page = browser.submit(page, page.form(), {})
        self._expect(page.url == shop + "/signed-out", "She is signed out of the Shop.")
        begun = time.monotonic()
        while (there := _greets(browser.peek(notes + "/"), ALICE)) and (
            time.monotonic() - begun < PATIENCE
        ):
            time.sleep(0.05)
        after = time.monotonic() - begun
        self._expect(not there, f"Notes has signed her out, {after:.1f} s later.")
        page = browser.open(notes + "/login?prompt=none")
        self._expect(
            "login_required" in page.text, "The server knows of nobody in this browser any more."
        )

    def _refused_everywhere(self, token: str) -> None:
        """The APIs hear of it from the server's feed, and within five seconds."""
        begun = time.monotonic()
        waiting = dict(self._place.apis)
        while waiting and time.monotonic() - begun < BOUND:
            for name, url in [*waiting.items()]:
                answer = self._http.get(url + "/items", headers=_bearer(token))
                if answer.status_code == 401:
                    del waiting[name]
                    self._shown(answer)
                    after = time.monotonic() - begun
                    good = answer.json().get("error") == "invalid_token"
                    self._expect(good, f"{name} refuses the access token, {after:.1f} s later.")
            time.sleep(0.05)
        for name in waiting:
            self._expect(False, f"{name} takes the access token {BOUND:.0f} s later.")

    # Requests

    def _spend(self, tokens: Mapping[str, Any]) -> dict[str, Any]:
        form = {"grant_type": "refresh_token", "refresh_token": tokens.get("refresh_token", "")}
        renewed: dict[str, Any] = self._token(form, quiet=True).json()
        return renewed

    def _token(self, form: Mapping[str, str], *, quiet: bool = False) -> httpx2.Response:
        return self._client("/oauth/token", form, quiet=quiet)

    def _client(
        self, path: str, form: Mapping[str, str], *, quiet: bool = False
    ) -> httpx2.Response:
        answer = self._http.post(
            self._place.issuer + path, data=dict(form), auth=(WEB.name, WEB.password)
        )
        return answer if quiet else self._shown(answer)

    def _get(self, url: str, token: str | None = None) -> httpx2.Response:
        return self._shown(self._http.get(url, headers=_bearer(token)))

    def _delete(self, url: str, token: str) -> httpx2.Response:
        return self._shown(self._http.delete(url, headers=_bearer(token)))

    def _shown(self, answer: httpx2.Response) -> httpx2.Response:
        self._teller.exchange(answer)
        return answer

    def _expect(self, good: bool, text: str) -> None:
        self._failed += not good
        self._teller.outcome(good, text)


def _password_of(user: Person) -> dict[str, str]:
    return {"grant_type": "password", "username": user.name, "password": user.password}


def _greets(page: Page, user: Person) -> bool:
    return f"<strong>{user.name.capitalize()}</strong>" in page.text


def _bearer(token: str | None) -> dict[str, str]:
    return {} if token is None else {"Authorization": f"Bearer {token}"}
