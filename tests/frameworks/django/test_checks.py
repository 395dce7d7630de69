"""``manage.py check``: each finding has an id, and what to do."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.checks import CheckMessage, run_checks
from django.core.management import CommandError, call_command
from django.test import override_settings
from django.urls import include, path

from bezant.advice import NAMES
from bezant.testing import TokenFactory
from django_bezant import checks
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    LOGIN_REQUIRED,
    SESSION,
    project,
)
from tests.world import SECRET_KEY, make_world

ISSUER = "https://id.example.com"
WELL_KNOWN = "django_bezant.well_known"
ALL = "django_bezant.urls"


def found(*, deploy: bool = False) -> dict[str, CheckMessage]:
    messages = run_checks(include_deployment_checks=deploy)
    return {m.id: m for m in messages if m.id and m.id.startswith("bezant.")}


def complaints(*urls: str, deploy: bool = False, bezant: Any, **settings: Any) -> set[str]:
    """The ids of what is found in a project that includes URLs, as ``prefix module``."""
    with override_settings(BEZANT=bezant), project(*map(included, urls), settings=settings):
        messages = found(deploy=deploy)
    assert all(message.hint for message in messages.values())
    assert SECRET_KEY not in str(messages)
    return {name.removeprefix("bezant.") for name in messages}


def included(url: str) -> Any:
    prefix, _, module = url.rpartition(" ")
    return path(prefix, include(module))


def server(**config: Any) -> dict[str, Any]:
    return {"SERVER": make_world(**config).server}


VERIFIER = {"VERIFIER": TokenFactory().verifier()}


def test_nothing_to_say() -> None:
    assert complaints(bezant=VERIFIER, deploy=True) == set()
    assert complaints(ALL, bezant=server()) == set()


@pytest.mark.parametrize("urls", [[], [ALL], [ALL, WELL_KNOWN]])
def test_e001_the_setting(urls: list[str]) -> None:
    """Told by the check, also where the URLs cannot be made."""
    with override_settings(BEZANT={"ISUER": ISSUER}), project(*map(included, urls)):
        [(name, message)] = found().items()
        with pytest.raises(CommandError, match=r"bezant\.E001.*BEZANT\['ISUER'\].*did you mean"):
            call_command("check")
    assert name == "bezant.E001"
    assert "SECRET_KEY" in (message.hint or "")


def test_e002_a_backend_without_its_table() -> None:
    backends = ["django_bezant.backends.BearerBackend"]
    assert complaints(bezant=VERIFIER, AUTHENTICATION_BACKENDS=backends) == set()
    with override_settings(
        BEZANT=VERIFIER, AUTHENTICATION_BACKENDS=backends, INSTALLED_APPS=["django_bezant"]
    ):
        [message] = checks.check_setting()  # alone: others stumble where their apps are missing
    assert message.id == "bezant.E002"
    assert "django.contrib.auth" in (message.hint or "")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([SESSION, AUTHENTICATION, BEARER, LOGIN_REQUIRED], set()),
        ([BEARER], set()),
        ([SESSION, AUTHENTICATION], set()),
        ([SESSION, BEARER, AUTHENTICATION], {"E003"}),
        ([SESSION, AUTHENTICATION, LOGIN_REQUIRED, BEARER], {"E003"}),
    ],
)
def test_e003_the_middlewares_place(order: list[str], expected: set[str]) -> None:
    assert complaints(bezant=VERIFIER, MIDDLEWARE=order) == expected


TENANT = f"{ISSUER}/tenant"


@pytest.mark.parametrize(
    ("issuer", "urls", "expected"),
    [
        (ISSUER, [ALL], set()),
        (ISSUER, [], {"W002"}),
        (ISSUER, [WELL_KNOWN], {"W002"}),
        (ISSUER, [f"auth/ {ALL}"], {"E004"}),
        (TENANT, [f"tenant/ {ALL}"], {"E004"}),
        (TENANT, [f"tenant/ {ALL}", WELL_KNOWN], set()),
        (TENANT, [f"other/ {ALL}", WELL_KNOWN], {"E004"}),
        (TENANT, [ALL], set()),  # behind a proxy that takes the path away
    ],
)
def test_e004_w002_where_the_endpoints_are(
    issuer: str, urls: list[str], expected: set[str]
) -> None:
    assert complaints(*urls, bezant=server(issuer=issuer)) == expected


def test_e005_the_metadata_of_the_resource() -> None:
    bezant = {**VERIFIER, "RESOURCE": "https://api.example.com/v1"}
    assert complaints(bezant=bezant) == {"E005"}
    assert complaints(f"v1/ {ALL}", bezant=bezant) == {"E005"}
    for url in ALL, WELL_KNOWN:
        assert complaints(url, bezant=bezant) == set()


def test_w001_sessions_before_tokens_in_rest_framework() -> None:
    session = "rest_framework.authentication.SessionAuthentication"
    bearer = "django_bezant.drf.BearerAuthentication"
    apps = ["django.contrib.auth", "django.contrib.contenttypes", "rest_framework", "django_bezant"]

    def told(*classes: str) -> set[str]:
        settings = {"INSTALLED_APPS": apps, "TEMPLATES": []}
        return complaints(
            bezant=VERIFIER, REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": classes}, **settings
        )

    assert told(session, bearer) == {"W001"}
    assert told(bearer, session) == set()
    assert told(session) == set()


# ---- check --deploy ----

DAY = 86400


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, set()),
        ({"issuer": "http://localhost:8000"}, {"W011"}),
        ({"access_token_ttl": 3601, "max_access_token_ttl": DAY}, {"W013"}),
        ({"max_access_token_ttl": DAY + 1}, {"W014"}),
        ({"algorithm": "HS256"}, {"W016"}),
        ({"revocation_max_stale": 3601}, {"W018"}),
    ],
)
def test_deploy_the_servers_settings(config: dict[str, Any], expected: set[str]) -> None:
    always = {"W012", "W017"}  # people sign in with passwords, and all is in memory
    assert complaints(ALL, bezant=server(**config), deploy=True) == always | expected
    assert complaints(ALL, bezant=server(**config)) == set()


def test_deploy_all_that_core_advises_has_an_id() -> None:
    assert set(checks.ADVICE) == set(NAMES)
    assert len(set(checks.ADVICE.values())) == len(NAMES)


def test_w010_debug() -> None:
    assert complaints(bezant=VERIFIER, deploy=True, DEBUG=True) == {"W010"}


def test_w011_an_issuer_without_tls() -> None:
    plain = {"VERIFIER": TokenFactory(issuer="http://127.0.0.1:8000").verifier()}
    assert complaints(bezant=plain, deploy=True) == {"W011"}


def test_w012_no_password_grant_without_people() -> None:
    assert complaints(ALL, bezant=server(server={"users": None}), deploy=True) == {"W017"}


@pytest.mark.parametrize("shared", [SECRET_KEY, f"{SECRET_KEY[::-1]},{SECRET_KEY}"])
@pytest.mark.parametrize("place", ["SECRET_KEY", "SECRET_KEY_FALLBACKS"])
def test_w015_one_secret_for_two_things(shared: str, place: str) -> None:
    bezant = {"ISSUER": ISSUER, "SERVER": True, "SECRET_KEY": shared}
    settings = {
        "SECRET_KEY": "z" * 60,
        place: SECRET_KEY if place == "SECRET_KEY" else [SECRET_KEY],
    }
    assert complaints(ALL, bezant=bezant, deploy=True, **settings) == {"W012", "W015"}
    settings = {"SECRET_KEY": "z" * 60}
    assert complaints(ALL, bezant=bezant, deploy=True, **settings) == {"W012"}
