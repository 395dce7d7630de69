"""Single sign-on as people meet it: two applications, one server, a real browser."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

import pytest

from bezant.clients import Client, ClientSecret
from bezant_server.administration import administration
from bezant_server.demo.data import Person
from tests.e2e.chromium import ARGUMENTS, EXECUTABLE, missing
from tests.e2e.sso import World, sign_in, tour, world
from tests.running import eventually

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Page,
        Request,
    )

PATIENCE = 20_000
"""Milliseconds in which an application has to hear of a logout, on the slowest machine."""

HERE = ("http://127.0.0.1:", "http://localhost:", "data:", "chrome-error:")

Scheme = Literal["light", "dark"]
SHADES: dict[Scheme, tuple[float, float]] = {"light": (0.6, 1), "dark": (0, 0.4)}
"""The brightness of a page in the scheme that the system is set to: 0 is black, 1 is white."""

PHONE = {"width": 320, "height": 640}
"""The narrowest that a page must fit without scrolling sideways (WCAG 2.2, 1.4.10)."""


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := missing():
        pytest.skip(reason)
    with world(tmp_path_factory.mktemp("sso")) as made:
        yield made


@pytest.fixture
def person(where: World) -> Person:
    """Somebody new in each test: what they consent to stays theirs."""
    return newcomer(where)


_NUMBERS = iter(range(10_000))


def newcomer(where: World) -> Person:
    return where.add_person(f"ann{next(_NUMBERS)}")


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browsers that know nothing yet. Their pages break no policy of ours, no script of them
    fails, and they load nothing from another machine.
    """
    problems: list[str] = []
    made: list[BrowserContext] = []

    def said(message: ConsoleMessage) -> None:
        # What another site is refused is no problem.
        if "Content Security Policy" in message.text and "Framing" not in message.text:
            problems.append(message.text)

    def sent(request: Request) -> None:
        if not request.url.startswith(HERE):
            problems.append(f"{request.url} is elsewhere")

    def watch(page: Page) -> None:
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", said)
        page.on("request", sent)

    def new(**options: Any) -> BrowserContext:
        context = browser.new_context(**options)
        context.set_default_timeout(PATIENCE)
        context.on("page", watch)
        made.append(context)
        return context

    yield new
    for context in made:
        context.close()
    assert problems == []


@pytest.fixture
def page(new_context: Callable[..., BrowserContext]) -> Page:
    return new_context().new_page()


@pytest.fixture
def later(where: World) -> Iterator[Callable[[float], None]]:
    """Puts the clock forward, by so many seconds, until the test ends."""

    def forward(seconds: float) -> None:
        where.clock.ahead += seconds

    yield forward
    where.clock.ahead = 0.0


def greets(page: Page, person: Person) -> bool:
    return page.locator("strong", has_text=person.name.capitalize()).count() == 1


def to_notes(page: Page, where: World) -> None:
    """Sign in to Notes, whose consent is given when it is asked for; the server knows who it is."""
    page.goto(where.notes + "/login")
    if page.url.startswith(where.issuer):
        page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")


def to_shop(page: Page, where: World, person: Person) -> None:
    page.goto(where.shop + "/login")
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")


def heading(page: Page) -> str:
    return page.get_by_role("heading", level=1).inner_text()


# Signing in


def test_the_first_login_leads_back_to_the_application(
    page: Page, where: World, person: Person
) -> None:
    page.goto(where.shop)
    page.get_by_role("link", name="Sign in", exact=True).click()
    assert page.url.startswith(where.issuer + "/login?")
    assert "Shop" in page.get_by_role("main").inner_text()
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")
    assert greets(page, person)
    page.get_by_role("link", name="See the items").click()
    assert "a silver spoon" in page.get_by_role("main").inner_text()


def test_a_wrong_password_is_told_and_the_right_one_still_leads_on(
    page: Page, where: World, person: Person
) -> None:
    page.goto(where.shop + "/login")
    sign_in(page, person, "wrong")
    assert "wrong" in page.get_by_role("alert").inner_text()
    assert page.get_by_label("User name").input_value() == person.name
    assert page.get_by_label("Password").input_value() == ""
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")


