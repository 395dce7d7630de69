"""Signing out: asked for unless a client proves that it was, and back only where a client may."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from bezant_server.settings import Settings
from tests.server.browsing import GOODBYE, Visitor, World, world

SESSION = "__Host-bezant"


@pytest.fixture
def here(installed: Settings) -> Iterator[World]:
    with world() as entered:
        yield entered


@pytest.fixture
def visitor(here: World) -> Visitor:
    visitor = here.visitor()
    visitor.sign_in()
    return visitor


def logout(**parameters: str) -> str:
    return f"/oauth/logout?{urlencode(parameters)}"


def signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status == 200


def test_signing_out_ends_what_was_given_and_forgets_the_cookie(
    here: World, visitor: Visitor
) -> None:
    tokens = here.shop_tokens(visitor)
    kept = here.shop_tokens(visitor, scope="openid offline_access")
    page = visitor.open("/signout")
    assert "You are signed in as Alice Liddell." in page.text
    answer = visitor.submit(page, page.form["buttons"][0])
    assert (answer.status, answer.location) == (303, "/signed-out")
    assert SESSION not in visitor.cookies
    assert here.refresh(tokens).json()["error"] == "invalid_grant"
    assert here.refresh(kept).status_code == 200  # given for longer than the sign-in
    assert "You are signed out" in visitor.open("/signed-out").text


def test_the_cookie_is_worth_nothing_afterwards(here: World, visitor: Visitor) -> None:
    cookie = visitor.cookies[SESSION]
    page = visitor.open("/signout")
    visitor.submit(page, page.form["buttons"][0])
    visitor.http.cookies.set(SESSION, cookie, domain="id.example.com")
    assert not signed_in(visitor)


def test_s09_a_link_on_another_page_signs_nobody_out(here: World, visitor: Visitor) -> None:
    for url in ("/signout", logout(), logout(client_id="shop", post_logout_redirect_uri=GOODBYE)):
        page = visitor.open(url)
        assert page.status == 200
        assert "Sign out?" in page.text
        assert signed_in(visitor)
    page = visitor.open(url)
    answer = visitor.submit(page, page.form["buttons"][0])
    assert answer.location == GOODBYE
    assert not signed_in(visitor)


def test_s09_the_hint_of_this_very_sign_in_is_enough(here: World, visitor: Visitor) -> None:
    hint = here.shop_tokens(visitor)["id_token"]
    url = logout(id_token_hint=hint, post_logout_redirect_uri=GOODBYE, state="x y")
    page = visitor.open(url)
    assert page.location == f"{GOODBYE}?state=x+y"
    assert not signed_in(visitor)
    page = visitor.open(here.request(prompt="none"))
    assert page.parameters()["error"] == "login_required"


def test_s09_a_hint_of_another_sign_in_asks(here: World, visitor: Visitor) -> None:
    bob = here.visitor()
    bob.sign_in("bob")
    hint = here.shop_tokens(bob)["id_token"]
    page = visitor.open(logout(id_token_hint=hint, post_logout_redirect_uri=GOODBYE))
    assert "Sign out?" in page.text
    assert signed_in(visitor) and signed_in(bob)


@pytest.mark.parametrize(
    "parameters",
    [
        {"client_id": "shop", "post_logout_redirect_uri": "https://evil.example/"},
        {"client_id": "shop", "post_logout_redirect_uri": GOODBYE + "?x=1"},
        {"post_logout_redirect_uri": GOODBYE},
    ],
)
def test_s09_nobody_is_sent_where_the_client_may_not(
    parameters: dict[str, str], visitor: Visitor
) -> None:
    page = visitor.open(logout(**parameters))
    assert page.status == 400
    assert "location" not in page.headers
    assert "evil" not in page.html
    assert signed_in(visitor)


def test_s02_the_form_works_with_its_own_token_only(here: World, visitor: Visitor) -> None:
    page = visitor.open("/signout")
    which = page.form["buttons"][0][1]
    for csrf in ("", "x" * 43, here.visitor().get("/login").form["fields"]["csrf"]):
        assert visitor.post("/signout", {"csrf": csrf, "which": which}).status == 403
    assert signed_in(visitor)


def test_one_of_several_accounts_signs_out_or_all(here: World, visitor: Visitor) -> None:
    hint = here.shop_tokens(visitor)["id_token"]
    visitor.sign_in("bob", url="/login?add=1")
    # The client means Alice, who is not in use: she goes, Bob stays.
    visitor.open(logout(id_token_hint=hint, post_logout_redirect_uri=GOODBYE))
    page = visitor.open("/accounts")
    assert "Alice" not in page.text and "bob" in page.text
    visitor.sign_in(url="/login?add=1")
    page = visitor.open("/signout")
    visitor.submit(page, ("which", "all"))
    assert SESSION not in visitor.cookies


def test_who_is_signed_out_already_goes_back_at_once(here: World) -> None:
    visitor = here.visitor()
    page = visitor.open(logout(client_id="shop", post_logout_redirect_uri=GOODBYE))
    assert page.location == GOODBYE
    assert "You are signed out" in visitor.open(logout()).text


def test_a_logout_that_was_answered_is_told(here: World, visitor: Visitor) -> None:
    page = visitor.open(logout(client_id="shop", post_logout_redirect_uri=GOODBYE))
    visitor.submit(page, page.form["buttons"][0])
    answer = visitor.get(page.form["action"])
    assert answer.status == 400
    assert "location" not in answer.headers
