"""The account area: one's profile, password, devices, and what happened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from bezant.errors import StoreUnavailable
from bezant.events import Event, SessionEnded
from bezant_server.administration import administration
from bezant_server.events import PasswordChanged
from bezant_server.settings import Settings
from tests.server.browsing import PASSWORD, Page, Visitor, World, world

NEW = "another battery, another staple"
CHROME = (
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36"
)


@pytest.fixture
def here(installed: Settings) -> Iterator[World]:
    with world() as entered:
        yield entered


@pytest.fixture
def visitor(here: World) -> Visitor:
    visitor = here.visitor()
    visitor.sign_in()
    return visitor


def signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status == 200


AREAS = ["", "/password", "/sessions", "/applications", "/activity"]


@pytest.mark.parametrize("area", AREAS)
def test_nobody_else_sees_it(area: str, here: World) -> None:
    stranger = here.visitor()
    page = stranger.get(f"/account{area}")
    assert page.status == 303
    assert page.location.startswith("/login?next=")
    answer = stranger.post(f"/account{area}", {"name": "x"})
    assert answer.status in {303, 405}


# Profile


def test_ones_name_is_ones_own(here: World, visitor: Visitor) -> None:
    page = visitor.open("/account")
    answer = visitor.submit(page, name="  Alice   <script>  ")
    page = visitor.open(answer.location)
    assert "Saved." in page.text
    assert page.form["fields"]["name"] == "Alice <script>"
    assert "<script" not in page.html
    for bad in ("x" * 256, "a\x07b"):
        answer = visitor.submit(page, name=bad)
        assert answer.status == 400
        assert "This name cannot be used" in answer.text


def test_s12_nothing_else_is_ones_own_to_say(here: World, visitor: Visitor) -> None:
    with administration(here.settings, lambda _: None) as at:
        before = at.directory.user("alice")
    page = visitor.open("/account")
    answer = visitor.submit(
        page,
        name="Alice",
        email="boss@example.com",
        email_verified="true",
        sub="1",
        subject="1",
        username="boss",
        preferred_username="boss",
        roles="admin",
        active="1",
        password_hash="x",
    )
    assert answer.status == 303
    with administration(here.settings, lambda _: None) as at:
        after = at.directory.user("alice")
    assert after.name == "Alice"
    for name in ("subject", "username", "email", "email_verified", "roles", "active"):
        assert getattr(after, name) == getattr(before, name)


@pytest.mark.parametrize("path", ["/account", "/account/password", "/account/sessions"])
def test_s02_forms_work_with_their_own_token_only(path: str, here: World, visitor: Visitor) -> None:
    fields = {
        **visitor.open(path).form["fields"],
        "name": "Mallory",
        "current": PASSWORD,
        "new": NEW,
        "again": NEW,
        "session": "others",
    }
    other = here.visitor()
    other.sign_in()
    foreign = other.open("/account").form["fields"]["csrf"]
    for csrf in ("", "x" * 43, foreign):
        assert visitor.post(path, {**fields, "csrf": csrf}).status == 403
    assert "Mallory" not in visitor.open("/account").html
    assert signed_in(other)


# Password


def change(visitor: Visitor, current: str = PASSWORD, new: str = NEW, again: str = NEW) -> Page:
    page = visitor.open("/account/password")
    return visitor.submit(page, current=current, new=new, again=again)


def test_a_new_password_ends_everything_elsewhere(here: World, visitor: Visitor) -> None:
    told: list[Event] = []
    here.app.server.events.subscribe(told.append)
    elsewhere = here.visitor(CHROME)
    elsewhere.sign_in()
    tokens = [
        here.shop_tokens(visitor),
        here.shop_tokens(elsewhere),
        here.shop_tokens(elsewhere, scope="openid offline_access"),
    ]
    before = visitor.cookies["__Host-bezant"]
    here.clock.advance(2)
    answer = change(visitor)
    assert answer.status == 303
    assert "Your password is changed." in visitor.open(answer.location).text
    assert visitor.cookies["__Host-bezant"] != before
    assert not signed_in(elsewhere)
    for given in tokens:
        assert here.refresh(given).json()["error"] == "invalid_grant"
        headers = {"authorization": f"Bearer {given['access_token']}"}
        assert here.http.get("/oauth/userinfo", headers=headers).status_code == 401
    assert sum(isinstance(event, PasswordChanged) for event in told) == 1
    assert sum(isinstance(event, SessionEnded) for event in told) == 1
    # This browser goes on.
    assert visitor.open(here.request()).status == 303
    stranger = here.visitor()
    page = stranger.get("/login")
    assert stranger.submit(page, username="alice", password=PASSWORD).status == 400
    assert stranger.submit(page, username="alice", password=NEW).status == 303


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"current": "canary"}, "The current password is wrong."),
        ({"again": "canary"}, "are not the same"),
        ({"new": "canary", "again": "canary"}, "too short"),
        ({"new": "x" * 1025, "again": "x" * 1025}, "This password cannot be used"),
    ],
)
def test_a_password_that_is_not_changed(
    fields: dict[str, str], said: str, here: World, visitor: Visitor
) -> None:
    answer = change(visitor, **fields)
    assert answer.status == 400
    assert said in answer.text
    for value in fields.values():
        assert value not in answer.html
    here.visitor().sign_in()


# No link resets a password: whoever has forgotten it asks an administrator. So this form is the one
# way to a new password in a browser, and what is tried with such links is tried here.


def opens(here: World, password: str, username: str = "alice") -> bool:
    """Whether somebody can sign in with a password."""
    stranger = here.visitor()
    page = stranger.get("/login")
    return stranger.submit(page, username=username, password=password).status == 303


def test_s11_a_form_for_a_new_password_is_good_once(here: World, visitor: Visitor) -> None:
    page = visitor.open("/account/password")
    fields = {"current": PASSWORD, "new": NEW, "again": NEW}
    assert visitor.submit(page, **fields).status == 303
    for current in (PASSWORD, NEW):
        other = {"current": current, "new": "a third of my own", "again": "a third of my own"}
        assert visitor.submit(page, **other).status == 403
    assert opens(here, NEW) and not opens(here, "a third of my own")


def test_s11_a_form_for_a_new_password_is_for_who_opened_it(here: World, visitor: Visitor) -> None:
    bob = here.visitor()
    bob.sign_in("bob")
    fields = {"current": PASSWORD, "new": NEW, "again": NEW}
    for name in ("", "username", "subject", "user"):
        more = {name: "alice"} if name else {}
        assert bob.submit(visitor.open("/account/password"), **fields, **more).status == 403
    # Whoever it names, it is about the one who is signed in.
    answer = bob.submit(bob.open("/account/password"), **fields, username="alice", subject="alice")
    assert answer.status == 303
    assert opens(here, PASSWORD) and opens(here, NEW, "bob") and not opens(here, PASSWORD, "bob")


def test_s11_a_form_for_a_new_password_ends_with_the_password(
    here: World, visitor: Visitor
) -> None:
    elsewhere = here.visitor(CHROME)
    elsewhere.sign_in()
    page = elsewhere.open("/account/password")
    assert change(visitor).status == 303
    fields = {"current": NEW, "new": "a third of my own", "again": "a third of my own"}
    answer = elsewhere.submit(page, **fields)
    assert answer.status in {303, 403}
    assert opens(here, NEW) and not opens(here, "a third of my own")


def test_s11_no_step_to_a_new_password_can_be_skipped(here: World, visitor: Visitor) -> None:
    wanted = {"new": NEW, "again": NEW}
    page = visitor.open("/account/password")
    assert visitor.submit(page, **wanted).status == 400, "without the current one"
    assert visitor.submit(page, current="", **wanted).status == 400
    assert visitor.post("/account/password", {"current": PASSWORD, **wanted}).status == 403
    stranger = here.visitor()
    answer = stranger.post(
        page.form["action"], {**page.form["fields"], "current": PASSWORD, **wanted}
    )
    assert answer.status == 303 and answer.location.startswith("/login"), "nobody is signed in"
    assert opens(here, PASSWORD) and not opens(here, NEW)


def test_b01_guessing_the_current_password_is_throttled(here: World, visitor: Visitor) -> None:
    here.clock.advance(10)
    answers = [change(visitor, current="wrong")]
    while answers[-1].status == 400 and len(answers) < 200:
        answers.append(change(visitor, current="wrong"))
    assert answers[-1].status == 429
    assert "Too many attempts." in answers[-1].text
    assert change(visitor).status == 429  # the right one, too


def test_an_account_without_a_password_has_none_to_change(here: World, visitor: Visitor) -> None:
    engine = create_engine(here.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE bezant_users SET password_hash = NULL"))
    engine.dispose()
    page = visitor.open("/account/password")
    assert "This account has no password" in page.text
    assert page.forms == []


# Devices


def test_devices_are_shown_and_signed_out(here: World, visitor: Visitor) -> None:
    phone = here.visitor(CHROME, "198.51.100.9")
    phone.sign_in()
    tokens = here.shop_tokens(phone)
    here.clock.advance(7200)
    page = visitor.open("/account/sessions")
    assert "Firefox, Linux this browser" in page.text
    assert "Chrome, Android" in page.text
    assert "Last seen 2 hours ago from 198.51.100.9" in page.text
    assert "Last seen just now from 192.0.2.7" in page.text
    labels = [given.get("aria-label") for tag, given in page.tags if tag == "button"]
    index = labels.index("Sign out: Chrome, Android")
    answer = visitor.submit(page, page.form["buttons"][index])
    page = visitor.open(answer.location)
    assert "Chrome, Android" not in page.text
    assert not signed_in(phone) and signed_in(visitor)
    assert here.refresh(tokens).json()["error"] == "invalid_grant"


def test_everywhere_else_is_everywhere_else(here: World, visitor: Visitor) -> None:
    others = [here.visitor() for _ in range(3)]
    for other in others:
        other.sign_in()
    bob = here.visitor()
    bob.sign_in("bob")
    page = visitor.open("/account/sessions")
    visitor.submit(page, ("session", "others"))
    assert signed_in(visitor) and signed_in(bob)
    assert not any(signed_in(other) for other in others)


def test_one_can_sign_oneself_out_there(here: World, visitor: Visitor) -> None:
    page = visitor.open("/account/sessions")
    answer = visitor.submit(page, page.form["buttons"][0])
    assert answer.location == "/signed-out"
    assert not signed_in(visitor)
    assert "__Host-bezant" not in visitor.cookies


def test_only_ones_own_devices_are_signed_out(here: World, visitor: Visitor) -> None:
    bob = here.visitor()
    bob.sign_in("bob")
    (button,) = bob.open("/account/sessions").form["buttons"]
    fields = visitor.open("/account/sessions").form["fields"]
    visitor.post("/account/sessions", {**fields, "session": button[1]})
    assert signed_in(bob)


def test_device_names_are_words_of_ours(here: World) -> None:
    visitor = here.visitor("<script>alert(1)</script> Firefox/1 " + "x" * 5000)
    visitor.sign_in()
    page = visitor.open("/account/sessions")
    assert "alert" not in page.html
    assert "Firefox this browser" in page.text
    unknown = here.visitor("curl/8")
    unknown.sign_in()
    assert "Unknown device" in unknown.open("/account/sessions").text


# What happened


def test_one_sees_what_happened(here: World, visitor: Visitor) -> None:
    stranger = here.visitor(address="203.0.113.5")
    stranger.submit(stranger.get("/login"), username="alice", password="wrong")
    here.clock.advance(61)
    here.shop_tokens(visitor)
    change(visitor)
    said = visitor.open("/account/activity").text
    for words in (
        "Failed attempt to sign in 1 minute ago from 203.0.113.5",
        "Access allowed: The <b>Shop</b>",
        "Password changed just now from 192.0.2.7",
    ):
        assert words in said
    bob = here.visitor()
    bob.sign_in("bob")
    said = bob.open("/account/activity").text
    assert "Password" not in said.split("lately")[1].split("change your password")[1]
    assert "203.0.113.5" not in said


# When accounts change


def test_s13_the_sign_in_of_an_account_that_is_gone_is_none(here: World, visitor: Visitor) -> None:
    tokens = here.shop_tokens(visitor)
    engine = create_engine(here.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM bezant_users WHERE username = 'alice'"))
    engine.dispose()
    with administration(here.settings, lambda _: None) as at:
        at.directory.add_user("alice", password_hash=at.new_password_hash(PASSWORD))
    assert not signed_in(visitor)
    assert here.refresh(tokens).json()["error"] == "invalid_grant"
    page = visitor.open(here.request())
    page = visitor.submit(page, username="alice", password=PASSWORD)
    page = visitor.open(page.location)
    assert "Allow access?" in page.text  # nobody has consented yet
    assert "not allowed any application" in visitor.open("/account/applications").text


def test_without_the_database_nobody_is_signed_in_and_told_so(
    here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable("it is away")

    monkeypatch.setattr(here.app.sessions._store, "of_browser", away)
    for path in ("/account", "/login", "/accounts", "/signout"):
        page = visitor.get(path)
        assert page.status == 503
        assert "One moment, please" in page.text
        assert page.headers["retry-after"]
    assert visitor.get(here.request()).status == 503