def test_b04_a_page_tells_an_unknown_name_from_a_wrong_password_to_nobody(
    page: Page, where: World, person: Person
) -> None:
    said = []
    for name in (person.name, "nobody-of-that-name"):
        page.goto(where.shop + "/login")
        sign_in(page, Person(name, "wrong", ""))
        page.get_by_role("alert").wait_for()
        said.append(page.get_by_role("main").inner_text())
    assert said[0] == said[1]


def test_the_second_application_asks_for_no_password(
    page: Page, where: World, person: Person
) -> None:
    to_shop(page, where, person)
    page.goto(where.notes + "/login")
    assert page.get_by_label("Password").count() == 0
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")
    assert greets(page, person)


def test_an_application_of_our_own_asks_for_no_consent(
    page: Page, where: World, person: Person
) -> None:
    page.goto(where.notes + "/login")
    sign_in(page, person)
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")
    page.goto(where.shop + "/login")
    assert page.url == where.shop + "/"
    assert greets(page, person)


def test_s01_each_login_gives_the_browser_another_cookie(
    page: Page, where: World, person: Person
) -> None:
    def cookie() -> str:
        kept = {c["name"]: c["value"] for c in page.context.cookies(where.issuer)}
        return kept["bezant"]

    to_shop(page, where, person)
    first = cookie()
    page.goto(where.shop + "/login?max_age=0")
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")
    assert cookie() != first
    # The old one is worth nothing: whoever kept it is asked who they are.
    page.context.add_cookies([{"name": "bezant", "value": first, "url": where.issuer}])
    page.goto(where.issuer + "/account")
    assert urlsplit(page.url).path == "/login"


def test_s06_no_script_reads_a_cookie(page: Page, where: World, person: Person) -> None:
    to_shop(page, where, person)
    page.goto(where.issuer + "/account")
    assert page.evaluate("document.cookie") == ""
    kept = page.context.cookies(where.issuer)
    assert kept and all(c["httpOnly"] and c["sameSite"] == "Lax" for c in kept)


def test_signing_in_needs_no_mouse(page: Page, where: World, person: Person) -> None:
    page.goto(where.shop + "/login")
    page.locator("input[name=username]:focus").wait_for()  # without a click
    page.keyboard.type(person.name)
    page.keyboard.press("Tab")
    page.keyboard.type(person.password)
    page.keyboard.press("Enter")
    page.wait_for_url(where.shop + "/")
    assert greets(page, person)


def test_pages_speak_the_language_of_the_browser_or_the_one_that_is_chosen(
    new_context: Callable[..., BrowserContext], where: World, person: Person
) -> None:
    page = new_context(locale="zh-CN").new_page()
    page.goto(where.shop + "/login")
    assert page.locator("html").get_attribute("lang") == "zh-Hans"
    assert page.get_by_label("User name").count() == 0
    page.get_by_role("link", name="English").click()
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")
    page.goto(where.issuer + "/account")
    assert page.locator("html").get_attribute("lang") == "en"


# Consent


def test_consent_is_asked_once(page: Page, where: World, person: Person) -> None:
    to_shop(page, where, person)
    page.goto(where.notes + "/login")
    text = page.get_by_role("main").inner_text()
    assert "Notes" in text
    assert "See your e-mail address" in text and "See the items" in text
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")
    page.goto(where.notes + "/login")
    assert page.url == where.notes + "/"


def test_consent_that_was_taken_back_is_asked_again(
    page: Page, where: World, person: Person
) -> None:
    to_shop(page, where, person)
    to_notes(page, where)
    page.goto(where.issuer + "/account/applications")
    page.get_by_role("button", name="Notes").click()
    page.get_by_role("status").wait_for()
    assert page.get_by_role("button", name="Notes").count() == 0
    page.goto(where.notes + "/login")
    assert page.get_by_role("button", name="Allow").count() == 1


def test_a_refused_consent_is_told_to_the_application(
    page: Page, where: World, person: Person
) -> None:
    page.goto(where.notes + "/login")
    sign_in(page, person)
    page.get_by_role("button", name="Refuse").click()
    page.wait_for_url(where.notes + "/callback?**")
    assert heading(page) == "Not signed in"
    assert "access_denied" in page.get_by_role("main").inner_text()
    # Nothing is remembered of it.
    page.goto(where.notes + "/login")
    assert page.get_by_role("button", name="Allow").count() == 1


