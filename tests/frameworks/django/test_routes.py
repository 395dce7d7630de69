"""The endpoints of a server among a project's URLs, and its events as a signal."""

from __future__ import annotations

import asyncio
import json
import logging
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.http import HttpResponse
from django.test import override_settings
from django.urls import include, path, reverse

from bezant.errors import ConfigurationError
from bezant.events import LoginFailed, TokenIssued, TokenRejected
from bezant.http import Request
from bezant.testing.challenges import assert_challenge
from django_bezant import signals
from django_bezant.decorators import require
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    CSRF,
    LOGIN_REQUIRED,
    SESSION,
    Browser,
    project,
    whoami,
)
from tests.harness import Awaited
from tests.harness.wsgi import environ_of
from tests.world import PASSWORD, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World

METADATA = "/.well-known/oauth-authorization-server"
COMMON = "django.middleware.common.CommonMiddleware"
FORM = "application/x-www-form-urlencoded"


def all_urls(prefix: str = "") -> Any:
    return path(prefix, include("django_bezant.urls"))


@pytest.fixture
def world() -> Iterator[World]:
    world = make_world()
    with override_settings(BEZANT={"SERVER": world.server}):
        yield world
    world.server.close()


def login(browser: Browser, place: str = "/oauth/token", **changes: str) -> Any:
    form = {"grant_type": "password", "client_id": "spa", "username": "alice"}
    form |= {"password": PASSWORD, **changes}
    client = browser._client
    client.handler._middleware_chain = None
    if browser.kind == "wsgi":
        return client.post(place, urlencode(form), content_type=FORM)

    async def post() -> Any:
        return await client.post(place, urlencode(form), content_type=FORM)

    return asyncio.run(post())


@pytest.mark.usefixtures("world")
def test_from_a_sign_in_to_a_view(browser: Browser) -> None:
    with project(all_urls(), me=require("items:read")(whoami)):
        token = login(browser).json()["access_token"]
        assert browser("/me", token).json()["subject"] == "user-alice"
        assert reverse("bezant:token") == "/oauth/token"


@pytest.mark.usefixtures("world")
def test_nothing_of_django_stands_in_front_of_the_endpoints(browser: Browser) -> None:
    settings = {
        "MIDDLEWARE": [SESSION, COMMON, CSRF, AUTHENTICATION, BEARER, LOGIN_REQUIRED],
        "SESSION_ENGINE": "django.contrib.sessions.backends.signed_cookies",
    }
    with project(all_urls(), settings=settings):
        browser.cookies["sessionid"] = "of-somebody"
        assert login(browser).status_code == 200
        assert browser(METADATA).json()["issuer"]


@pytest.mark.usefixtures("world")
def test_every_method_reaches_core(browser: Browser) -> None:
    with project(all_urls(), settings={"MIDDLEWARE": [COMMON]}):
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = browser("/oauth/token", method=method)
            assert (answer.status_code, answer["allow"]) == (405, "POST")
            assert answer.json()["error"] == "invalid_request"
        assert browser("/oauth/token", method="OPTIONS").status_code == 204
        whole, head = browser(METADATA), browser(METADATA, method="HEAD")
        assert head.content == b""
        assert head.headers == whole.headers


def test_a_body_is_read_no_further_than_needed(browser: Browser) -> None:
    world = make_world(max_body_size=1000)
    with override_settings(BEZANT={"SERVER": world.server}), project(all_urls()):
        assert login(browser, password="x" * 2000).status_code == 413
        assert login(browser).status_code == 200
    world.server.close()


