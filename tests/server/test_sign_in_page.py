"""The sign-in page: cookies, forms, and what nobody learns from it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography.hazmat.primitives.kdf import argon2
from starlette.testclient import TestClient

from bezant import passwords
from bezant.clients import Client, ClientSecret
from bezant.stores.sql.prepared import Prepared
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.serving import prepare
from bezant_server.settings import Settings
from tests.server.browsing import (
    CALLBACK,
    ISSUER,
    PASSWORD,
    SECRET,
    Visitor,
    World,
    claims,
    world,
)
from tests.server.installation import furnish

SESSION = "__Host-bezant"
FORM = "__Host-bezant-form"


@pytest.fixture
def here(installed: Settings) -> Iterator[World]:
    with world() as entered:
        yield entered


@pytest.fixture
def visitor(here: World) -> Visitor:
    return here.visitor()


def test_a_client_gets_a_code_and_the_next_one_without_a_password(
    here: World, visitor: Visitor
) -> None:
    page = visitor.open(here.request())
    assert "The <b>Shop</b>" in page.text  # as text, and not as markup
    page = visitor.submit(page, username="alice", password=PASSWORD)
    assert page.status == 303
    page = visitor.open(page.location)
    page = visitor.open(visitor.submit(page, ("decision", "allow")).location)
    assert page.location.startswith(CALLBACK)
    assert page.parameters()["state"] == "a-state"
    tokens = here.redeem(page.parameters()["code"]).json()
    said = claims(tokens["id_token"])
    assert (said["nonce"], said["amr"]) == ("a-nonce", ["pwd"])
    # The other application.
    page = visitor.open(here.request(client_id="portal"))
    assert page.location.startswith(CALLBACK)
    second = here.redeem(page.parameters()["code"], "portal").json()
    assert claims(second["id_token"])["sub"] == said["sub"]
    assert claims(second["id_token"])["sid"] == said["sid"]


def test_clients_learn_the_profile_that_is_known(here: World, visitor: Visitor) -> None:
    visitor.sign_in()
    tokens = here.shop_tokens(visitor, scope="openid profile email")
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    told = here.http.get("/oauth/userinfo", headers=headers).json()
    told.pop("sub")
    assert told == {
        "preferred_username": "alice",
        "name": "Alice Liddell",
        "email": "alice@example.com",
        "email_verified": False,
    }


def test_s01_each_login_makes_another_session_and_kills_the_one_before(
    here: World, visitor: Visitor
) -> None:
    visitor.http.cookies.set(SESSION, "f" * 43, domain="id.example.com")  # fixed by somebody
    visitor.sign_in()
    first = visitor.cookies[SESSION]
    assert first != "f" * 43
    visitor.sign_in(url="/login?add=1")
    second = visitor.cookies[SESSION]
    assert second != first
    visitor.sign_in("bob", url="/login?add=1")
    third = visitor.cookies[SESSION]
    chooser = visitor.open("/accounts")
    assert visitor.submit(chooser, chooser.form["buttons"][1]).status == 303
    fourth = visitor.cookies[SESSION]
    assert len({first, second, third, fourth}) == 4
    stranger = here.visitor()
    for value, alive in ((first, False), (second, False), (third, False), (fourth, True)):
        stranger.http.cookies.set(SESSION, value, domain="id.example.com")
        page = stranger.get("/account")
        assert page.status == (200 if alive else 303)


def test_signing_in_again_stays_the_same_sign_in(here: World, visitor: Visitor) -> None:
    visitor.sign_in()
    before = claims(here.shop_tokens(visitor)["id_token"])
    here.clock.advance(5)
    page = visitor.open(here.request(prompt="login"))
    page = visitor.submit(page, username="alice", password=PASSWORD)
    page = visitor.open(page.location)
    after = claims(here.redeem(page.parameters()["code"]).json()["id_token"])
    assert after["sid"] == before["sid"]
    assert after["auth_time"] == before["auth_time"] + 5


@pytest.mark.parametrize(
    "spoil",
    [
        lambda fields: fields.pop("csrf"),
        lambda fields: fields.update(csrf=""),
        lambda fields: fields.update(csrf="A" * 43),
        lambda fields: fields.update(csrf="ü"),
    ],
)
def test_s02_s03_the_form_works_with_its_own_token_only(spoil: Any, visitor: Visitor) -> None:
    page = visitor.get("/login")
    fields = {**page.form["fields"], "username": "alice", "password": PASSWORD}
    spoil(fields)
    answer = visitor.post("/login", fields)
    assert answer.status == 403
    assert SESSION not in visitor.cookies


def test_s03_nobody_is_signed_in_with_a_form_of_another_browser(
    here: World, visitor: Visitor
) -> None:
    attacker = here.visitor()
    taken = attacker.get("/login").form["fields"]
    visitor.get("/login")
    fields = {**taken, "username": "bob", "password": PASSWORD}
    assert visitor.post("/login", fields).status == 403
    assert SESSION not in visitor.cookies


@pytest.mark.parametrize(
    "header",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://id.example.com"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/login", "/accounts", "/signout", "/account", "/account/password"]
)
def test_s02_forms_come_from_pages_of_our_own(
    path: str, header: dict[str, str], visitor: Visitor
) -> None:
    visitor.sign_in()
    page = visitor.get(path + ("?add=1" if path == "/login" else ""))
    assert page.status == 200
    answer = visitor.post(page.form["action"], page.form["fields"], **header)
    assert answer.status == 403
    assert "evil" not in answer.text
    assert "location" not in answer.headers


def test_forms_of_our_own_pages_are_taken(visitor: Visitor) -> None:
    page = visitor.get("/login")
    fields = {**page.form["fields"], "username": "alice", "password": PASSWORD}
    headers = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
    assert visitor.post("/login", fields, **headers).status == 303


PAGES = ["/", "/login", "/signed-out", "/inspect", "/nowhere", "/login?interaction=gone"]
PRIVATE = [
    "/account",
    "/account/password",
    "/account/sessions",
    "/account/applications",
    "/account/activity",
    "/accounts",
    "/signout",
]


@pytest.mark.parametrize("path", [*PAGES, *PRIVATE])
def test_s05_pages_are_not_framed_and_hold_nothing_from_elsewhere(
    path: str, visitor: Visitor
) -> None:
    if path in PRIVATE:
        visitor.sign_in()
    page = visitor.get(path)
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "base-uri 'none'" in policy
    assert "unsafe" not in policy
    assert ("script-src" in policy) == (path == "/inspect")
    assert page.headers["x-frame-options"] == "DENY"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["referrer-policy"] == "same-origin"
    assert page.headers["cache-control"] == "no-store"
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert tag != "style"
        if tag == "script":
            assert path == "/inspect"
        if tag in {"script", "link", "img"}:
            assert (attributes.get("src") or attributes["href"]).startswith("/static/")
    assert ("html", {"lang": "en"}) in page.tags


def test_forms_that_lead_to_a_client_may(here: World, visitor: Visitor) -> None:
    """Browsers hold `form-action` against the redirect at the end, too."""
    assert "form-action 'self'" in visitor.get("/login").headers["content-security-policy"]
    page = visitor.open(here.request())
    assert "form-action" not in page.headers["content-security-policy"]


def test_s06_cookies_are_for_this_host_and_no_script(visitor: Visitor) -> None:
    page = visitor.get("/login?lang=en")
    signed_in = visitor.sign_in()
    given = page.headers.get_list("set-cookie") + signed_in.headers.get_list("set-cookie")
    assert {cookie.partition("=")[0] for cookie in given} == {
        *(SESSION, FORM, "__Host-bezant-language")
    }
    for cookie in given:
        attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
        assert {"secure", "httponly", "samesite=lax", "path=/"} <= attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)


def test_s06_by_plain_http_on_loopback_cookies_have_plain_names(installed: Settings) -> None:
    furnish(installed)
    app = create_app(installed, prepare(installed, lambda _: None))
    with TestClient(app, base_url=installed.public_url()) as client:
        visitor = Visitor(client)
        answer = visitor.sign_in()
        (cookie,) = answer.headers.get_list("set-cookie")
        assert cookie.startswith("bezant=")
        assert "secure" not in cookie.lower()
        assert "httponly" in cookie.lower()
        assert visitor.get("/account").status == 200


@pytest.mark.parametrize(
    "value", ["", "x", "A" * 43, "A" * 4000, "é" * 43, '"', "..", "A" * 42 + "=", "null"]
)
def test_s06_cookies_that_are_none_of_ours_sign_nobody_in(value: str, visitor: Visitor) -> None:
    raw = f"{SESSION}={value}".encode()
    answer = visitor.http.get("/account", headers={b"cookie": raw}, follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"].startswith("/login")


@pytest.mark.parametrize(
    "onward",
    [
        *("//evil.example", "///evil.example", "/\\evil.example", "\\\\evil.example"),
        *("https:evil.example", "https://evil.example", "javascript:alert(1)", "evil.example"),
        *("/%5cevil.example\n", "%2f%2fevil.example", "/\tevil", " //evil.example", "", "/@evil|"),
    ],
)
def test_s07_nobody_is_sent_elsewhere_after_signing_in(onward: str, visitor: Visitor) -> None:
    answer = visitor.sign_in(url="/login?" + urlencode({"next": onward}))
    assert answer.location == "/account"


def test_one_comes_back_to_where_one_wanted_to_go(visitor: Visitor) -> None:
    page = visitor.get("/account/sessions")
    assert page.location == "/login?next=%2Faccount%2Fsessions"
    assert visitor.sign_in(url=page.location).location == "/account/sessions"
    assert visitor.get(page.location).location == "/account/sessions"  # signed in already


def test_s08_passwords_are_posted_and_go_nowhere_else(visitor: Visitor) -> None:
    answer = visitor.sign_in()
    assert answer.status == 303
    query = f"/login?username=alice&password={PASSWORD}"
    page = visitor.http.get(query.replace(" ", "%20"))
    assert PASSWORD not in page.text
    failed = visitor.submit(visitor.get("/login?add=1"), username="alice", password="canary-x")
    assert "canary" not in failed.html


# Guessing


def attempts(here: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that gets an entry for every hash that is made."""
    made: list[int] = []
    real = argon2.Argon2id

    def counted(**parameters: Any) -> Any:
        made.append(1)
        return real(**parameters)

    monkeypatch.setattr(passwords, "argon2", SimpleNamespace(Argon2id=counted))
    return made