# What applications can ask for


def test_a16_prompt_none_answers_without_a_page(page: Page, where: World, person: Person) -> None:
    page.goto(where.shop + "/login?prompt=none")
    assert "login_required" in page.get_by_role("main").inner_text()

    to_shop(page, where, person)
    seen: list[str] = []
    page.on("framenavigated", lambda frame: seen.append(frame.url))
    page.goto(where.shop + "/login?prompt=none")
    assert seen == [where.shop + "/"]
    assert greets(page, person)

    page.goto(where.notes + "/login?prompt=none")
    assert "consent_required" in page.get_by_role("main").inner_text()


def test_a16_max_age_asks_again_when_it_is_over(
    page: Page, where: World, person: Person, later: Callable[[float], None]
) -> None:
    to_shop(page, where, person)
    later(100)
    page.goto(where.shop + "/login?max_age=3600")
    assert page.url == where.shop + "/"
    page.goto(where.shop + "/login?max_age=60")
    assert urlsplit(page.url).path == "/login"
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")
    page.goto(where.shop + "/login?max_age=60")
    assert page.url == where.shop + "/"


def test_a16_prompt_login_asks_who_is_signed_in(page: Page, where: World, person: Person) -> None:
    to_shop(page, where, person)
    page.goto(where.shop + "/login?prompt=login")
    assert urlsplit(page.url).path == "/login"
    # Opening the page again, or going round it, is no login.
    page.goto(page.url)
    interaction = parse_qs(urlsplit(page.url).query)["interaction"][0]
    page.goto(f"{where.issuer}/oauth/authorize?interaction={interaction}")
    assert urlsplit(page.url).path == "/login"
    sign_in(page, person)
    page.wait_for_url(where.shop + "/")


def test_the_account_chooser(page: Page, where: World, person: Person) -> None:
    other = where.add_person(f"{person.name}-at-work")
    to_shop(page, where, person)
    page.goto(where.shop + "/login?prompt=select_account")
    assert urlsplit(page.url).path == "/accounts"
    page.get_by_role("link", name="Use another account").click()
    sign_in(page, other)
    page.wait_for_url(where.shop + "/")
    assert page.locator("strong").inner_text() == other.name.capitalize()

    page.goto(where.shop + "/login?prompt=select_account")
    names = page.get_by_role("main").get_by_role("button").locator("strong").all_inner_texts()
    assert sorted(names) == sorted([person.name.capitalize(), other.name.capitalize()])
    page.locator("button", has=page.get_by_text(person.name.capitalize(), exact=True)).click()
    page.wait_for_url(where.shop + "/")
    assert page.locator("strong").inner_text() == person.name.capitalize()


# Signing out


def test_signing_out_of_one_application_signs_out_of_the_other(
    page: Page, where: World, person: Person
) -> None:
    to_shop(page, where, person)
    to_notes(page, where)
    page.goto(where.shop)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(where.shop + "/signed-out")
    assert is_signed_out_of(page, where.notes)
    page.goto(where.notes + "/login")
    assert page.get_by_label("Password").count() == 1


def is_signed_out_of(page: Page, application: str) -> bool:
    """Whether an application hears of it, which may take some seconds."""

    def nobody() -> bool:
        page.goto(application)
        return page.get_by_text("Nobody is signed in here").count() == 1

    return eventually(nobody, within=PATIENCE / 1000)


def test_s09_a_logout_that_nobody_here_asked_for_asks_first(
    page: Page, where: World, person: Person
) -> None:
    to_shop(page, where, person)
    page.goto(where.issuer + "/oauth/logout?client_id=notes")
    assert heading(page) == "Sign out?"
    page.goto(where.issuer + "/account")
    assert urlsplit(page.url).path == "/account"


