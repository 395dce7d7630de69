"""Third-party login: who is let in as whom, and who is not."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from bezant.clients import Client, ClientSecret
from bezant.errors import ConfigurationError
from bezant.http import Response, json_response
from bezant.pkce import challenge_of
from bezant.relying_party import TTL
from bezant.stores.sql import Database, SyncDatabase
from bezant.testing import FrozenClock, fixed_key
from bezant.testing.issuer import FakeIssuer
from bezant_server.accounts import Directory
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.federation import pages
from bezant_server.federation.identities import (
    Admission,
    IdentityStore,
    Linking,
    Newcomer,
    Unlinking,
)
from bezant_server.federation.settings import ProviderSettings
from bezant_server.secret_file import open_ring
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.running import eventually
from tests.server.conftest import Bezant
from tests.server.installation import PASSWORD, SECRET, furnish
from tests.upstream import ISSUER, Provider

HERE = "http://127.0.0.1:8000"
CALLBACK = f"{HERE}/login/with/org/callback"
OTHER_ISSUER = "https://login.example.net"

ORG = f"""
[providers.org]
label = "Example & Co"
issuer = "{ISSUER}"
client_id = "app"
client_secret = "a secret at the provider"
"""


class Browser:
    """A browser: it keeps its cookies, and goes nowhere by itself."""

    def __init__(self, client: TestClient) -> None:
        self.client = client
        self.cookies: Any = {}

    def get(self, url: str, **headers: str) -> Any:
        """Open a page."""
        return self._ask("GET", url, headers=headers)

    def post(self, url: str, **form: str) -> Any:
        """Send a form."""
        return self._ask("POST", url, data=form)

    def _ask(self, method: str, url: str, **options: Any) -> Any:
        self.client.cookies = self.cookies
        answer = self.client.request(method, url, follow_redirects=False, **options)
        self.cookies = self.client.cookies
        return answer

    def csrf(self, page: str) -> str:
        """What the forms of a page carry."""
        answer = self.get(page)
        assert answer.status_code == 200, answer.headers.get("location")
        found = re.search(r'name="csrf" value="([^"]+)"', answer.text)
        assert found is not None
        return found[1]

    def sign_in(self, username: str = "alice", password: str = PASSWORD) -> None:
        """With a password."""
        csrf = self.csrf("/login?add=1")
        answer = self.post("/login", csrf=csrf, username=username, password=password)
        assert answer.status_code == 303, answer.text


class World:
    """This server and a provider that it knows."""

    def __init__(
        self, client: TestClient, provider: Provider, clock: FrozenClock, settings: Settings
    ) -> None:
        self.client = client
        self.provider = provider
        self.clock = clock
        self.settings = settings

    def browser(self) -> Browser:
        """A new one."""
        return Browser(self.client)

    def leave(self, browser: Browser, path: str = "/login/with/org") -> str:
        """Go to the provider. Returns where it sends the browser back to."""
        return self.sent(browser.get(path))

    def sent(self, answer: Any) -> str:
        """Where the provider sends a browser back to that was sent to it."""
        assert answer.status_code == 303, answer.text
        url = urlsplit(answer.headers["location"])
        assert f"{url.scheme}://{url.netloc}{url.path}" == f"{ISSUER}/authorize"
        self.provider.request = dict(parse_qsl(url.query))
        query = {"code": "upstream-code", "state": self.provider.request["state"], "iss": ISSUER}
        return f"{self.provider.request['redirect_uri']}?{urlencode(query)}"

    def come(self, browser: Browser, path: str = "/login/with/org") -> Any:
        """Sign in at the provider, and come back."""
        return browser.get(self.leave(browser, path))

    def is_(self, subject: str, **userinfo: Any) -> None:
        """Who is signed in at the provider."""
        self.provider.claims = {"sub": subject, "name": None}
        self.provider.userinfo = {"sub": subject, **userinfo}

    def users(self) -> dict[str, Any]:
        """All accounts by name."""
        with administration(self.settings, lambda _: None) as at:
            return {account.username: account for account in at.directory.users()}

    def change(self, how: Callable[[Directory], object]) -> None:
        """Change accounts."""
        with administration(self.settings, lambda _: None) as at:
            how(at.directory)

    def signed_in(self, browser: Browser) -> str | None:
        """The name of who is signed in in a browser; None when nobody is."""
        if browser.get("/account").status_code != 200:
            return None
        engine = create_engine(self.settings.database_url)
        statement = (
            "SELECT username FROM bezant_users u JOIN bezant_sessions s ON s.subject = u.subject"
            " ORDER BY s.rank, s.rowid DESC LIMIT 1"
        )
        with engine.connect() as connection:
            name: str = connection.scalar(text(statement))
        engine.dispose()
        return name


@contextmanager
def served(settings: Settings, clock: FrozenClock, base_url: str = HERE) -> Iterator[TestClient]:
    ring = prepare(settings, lambda _: None)
    app = create_app(settings, ring, clock=clock)
    with TestClient(app, base_url=base_url) as client:
        yield client


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def provider(clock: FrozenClock, monkeypatch: pytest.MonkeyPatch) -> Provider:
    made = Provider(clock)
    monkeypatch.setattr(pages, "HTTPFetch", lambda **_: made)
    return made


@pytest.fixture
def world_with(installed: Settings, provider: Provider, clock: FrozenClock) -> Callable[..., Any]:
    furnish(installed)

    @contextmanager
    def world(toml: str = "", more: str = "") -> Iterator[World]:
        Path("bezant.toml").write_text(f"{ORG}{toml}\n{more}")
        settings = load_settings()
        with served(settings, clock) as client:
            yield World(client, provider, clock, settings)

    return world


@pytest.fixture
def world(world_with: Callable[..., Any]) -> Iterator[World]:
    with world_with("create_accounts = true") as made:
        yield made


def says(answer: Any, status: int, words: str) -> None:
    """Assert that a page refuses."""
    assert answer.status_code == status, answer.text
    assert words in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "upstream-code" not in answer.text


# ---- the pages ---------------------------------------------------------------------------------


def test_the_sign_in_page_names_the_providers(world: World) -> None:
    answer = world.browser().get("/login")
    assert "Sign in with Example &amp; Co" in answer.text
    assert 'href="/login/with/org"' in answer.text
    answer = world.browser().get("/login?next=/account/sessions&lang=zh-Hans")
    assert 'href="/login/with/org?next=%2Faccount%2Fsessions"' in answer.text
    assert "Example &amp; Co" in answer.text


def test_without_providers_nothing_speaks_of_them(installed: Settings, clock: FrozenClock) -> None:
    furnish(installed)
    with served(installed, clock) as client:
        browser = Browser(client)
        assert "/login/with/" not in browser.get("/login").text
        assert browser.get("/login/with/org").status_code == 404
        assert browser.get("/login/with/org/callback?state=x").status_code == 404
        browser.sign_in()
        assert "/account/providers" not in browser.get("/account").text


def test_somebody_new_gets_an_account(world: World) -> None:
    browser = world.browser()
    world.is_("sub-1", preferred_username="carol", name="Carol  C", email="Carol@Example.org")
    answer = world.come(browser)
    assert (answer.status_code, answer.headers["location"]) == (303, "/account")
    assert world.provider.request["redirect_uri"] == CALLBACK
    account = world.users()["carol"]
    # An address that nobody vouches for is not taken: it is somebody else's perhaps.
    assert (account.name, account.email, account.email_verified) == ("Carol C", None, False)
    assert world.signed_in(browser) == "carol"
    activity = browser.get("/account/activity").text
    assert "Account made" in activity
    assert "Signed in" in activity
    assert "Example &amp; Co" in browser.get("/account/providers").text


def test_the_cookie_of_an_attempt_is_as_it_must_be(
    installed: Settings, clock: FrozenClock, provider: Provider
) -> None:
    Path("bezant.toml").write_text(f'issuer = "https://id.example.com/sso"\n{ORG}')
    with served(load_settings(), clock, "https://id.example.com") as client:
        answer = Browser(client).get("/login/with/org")
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-bezant-with=")
        assert {"HttpOnly", "Path=/", "SameSite=lax", "Secure"} <= set(cookie.split("; "))
        query = parse_qs(urlsplit(answer.headers["location"]).query)
        assert query["redirect_uri"] == ["https://id.example.com/sso/login/with/org/callback"]
        assert answer.headers["cache-control"] == "no-store"


def test_the_browser_goes_on_to_where_it_wanted(world: World) -> None:
    browser = world.browser()
    world.is_("sub-1")
    answer = world.come(browser, "/login/with/org?next=/account/sessions")
    assert answer.headers["location"] == "/account/sessions"
    for evil in ("//evil.example", "https://evil.example", "/\\evil.example", "javascript:x"):
        path = "/login/with/org?" + urlencode({"next": evil})
        assert world.come(browser, path).headers["location"] == "/account"


# ---- who is whom -------------------------------------------------------------------------------


def test_the_subject_decides_whatever_the_address(world_with: Callable[..., Any]) -> None:
    with world_with("create_accounts = true\nlink_by_verified_email = true") as world:
        victim = world.browser()
        world.is_("victim", preferred_username="victim", email="v@x.example", email_verified=True)
        world.come(victim)
        # Both have other addresses now, and the attacker has the victim's.
        world.is_("mallory", preferred_username="mallory", email="m@x.example", email_verified=True)
        world.come(world.browser())
        world.is_("mallory", email="v@x.example", email_verified=True)
        attacker = world.browser()
        world.come(attacker)
        assert world.signed_in(attacker) == "mallory"
        world.is_("victim", email="new@x.example", email_verified=True)
        again = world.browser()
        world.come(again)
        assert world.signed_in(again) == "victim"
        assert world.users()["victim"].email == "v@x.example"
        assert len(world.users()) == 3


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_unverified_address_links_nothing(world_with: Callable[..., Any], verified: Any) -> None:
    with world_with("create_accounts = true\nlink_by_verified_email = true") as world:
        subject = world.users()["alice"].subject
        world.change(
            lambda at: at.set_profile(subject, email="alice@x.example", email_verified=None)
        )
        world.change(lambda at: at.set_profile(subject, email_verified=True))
        browser = world.browser()
        world.is_("mallory", email="alice@x.example", email_verified=verified)
        world.come(browser)
        assert world.signed_in(browser) == "alice-2"
        assert world.users()["alice-2"].email is None


def test_a_verified_address_links_nothing_unless_the_provider_is_trusted(world: World) -> None:
    subject = world.users()["alice"].subject
    world.change(lambda at: at.set_profile(subject, email="alice@x.example"))
    world.change(lambda at: at.set_profile(subject, email_verified=True))
    browser = world.browser()
    world.is_("mallory", email="alice@x.example", email_verified=True)
    world.come(browser)
    assert world.signed_in(browser) == "alice-2"
    assert (world.users()["alice-2"].email, world.users()["alice"].email) == (
        None,
        "alice@x.example",
    )


def test_a_verified_address_links_when_both_sides_vouch_for_it(
    world_with: Callable[..., Any],
) -> None:
    with world_with("link_by_verified_email = true") as world:
        subject = world.users()["alice"].subject
        world.change(lambda at: at.set_profile(subject, email="alice@x.example"))
        world.is_("alice-there", email="ALICE@x.example", email_verified=True)

        # Somebody may have put that address here before its owner came.
        browser = world.browser()
        says(world.come(browser), 403, "Sign in to it another way")
        assert world.signed_in(browser) is None

        world.change(lambda at: at.set_profile(subject, email_verified=True))
        world.come(browser)
        assert world.signed_in(browser) == "alice"
        assert "Other sign-in linked" in browser.get("/account/activity").text
        # From now on the link is enough.
        world.is_("alice-there")
        world.come(browser)
        assert world.signed_in(browser) == "alice"


def test_nobody_gets_an_account_unless_settings_say_so(world_with: Callable[..., Any]) -> None:
    with world_with() as world:
        browser = world.browser()
        world.is_("sub-1", preferred_username="carol")
        says(world.come(browser), 403, "No account belongs to this sign-in")
        assert set(world.users()) == {"alice"}
        assert world.signed_in(browser) is None


def test_a_disabled_account_is_not_signed_in(world_with: Callable[..., Any]) -> None:
    with world_with("create_accounts = true\nlink_by_verified_email = true") as world:
        browser = world.browser()
        world.is_("sub-1", preferred_username="carol", email="c@x.example", email_verified=True)
        world.come(browser)
        carol = world.users()["carol"]
        world.change(lambda at: at.set_active(carol.subject, False))
        says(world.come(browser), 403, "This account cannot be used")
        # Neither by another identity with the same address.
        world.is_("sub-2", preferred_username="carol", email="c@x.example", email_verified=True)
        says(world.come(browser), 403, "This account cannot be used")
        assert world.signed_in(browser) is None
        assert len(world.users()) == 2


def test_a_name_that_is_taken_is_somebody_elses(world: World) -> None:
    names = []
    for number in range(12):
        world.is_(f"sub-{number}", preferred_username="alice")
        browser = world.browser()
        world.come(browser)
        names.append(world.signed_in(browser))
    assert names[:8] == [f"alice-{number}" for number in range(2, 10)]
    assert len(set(names)) == 12
    assert all(re.fullmatch("alice-[0-9a-f]{16}", str(name)) for name in names[8:])
    assert len(world.users()) == 13


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"preferred_username": "zoë"}, "zoë"),
        ({"preferred_username": "a\u202eb", "email": "carol@x.example"}, "carol"),
        ({"preferred_username": ["x"], "email": "no address"}, "sub-1"),
        ({"preferred_username": "x" * 300}, "x" * 200),
        ({}, "sub-1"),
    ],
)
def test_names_of_new_accounts_can_be_seen(world: World, claims: dict[str, Any], name: str) -> None:
    browser = world.browser()
    world.is_("sub-1", **claims)
    assert world.come(browser).status_code == 303
    assert world.signed_in(browser) == name


# ---- linking and unlinking ---------------------------------------------------------------------


def link(world: World, browser: Browser) -> Any:
    """Link whoever is signed in at the provider."""
    form = {"csrf": browser.csrf("/account/providers"), "provider": "org"}
    return browser.get(world.sent(browser.post("/account/providers/link", **form)))


def test_an_owner_links_and_unlinks(world: World) -> None:
    browser = world.browser()
    browser.sign_in()
    for subject in ("work", "home"):
        world.is_(subject, email=f"{subject}@x.example")
        answer = link(world, browser)
        assert answer.headers["location"] == "/account/providers?done=providers.linked"
    page = browser.get("/account/providers?done=providers.linked").text
    assert "Linked. You can sign in there from now on." in page
    for shown in ("work@x.example", "home@x.example", "last used just now"):
        assert shown in page
    other = world.browser()
    world.is_("home")
    world.come(other)
    assert world.signed_in(other) == "alice"
    assert set(world.users()) == {"alice"}

    csrf = browser.csrf("/account/providers")
    form = {"csrf": csrf, "issuer": ISSUER, "subject": "home"}
    answer = browser.post("/account/providers/unlink", **form)
    assert answer.headers["location"] == "/account/providers?done=providers.unlinked"
    assert "home@" not in browser.get("/account/providers").text
    activity = browser.get("/account/activity").text
    assert "Other sign-in linked" in activity
    assert "Other sign-in unlinked" in activity
    stranger = world.browser()
    world.is_("home", preferred_username="home")
    world.come(stranger)
    assert world.signed_in(stranger) == "home"


def test_an_identity_has_one_account(world: World) -> None:
    world.is_("sub-1", preferred_username="carol")
    world.come(world.browser())
    browser = world.browser()
    browser.sign_in()
    says(link(world, browser), 409, "linked to another account")
    assert world.signed_in(browser) == "alice"
    world.is_("sub-2")
    assert link(world, browser).status_code == 303
    assert link(world, browser).status_code == 303  # once more is no harm


def test_linking_begins_with_a_form_of_ours_alone(world: World) -> None:
    """Else an attacker could link an identity of theirs to whoever opens their page."""
    browser = world.browser()
    browser.sign_in()
    csrf = browser.csrf("/account/providers")
    for form in ({}, {"csrf": "x"}, {"csrf": world.browser().csrf("/login")}):
        says(browser.post("/account/providers/link", provider="org", **form), 403, "out of date")
        answer = browser.post("/account/providers/unlink", issuer=ISSUER, subject="x", **form)
        says(answer, 403, "out of date")
    assert browser.get("/account/providers/link").status_code == 405
    assert browser.post("/account/providers/link", csrf=csrf, provider="x").status_code == 404
    page = browser.get("/account/providers")
    assert "form-action" not in page.headers["content-security-policy"]  # it leads to the provider
    assert world.browser().get("/account/providers").headers["location"] == (
        "/login?next=%2Faccount%2Fproviders"
    )


def test_linking_ends_in_the_sign_in_where_it_began(world: World) -> None:
    world.change(lambda at: at.add_user("bob", password_hash=_hash(world.settings), email=None))
    browser = world.browser()
    browser.sign_in("bob")
    form = {"csrf": browser.csrf("/account/providers"), "provider": "org"}
    world.is_("sub-1")
    url = world.sent(browser.post("/account/providers/link", **form))
    browser.sign_in("alice")  # in the same browser, meanwhile
    says(browser.get(url), 403, "signed out meanwhile")
    assert "Nothing is linked" in browser.get("/account/providers").text
    says(browser.get(url), 400, "begin again")


def _hash(settings: Settings) -> str:
    with administration(settings, lambda _: None) as at:
        return at.new_password_hash(PASSWORD)


def test_the_only_way_in_stays(world: World) -> None:
    browser = world.browser()
    world.is_("sub-1", preferred_username="carol")
    world.come(browser)
    form = {"csrf": browser.csrf("/account/providers"), "issuer": ISSUER, "subject": "sub-1"}
    says(browser.post("/account/providers/unlink", **form), 409, "the only way into your account")
    world.is_("sub-2")
    link(world, browser)
    assert browser.post("/account/providers/unlink", **form).status_code == 303


def test_nobody_unlinks_what_is_another_accounts(world: World) -> None:
    world.is_("sub-1", preferred_username="carol")
    carol = world.browser()
    world.come(carol)
    browser = world.browser()
    browser.sign_in()
    form = {"csrf": browser.csrf("/account/providers"), "issuer": ISSUER, "subject": "sub-1"}
    assert browser.post("/account/providers/unlink", **form).status_code == 303
    assert "Example &amp; Co</strong>" in carol.get("/account/providers").text


def test_a_provider_that_settings_do_not_name_any_more_signs_nobody_in(
    world_with: Callable[..., Any], clock: FrozenClock
) -> None:
    with world_with() as world:
        browser = world.browser()
        browser.sign_in()
        world.is_("sub-1")
        link(world, browser)
        pending = world.leave(world.browser())
    Path("bezant.toml").write_text(ORG.replace("org", "net").replace(ISSUER, OTHER_ISSUER))
    with served(load_settings(), clock) as client:
        browser.client = client
        assert browser.get("/login/with/org").status_code == 404
        assert browser.get(pending).status_code == 404
        page = browser.get("/account/providers").text
        assert ISSUER in page
        assert "not offered here any more" in page
        form = {"csrf": browser.csrf("/account/providers"), "issuer": ISSUER, "subject": "sub-1"}
        assert browser.post("/account/providers/unlink", **form).status_code == 303


# ---- attacks on the way back -------------------------------------------------------------------


def test_a11_an_answer_in_another_browser_signs_nobody_in(world: World) -> None:
    """Login CSRF: the attacker's code in the victim's browser."""
    world.is_("mallory")
    url = world.leave(world.browser())
    victim = world.browser()
    says(victim.get(url), 400, "did not begin in this browser")
    victim.get("/login/with/org")
    says(victim.get(url), 400, "begin again")
    assert world.signed_in(victim) is None
    assert set(world.users()) == {"alice"}


def test_a11_an_answer_is_good_once_and_not_for_ever(world: World) -> None:
    browser = world.browser()
    world.is_("sub-1")
    url = world.leave(browser)
    late = world.leave(browser)
    request = world.provider.request
    assert browser.get(late).status_code == 303
    says(browser.get(late), 400, "begin again")
    world.clock.advance(TTL + 1)
    world.provider.request = request
    says(browser.get(url), 400, "took too long")


def test_a10_a_code_of_somebody_else_signs_nobody_in(world: World) -> None:
    world.is_("victim")
    world.leave(world.browser())
    victims = world.provider.request
    browser = world.browser()
    url = world.leave(browser)
    world.provider.request = victims
    says(browser.get(url), 400, "not valid here")
    assert world.signed_in(browser) is None


def test_mix_up_an_answer_of_another_provider_is_refused(
    world_with: Callable[..., Any],
) -> None:
    other = ORG.replace("providers.org", "providers.net").replace(ISSUER, OTHER_ISSUER)
    with world_with("create_accounts = true", other) as world:
        browser = world.browser()
        world.is_("sub-1")
        url = world.leave(browser)
        says(browser.get(url.replace("/org/", "/net/")), 400, "not valid here")
        url = world.leave(browser)
        answer = browser.get(
            url.replace(urlencode({"i": ISSUER})[2:], urlencode({"i": OTHER_ISSUER})[2:])
        )
        says(answer, 400, "not valid here")
        assert world.provider.form == {}


def test_a_refusal_there_is_a_page_here(world: World) -> None:
    browser = world.browser()
    url = world.leave(browser, "/login/with/org?next=/account/sessions")
    query = {
        "state": world.provider.request["state"],
        "iss": ISSUER,
        "error": "access_denied",
        "error_description": "<b>Call 555-0100</b>",
    }
    answer = browser.get(f"{CALLBACK}?{urlencode(query)}")
    says(answer, 403, "cancelled")
    assert "Call" not in answer.text
    assert 'href="/login?next=%2Faccount%2Fsessions"' in answer.text
    says(browser.get(url), 400, "begin again")


def test_a_provider_that_is_away_is_a_page_here(world: World) -> None:
    browser = world.browser()
    url = world.leave(browser)
    world.provider.answers["/token"] = Response(500, (), b"<h1>Oops")
    says(browser.get(url), 503, "cannot be reached now")
    assert world.signed_in(browser) is None


def test_metadata_that_cannot_be_read_are_a_page_here(world: World) -> None:
    world.provider.answers["/.well-known/openid-configuration"] = Response(500, (), b"")
    says(world.browser().get("/login/with/org"), 503, "cannot be reached now")


def test_nothing_secret_is_logged(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    browser = world.browser()
    world.is_("sub-1", preferred_username="carol", email="carol@x.example")
    world.come(browser)
    world.provider.tokens = {"id_token": "broken.id.token"}
    says(world.come(browser), 400, "not valid here")
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    told = "".join(record.getMessage() + str(record.__dict__) for record in ours)
    assert "ProviderSignInFailed" in told
    for secret in (
        *("upstream-code", "upstream-access-token", "broken.id", "carol@x.example"),
        *("a secret at the provider", world.provider.request["state"]),
        *(str(value) for value in browser.cookies.values()),
    ):
        assert secret not in told


# ---- on behalf of a client ---------------------------------------------------------------------

VERIFIER = "v" * 43
REDIRECT = "https://app.example.com/callback"
CLIENT = Client(
    "portal",
    frozenset({"authorization_code"}),
    ("openid", "email", "profile"),
    secrets=(ClientSecret.of(SECRET),),
    redirect_uris=(REDIRECT, CALLBACK),
    first_party=True,
)


def authorize(**more: str) -> str:
    query = {
        "client_id": "portal",
        "redirect_uri": REDIRECT,
        "response_type": "code",
        "scope": "openid",
        "state": "s",
        "nonce": "n",
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
        **more,
    }
    return f"/oauth/authorize?{urlencode(query)}"


@pytest.fixture
def portal(world: World) -> World:
    with administration(world.settings, lambda _: None) as at:
        at.add_client(CLIENT)
    return world


def with_org(page: Any) -> str:
    """Where the button of the provider leads."""
    found = re.search(r'href="(/login/with/org[^"]*)"', page.text)
    assert found is not None, page.text
    return found[1].replace("&amp;", "&")


def test_an_application_gets_its_code(portal: World) -> None:
    browser = portal.browser()
    portal.is_("sub-1", preferred_username="carol")
    login = browser.get(browser.get(authorize(login_hint="carol")).headers["location"])
    back = portal.come(browser, with_org(login))
    assert portal.provider.request["login_hint"] == "carol"
    assert "max_age" not in portal.provider.request
    answer = browser.get(back.headers["location"])
    assert answer.headers["location"].startswith(f"{REDIRECT}?code="), answer.text


def test_what_an_application_demands_is_demanded_of_the_provider(portal: World) -> None:
    browser = portal.browser()
    portal.is_("sub-1", preferred_username="carol")
    portal.come(browser)
    for more, sent in (
        ({"prompt": "login"}, ("0", "login")),
        ({"max_age": "0"}, ("0", "login")),
        ({"prompt": "select_account"}, (None, "select_account")),
    ):
        portal.clock.advance(60)
        portal.provider.claims.pop("auth_time", None)
        answer = browser.get(authorize(**more))
        if more.get("prompt") == "select_account":
            name = parse_qs(urlsplit(answer.headers["location"]).query)["interaction"][0]
            path = f"/login/with/org?{urlencode({'interaction': name})}"
        else:
            path = with_org(browser.get(answer.headers["location"]))
        url = portal.leave(browser, path)
        request = portal.provider.request
        assert (request.get("max_age"), request.get("prompt")) == sent
        if sent[0] is not None:
            says(browser.get(url), 400, "fresh sign-in")  # the provider did not say when it was
            url = portal.leave(browser, path)
        portal.provider.claims["auth_time"] = int(portal.clock())
        back = browser.get(url)
        answer = browser.get(back.headers["location"])
        assert answer.headers["location"].startswith(f"{REDIRECT}?code="), answer.headers


def test_a_request_that_waits_no_more_begins_nothing(portal: World) -> None:
    says(portal.browser().get("/login/with/org?interaction=x"), 400, "waited too long")


def test_a_bezant_signs_people_in_for_another(
    tmp_path: Path, clock: FrozenClock, template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the page about it says, with two servers."""
    upstream_url = "http://127.0.0.1:8100"
    upstream = Settings(
        database_url=f"sqlite:///{tmp_path}/upstream.db", port=8100, display_name="Upstream"
    )
    prepare(upstream, lambda _: None)
    furnish(upstream)
    with administration(upstream, lambda _: None) as at:
        at.add_client(CLIENT)
        subject = at.directory.user("alice").subject
        at.directory.set_profile(subject, name="Alice A", email="alice@x.example")
        at.directory.set_profile(subject, email_verified=True)
    Path("bezant.toml").write_text(
        f"""
[providers.org]
issuer = "{upstream_url}"
client_id = "portal"
client_secret = "{SECRET}"
create_accounts = true
link_by_verified_email = true
"""
    )
    with (
        served(upstream, clock, upstream_url) as there,
        monkeypatch.context() as patched,
    ):

        def fetch(
            method: str,
            url: str,
            *,
            headers: tuple[tuple[str, str], ...] = (),
            body: bytes | None = None,
            timeout: float = 3.0,
        ) -> Response:
            answer = there.request(method, url, headers=list(headers), content=body)
            return Response(answer.status_code, tuple(answer.headers.multi_items()), answer.content)

        patched.setattr(pages, "HTTPFetch", lambda **_: fetch)
        settings = load_settings()
        with served(settings, clock) as here:
            world = World(here, Provider(clock), clock, settings)
            browser, browser_there = Browser(here), Browser(there)
            browser_there.sign_in()
            away = browser.get("/login/with/org").headers["location"]
            assert away.startswith(f"{upstream_url}/oauth/authorize?")
            back = browser_there.get(away).headers["location"]
            assert back.startswith(f"{CALLBACK}?code=")
            answer = browser.get(back)
            assert answer.headers["location"] == "/account", answer.text
            assert world.signed_in(browser) == "alice"
            account = world.users()["alice"]
            assert (account.name, account.email, account.email_verified) == (
                *("Alice A", "alice@x.example"),
                True,
            )
            assert account.subject != subject