class Broken(BytesIO):
    """A body that breaks off; the server's words for it quote what came before."""

    def read(self, size: int | None = -1, /) -> bytes:
        raise self.error(f"connection lost after {PASSWORD}")  # type: ignore[attr-defined]


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("error", [OSError, ValueError, None])
def test_a_body_that_breaks_off(
    error: type[Exception] | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = urlencode({"grant_type": "password", "password": PASSWORD}).encode()
    request = Request("POST", (("content-type", FORM),), body)
    environ = environ_of("/oauth/token", request)
    if error is None:
        environ["wsgi.input"] = BytesIO(body[:-1])  # some servers say no more
    else:
        environ["wsgi.input"] = Broken()
        environ["wsgi.input"].error = error
    with project(all_urls(), settings={"MIDDLEWARE": [COMMON], "DEBUG": True}):
        sent: list[Any] = []
        body = b"".join(WSGIHandler()(environ, lambda *started: sent.extend(started)))
    assert sent[0].startswith("400")
    assert json.loads(body) == {
        "error": "invalid_request",
        "error_description": "the body cannot be read",
    }
    assert "horse" not in caplog.text


class Slow(BytesIO):
    """Gives a few bytes at a time, as it may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


@pytest.mark.usefixtures("world")
def test_a_body_that_comes_in_pieces() -> None:
    form = {"grant_type": "password", "client_id": "spa", "username": "alice"}
    body = urlencode({**form, "password": PASSWORD}).encode()
    environ = environ_of("/oauth/token", Request("POST", (("content-type", FORM),), body))
    environ["wsgi.input"] = Slow(body)
    sent: list[Any] = []
    with project(all_urls()):
        WSGIHandler()(environ, lambda *started: sent.extend(started))
    assert sent[0].startswith("200")


def test_an_issuer_with_a_path(browser: Browser) -> None:
    world = make_world(issuer="https://id.example.com/tenant")
    with override_settings(BEZANT={"SERVER": world.server}):
        with project(all_urls("tenant/"), path("", include("django_bezant.well_known"))):
            assert login(browser, "/tenant/oauth/token").status_code == 200
            assert browser(f"{METADATA}/tenant").json()["issuer"] == world.server.config.issuer
            assert browser("/oauth/token").status_code == 404
        with project(all_urls("tenant/")):
            assert browser(f"{METADATA}/tenant").status_code == 404
    world.server.close()


def test_metadata_of_the_resource(browser: Browser) -> None:
    world = make_world()
    bezant = {"SERVER": world.server, "RESOURCE": "https://api.example.com/v1"}
    with override_settings(BEZANT=bezant), project(all_urls(), me=require()(whoami)):
        place = "/.well-known/oauth-protected-resource/v1"
        named = f"https://api.example.com{place}"
        assert_challenge(browser("/me"), 401, resource_metadata=named)
        document = browser(place).json()
        assert document["resource"] == "https://api.example.com/v1"
        assert document["scopes_supported"] == ["items:read", "items:write"]
    world.server.close()


def test_async_stores(browser: Browser) -> None:
    world = make_world(wrap=lambda name, store: Awaited(store))
    with override_settings(BEZANT={"SERVER": world.server}), project(all_urls()):
        if browser.kind == "asgi":
            assert login(browser).status_code == 200
        else:
            with pytest.raises(ConfigurationError, match="'async def'"):
                login(browser)
    world.server.close()


@pytest.mark.usefixtures("world")
def test_no_transaction_of_django_stands_around_the_endpoints(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under ASGI it could not; and what is recorded about an attack must stay."""
    for alias in connections:
        monkeypatch.setitem(connections.settings[alias], "ATOMIC_REQUESTS", True)
    inside = []

    def view(request: Any) -> HttpResponse:
        inside.append(connections["default"].in_atomic_block)
        return HttpResponse()

    def look(*_: Any, **__: Any) -> None:
        inside.append(connections["default"].in_atomic_block)

    signals.security_event.connect(look, weak=False, dispatch_uid="look")
    try:
        with project(all_urls(), view=view):
            browser("/view")
            assert login(browser, password="wrong").status_code == 400
    finally:
        signals.security_event.disconnect(dispatch_uid="look")
    assert inside[0] is True
    assert set(inside[1:]) == {False}


# ---- signals ----


@pytest.mark.usefixtures("world")
def test_events_are_a_signal_from_their_class(browser: Browser) -> None:
    everything, failures, later = [], [], []

    def note(sender: Any, event: Any, **_: Any) -> None:
        everything.append(sender)

    def failed(sender: Any, event: Any, **_: Any) -> None:
        failures.append(event.reason)

    async def awaited(sender: Any, event: Any, **_: Any) -> None:
        later.append(sender)

    def broken(sender: Any, event: Any, **_: Any) -> None:
        raise ZeroDivisionError

    signals.security_event.connect(broken)
    signals.security_event.connect(note)
    signals.security_event.connect(failed, sender=LoginFailed)
    signals.security_event.connect(awaited, sender=TokenIssued)
    try:
        with project(all_urls()):
            assert login(browser, password="wrong").status_code == 400
            assert login(browser).status_code == 200
    finally:
        for receiver in (note, broken):
            signals.security_event.disconnect(receiver)
        signals.security_event.disconnect(failed, sender=LoginFailed)
        signals.security_event.disconnect(awaited, sender=TokenIssued)
    assert failures == ["wrong name or password"]
    assert LoginFailed in everything
    assert TokenIssued in everything
    assert later == [TokenIssued]


@pytest.mark.usefixtures("protected")
def test_a_project_that_issues_no_tokens_tells_of_bad_ones(browser: Browser) -> None:
    seen = []

    def note(sender: Any, event: Any, **_: Any) -> None:
        seen.append(event.reason)

    signals.security_event.connect(note, sender=TokenRejected)
    try:
        with project(me=require("a")(whoami)):
            assert browser("/me", "bad").status_code == 401
    finally:
        signals.security_event.disconnect(note, sender=TokenRejected)
    assert seen == ["not a compact JWT"]


async def test_under_a_loop_receivers_may_use_the_orm(world: World) -> None:
    loop, done = asyncio.get_running_loop(), asyncio.Event()

    def note(sender: Any, event: Any, **_: Any) -> None:
        with connections["default"].cursor() as cursor:  # refused where a loop runs
            cursor.execute("SELECT 1")
        loop.call_soon_threadsafe(done.set)

    signals.security_event.connect(note)
    try:
        signals.announce(LoginFailed(at=0.0, subject=None, address="", reason="x"))
        async with asyncio.timeout(10):
            await done.wait()
    finally:
        signals.security_event.disconnect(note)