def test_a_new_password_ends_sign_ins_elsewhere(
    new_context: Callable[..., BrowserContext], where: World, person: Person
) -> None:
    here, elsewhere = new_context().new_page(), new_context().new_page()
    to_shop(elsewhere, where, person)
    here.goto(where.issuer + "/account/password")
    sign_in(here, person)
    here.get_by_label("Current password").fill(person.password)
    here.get_by_label("New password", exact=True).fill("a much better password")
    here.get_by_label("New password once more").fill("a much better password")
    here.get_by_role("button", name="Change password").click()
    here.get_by_role("status").wait_for()

    assert is_signed_out_of(elsewhere, where.shop)
    elsewhere.goto(where.issuer + "/account")
    assert urlsplit(elsewhere.url).path == "/login"
    sign_in(elsewhere, person)
    elsewhere.get_by_role("alert").wait_for()
    sign_in(elsewhere, person, "a much better password")
    elsewhere.wait_for_url(where.issuer + "/account")
    here.goto(where.issuer + "/account")
    assert urlsplit(here.url).path == "/account"


def test_a_device_is_signed_out_from_another(
    new_context: Callable[..., BrowserContext], where: World, person: Person
) -> None:
    here, elsewhere = new_context().new_page(), new_context().new_page()
    to_shop(elsewhere, where, person)
    here.goto(where.issuer + "/account/sessions")
    sign_in(here, person)
    here.get_by_role("button", name="Sign out everywhere else").click()
    here.get_by_role("status").wait_for()
    assert is_signed_out_of(elsewhere, where.shop)
    here.goto(where.issuer + "/account")
    assert urlsplit(here.url).path == "/account"


# Signing in by another server


