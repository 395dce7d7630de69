"""What Django shows of a request when something fails, and what it keeps of an answer."""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.http import HttpResponse
from django.test import override_settings
from django.views.debug import ExceptionReporter
from rest_framework.views import APIView

from bezant.testing import TokenFactory
from django_bezant.decorators import optional, require
from django_bezant.drf import BearerAuthentication
from tests.frameworks.django.test_routes import all_urls, login
from tests.frameworks.django.web import BEARER, Browser, project
from tests.world import PASSWORD, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World

# Stands where `BEZANT` has its own.
SECRET = "canary" * 7


@pytest.fixture
def world() -> Iterator[World]:
    world = make_world()
    with override_settings(BEZANT={"SERVER": world.server}):
        yield world
    world.server.close()


@pytest.fixture
def browser(browser: Browser) -> Browser:
    browser._client.raise_request_exception = False
    return browser


def fail(request: Any) -> HttpResponse:
    raise ZeroDivisionError


async def afail(request: Any) -> HttpResponse:
    raise ZeroDivisionError


class Fails(APIView):
    authentication_classes = (BearerAuthentication,)

    def get(self, request: Any) -> HttpResponse:
        raise ZeroDivisionError


FAILING = {
    "sync": require("items:read")(fail),
    "awaited": require("items:read")(afail),
    "optional": optional(fail),
    "rest": Fails.as_view(),
}


def parts(token: str) -> list[str]:
    """What of a token must be seen nowhere: all of it, and its signature."""
    return [token, token.rpartition(".")[2]]


# ---- mails to the administrators ----


class Reports(logging.Handler):
    """Makes of a failure what Django would mail to administrators, with all that it can show."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        what = record.exc_info or (None, record.getMessage(), None)
        reporter = ExceptionReporter(getattr(record, "request", None), *what, is_email=True)
        self.made += [reporter.get_traceback_html(), reporter.get_traceback_text()]


@pytest.fixture
def reports() -> Iterator[Reports]:
    reports, logger = Reports(), logging.getLogger("django.request")
    logger.addHandler(reports)
    yield reports
    logger.removeHandler(reports)


@pytest.mark.parametrize("middleware", [[], [BEARER]])
def test_mails_about_failures_hold_no_secret(
    browser: Browser, world: World, reports: Reports, middleware: list[str]
) -> None:
    with project(all_urls(), settings={"MIDDLEWARE": middleware}, **FAILING):
        answer = login(browser).json()
        for place in FAILING:
            assert browser(f"/{place}", answer["access_token"]).status_code == 500
        world.take_away("authorizations", RuntimeError("the disk is full"))
        assert login(browser).status_code == 500
    assert len(reports.made) == 2 * (len(FAILING) + 1)
    for text in reports.made:
        for secret in (PASSWORD, "horse", *parts(answer["access_token"]), answer["refresh_token"]):
            assert secret not in text


class Curious:
    """Middleware that reads forms, and fails."""

    sync_capable, async_capable = True, False

    def __init__(self, get_response: Any) -> None:
        self._get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        assert request.POST["password"] == PASSWORD
        response = self._get_response(request)
        assert response.status_code == 200
        raise ZeroDivisionError


@pytest.mark.usefixtures("world")
def test_mails_about_failing_middleware_hold_no_form(browser: Browser, reports: Reports) -> None:
    with project(all_urls(), settings={"MIDDLEWARE": [f"{__name__}.Curious"]}):
        assert login(browser).status_code == 500
    html, text = reports.made
    assert "grant_type" in html
    assert "horse" not in html + text


def a_failing_verifier() -> Any:
    """One whose tokens nobody can look at: something is broken that it did not think of."""
    verifier = TokenFactory().verifier()

    def verify(token: str) -> None:
        raise ZeroDivisionError

    verifier.verify = verify  # type: ignore[method-assign, assignment]
    return verifier


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("middleware", [[], [BEARER]])
def test_a_failing_verification_shows_no_token(
    browser: Browser,
    reports: Reports,
    caplog: pytest.LogCaptureFixture,
    middleware: list[str],
    debug: bool,
) -> None:
    token = TokenFactory().mint()
    with (
        override_settings(BEZANT={"VERIFIER": a_failing_verifier()}),
        project(settings={"MIDDLEWARE": middleware, "DEBUG": debug}, **FAILING),
    ):
        pages = [browser(f"/{place}", token) for place in FAILING]
    assert {page.status_code for page in pages} == {500}
    assert len(reports.made) == 2 * len(FAILING)
    for text in (caplog.text, *reports.made, *(page.content.decode() for page in pages)):
        assert "ZeroDivisionError" in text or not debug
        for secret in parts(token):
            assert secret not in text
    assert "in verify" in caplog.text, "the log tells where it failed"


# ---- the pages of a developer ----


def test_debug_pages_hold_no_secret(browser: Browser) -> None:
    """Django leaves out of them what is in headers and settings by names such as these; of
    variables it shows everything.
    """
    world = make_world()
    with (
        override_settings(BEZANT={"SERVER": world.server}, OTHER={"SECRET_KEY": SECRET}),
        project(all_urls(), settings={"MIDDLEWARE": [BEARER], "DEBUG": True}, **FAILING),
    ):
        answer = login(browser).json()
        token = answer["access_token"]
        for place in FAILING:
            page = browser(f"/{place}", token)
            text = page.content.decode()
            assert page.status_code == 500
            assert "ZeroDivisionError" in text
            assert "HTTP_AUTHORIZATION" in text
            for secret in (*parts(token), answer["refresh_token"], SECRET):
                assert secret not in text
    world.server.close()


# ---- caches ----

UPDATE = "django.middleware.cache.UpdateCacheMiddleware"
FETCH = "django.middleware.cache.FetchFromCacheMiddleware"


@pytest.fixture
def cached() -> Iterator[None]:
    locmem = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with override_settings(CACHES=locmem):
        cache.clear()
        yield
        cache.clear()


@pytest.mark.usefixtures("cached", "protected")
@pytest.mark.parametrize("middleware", [[UPDATE, FETCH], [UPDATE, BEARER, FETCH]])
def test_no_answer_to_a_token_is_kept_in_a_cache(
    browser: Browser, tokens: TokenFactory, middleware: list[str]
) -> None:
    """Not for others, nor for a token that has come to its end meanwhile."""
    numbers = count()

    def view(request: Any) -> HttpResponse:
        return HttpResponse(f"{next(numbers)}")

    views = {"mine": require()(view), "any": optional(view)}
    if BEARER in middleware:
        views["all"] = view
    settings = {"MIDDLEWARE": middleware}
    with project(settings=settings, **views):
        token = tokens.mint(subject="alice")
        for place in views:
            seen = {browser(f"/{place}", token).content for _ in range(3)}
            assert len(seen) == 3
            again = browser(f"/{place}", tokens.mint(subject="bob"))
            assert again.content not in seen
            assert browser(f"/{place}").content not in seen
        assert browser("/mine").status_code == 401


@pytest.mark.usefixtures("cached", "protected")
def test_what_is_for_all_is_kept(browser: Browser) -> None:
    numbers = count()
    view = optional(lambda request: HttpResponse(f"{next(numbers)}"))
    with project(settings={"MIDDLEWARE": [UPDATE, BEARER, FETCH]}, any=view):
        assert {browser("/any").content for _ in range(3)} == {b"0"}
