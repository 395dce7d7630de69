"""Sign-ins in browsers: how long they last, what is kept of them, and what ends them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text
from starlette.testclient import TestClient

from bezant.events import Event, SessionEnded
from bezant_server.app import create_app
from bezant_server.assembly import logouts_of
from bezant_server.devices import device
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.server.browsing import PASSWORD, Visitor, World, world
from tests.server.conftest import Bezant

HOUR = 3600


@pytest.fixture
def here(installed: Settings) -> Iterator[World]:
    with world(session_ttl=48 * HOUR, session_idle_ttl=10 * HOUR) as entered:
        yield entered


@pytest.fixture
def visitor(here: World) -> Visitor:
    visitor = here.visitor()
    visitor.sign_in()
    return visitor


def signed_in(visitor: Visitor) -> bool:
    return visitor.get("/account").status == 200


def rows(here: World, query: str) -> list[Any]:
    engine = create_engine(here.settings.database_url)
    try:
        with engine.connect() as connection:
            return list(connection.execute(text(query)))
    finally:
        engine.dispose()


def test_a_browser_that_is_not_here_is_signed_out(here: World, visitor: Visitor) -> None:
    for _ in range(3):
        here.clock.advance(10 * HOUR - 120)
        assert signed_in(visitor)
    here.clock.advance(10 * HOUR)
    assert not signed_in(visitor)


def test_nobody_stays_signed_in_for_ever(here: World, visitor: Visitor) -> None:
    for _ in range(47):
        here.clock.advance(HOUR)
        assert signed_in(visitor)
    here.clock.advance(HOUR)
    assert not signed_in(visitor)


def test_a_new_proof_begins_anew(here: World, visitor: Visitor) -> None:
    here.clock.advance(9 * HOUR)
    for _ in range(5):
        visitor.sign_in(url="/login?add=1")
        here.clock.advance(9 * HOUR)
        assert signed_in(visitor)


def test_an_old_sign_in_is_not_taken_up_again(here: World, visitor: Visitor) -> None:
    before = rows(here, "SELECT id FROM bezant_sessions")
    here.clock.advance(11 * HOUR)
    visitor.sign_in()
    after = rows(here, f"SELECT id FROM bezant_sessions WHERE auth_time = {here.clock()}")
    assert len(after) == 1 and after != before


def test_when_a_browser_was_seen_is_written_once_a_minute(
    here: World, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    store = here.app.sessions._store
    touch: Any = store.touch

    async def counted(*arguments: Any) -> None:
        written.append(arguments)
        await touch(*arguments)

    monkeypatch.setattr(store, "touch", counted)
    for _ in range(6):
        here.clock.advance(30)
        for _ in range(3):
            assert signed_in(visitor)
    assert len(written) == 3


def test_the_store_knows_no_cookie(here: World, visitor: Visitor) -> None:
    here.shop_tokens(visitor)
    secrets = set(visitor.cookies.values())
    assert len(secrets) >= 2
    (tables,) = [rows(here, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    for (table,) in tables:
        for row in rows(here, f"SELECT * FROM {table}"):
            for value in row:
                assert not any(secret in str(value) for secret in secrets)


def test_sign_ins_whose_time_is_over_end(here: World, visitor: Visitor) -> None:
    told: list[Event] = []
    here.app.server.events.subscribe(told.append)
    tokens = here.shop_tokens(visitor)
    kept = here.shop_tokens(visitor, scope="openid offline_access")
    other = here.visitor()
    here.clock.advance(9 * HOUR)
    other.sign_in("bob")
    here.clock.advance(2 * HOUR)
    assert here.refresh(tokens).status_code == 200
    portal: Any = here.http.portal
    ended = portal.call(here.app.sessions.purge, logouts_of(here.app.server))
    assert ended == 1
    assert here.refresh(tokens).json()["error"] == "invalid_grant"
    assert here.refresh(kept).status_code == 200
    assert [type(event) for event in told if isinstance(event, SessionEnded)] == [SessionEnded]
    assert signed_in(other)
    assert len(rows(here, "SELECT id FROM bezant_sessions")) == 1


@pytest.mark.parametrize("command", [("user", "disable"), ("user", "set-password")])
def test_a_command_ends_sign_ins_in_browsers(
    command: tuple[str, ...],
    here: World,
    visitor: Visitor,
    bezant: Bezant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tokens = here.shop_tokens(visitor)
    bob = here.visitor()
    bob.sign_in("bob")
    monkeypatch.setenv("BEZANT_ISSUER", here.settings.public_url())
    more = ("--password-stdin",) if command[1] == "set-password" else ()
    done = bezant(*command, "alice", *more, "--json", stdin=PASSWORD + "\n")
    assert done.code == 0, done.err
    assert done.json()["sessions_ended"] == 1
    assert not signed_in(visitor)
    assert signed_in(bob)
    assert here.refresh(tokens).json()["error"] == "invalid_grant"
    said = rows(here, "SELECT event FROM bezant_history WHERE address = '' ORDER BY event")
    assert ("SessionEnded",) in said
    assert (("PasswordChanged",) in said) == (command[1] == "set-password")


def test_a_disabled_account_is_signed_in_nowhere_even_before_its_sign_ins_end(
    here: World, visitor: Visitor
) -> None:
    engine = create_engine(here.settings.database_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE bezant_users SET active = false"))
    engine.dispose()
    assert not signed_in(visitor)


def test_sign_ins_outlive_a_restart(installed: Settings) -> None:
    with world() as before:
        visitor = before.visitor()
        visitor.sign_in()
        cookies = visitor.cookies
    ring = prepare(before.settings, lambda _: None)
    app = create_app(before.settings, ring, clock=before.clock)
    with TestClient(app, base_url=before.settings.public_url()) as client:
        for name, value in cookies.items():
            client.cookies.set(name, value, domain="id.example.com")
        assert client.get("/account", follow_redirects=False).status_code == 200


def test_tokens_that_others_cannot_check_sign_nobody_in(installed: Settings) -> None:
    settings = load_settings(algorithm="HS256", issuer="https://id.example.com")
    app = create_app(settings, prepare(settings, lambda _: None))
    with TestClient(app, base_url="https://id.example.com") as client:
        assert client.get("/login").status_code == 404
        assert client.get("/oauth/authorize").status_code == 404
        assert "/account" not in client.get("/", headers={"accept": "text/html"}).text


@pytest.mark.parametrize(
    ("user_agent", "said"),
    [
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Firefox, Linux",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
            "Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
            "Edge, Windows",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari, iPhone",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 "
            "(KHTML, like Gecko) Version/18.0 Safari/605.1.15",
            "Safari, macOS",
        ),
        ("curl/8.9", ""),
        ("", ""),
    ],
)
def test_browsers_are_named_in_few_words(user_agent: str, said: str) -> None:
    assert device(user_agent) == said