@pytest.fixture(scope="module")
def partner(where: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A second Bezant, which lets people sign in at the first."""
    secret = "the secret of the second"
    settings = {
        "label": "First Bezant",
        "issuer": where.issuer,
        "client_id": "second",
        "client_secret": secret,
        "create_accounts": True,
    }
    folder = tmp_path_factory.mktemp("partner")
    with world(folder, host="localhost", providers={"first": settings}) as made:
        with administration(where.settings, lambda _: None) as at:
            at.add_client(
                Client(
                    "second",
                    name="Second Bezant",
                    grants=frozenset({"authorization_code"}),
                    scopes=("openid", "profile", "email"),
                    secrets=(ClientSecret.of(secret),),
                    redirect_uris=(f"{made.issuer}/login/with/first/callback",),
                )
            )
        yield made


def test_signing_in_by_another_server(
    page: Page, where: World, partner: World, person: Person
) -> None:
    page.goto(partner.shop + "/login")
    page.get_by_role("link", name="First Bezant").click()
    assert page.url.startswith(where.issuer + "/login?")
    sign_in(page, person)
    assert "Second Bezant" in page.get_by_role("main").inner_text()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(partner.shop + "/")
    assert greets(page, person)
    page.goto(partner.issuer + "/account")
    assert person.name in page.get_by_role("main").inner_text()

    # The second time, neither server has anything to ask.
    page.goto(partner.shop)
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(partner.shop + "/signed-out")
    page.goto(partner.shop + "/login")
    page.get_by_role("link", name="First Bezant").click()
    page.wait_for_url(partner.shop + "/")
    assert greets(page, person)


def test_an_account_is_linked_to_one_at_another_server(
    page: Page, where: World, partner: World, person: Person
) -> None:
    local = newcomer(partner)
    page.goto(partner.issuer + "/account/providers")
    sign_in(page, local)
    page.get_by_role("button", name="Link First Bezant").click()
    sign_in(page, person)
    page.get_by_role("button", name="Allow").click()
    page.get_by_role("status").wait_for()
    page.goto(partner.issuer + "/signout")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url(partner.issuer + "/signed-out")

    page.goto(partner.shop + "/login")
    page.get_by_role("link", name="First Bezant").click()
    page.wait_for_url(partner.shop + "/")
    assert greets(page, local), "the account that was there before"


def test_refusing_at_another_server_leads_back_to_the_choice(
    page: Page, where: World, partner: World, person: Person
) -> None:
    page.goto(partner.shop + "/login")
    page.get_by_role("link", name="First Bezant").click()
    sign_in(page, person)
    page.get_by_role("button", name="Refuse").click()
    page.wait_for_url(partner.issuer + "/login/with/first/callback?**")
    assert page.get_by_role("main").get_by_role("alert").count() == 0
    page.get_by_role("main").get_by_role("link").first.click()
    assert page.url.startswith(partner.issuer + "/login?interaction=")
    assert page.get_by_role("link", name="First Bezant").count() == 1


def test_a11_an_answer_of_another_server_is_for_the_browser_that_asked(
    new_context: Callable[..., BrowserContext], where: World, partner: World, person: Person
) -> None:
    theirs, ours = new_context().new_page(), new_context().new_page()
    theirs.goto(partner.issuer + "/login")
    theirs.get_by_role("link", name="First Bezant").click()
    sign_in(theirs, person)
    theirs.route(partner.issuer + "/login/with/**", lambda route: route.abort())
    with theirs.expect_request(lambda sent: "/callback?" in sent.url) as callback:
        theirs.get_by_role("button", name="Allow").click()
    answer = ours.goto(callback.value.url)
    assert answer is not None and answer.status == 400
    ours.goto(partner.issuer + "/account")
    assert urlsplit(ours.url).path == "/login"


# What goes wrong


def test_a_request_that_waited_too_long_is_begun_again_at_the_application(
    page: Page, where: World, person: Person, later: Callable[[float], None]
) -> None:
    page.goto(where.shop + "/login")
    later(1801)
    sign_in(page, person)
    assert page.url.startswith(where.issuer)
    assert "begin again" in page.get_by_role("main").inner_text()
    page.goto(where.shop + "/login")
    page.wait_for_url(lambda url: not url.startswith(where.issuer + "/oauth"))
    assert heading(page) != "Not signed in"


@pytest.mark.parametrize("path", ["/login", "/consent", "/accounts", "/signout"])
def test_a_made_up_request_is_refused_by_a_page(page: Page, where: World, path: str) -> None:
    answer = page.goto(f"{where.issuer}{path}?interaction=bm90aGluZyBvZiB0aGUgc29ydA")
    assert answer is not None and answer.status == 400
    assert page.url.startswith(where.issuer + path)
    assert page.get_by_role("main").get_by_role("textbox").count() == 0


def test_s04_a_consent_is_to_the_request_that_was_shown(
    page: Page, where: World, person: Person
) -> None:
    """Whatever is written into the form, the application gets what its own request asked for."""
    page.goto(where.notes + "/login")
    sign_in(page, person)
    page.get_by_role("button", name="Allow").wait_for()
    page.evaluate(
        """() => {
            const form = document.querySelector('form');
            for (const [name, value] of [['scope', 'openid items:write'], ['client_id', 'shop']]) {
                const field = Object.assign(document.createElement('input'), {name, value});
                form.append(field);
            }
        }"""
    )
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")
    page.goto(where.issuer + "/account/applications")
    text = page.get_by_role("main").inner_text()
    assert "Notes" in text and "Shop" not in text
    assert "Change the items" not in text


@pytest.mark.parametrize("change", ["remove", "value = 'x'"])
def test_s02_a_form_without_its_token_is_refused(
    page: Page, where: World, person: Person, change: str
) -> None:
    page.goto(where.shop + "/login")
    script = "remove()" if change == "remove" else change
    page.evaluate(f"document.querySelector('[name=csrf]').{script}")
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        sign_in(page, person)
    assert answered.value.status == 403
    page.goto(where.issuer + "/account")
    assert urlsplit(page.url).path == "/login", "nobody is signed in"


@pytest.fixture
def evil() -> Iterator[Callable[..., str]]:
    """Another site: serves one page, and says where."""
    pages: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(pages[-1].encode())

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()

        def serve(html: str, host: str = "localhost") -> str:
            pages.append(html)
            return f"http://{host}:{server.server_port}/"

        yield serve
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"], ids=["stranger", "neighbour"])
def test_s03_a_form_of_another_site_signs_nobody_in(
    page: Page, where: World, person: Person, evil: Callable[..., str], host: str
) -> None:
    page.goto(where.shop + "/login")  # so that the browser holds what a form needs
    form = f"""<form method="post" action="{where.issuer}/login">
        <input name="username" value="{person.name}">
        <input name="password" value="{person.password}"><button>Go</button></form>"""
    page.goto(evil(form, host))
    with page.expect_response(lambda answer: answer.request.method == "POST") as answered:
        page.get_by_role("button", name="Go").click()
    assert answered.value.status == 403
    page.goto(where.issuer + "/account")
    assert urlsplit(page.url).path == "/login"


def test_s05_no_page_is_shown_in_a_frame(
    page: Page, where: World, evil: Callable[..., str]
) -> None:
    with page.expect_event("requestfailed") as refused:
        page.goto(evil(f'<iframe src="{where.issuer}/inspect"></iframe>'))
    assert refused.value.url == where.issuer + "/inspect"
    assert refused.value.failure == "net::ERR_BLOCKED_BY_RESPONSE"
    assert page.frames[1].get_by_label("Token").count() == 0


@pytest.mark.parametrize(
    "path", ["//evil.example/", "/\\evil.example/", "https://evil.example/", "/%09/evil.example"]
)
def test_s07_a_login_leads_nowhere_else(
    page: Page, where: World, person: Person, path: str
) -> None:
    page.goto(f"{where.issuer}/login?{urlencode({'next': path})}")
    sign_in(page, person)
    page.wait_for_load_state()
    assert urlsplit(page.url).netloc == urlsplit(where.issuer).netloc


def test_s08_nothing_secret_is_in_an_address_or_told_to_the_application(
    page: Page, where: World, person: Person
) -> None:
    sent: list[Request] = []

    def note(request: Request) -> None:
        sent.append(request)

    page.on("request", note)
    to_shop(page, where, person)
    passwords = [one for one in sent if person.password in unquote_plus(one.post_data or "")]
    assert [urlsplit(one.url).path for one in passwords] == ["/login"]
    assert not any(person.password in unquote_plus(one.url) for one in sent)
    at_shop = [one for one in sent if one.url.startswith(where.shop + "/callback")]
    assert len(at_shop) == 1 and "referer" not in at_shop[0].all_headers()


def test_two_tabs_sign_in_one_after_the_other(
    new_context: Callable[..., BrowserContext], where: World, person: Person
) -> None:
    context = new_context()
    one, two = context.new_page(), context.new_page()
    one.goto(where.shop + "/login")
    two.goto(where.notes + "/login")
    sign_in(one, person)
    one.wait_for_url(where.shop + "/")
    sign_in(two, person)  # the form is from before, and still good
    two.get_by_role("button", name="Allow").click()
    two.wait_for_url(where.notes + "/")
    assert greets(one, person) and greets(two, person)


def test_two_tabs_with_the_same_request_finish_it_once(
    new_context: Callable[..., BrowserContext], where: World, person: Person
) -> None:
    context = new_context()
    one, two = context.new_page(), context.new_page()
    one.goto(where.shop + "/login")
    two.goto(one.url)
    sign_in(one, person)
    one.wait_for_url(where.shop + "/")
    sign_in(two, person)
    two.wait_for_load_state()
    assert two.url.startswith(where.issuer)
    assert "begin again" in two.get_by_role("main").inner_text()
    one.reload()
    assert greets(one, person)


def test_the_back_button_shows_no_form_that_was_answered(
    page: Page, where: World, person: Person
) -> None:
    to_shop(page, where, person)
    page.go_back()
    assert page.url.startswith(where.issuer)
    assert page.get_by_label("Password").count() == 0
    assert "begin again" in page.get_by_role("main").inner_text()
    page.go_forward()
    assert greets(page, person)


def test_after_signing_out_the_back_button_shows_nothing_of_the_account(
    page: Page, where: World, person: Person
) -> None:
    page.goto(where.issuer + "/account")
    sign_in(page, person)
    page.wait_for_url(where.issuer + "/account")
    page.goto(where.issuer + "/signout")
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url(where.issuer + "/signed-out")
    page.go_back()
    page.go_back()
    assert person.name not in page.content()


def test_where_cookies_are_blocked_the_error_says_so(
    browser: Browser, where: World, person: Person, tmp_path: Path
) -> None:
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    preferences.write_text(json.dumps(blocked))
    context = browser.browser_type.launch_persistent_context(
        tmp_path, executable_path=EXECUTABLE, args=ARGUMENTS
    )
    try:
        page = context.new_page()
        page.goto(where.issuer + "/login")
        sign_in(page, person)
        assert "Allow cookies" in page.get_by_role("alert").inner_text()
        assert context.cookies() == []
    finally:
        context.close()


def test_an_address_that_is_not_registered_gets_nobody(page: Page, where: World) -> None:
    answer = page.goto(
        f"{where.issuer}/oauth/authorize?client_id=shop&response_type=code&scope=openid"
        "&redirect_uri=https%3A%2F%2Fevil.example%2Fcallback"
    )
    assert answer is not None and answer.status == 400
    assert page.url.startswith(where.issuer)
    assert page.locator("a[href*='evil.example']").count() == 0


# The pages themselves


def test_the_inspector_sends_a_token_nowhere(page: Page, where: World) -> None:
    page.goto(where.issuer + "/inspect")
    page.wait_for_load_state("networkidle")
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url))
    token = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJodHRwczovL2lkLmV4YW1wbGUuY29tIiwiZXhwIjoxfQ.c2ln"
    page.get_by_label("Token").fill(token)
    text = page.get_by_role("main").inner_text()
    assert "ES256" in text and "https://id.example.com" in text and "expired" in text
    page.get_by_label("Token").blur()
    assert sent == []
    assert token not in page.url


def axe(page: Page, script: str) -> list[str]:
    """What axe finds wrong, at the level that is asked for in public services: WCAG 2.2 AA."""
    page.evaluate(script)
    found = page.evaluate(
        """async () => (await axe.run({
            resultTypes: ['violations'],
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
        })).violations"""
    )
    return [f"{rule['id']}: {node['html'][:120]}" for rule in found for node in rule["nodes"]]


@pytest.fixture(scope="module")
def axe_script() -> str:
    if find_spec("axe_playwright_python") is None:
        pytest.skip("axe is not installed; to run these: pip install axe-playwright-python")
    from axe_playwright_python.base import AXE_SCRIPT

    return str(AXE_SCRIPT)


def test_every_page_passes_axe_and_is_as_dark_as_is_wanted(
    new_context: Callable[..., BrowserContext], partner: World, axe_script: str
) -> None:
    page, canvas = new_context().new_page(), new_context().new_page()
    problems, shades = {}, {}
    for name in tour(page, partner, newcomer(partner)):
        for scheme in SHADES:
            page.emulate_media(color_scheme=scheme)
            shades[name, scheme] = brightness(canvas, page.screenshot())
            problems[name, scheme] = axe(page, axe_script)
    assert {where: found for where, found in problems.items() if found} == {}
    assert {where: shade for where, shade in shades.items() if not fits(where[1], shade)} == {}
    assert len(problems) > 40


def fits(scheme: Scheme, shade: float) -> bool:
    darkest, brightest = SHADES[scheme]
    return darkest <= shade <= brightest


def test_every_page_fits_a_phone(
    new_context: Callable[..., BrowserContext], partner: World
) -> None:
    page = new_context(viewport=PHONE, is_mobile=True, has_touch=True).new_page()
    width = "document.documentElement.scrollWidth"
    wide = {name: page.evaluate(width) for name in tour(page, partner, newcomer(partner))}
    assert {name: found for name, found in wide.items() if found > PHONE["width"]} == {}


def brightness(canvas: Page, picture: bytes) -> float:
    """Of a picture on the whole."""
    data = f"data:image/png;base64,{b64encode(picture).decode()}"
    return float(
        canvas.evaluate(
            """async source => {
                const image = Object.assign(new Image(), {src: source});
                await image.decode();
                const pixel = new OffscreenCanvas(1, 1).getContext('2d');
                pixel.imageSmoothingQuality = 'high';
                pixel.drawImage(image, 0, 0, 1, 1);
                const [red, green, blue] = pixel.getImageData(0, 0, 1, 1).data;
                return (red + green + blue) / 765;
            }""",
            data,
        )
    )


def test_every_page_works_without_javascript(
    new_context: Callable[..., BrowserContext], partner: World
) -> None:
    page = new_context(java_script_enabled=False).new_page()
    names = []
    for name in tour(page, partner, newcomer(partner)):
        names.append(name)
        if name == "inspect":  # the one page that cannot do its work, and says why
            assert "needs JavaScript" in page.get_by_role("main").inner_text()
    assert len(names) > 20
