"""Standard client libraries sign people in at an application that issues tokens: no special care,
on either side. What the browser does, tests do.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from flask import Flask, redirect, session, url_for

from tests.browsing import CALLBACK, Browser, title
from tests.running import running

with warnings.catch_warnings():  # theirs, not ours
    warnings.simplefilter("ignore")
    from authlib.integrations.flask_client import OAuth
    from authlib.integrations.requests_client import OAuth2Session
    from oauthlib.oauth2 import OAuth2Error
    from requests_oauthlib import OAuth2Session as Session

ROOT: Final = Path(__file__).parents[2]
SCOPE: Final = "openid profile items:read"
DISCOVERY: Final = "/.well-known/openid-configuration"
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib", "ignore:::authlib")


@pytest.fixture(scope="module")
def issuer() -> Iterator[httpx2.Client]:
    """An application that shows its own login, consent and logout pages."""
    with running("fastapi_issue") as http:
        yield http


@pytest.fixture
def browser(issuer: httpx2.Client) -> Browser:
    issuer.cookies.clear()
    return Browser(issuer)


@pytest.fixture
def metadata(issuer: httpx2.Client) -> Any:
    return issuer.get(DISCOVERY).json()


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the libraries ask for before they speak http, which they do here on loopback only."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


def come_back(browser: Browser, url: str) -> str:
    """Alice opens a link of the client, signs in if she has to, allows what is asked, and is
    back.
    """
    page = browser.open(url)
    if not page.is_redirect and title(page).startswith("Sign in"):
        page = browser.sign_in(page)
    if not page.is_redirect:
        assert title(page) == "The Shop asks for"
        browser.submit(page, allow="")
    assert browser.at.startswith(CALLBACK)
    return browser.at


def test_requests_oauthlib(browser: Browser, metadata: Any) -> None:
    with Session("shop", redirect_uri=CALLBACK, scope=SCOPE.split(), pkce="S256") as shop:
        url, _ = shop.authorization_url(metadata["authorization_endpoint"])
        back = come_back(browser, url)
        token = shop.fetch_token(
            metadata["token_endpoint"], authorization_response=back, include_client_id=True
        )
        assert token["scope"] == SCOPE.split()
        assert shop.get(metadata["userinfo_endpoint"]).json()["name"] == "Alice Liddell"
        again = shop.refresh_token(metadata["token_endpoint"], client_id="shop")
        assert again["access_token"] != token["access_token"]
        with pytest.raises(OAuth2Error, match="invalid_grant"):
            shop.fetch_token(
                metadata["token_endpoint"], authorization_response=back, include_client_id=True
            )
        assert shop.get(metadata["userinfo_endpoint"]).status_code == 401


def test_requests_oauthlib_understands_a_refusal(browser: Browser, metadata: Any) -> None:
    with Session("shop", redirect_uri=CALLBACK, scope=SCOPE.split(), pkce="S256") as shop:
        url, _ = shop.authorization_url(metadata["authorization_endpoint"], prompt="consent")
        browser.submit(browser.sign_in(browser.open(url)))
        with pytest.raises(OAuth2Error, match="access_denied"):
            shop.fetch_token(metadata["token_endpoint"], authorization_response=browser.at)


def test_authlib(browser: Browser, metadata: Any) -> None:
    with OAuth2Session(
        "shop",
        scope=SCOPE,
        redirect_uri=CALLBACK,
        token_endpoint_auth_method="none",
        code_challenge_method="S256",
    ) as shop:
        verifier = "a-verifier-that-is-long-enough-for-anybody-here"
        url, state = shop.create_authorization_url(
            metadata["authorization_endpoint"], code_verifier=verifier, nonce="n"
        )
        token = shop.fetch_token(
            metadata["token_endpoint"],
            authorization_response=come_back(browser, url),
            code_verifier=verifier,
            state=state,
        )
        assert token["scope"] == SCOPE
        assert shop.get(metadata["userinfo_endpoint"]).json()["sub"] == "1"
        answer = shop.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"])
        assert answer.status_code == 200
        assert shop.get(metadata["userinfo_endpoint"]).status_code == 401


def shop_in_flask(issuer: str) -> Flask:
    """A web shop as Authlib's manual has it: it verifies ID tokens on its own."""
    app = Flask(__name__)
    app.secret_key = "for tests only"
    shop = OAuth(app).register(
        "bezant",
        client_id="shop",
        server_metadata_url=issuer + DISCOVERY,
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "none",
        },
    )

    @app.get("/login")
    def login() -> Any:
        return shop.authorize_redirect(url_for("callback", _external=True))

    @app.get("/callback")
    def callback() -> Any:
        token = shop.authorize_access_token()
        session["id_token"] = token["id_token"]
        return {**token["userinfo"], **shop.userinfo(token=token)}

    @app.get("/logout")
    def logout() -> Any:
        home = "http://127.0.0.1:9000/"
        hint = session["id_token"]
        return redirect(
            shop.create_logout_url(post_logout_redirect_uri=home, id_token_hint=hint)["url"]
        )

    return app


