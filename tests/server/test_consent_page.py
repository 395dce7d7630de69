"""Consent: asked once, remembered, bound to what the client asked for, and taken back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bezant.events import ConsentWithdrawn, Event
from bezant_server.settings import Settings
from tests.server.browsing import CALLBACK, ISSUER, PASSWORD, Visitor, World, claims, world


@pytest.fixture
def here(installed: Settings) -> Iterator[World]:
    with world() as entered:
        yield entered


@pytest.fixture
def visitor(here: World) -> Visitor:
    visitor = here.visitor()
    visitor.sign_in()
    return visitor


def test_scopes_are_told_in_words(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request(scope="openid email items:read offline_access"))
    for words in (
        "The <b>Shop</b> would like to:",
        "Know who you are",
        "See your e-mail address",
        "See <your> items",
        "Keep its access while you are not signed in",
        "Afterwards you return to shop.example.com.",
        "You are signed in as Alice Liddell.",
    ):
        assert words in page.text
    assert page.form["fields"].keys() == {"csrf"}


def test_a_consent_is_remembered_and_more_is_asked_for(here: World, visitor: Visitor) -> None:
    here.shop_tokens(visitor)
    assert visitor.open(here.request()).location.startswith(CALLBACK)
    page = visitor.open(here.request(scope="openid profile items:read email"))
    assert "See your e-mail address" in page.text
    page = visitor.open(here.request(prompt="consent"))
    assert page.status == 200 and "Allow access?" in page.text


def test_a_first_party_client_asks_nobody(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request(client_id="portal", scope="openid profile items:read"))
    assert page.location.startswith(CALLBACK)


def test_a_refusal_goes_to_the_client(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request())
    answer = visitor.submit(page, ("decision", "deny"))
    assert answer.status == 303
    assert answer.location.startswith(CALLBACK)
    told = answer.parameters()
    assert (told["error"], told["state"], told["iss"]) == ("access_denied", "a-state", ISSUER)
    assert visitor.submit(page, ("decision", "allow")).status == 400  # it is over


def test_without_a_decision_nothing_is_allowed(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request())
    answer = visitor.submit(page)
    assert answer.parameters()["error"] == "access_denied"


def test_s04_an_edited_form_changes_nothing(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request(scope="openid items:read"))
    answer = visitor.submit(
        page,
        ("decision", "allow"),
        scope="openid items:read offline_access email",
        scopes="offline_access",
        client_id="portal",
        redirect_uri="https://evil.example/",
        subject="somebody",
        interaction="another",
    )
    page = visitor.open(answer.location)
    assert page.location.startswith(CALLBACK)
    tokens = here.redeem(page.parameters()["code"]).json()
    assert tokens["scope"] == "openid items:read"
    assert claims(tokens["access_token"])["client_id"] == "shop"


def test_s04_a_form_counts_once(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request())
    answer = visitor.submit(page, ("decision", "allow"))
    assert visitor.open(answer.location).location.startswith(CALLBACK)
    replayed = visitor.submit(page, ("decision", "allow"))
    assert replayed.status == 400
    assert "has been answered already" in replayed.text
    assert visitor.open(answer.location).status == 400


def test_s04_two_tabs_stay_apart(here: World, visitor: Visitor) -> None:
    one = visitor.open(here.request(state="one", scope="openid email"))
    two = visitor.open(here.request(state="two", scope="openid profile"))
    answers = [
        visitor.open(visitor.submit(page, ("decision", "allow")).location) for page in (one, two)
    ]
    assert [answer.parameters()["state"] for answer in answers] == ["one", "two"]
    scopes = [here.redeem(one.parameters()["code"]).json()["scope"] for one in answers]
    assert scopes == ["openid email", "openid profile"]


def test_s04_a_form_of_one_account_is_worth_nothing_in_another(
    here: World, visitor: Visitor
) -> None:
    page = visitor.open(here.request())
    visitor.sign_in("bob", url="/login?add=1")  # in another tab
    answer = visitor.submit(page, ("decision", "allow"))
    assert answer.status == 403
    assert "out of date" in answer.text
    again = visitor.open(next(link for link in answer.links if link.startswith("/consent")))
    assert "You are signed in as bob." in again.text


def test_s02_a_form_of_somebody_else_is_refused(here: World, visitor: Visitor) -> None:
    attacker = here.visitor()
    attacker.sign_in("bob")
    taken = attacker.open(here.request()).form
    page = visitor.open(here.request())
    fields = {**taken["fields"], "decision": "allow"}
    assert visitor.post(page.form["action"], fields).status == 403
    # Nor does the victim's browser finish what the attacker began with a form of its own making.
    assert visitor.post(taken["action"], fields).status == 403


def test_whoever_signed_out_meanwhile_signs_in_first(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request())
    visitor.http.cookies.clear()
    answer = visitor.open(page.form["action"])
    assert "Sign in" in answer.text
    page = visitor.submit(answer, username="alice", password=PASSWORD)
    assert "Allow access?" in visitor.open(page.location).text


def test_a_consent_is_taken_back_with_all_that_it_gave(here: World, visitor: Visitor) -> None:
    told: list[Event] = []
    here.app.server.events.subscribe(told.append)
    kept = here.shop_tokens(visitor, scope="openid items:read offline_access")
    portal = visitor.open(here.request(client_id="portal")).parameters()["code"]
    other = here.redeem(portal, "portal").json()
    code = visitor.open(here.request(scope="openid items:read")).parameters()["code"]
    page = visitor.open("/account/applications")
    assert "The <b>Shop</b>" in page.text and "See <your> items" in page.text
    answer = visitor.submit(page, ("client", "shop"))
    assert answer.status == 303
    assert "Taken back" in visitor.open(answer.location).text
    assert "not allowed any application" in visitor.open("/account/applications").text
    assert here.refresh(kept).json()["error"] == "invalid_grant"
    assert here.redeem(code).json()["error"] == "invalid_grant"
    headers = {"authorization": f"Bearer {kept['access_token']}"}
    assert here.http.get("/oauth/userinfo", headers=headers).status_code == 401
    assert here.refresh(other, "portal").status_code == 200
    (event,) = [one for one in told if isinstance(one, ConsentWithdrawn)]
    assert event.client_id == "shop"
    assert "Allow access?" in visitor.open(here.request()).text
    assert "Access taken back: The <b>Shop</b>" in visitor.open("/account/activity").text


def test_only_ones_own_consent_is_taken_back(here: World, visitor: Visitor) -> None:
    tokens = here.shop_tokens(visitor)
    bob = here.visitor()
    bob.sign_in("bob")
    here.shop_tokens(bob)
    page = bob.open("/account/applications")
    assert bob.submit(page, ("client", "shop")).status == 303
    assert here.refresh(tokens).status_code == 200


# The account chooser


def test_an_account_is_chosen_for_a_client(here: World, visitor: Visitor) -> None:
    visitor.sign_in("bob", url="/login?add=1")
    page = visitor.open(here.request(client_id="portal", prompt="select_account"))
    assert "Choose an account" in page.text
    names = [name for name in ("Alice Liddell", "bob") if name in page.text]
    assert names == ["Alice Liddell", "bob"]
    answer = visitor.submit(page, page.form["buttons"][1])
    page = visitor.open(answer.location)
    tokens = here.redeem(page.parameters()["code"], "portal").json()
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    told = here.http.get("/oauth/userinfo", headers=headers).json()
    assert told["preferred_username"] == "alice"


def test_another_account_is_as_good_as_one_that_was_chosen(here: World, visitor: Visitor) -> None:
    page = visitor.open(here.request(client_id="portal", prompt="select_account"))
    page = visitor.get(next(link for link in page.links if link.startswith("/login")))
    answer = visitor.submit(page, username="bob", password=PASSWORD)
    assert visitor.open(answer.location).location.startswith(CALLBACK)


def test_without_any_account_one_signs_in(here: World) -> None:
    visitor = here.visitor()
    page = visitor.open(here.request(client_id="portal", prompt="select_account"))
    assert page.url.startswith("/login")
    answer = visitor.submit(page, username="bob", password=PASSWORD)
    assert visitor.open(answer.location).location.startswith(CALLBACK)


def test_an_account_of_another_browser_cannot_be_chosen(here: World, visitor: Visitor) -> None:
    bob = here.visitor()
    bob.sign_in("bob")
    (stolen,) = bob.open("/accounts").form["buttons"]
    page = visitor.open("/accounts")
    answer = visitor.post(page.form["action"], {**page.form["fields"], "session": stolen[1]})
    assert answer.location == "/accounts"
    assert "Alice Liddell" in visitor.open("/account").text
