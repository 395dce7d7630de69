"""Tokens out of a project's own database, by HTTP: what is refused stays recorded, whatever
transactions the project asks for.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import get_user_model
from django.db import connections
from django.http import HttpResponse
from django.test import AsyncClient, override_settings
from django.test import Client as Browser
from django.urls import include, path

from bezant import Client
from django_bezant import conf
from django_bezant.decorators import require
from tests.frameworks.django.databases import added
from tests.frameworks.django.project import BEZANT
from tests.frameworks.django.web import AUTHENTICATION, BEARER, SESSION, urlconf

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PASSWORD = "correct horse battery staple"
FORM = "application/x-www-form-urlencoded"
SPA = Client("spa", frozenset({"password", "refresh_token"}), ("items:read",), auth_method="none")


@pytest.fixture
def user(tables: None) -> Iterator[Any]:
    made = get_user_model().objects.create_user("alice", password=PASSWORD)
    yield made
    made.delete()


@contextmanager
def project(
    alias: str, *, atomic: bool = True, bezant: Any = None, **settings: Any
) -> Iterator[None]:
    """The project, its server's tables in another database, its views atomic in all of them."""
    # URLs of its own: those of another time do not know of this database.
    settings = {"ROOT_URLCONF": urlconf(path("", include("django_bezant.urls"))), **settings}
    bezant = {**BEZANT, "USING": alias, "SERVER": bezant or BEZANT["SERVER"]}
    with override_settings(BEZANT=bezant, **settings):
        conf.server().stores.clients.add(SPA)  # type: ignore[attr-defined]
        for name in ("default", alias):
            connections.settings[name]["ATOMIC_REQUESTS"] = atomic
        try:
            yield
        finally:
            for name in ("default", alias):
                connections.settings[name]["ATOMIC_REQUESTS"] = False


@pytest.fixture(params=["wsgi", "asgi"])
def ask(request: pytest.FixtureRequest) -> Any:
    """The token endpoint, in either way."""

    def post(**form: str) -> tuple[int, dict[str, Any]]:
        body = urlencode({"client_id": "spa", **form})
        answer = Browser().post("/oauth/token", body, content_type=FORM)
        return answer.status_code, answer.json()

    async def apost(**form: str) -> tuple[int, dict[str, Any]]:
        body = urlencode({"client_id": "spa", **form})
        answer = await AsyncClient().post("/oauth/token", body, content_type=FORM)
        return answer.status_code, answer.json()

    return post if request.param == "wsgi" else async_to_sync(apost)


def test_a_reuse_stays_recorded(alias: str, user: Any, ask: Any) -> None:
    with project(alias, bezant={"algorithm": "EdDSA", "refresh_retry_window": 0}):
        status, first = ask(grant_type="password", username="alice", password=PASSWORD)
        assert status == 200
        status, second = ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert status == 200
        status, _ = ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert status == 400
        (row,) = elsewhere(alias, "SELECT revoked_at FROM bezant_authorization")
        assert row[0] is not None
        assert elsewhere(alias, "SELECT kind FROM bezant_revocation") == [("authorization",)]
        status, _ = ask(grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert status == 400


def test_wrong_passwords_stay_counted(alias: str, user: Any, ask: Any) -> None:
    with project(alias):
        for _ in range(3):
            status, _ = ask(grant_type="password", username="alice", password="wrong")
            assert status == 400
        found = elsewhere(alias, "SELECT attempts FROM bezant_login_attempts")
        assert found == [(3,), (3,)]  # of the account, and of the address


def test_a_disabled_user_gets_no_more(alias: str, user: Any, ask: Any) -> None:
    with project(alias):
        _, first = ask(grant_type="password", username="alice", password=PASSWORD)
        type(user).objects.filter(pk=user.pk).update(is_active=False)
        status, answer = ask(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert (status, answer["error"]) == (400, "invalid_grant")
        status, _ = ask(grant_type="password", username="alice", password=PASSWORD)
        assert status == 400


def test_many_refreshes_of_one_token_make_one_generation(alias: str, user: Any) -> None:
    refresh_many_times_at_once(alias)


def test_so_they_do_in_sqlite_as_it_comes(tmp_path: Path, user: Any) -> None:
    """In rollback journal mode, transactions deferred, five seconds of patience."""
    file = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "database")}
    with added(file) as alias:
        refresh_many_times_at_once(alias)


