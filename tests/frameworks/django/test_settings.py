"""The ``BEZANT`` setting: what it makes, when, and what it refuses."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import override_settings

from bezant import AuthorizationServer, ConfigurationError, Principal, TokenVerifier
from bezant.legacy import LegacyTokens
from bezant.stores.memory import MemoryStores
from bezant.testing import FrozenClock, TokenFactory
from django_bezant import conf
from django_bezant.decorators import require
from tests.frameworks.django.web import Browser, project
from tests.harness import Awaited
from tests.jose import compact, hmac_sha256
from tests.world import SECRET_KEY, Wrapped, make_world

ISSUER = "https://id.example.com"
API = "https://api.example.com"
MEMORY = make_world().server
NOT_ONE = 42


def make_server() -> AuthorizationServer:
    return MEMORY


def make_verifier() -> TokenVerifier:
    return TokenFactory(issuer="https://other.example.com").verifier()


async def admit(who: Principal) -> Principal | None:
    await asyncio.sleep(0)
    return who if who.subject == "7" else None


def make_legacy() -> LegacyTokens:
    return LegacyTokens(
        key=SECRET_KEY, accepted_until=4e9, required={"type": "access"}, admit=admit
    )


def made(**values: Any) -> conf.Site:
    with override_settings(BEZANT=values):
        return conf.site()


# ---- what it makes ----


def test_an_issuer_elsewhere() -> None:
    site = made(ISSUER=ISSUER, AUDIENCE=API, REALM="shop", SCOPES={"a": "A"})
    assert site.guard.verifier.issuers == (ISSUER,)
    assert site.guard.realm == "shop"
    assert (site.server, site.scopes) == (None, {"a": "A"})
    assert made(ISSUER=ISSUER, AUDIENCE=[API, "b"], VERIFIER={"revocation_bound": None}).guard


@pytest.mark.parametrize(
    "given", [f"{__name__}.make_verifier", make_verifier, make_verifier()], ids=["path", "def", ""]
)
def test_another_verifier(given: object) -> None:
    assert made(VERIFIER=given).guard.verifier.issuers == ("https://other.example.com",)


@pytest.mark.parametrize(
    "given", [f"{__name__}.make_server", make_server, MEMORY], ids=["path", "def", ""]
)
def test_a_server_of_ones_own(given: object) -> None:
    site = made(SERVER=given, AUDIENCE="https://other.example.com")
    assert site.server is MEMORY
    assert site.scopes == MEMORY.config.scopes
    assert site.blocking


@pytest.mark.parametrize(
    "given", [f"{__name__}.make_legacy", make_legacy, make_legacy()], ids=["path", "def", ""]
)
def test_tokens_of_another_library(browser: Browser, given: object) -> None:
    """Under WSGI too, where an ``async def`` that says who is admitted gets a loop of its own."""

    def old(subject: str) -> str:
        claims = {"type": "access", "sub": subject, "exp": FrozenClock().now + 60}
        return compact({"alg": "HS256", "typ": "JWT"}, claims, hmac_sha256(SECRET_KEY.encode()))

    with (
        override_settings(BEZANT={"VERIFIER": make_verifier, "LEGACY": given}),
        project(it=require()(lambda request: HttpResponse(request.principal.subject))),
    ):
        assert browser("/it", old("7")).content == b"7"
        assert browser("/it", old("8")).status_code == 401
        new = TokenFactory(issuer="https://other.example.com")
        assert browser("/it", new.mint()).content == b"alice"
    server = made(**ISSUING, LEGACY=given).server
    assert server is not None
    assert isinstance(server.legacy, LegacyTokens)


def test_a_server_out_of_djangos_parts() -> None:
    settings: dict[str, Any] = {"ISSUER": ISSUER, "SECRET_KEY": SECRET_KEY, "SCOPES": {"a": "A"}}
    server = made(**settings, SERVER=True).server
    assert server is not None
    assert server.config.audience == ()
    server = made(**settings, AUDIENCE=API, SERVER={"access_token_ttl": 60}).server
    assert server is not None
    assert (server.config.audience, server.config.access_token_ttl) == ((API,), 60)
    assert "password" in {grant.grant_type for grant in server.grants}


def test_it_is_made_once_and_again_when_it_changes() -> None:
    with override_settings(BEZANT={"SERVER": MEMORY}):
        assert conf.site() is conf.site()
        assert conf.server() is MEMORY
        first = conf.site()
        with override_settings(BEZANT={"SERVER": MEMORY, "REALM": "inner"}):
            assert conf.site().guard.realm == "inner"
        assert conf.site() is not first
        assert conf.site().guard.realm == "api"


@pytest.mark.parametrize("name", ["AUTHENTICATION_BACKENDS", "DATABASE_ROUTERS"])
def test_what_it_is_made_of_may_change(name: str) -> None:
    with override_settings(BEZANT=ISSUING):
        first = conf.site()
        with override_settings(**{name: []}):
            assert conf.site() is not first


def test_requests_follow_the_setting(browser: Browser) -> None:
    first, second = TokenFactory(), TokenFactory(issuer="https://second.example.com")
    with project(it=require()(lambda request: HttpResponse())):
        for good, bad in ((first, second), (second, first)):
            with override_settings(BEZANT={"VERIFIER": good.verifier()}):
                assert browser("/it", good.mint()).status_code == 200
                assert browser("/it", bad.mint()).status_code == 401


def test_a_verifier_is_closed_when_its_setting_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = []
    verifier = make_verifier()
    monkeypatch.setattr(verifier, "close", lambda: closed.append(verifier), raising=False)
    with override_settings(BEZANT={"VERIFIER": verifier}):
        conf.site()
        assert closed == []
    assert closed == [verifier]


# ---- what it refuses ----

GOOD = {"ISSUER": ISSUER, "AUDIENCE": API}
ISSUING = {"ISSUER": ISSUER, "SECRET_KEY": SECRET_KEY, "SERVER": True}
PLAIN = {"SERVER": MEMORY}

BAD: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({}, "BEZANT: set ISSUER and AUDIENCE"),
    "unknown": (
        {**GOOD, "COLOUR": 1},
        r"BEZANT\['COLOUR'\]: there is no such setting; there is AUD",
    ),
    "misspelt": ({**GOOD, "ISUER": 1}, r"BEZANT\['ISUER'\]: .*did you mean ISSUER\?"),
    "lower-case": ({**GOOD, "realm": "x"}, r"BEZANT\['realm'\]: .*did you mean REALM\?"),
    "no-audience": ({"ISSUER": ISSUER}, r"BEZANT\['AUDIENCE'\]: is missing"),
    "no-issuer": ({"AUDIENCE": API}, r"BEZANT\['ISSUER'\]: is missing"),
    "plain-http": ({**GOOD, "ISSUER": "http://x.example"}, r"BEZANT\['ISSUER'\]: use https"),
    "realm": ({**GOOD, "REALM": 'a"b'}, r"BEZANT\['REALM'\]: use printable"),
    "resource": ({**GOOD, "RESOURCE": "x"}, r"BEZANT\['RESOURCE'\]: "),
    "both": (
        {**GOOD, "RESOURCE": API, "RESOURCE_METADATA": API},
        r"BEZANT\['RESOURCE_METADATA'\]: give either",
    ),
    "secret": ({**GOOD, "SECRET_KEY": "x"}, r"BEZANT\['SECRET_KEY'\]: .*set SERVER"),
    "using": ({**GOOD, "USING": "x"}, r"BEZANT\['USING'\]: .*set SERVER"),
    "no-secret": ({"ISSUER": ISSUER, "SERVER": True}, r"BEZANT\['SECRET_KEY'\]: set it"),
    "short-secret": ({**ISSUING, "SECRET_KEY": "abc"}, r"BEZANT\['SECRET_KEY'\]: "),
    "no-field": ({**ISSUING, "SERVER": {"ttl": 1}}, r"BEZANT\['SERVER'\]\['ttl'\]: there is no"),
    "elsewhere": ({**ISSUING, "SERVER": {"issuer": 1}}, r"BEZANT\['SERVER'\]\['issuer'\]"),
    "ttl": (
        {**ISSUING, "SERVER": {"access_token_ttl": 0}},
        r"BEZANT\['SERVER'\]\['access_token_ttl'\]: must be greater",
    ),
    "database": ({**ISSUING, "USING": "nowhere"}, "nowhere"),
    "server-and-verifier": ({**PLAIN, "VERIFIER": make_verifier}, r"BEZANT\['VERIFIER'\]: .*leave"),
    "server-and-issuer": ({**PLAIN, "ISSUER": ISSUER}, r"BEZANT\['ISSUER'\]: SERVER has its own"),
    "verifier-and-audience": (
        {"VERIFIER": make_verifier, "AUDIENCE": API},
        r"BEZANT\['AUDIENCE'\]: VERIFIER has its own",
    ),
    "server-and-legacy": ({**PLAIN, "LEGACY": make_legacy}, r"BEZANT\['LEGACY'\]: SERVER has its"),
    "no-legacy": ({**GOOD, "LEGACY": make_verifier}, r"BEZANT\['LEGACY'\]: .*is TokenVerifier"),
    "guessable": (
        {**ISSUING, "LEGACY": lambda: LegacyTokens(key="x", accepted_until=4e9)},
        r"BEZANT\['LEGACY'\]\['key'\]: HS256 needs",
    ),
    "no-option": ({**GOOD, "VERIFIER": {"colour": 1}}, r"BEZANT\['VERIFIER'\]: .*colour"),
    "option": ({**GOOD, "VERIFIER": {"leeway": 90}}, r"BEZANT\['VERIFIER'\]\['leeway'\]: "),
    "no-module": ({"VERIFIER": "nowhere.x"}, r"BEZANT\['VERIFIER'\]: No module"),
    "no-server": ({"SERVER": f"{__name__}.NOT_ONE"}, r"BEZANT\['SERVER'\]: .*this is int"),
    "no-dict": ("x", "BEZANT: is a dict"),  # type: ignore[dict-item]
}


@pytest.mark.parametrize(("values", "match"), BAD.values(), ids=BAD)
def test_refused(values: dict[str, Any], match: str) -> None:
    with (
        override_settings(BEZANT=values),
        pytest.raises(ConfigurationError, match=match) as refused,
    ):
        conf.site()
    assert SECRET_KEY not in str(refused.value)


def test_a_project_that_issues_nothing_has_no_server() -> None:
    with (
        override_settings(BEZANT=GOOD),
        pytest.raises(ConfigurationError, match=r"BEZANT\['SERVER'\]: this project issues no"),
    ):
        conf.server()


def test_async_stores_serve_asgi_alone() -> None:
    world = make_world(wrap=lambda name, store: Awaited(store))
    server: Any = world.server
    assert isinstance(server.stores, Wrapped)
    assert not isinstance(server.stores, MemoryStores)
    view = require()(lambda request: HttpResponse())
    token = world.server.config
    assert token
    with override_settings(BEZANT={"SERVER": server}), project(it=view):
        good = TokenFactory(ISSUER, API, clock=world.clock).mint()
        assert Browser("asgi")("/it", good).status_code == 401  # of another key, but looked at
        with pytest.raises(ConfigurationError, match="'async def'"):
            Browser("wsgi")("/it", good)
    server.close()