def test_b01_attempts_beyond_the_limit_never_reach_the_hash(
    here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempts(here, monkeypatch)
    page = visitor.get("/login")
    answers = [visitor.submit(page, username="alice", password=f"wrong {n}") for n in range(40)]
    statuses = [answer.status for answer in answers]
    assert statuses[0] == 400
    assert statuses[-1] == 429
    assert len(made) == statuses.count(400) <= 10
    refused = answers[-1]
    assert int(refused.headers["retry-after"]) > 0
    assert "Too many attempts. Try again in" in refused.text
    # The right password, too, has to wait; by then it works.
    assert visitor.submit(page, username="alice", password=PASSWORD).status == 429
    here.clock.advance(float(refused.headers["retry-after"]) + 3600)
    assert visitor.submit(page, username="alice", password=PASSWORD).status == 303


def test_b01_the_form_and_the_password_grant_count_together(here: World, visitor: Visitor) -> None:
    page = visitor.get("/login")
    while visitor.submit(page, username="alice", password="wrong").status == 400:
        pass
    with administration(here.settings, lambda _: None) as at:
        secrets = (ClientSecret.of(SECRET),)
        at.add_client(Client("old", frozenset({"password"}), ("items:read",), secrets=secrets))
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    elsewhere = here.visitor(address="198.51.100.9")
    assert elsewhere.http.post("/oauth/token", data=form, auth=("old", SECRET)).status_code == 429


def test_b04_names_that_exist_and_names_that_do_not_are_told_the_same(
    here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    with administration(here.settings, lambda _: None) as at:
        at.directory.set_active(at.directory.user("bob").subject, False)
    made = attempts(here, monkeypatch)
    page = visitor.get("/login")
    seen = set()
    for username, password in (
        ("alice", "wrong"),
        ("nobody", "wrong"),
        ("bob", PASSWORD),
        ("bob", "wrong"),
        ("alice", "x" * 2000),
        ("nobody", "x" * 2000),
    ):
        made.clear()
        answer = visitor.submit(page, username=username, password=password)
        headers = {name: value for name, value in answer.headers.items() if name != "x-request-id"}
        headers.pop("content-length")
        hashes = len(made)
        body = answer.html.replace(f'value="{username}"', "")
        seen.add(
            (answer.status, body, tuple(sorted(headers.items())), hashes * (len(password) < 99))
        )
    assert {status for status, *_ in seen} == {400}
    assert len({body for _, body, *_ in seen}) == 1
    assert len({headers for _, _, headers, _ in seen}) == 1
    assert {hashes for *_, hashes in seen} == {0, 1}  # none for what is no password at all
    assert "The name or the password is wrong." in next(iter(seen))[1]


def test_signing_in_costs_one_hash_and_a_handful_of_statements(
    here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = attempts(here, monkeypatch)
    statements: list[str] = []
    run = Prepared._run

    def counted(self: Prepared, connection: Any, parameters: Any, outcome: Any) -> Any:
        statement = str(self._compile(connection.dialect))
        if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")):
            statements.append(statement)
        return run(self, connection, parameters, outcome)

    def sign_in(visitor: Visitor) -> tuple[int, int]:
        """How many statements it takes, and how many of them are about attempts."""
        page = visitor.open(here.request())
        made.clear()
        with monkeypatch.context() as patched:
            patched.setattr(Prepared, "_run", counted)
            statements.clear()
            answer = visitor.submit(page, username="alice", password=PASSWORD)
        assert answer.status == 303
        assert len(made) == 1
        told = [one for one in statements if "bezant_history" not in one]
        throttle = [one for one in told if "_attempts" in one or "_allowances" in one]
        return len(told), len(throttle)

    told, throttle = sign_in(visitor)
    assert told <= 7
    assert throttle == 4
    # In another browser at the same address, where she is known now.
    told, throttle = sign_in(here.visitor())
    assert told <= 5
    assert throttle == 1


def test_with_cookies_blocked_the_page_says_so(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request())
    fields = {**page.form["fields"], "username": "alice", "password": PASSWORD}
    other = here.visitor()
    answer = other.post(page.form["action"], fields)
    assert answer.status == 403
    assert "Allow cookies for this site" in answer.text
    # What was opened goes on where cookies come back.
    assert other.submit(answer, username="alice", password=PASSWORD).status == 303


def test_a_form_that_is_too_large_is_told(visitor: Visitor) -> None:
    page = visitor.get("/login")
    answer = visitor.submit(page, username="alice", password="x" * 20000)
    assert answer.status == 413
    assert "too large" in answer.text


def test_a_request_that_waited_too_long_is_told_and_leads_nowhere(
    here: World, visitor: Visitor
) -> None:
    page = visitor.open(here.request())
    here.clock.advance(3600)
    for path in ("/login", "/consent", "/accounts"):
        answer = visitor.get(page.form["action"].replace("/login", path))
        assert answer.status == 400
        assert "has waited too long" in answer.text
        assert "location" not in answer.headers


def test_the_name_that_a_client_hints_at_is_filled_in(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request(login_hint='alice"><script>'))
    assert page.form["fields"]["username"] == 'alice"><script>'
    assert "<script" not in page.html


def test_errors_of_the_authorization_endpoint_are_pages_of_ours(
    here: World, visitor: Visitor
) -> None:
    url = here.request(redirect_uri="https://evil.example/")
    answer = visitor.get(url, **{"accept-language": "zh-CN,zh;q=0.9"})
    assert answer.status == 400
    assert "location" not in answer.headers
    assert "无法继续" in answer.text
    assert "evil" not in answer.html
    assert "form-action 'self'" in answer.headers["content-security-policy"]


def test_a_path_in_the_issuer_is_in_all_links(installed: Settings) -> None:
    """A proxy in front takes it away again."""
    with world(issuer=f"{ISSUER}/tenant") as here:
        visitor = here.visitor()
        sent = visitor.get(here.request())
        assert sent.location.startswith("/tenant/login?interaction=")
        page = visitor.get(sent.location.removeprefix("/tenant"))
        links = [given.get("href") or given.get("action") for _, given in page.tags]
        found = [link for link in links if link is not None and not link.startswith("#")]
        assert len(found) >= 4
        assert all(link.startswith("/tenant/") for link in found)
        fields = {**page.form["fields"], "username": "alice", "password": PASSWORD}
        action = page.form["action"].removeprefix("/tenant")
        answer = visitor.post(action, fields, origin=ISSUER)
        assert answer.location.startswith(f"{ISSUER}/tenant/oauth/authorize?interaction=")
        assert "path=/;" in answer.headers["set-cookie"].lower() + ";"
        sent = here.visitor().get("/account")
        assert sent.location == "/tenant/login?next=%2Ftenant%2Faccount"