# ---- the rules, on every database --------------------------------------------------------------


def newcomer(subject: str = "sub-1", **more: Any) -> Newcomer:
    usual = {"issuer": ISSUER, "label": "label", "username": "carol", "create": True}
    return Newcomer(**{**usual, "subject": subject, **more})


def test_of_many_who_come_at_once_one_gets_an_account(database: SyncDatabase) -> None:
    store = IdentityStore(database)
    with ThreadPoolExecutor(8) as threads:
        admitted: list[Any] = list(threads.map(lambda _: store.admit(newcomer(), 1.0), range(16)))
    assert len({one.account for one in admitted}) == 1
    outcomes = [one.admission for one in admitted]
    assert outcomes.count(Admission.CREATED) == 1
    assert outcomes.count(Admission.KNOWN) == 15
    assert [one.username for one in Directory(database).users()] == ["carol"]


def test_of_many_with_one_name_or_address_each_is_somebody(database: SyncDatabase) -> None:
    store = IdentityStore(database)
    with ThreadPoolExecutor(8) as threads:
        admitted: list[Any] = list(
            threads.map(lambda n: store.admit(newcomer(f"sub-{n}"), 1.0), range(12))
        )
    assert len({one.account for one in admitted}) == 12
    with ThreadPoolExecutor(8) as threads:
        admitted = list(
            threads.map(
                lambda n: store.admit(
                    newcomer(f"with-{n}", username=f"u{n}", email="c@x.example"), 1.0
                ),
                range(8),
            )
        )
    assert {one.admission for one in admitted} <= {
        *(Admission.CREATED, Admission.LINKED, Admission.EMAIL_TAKEN)
    }
    assert len({one.account for one in admitted} - {None}) == 1
    accounts = {one.subject for one in Directory(database).users()}
    for number in range(8):
        again: Any = store.admit(newcomer(f"with-{number}", create=False), 2.0)
        assert again.account is None or again.account in accounts


