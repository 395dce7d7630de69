"""A browser and a client of the examples that issue tokens."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2

CALLBACK = "http://127.0.0.1:9000/callback"
VERIFIER = "of-43-to-128-characters-that-nobody-can-guess"
CHALLENGE = urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()


class Browser:
    """Goes where it is sent, up to the client's door, and fills forms in.

    Args:
        http: A client for the issuer; its cookies are the browser's.
    """

    def __init__(self, http: httpx2.Client) -> None:
        self.http = http
        self.at = ""

    def open(self, url: str, **query: str) -> httpx2.Response:
        return self._follow(self.http.get(url, params=query or None))

    def ask(self, **more: str) -> httpx2.Response:
        """Come from the client, and want to sign in there."""
        query = {"client_id": "shop", "redirect_uri": CALLBACK, "response_type": "code"}
        query |= {"scope": "openid profile items:read", "state": "st&te", "nonce": "n-1"}
        query |= {"code_challenge": CHALLENGE, "code_challenge_method": "S256", **more}
        return self.open("/oauth/authorize", **query)

    def submit(self, page: httpx2.Response, **fields: str) -> httpx2.Response:
        """Send the form on a page, to where the page is."""
        hidden = dict(re.findall(r"<input type=hidden name=(\w+) value=\"(.*?)\">", page.text))
        return self._follow(self.http.post(page.request.url, data=hidden | fields))

    def _follow(self, answer: httpx2.Response) -> httpx2.Response:
        while answer.is_redirect:
            assert answer.status_code == 303, "a form with a password is not sent on"
            self.at = answer.headers["location"]
            if not self.at.startswith(("/", str(self.http.base_url))):
                break
            answer = self.http.get(self.at)
        return answer

    def returned(self) -> dict[str, str]:
        """What the client was told."""
        url, query = urlsplit(self.at), parse_qs(urlsplit(self.at).query)
        assert f"{url.scheme}://{url.netloc}{url.path}" == CALLBACK
        told = {name: values[0] for name, values in query.items()}
        assert told.pop("state") == "st&te"
        assert told.pop("iss") == str(self.http.base_url).rstrip("/")
        return told

    def sign_in(self, page: httpx2.Response, password: str = "wonderland") -> httpx2.Response:
        return self.submit(page, username="alice", password=password)

    def redeem(self) -> dict[str, Any]:
        form = {"grant_type": "authorization_code", "client_id": "shop"}
        form |= {"code": self.returned()["code"], "redirect_uri": CALLBACK}
        answer = self.http.post("/oauth/token", data={**form, "code_verifier": VERIFIER})
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def user_info(self, tokens: dict[str, Any]) -> httpx2.Response:
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        return self.http.get("/oauth/userinfo", headers=bearer)


def claims_of(tokens: dict[str, Any]) -> dict[str, Any]:
    payload = tokens["id_token"].split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=="))
    return claims


def title(page: httpx2.Response) -> str:
    found = re.search("<h1>(.*?)</h1>", page.text)
    assert found is not None, page.text
    return unescape(found[1])