def refresh_many_times_at_once(alias: str) -> None:
    with project(alias):
        first = sign_in()["refresh_token"]
        again = urlencode(
            {"client_id": "spa", "grant_type": "refresh_token", "refresh_token": first}
        )
        at_once = Barrier(50, timeout=60)

        def refresh(_: int) -> tuple[int, str]:
            try:
                connections[alias].ensure_connection()
                at_once.wait()
                answer = Browser().post("/oauth/token", again, content_type=FORM)
                return answer.status_code, answer.json().get("refresh_token", "")
            finally:
                connections.close_all()

        async def refresh_all() -> list[tuple[int, str]]:
            answers = await asyncio.gather(
                *(AsyncClient().post("/oauth/token", again, content_type=FORM) for _ in range(50))
            )
            return [(a.status_code, a.json().get("refresh_token", "")) for a in answers]

        with ThreadPoolExecutor(50) as threads:
            answers = list(threads.map(refresh, range(50)))
        answers += async_to_sync(refresh_all)()
        assert [status for status, _ in answers] == [200] * 100
        assert len(Counter(token for _, token in answers)) == 1
        assert elsewhere(alias, "SELECT generation FROM bezant_authorization") == [(2,)]


# ---- how many statements ----

BACKENDS = ["django.contrib.auth.backends.ModelBackend", "django_bezant.backends.BearerBackend"]
UPDATE = "UPDATE bezant_authorization"
# What is looked at from time to time is not looked at meanwhile.
SELDOM = {"algorithm": "EdDSA", "key_refresh": 3600, "revocation_refresh": 3600}


@contextmanager
def statements(*aliases: str) -> Iterator[list[str]]:
    """The statements that databases get; ``UPDATE bezant_authorization`` of one such."""
    seen: list[str] = []

    def note(execute: Any, sql: str, *args: Any) -> Any:
        words = sql.replace('"', "").split()
        place = {"SELECT": "FROM", "UPDATE": "UPDATE"}.get(words[0])
        table = words[words.index(place) + 1] if place else ""
        seen.append(f"{words[0]} {table}".strip())
        return execute(sql, *args)

    with ExitStack() as stack:
        for alias in aliases:
            stack.enter_context(connections[alias].execute_wrapper(note))
        yield seen


def sign_in() -> dict[str, Any]:
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    body = urlencode({"client_id": "spa", **form})
    answer: dict[str, Any] = Browser().post("/oauth/token", body, content_type=FORM).json()
    return answer


def test_a_token_that_is_known_costs_no_statement(alias: str, user: Any) -> None:
    """Its user costs one, when somebody asks for it, with `BearerBackend`."""

    @require("items:read")
    def mine(request: Any) -> HttpResponse:
        return HttpResponse(request.principal.subject)

    def name(request: Any) -> HttpResponse:
        return HttpResponse(request.user.username)

    urls = urlconf(path("", include("django_bezant.urls")), path("mine", mine), path("name", name))
    settings = {
        "ROOT_URLCONF": urls,
        "AUTHENTICATION_BACKENDS": BACKENDS,
        "MIDDLEWARE": [SESSION, AUTHENTICATION, BEARER],
    }
    with project(alias, atomic=False, bezant=SELDOM, **settings):
        browser = Browser(headers={"authorization": f"Bearer {sign_in()['access_token']}"})
        assert browser.get("/mine").content == str(user.pk).encode()
        with statements("default", alias) as seen:
            for _ in range(3):
                assert browser.get("/mine").status_code == 200
            assert seen == []
            assert browser.get("/name").content == b"alice"
            assert seen == ["SELECT auth_user"]


@pytest.mark.parametrize(("client_cache_ttl", "client"), [(0, ["bezant_client"]), (3600, [])])
def test_a_refresh_costs_five_or_six_statements(
    alias: str, user: Any, client_cache_ttl: int, client: list[str]
) -> None:
    """The client, unless it was looked at just now; the user as of now, groups and permissions; and
    one that spends the token.
    """
    looked_at = [*client, "auth_user", "auth_group", "auth_permission", "auth_permission"]
    with project(alias, bezant={**SELDOM, "client_cache_ttl": client_cache_ttl}):
        form = {"client_id": "spa", "grant_type": "refresh_token"}
        body = urlencode({**form, "refresh_token": sign_in()["refresh_token"]})
        with statements("default", alias) as seen:
            assert Browser().post("/oauth/token", body, content_type=FORM).status_code == 200
    assert sorted(seen) == [*(f"SELECT {t}" for t in sorted(looked_at)), UPDATE]


def test_who_comes_back_costs_the_counters_one_statement(alias: str, user: Any) -> None:
    """Whoever has not signed in from there before costs them four: these, and an INSERT."""
    counting = ["UPDATE bezant_trusted_address", "WITH", "UPDATE bezant_login_attempts"]
    with project(alias, bezant=SELDOM):
        for expected in (counting, counting[:1]):
            with statements(alias) as seen:
                assert "access_token" in sign_in()
            assert [one for one in seen if one in counting] == expected


def elsewhere(alias: str, query: str) -> list[tuple[Any, ...]]:
    """What another connection sees."""

    def look() -> list[tuple[Any, ...]]:
        try:
            with connections[alias].cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())
        finally:
            connections[alias].close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(look).result()