def test_linking_and_unlinking_on_every_database(database: SyncDatabase) -> None:
    store = IdentityStore(database)
    directory = Directory(database)
    account = directory.add_user("alice", password_hash="x").subject
    other = directory.add_user("bob", password_hash="x").subject
    assert store.link(newcomer(), account, 1.0) is Linking.LINKED
    assert store.link(newcomer(), account, 2.0) is Linking.ALREADY
    assert store.link(newcomer(), other, 3.0) is Linking.TAKEN
    found: Any = store.of_account(account)
    assert [(one.subject, one.linked_at) for one in found] == [("sub-1", 1.0)]
    assert store.of_account(other) == []
    assert store.unlink(other, ISSUER, "sub-1", [ISSUER]) is Unlinking.UNKNOWN
    assert store.unlink(account, OTHER_ISSUER, "sub-1", [ISSUER]) is Unlinking.UNKNOWN
    assert store.unlink(account, ISSUER, "sub-1", [ISSUER]) is Unlinking.UNLINKED
    assert store.of_account(account) == []


def test_of_two_last_ways_in_one_stays(database: SyncDatabase) -> None:
    store = IdentityStore(database)
    admitted: Any = store.admit(newcomer("sub-1"), 1.0)
    account = admitted.account
    for round_ in range(5):
        store.link(newcomer("sub-1"), account, 1.0)
        store.link(newcomer("sub-2"), account, 1.0)
        with ThreadPoolExecutor(2) as threads:
            outcomes: list[Any] = list(
                threads.map(
                    lambda subject: store.unlink(account, ISSUER, subject, [ISSUER]),
                    ("sub-1", "sub-2"),
                )
            )
        assert sorted(one.value for one in outcomes) == ["last", "unlinked"], round_
    # One that settings do not offer any more is no way in.
    store.link(newcomer("sub-3", issuer=OTHER_ISSUER), account, 1.0)
    held: Any = store.of_account(account)
    (left,) = [one.subject for one in held if one.issuer == ISSUER]
    assert store.unlink(account, ISSUER, left, [ISSUER]) is Unlinking.LAST
    assert store.unlink(account, ISSUER, left, [ISSUER, OTHER_ISSUER]) is Unlinking.UNLINKED


