"""The examples, run as their first lines say, tell one story in every framework."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.browsing import Browser, claims_of, title
from tests.running import eventually, running

ROOT = Path(__file__).parent.parent.parent
EXAMPLES = ROOT / "examples"
FRAMEWORKS = ["fastapi", "flask", "django", "aiohttp"]
SPREADS = 20.0
"""Seconds: what the bound of a revocation (5) may become on a machine that has much else to do."""


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_the_story(name: str) -> None:
    with ExitStack() as stack:
        issuer = stack.enter_context(running(f"{name}_issue"))
        home = str(issuer.base_url).rstrip("/")
        api = stack.enter_context(running(f"{name}_protect", home))

        # Nobody is let in.
        for http, place in ((api, "/items"), (api, "/me"), (issuer, "/me")):
            refused = http.get(place)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == 'Bearer realm="api"'
        assert api.delete("/items/1").status_code == 401

        # Alice signs in; her token opens both applications.
        tokens = sign_in(issuer)
        bearer = {"authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/items", headers=bearer).json() == ITEMS
        assert api.delete("/items/1", headers=bearer).status_code == 204
        assert api.get("/items", headers=bearer).json() == {"2": ITEMS["2"]}
        for http in (api, issuer):
            me = http.get("/me", headers=bearer).json()
            assert me == {"subject": "1", "scopes": ["items:read", "items:write"]}

        # With a narrower token she may look, and not delete.
        form = {"grant_type": "refresh_token", "client_id": "web"}
        form |= {"refresh_token": tokens["refresh_token"], "scope": "items:read"}
        tokens = issuer.post("/oauth/token", data=form).json()
        narrow = {"authorization": f"Bearer {tokens['access_token']}"}
        assert api.get("/items", headers=narrow).status_code == 200
        refused = api.delete("/items/2", headers=narrow)
        assert refused.status_code == 403
        assert 'scope="items:write"' in refused.headers["www-authenticate"]

        # She signs out; the issuer refuses her tokens at once, the API as soon as it hears of it.
        form = {"client_id": "web", "token": tokens["refresh_token"]}
        assert issuer.post("/oauth/revoke", data=form).status_code == 200
        assert issuer.get("/me", headers=narrow).status_code == 401
        for token in (bearer, narrow):
            assert eventually(lambda: status(api, token) == 401, within=SPREADS)  # noqa: B023

        # What the page tells a reader to send does what it says.
        token, read, delete = requests_on_the_page(name)
        answer = send(token, issuer, "")
        assert answer.status_code == 200, answer.text
        assert send(read, api, answer.json()["access_token"]).json() == {"2": ITEMS["2"]}
        assert send(delete, api, answer.json()["access_token"]).status_code == 204


ITEMS = {"1": "a gold coin", "2": "a silver coin"}


def sign_in(issuer: httpx2.Client) -> dict[str, str]:
    form = {"grant_type": "password", "client_id": "web"}
    answer = issuer.post(
        "/oauth/token", data={**form, "username": "alice", "password": "wonderland"}
    )
    assert answer.status_code == 200, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def status(api: httpx2.Client, headers: dict[str, str]) -> int:
    return api.get("/me", headers=headers).status_code


def requests_on_the_page(framework: str) -> list[str]:
    page = (ROOT / "docs" / f"quickstart-{framework}.md").read_text(encoding="utf-8")
    return re.findall(r"^curl (?:.*\\\n)*.*$", page, re.MULTILINE)


def send(curl: str, to: httpx2.Client, token: str) -> httpx2.Response:
    """What a command line with curl sends, to an application on another port than it says."""
    reader = ArgumentParser()
    reader.add_argument("-X", dest="method")
    reader.add_argument("-H", dest="headers", action="append", default=[])
    reader.add_argument("-d", dest="form", action="append", default=[])
    reader.add_argument("url")
    line = curl.replace("\\\n", " ").replace("$TOKEN", token)
    said = reader.parse_args(shlex.split(line)[1:])
    headers = dict(header.split(": ", 1) for header in said.headers)
    form = dict(field.split("=", 1) for field in said.form)
    method = said.method or ("POST" if form else "GET")
    return to.request(method, urlsplit(said.url).path, headers=headers, data=form or None)


# ---- single sign-on ----------------------------------------------------------------------------


@pytest.fixture(scope="module", params=FRAMEWORKS)
def issuer(request: pytest.FixtureRequest) -> Iterator[httpx2.Client]:
    """An example that runs, once for all tests below."""
    with running(f"{request.param}_issue") as http:
        yield http


@pytest.fixture
def browser(issuer: httpx2.Client) -> Browser:
    issuer.cookies.clear()
    return Browser(issuer)


def test_one_login_opens_the_shop_and_one_logout_closes_it(browser: Browser) -> None:
    page = browser.ask(prompt="consent", login_hint='"><b>alice')
    assert title(page) == "Sign in, and go on to The Shop"
    assert 'value="&quot;&gt;&lt;b&gt;alice"' in page.text

    page = browser.sign_in(page)
    assert title(page) == "The Shop asks for"
    assert "openid, profile, items:read" in page.text
    browser.submit(page, allow="")
    tokens = browser.redeem()
    claims = claims_of(tokens)
    assert (claims["sub"], claims["aud"], claims["nonce"]) == ("1", "shop", "n-1")
    assert browser.user_info(tokens).json() == {"sub": "1", "name": "Alice Liddell"}

    # She is known now, and the shop too: nobody is asked anything.
    browser.ask(prompt="none")
    again = browser.redeem()
    assert claims_of(again)["sid"] == claims["sid"]
    assert claims_of(again)["auth_time"] == claims["auth_time"]

    query = {"id_token_hint": tokens["id_token"], "state": "bye"}
    browser.open("/oauth/logout", post_logout_redirect_uri="http://127.0.0.1:9000/", **query)
    assert browser.at == "http://127.0.0.1:9000/?state=bye"
    for ended in (tokens, again):
        assert browser.user_info(ended).status_code == 401
    browser.ask(prompt="none")
    assert browser.returned()["error"] == "login_required"


def test_she_refuses(browser: Browser) -> None:
    page = browser.sign_in(browser.ask(prompt="consent"))
    browser.submit(page)
    assert browser.returned()["error"] == "access_denied"
    gone = browser.submit(page, allow="")
    assert gone.status_code == 400
    assert "this page has been answered already" in gone.text


def test_who_signs_in_anew_stays_in_the_same_session_of_clients(browser: Browser) -> None:
    browser.submit(browser.sign_in(browser.ask(prompt="consent")), allow="")
    first = browser.redeem()
    page = browser.ask(prompt="login")
    assert title(page) == "Sign in, and go on to The Shop"
    browser.sign_in(page)
    second = browser.redeem()
    assert claims_of(second)["sid"] == claims_of(first)["sid"]
    assert browser.user_info(first).status_code == 200


def test_s01_a_login_makes_another_session(browser: Browser) -> None:
    page = browser.ask(prompt="consent")
    before = dict(browser.http.cookies)
    assert title(browser.sign_in(page)) == "The Shop asks for"
    known = dict(browser.http.cookies)
    assert before
    assert known != before

    # The cookie from before the login, and after the logout the one from before that, are nobody's.
    logout = browser.open("/oauth/logout")
    assert title(logout) == "Sign out?", "nothing proves that she wants it"
    assert title(browser.submit(logout)) == "You are signed out"
    for cookies in (before, known):
        browser.http.cookies.clear()
        browser.http.cookies.update(cookies)
        browser.ask(prompt="none")
        assert browser.returned()["error"] == "login_required"


@pytest.mark.parametrize("token", [{}, {"csrf": "x", "csrfmiddlewaretoken": "x"}])
def test_s02_s03_a_form_from_elsewhere_is_refused(browser: Browser, token: Any) -> None:
    login = browser.ask(prompt="login")
    alice = {"username": "alice", "password": "wonderland", **token}
    assert browser.http.post(login.request.url, data=alice).status_code == 403
    browser.http.cookies.clear()  # a browser that has never been here
    assert browser.http.post(login.request.url, data=alice).status_code == 403

    login = browser.ask(prompt="login consent")
    consent = browser.sign_in(login)
    assert browser.http.post(consent.request.url, data={"allow": "", **token}).status_code == 403
    logout = browser.open("/oauth/logout")
    assert browser.http.post(logout.request.url, data=token).status_code == 403
    browser.submit(consent, allow="")
    assert browser.redeem()["id_token"]


def test_s05_s06_s08_pages_and_cookies(browser: Browser) -> None:
    page = browser.ask(prompt="login")
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["cache-control"] == "no-store"
    for header in page.headers.get_list("set-cookie"):
        if "csrftoken" not in header:  # Django's token, which is no secret of the session
            assert "httponly" in header.lower()
        assert "samesite=lax" in header.lower()


def test_s06_a_malformed_cookie_is_nobodys(browser: Browser) -> None:
    for name in ("session", "sessionid", "key"):
        browser.http.cookies.set(name, "x" * 2000)
    browser.ask(prompt="none")
    assert browser.returned()["error"] == "login_required"


def test_a_wrong_password_says_no_more_than_that(browser: Browser) -> None:
    page = browser.sign_in(browser.ask(prompt="consent"), password="wrong")
    assert title(page) == "the name or the password is wrong"
    nobody = browser.submit(page, username="nobody", password="wrong")
    assert nobody.text.replace("nobody", "alice").split("csrf")[0] == page.text.split("csrf")[0]
    assert title(browser.sign_in(nobody)) == "The Shop asks for"


def test_whom_to_be_is_asked_on_the_login_page(browser: Browser) -> None:
    browser.submit(browser.sign_in(browser.ask(prompt="consent")), allow="")
    page = browser.ask(prompt="select_account")
    assert title(page) == "Sign in, and go on to The Shop"
    browser.sign_in(page)
    assert browser.redeem()["id_token"]


@pytest.mark.parametrize("place", ["/login", "/consent", "/logout"])
def test_an_interaction_that_nobody_waits_for(browser: Browser, place: str) -> None:
    page = browser.http.get(place, params={"interaction": "made-up"})
    assert page.status_code == 400
    assert "go back to the application" in page.text.lower()


# ---- side by side ------------------------------------------------------------------------------


def source(framework: str, role: str) -> str:
    return (EXAMPLES / f"{framework}_{role}.py").read_text(encoding="utf-8")


SHARED = {
    "issue": r"^SCOPES = .*^    users=.*?^\)$",
    "protect": r"^ISSUER = .*?^AUDIENCE = .*?$",
}
"""The parts that know no framework: a whole server, or what is known of it."""


def shared(text: str, role: str) -> str:
    found = re.search(SHARED[role], text, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[0]


@pytest.mark.parametrize("name", FRAMEWORKS[1:])
@pytest.mark.parametrize("role", ["issue", "protect"])
def test_they_differ_where_frameworks_do(name: str, role: str) -> None:
    one, other = source(FRAMEWORKS[0], role), source(name, role)
    assert other.splitlines()[0] == one.splitlines()[0]
    assert shared(other, role) == shared(one, role)
    if role == "issue":  # how sessions are kept comes before; the handlers, in order, after
        one, other = (text.partition(shared(text, role))[2] for text in (one, other))
    for said in (
        r"^(?:async )?def (?!main\b)(\w+)",
        r"require\((\".*?)\)",
        r"items = .*",
        r"{\"subject\".*?}",
    ):
        assert re.findall(said, other, re.MULTILINE) == re.findall(said, one, re.MULTILINE)