def test_authlib_in_flask_verifies_id_tokens(browser: Browser) -> None:
    shop = shop_in_flask(str(browser.http.base_url).rstrip("/")).test_client()
    place = {"base_url": "http://127.0.0.1:9000"}
    back = come_back(browser, shop.get("/login", **place).location)
    who = shop.get(back.removeprefix("http://127.0.0.1:9000"), **place).json
    assert (who["sub"], who["name"], who["aud"]) == ("1", "Alice Liddell", "shop")
    assert who["auth_time"] <= time.time()
    assert who["sid"]

    # A second visit asks nobody anything; then she signs out, there and here.
    browser.open(shop.get("/login", **place).location)
    assert "code=" in browser.at
    browser.open(shop.get("/logout", **place).location)
    assert browser.at.startswith("http://127.0.0.1:9000/?state=")
    assert title(browser.open(shop.get("/login", **place).location)).startswith("Sign in")


# ---- openid-client -----------------------------------------------------------------------------

PACKAGES: Final = {
    "openid-client": (
        "6.9.0",
        "sha512-2IvamJR8PAnWHngaCsGGA8TYfcLI2egvuqa9cOQYHIISwIUhxJwwwcCnkgVX95fzZ6J0TAna0aVGUMOxnPeRqg==",
    ),
    "oauth4webapi": (
        "3.8.8",
        "sha512-8N28E+a/oxfXWBgOMt+ZP/JUf/XR+IFbvkAEPP3gznXOMv9BpAAwiIj0TFNz3tGTPc0ZQ8zmWBNgN1nAys0gng==",
    ),
    "jose": (
        "6.2.18",
        "sha512-doV4thUwgkrycJH4yLeqwTGIIZphHl+pk7CPReuMIhYhncmgzdko85MaCG4YQFTxqMFr1/oEH32tZuKKovcDEg==",
    ),
}
"""What is installed: versions, and digests of what npm got."""


@pytest.fixture(scope="module")
def node_folder() -> Path:
    """A folder of the cache with the packages; npm is asked once."""
    if not shutil.which("node") or not shutil.which("npm"):
        pytest.skip("openid-client is not tried: node and npm are not on PATH")
    versions = {name: version for name, (version, _) in PACKAGES.items()}
    folder = ROOT / ".cache" / f"openid-client-{versions['openid-client']}"
    lock = folder / "package-lock.json"
    if not lock.exists():
        folder.mkdir(parents=True, exist_ok=True)
        package = {"private": True, "type": "module", "dependencies": versions}
        (folder / "package.json").write_text(json.dumps(package))
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            lock.unlink(missing_ok=True)
            pytest.skip(f"openid-client is not tried: npm failed: {done.stderr.strip()[-300:]}")
    found = json.loads(lock.read_text())["packages"]
    found.pop("")
    assert {
        place.removeprefix("node_modules/"): (one["version"], one["integrity"])
        for place, one in found.items()
    } == PACKAGES
    shutil.copy(Path(__file__).parent / "openid_client.mjs", folder)
    return folder


def test_openid_client(browser: Browser, node_folder: Path) -> None:
    issuer = str(browser.http.base_url).rstrip("/")
    pipe = subprocess.PIPE
    with subprocess.Popen(
        ["node", "openid_client.mjs", issuer],
        cwd=node_folder,
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        text=True,
    ) as node:
        heard, said_badly = node.stdout, node.stderr
        assert heard is not None
        assert said_badly is not None

        def said() -> str:
            line = heard.readline().strip()
            assert line, said_badly.read()
            return line

        print(come_back(browser, said()), file=node.stdin, flush=True)
        found = json.loads(said())
        assert (found["claims"]["sub"], found["claims"]["iss"]) == ("1", issuer)
        assert found["info"] == found["again"] == {"sub": "1", "name": "Alice Liddell"}
        assert found["scope"] == SCOPE
        assert found["replayed"] == "invalid_grant"
        browser.open(said())
        print(browser.at, file=node.stdin, flush=True)
        assert said() == "signed out"