@pytest.mark.parametrize("migrated", ["postgresql"], indirect=True)
def test_of_two_who_unlink_at_once_one_waits(migrated: Settings) -> None:
    """SQLite has one writer anyway."""
    database = Database.sync(migrated.database_url)
    store = IdentityStore(database)
    admitted: Any = store.admit(newcomer("sub-1"), 1.0)
    store.link(newcomer("sub-2"), admitted.account, 1.0)
    engine = create_engine(migrated.database_url.replace("://", "+psycopg://"))
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with ThreadPoolExecutor(1) as threads:
        with engine.begin() as other:
            statement = text("SELECT 1 FROM bezant_users WHERE subject = :who FOR UPDATE")
            other.execute(statement, {"who": admitted.account})
            second = threads.submit(store.unlink, admitted.account, ISSUER, "sub-1", [ISSUER])
            with engine.connect() as watching:
                assert eventually(
                    lambda: second.done() or bool(watching.scalar(waiting)), within=30
                )
            other.execute(text("DELETE FROM bezant_identities WHERE subject = 'sub-2'"))
        assert second.result(30) is Unlinking.LAST
    engine.dispose()
    database.close()


def test_an_identity_whose_account_is_gone_is_nobody(database: SyncDatabase) -> None:
    store = IdentityStore(database)
    store.link(newcomer(), "an account that is gone", 1.0)
    admitted: Any = store.admit(newcomer(), 2.0)
    assert admitted.admission is Admission.DISABLED


# ---- settings and commands ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        ('[providers.org]\nissuer = "https://a.example"', "providers.org.client_id"),
        (ORG + 'clientid = "x"', "providers.org.clientid"),
        (ORG + "create_accounts = 7", "providers.org.create_accounts"),
    ],
)
def test_settings_that_are_none_are_named(toml: str, named: str) -> None:
    Path("bezant.toml").write_text(toml)
    with pytest.raises(ConfigurationError, match=re.escape(named)) as caught:
        load_settings()
    assert "a secret at the provider" not in str(caught.value)


@pytest.mark.parametrize(
    ("toml", "named"),
    [
        (ORG.replace("https:", "http:"), "providers.org.issuer"),
        (ORG.replace(ISSUER, HERE), "providers.org.issuer: this server"),
        (ORG + ORG.replace(".org]", ".net]"), "providers.net.issuer: providers.org"),
        (ORG.replace(".org]", ".Org]"), "providers.Org: "),
        (ORG + 'scopes = ["email"]', "providers.org.scopes"),
        (ORG + "openid = false", "providers.org.authorize_url"),
        (ORG + 'client_secret_file = "x"', "providers.org.client_secret: give"),
        (ORG + 'client_key_file = "absent.jwk"', "providers.org.client_key_file: cannot read"),
        (ORG + 'client_key_file = "bezant.toml"', "holds no JWK"),
        (ORG + 'parameters = { state = "x" }', "providers.org.parameters"),
        (f'algorithm = "HS256"\n{ORG}', "BEZANT_PROVIDERS: browsers cannot sign in"),
    ],
)
def test_settings_that_cannot_be_are_refused_when_the_server_starts(
    installed: Settings, toml: str, named: str
) -> None:
    Path("bezant.toml").write_text(toml)
    settings = load_settings()
    with pytest.raises(ConfigurationError, match=re.escape(named)) as caught:
        create_app(settings, open_ring(settings, lambda _: None))
    assert "a secret at the provider" not in str(caught.value)
    assert "a secret at the provider" not in repr(settings)


def test_secrets_and_keys_come_from_files(
    installed: Settings, provider: Provider, clock: FrozenClock
) -> None:
    Path("secret").write_text("another secret\n")
    Path("key.jwk").write_bytes(fixed_key("ES256").private_jwk())
    toml = ORG.replace('client_secret = "a secret at the provider"', "{}")
    for line, proof in (
        ('client_secret_file = "secret"\nauth_method = "client_secret_post"', "client_secret"),
        ('client_key_file = "key.jwk"', "client_assertion"),
    ):
        Path("bezant.toml").write_text(toml.format(line) + "create_accounts = true")
        settings = load_settings()
        with served(settings, clock) as client:
            world = World(client, provider, clock, settings)
            world.is_("sub-1")
            assert world.come(world.browser()).status_code == 303
            assert proof in provider.form
    assert "client_secret" not in provider.form


PAGE = Path(__file__).parents[2] / "docs" / "third-party-login.md"


def test_the_settings_on_the_page_can_be_used(installed: Settings) -> None:
    blocks = re.findall(r"^```toml\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    Path("bezant.toml").write_text('issuer = "https://id.example.com"\n' + "".join(blocks))
    for name in ("staff", "google", "github"):
        Path(f"{name}.secret").write_text("a secret\n")
    Path("entra.jwk").write_bytes(fixed_key("RS256").private_jwk())
    settings = load_settings()
    assert list(settings.providers) == ["staff", "google", "entra", "github"]
    app = create_app(settings, open_ring(settings, lambda _: None))
    app.server.close()
    assert "https://id.example.com/login/with/staff/callback" in PAGE.read_text()


def test_the_page_names_every_setting() -> None:
    table = PAGE.read_text().partition("## Settings")[2].partition("## ")[0]
    named = {
        name
        for row in table.splitlines()
        for name in re.findall(r"`(\w+)`", row.split("|")[1] if "|" in row else "")
    }
    assert named == set(ProviderSettings.model_fields)


def test_commands_list_and_check_providers(bezant: Bezant) -> None:
    assert "There are no providers" in bezant("provider", "list").out
    assert bezant("provider", "check", "org").code == 1
    with FakeIssuer() as issuer:
        place = "/.well-known/oauth-authorization-server"
        issuer.answers[place] = json_response(
            200,
            {
                "issuer": issuer.url,
                "authorization_endpoint": f"{issuer.url}/authorize",
                "token_endpoint": f"{issuer.url}/oauth/token",
                "jwks_uri": f"{issuer.url}/oauth/jwks.json",
            },
        )
        Path("bezant.toml").write_text(ORG.replace(ISSUER, issuer.url))
        listed = bezant("provider", "list", "--json")
        assert listed.json()[0]["redirect_uri"] == CALLBACK
        assert "a secret" not in listed.out
        assert CALLBACK in bezant("provider", "list").out
        checked = bezant("provider", "check", "--json")
        assert (checked.code, checked.json()[0]["usable"]) == (0, True)
        assert checked.json()[0]["endpoints"]["jwks_uri"] == f"{issuer.url}/oauth/jwks.json"
        assert "authorization_endpoint" in bezant("provider", "check", "org").out
        assert "no provider 'x'" in bezant("provider", "check", "x").err

        issuer.fail("error", "/oauth/jwks.json")
        failed = bezant("provider", "check", "org", "--json")
        assert failed.code == 1
        assert "answered 500" in json.loads(failed.out)[0]["problem"]
