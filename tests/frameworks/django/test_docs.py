"""The code on Django's page works as it stands there."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.core.checks import run_checks
from django.test import Client, override_settings
from django.urls import include, path

from bezant.events import RefreshReuseDetected
from bezant.testing import TokenFactory
from bezant.testing.issuer import FakeIssuer
from django_bezant import conf
from django_bezant.signals import security_event
from tests.frameworks.django.web import CSRF, project
from tests.world import SECRET_KEY

if TYPE_CHECKING:
    from tests.frameworks.django.web import Browser

SNIPPETS = Path(__file__).parent.parent.parent.parent / "docs" / "snippets"


def run(name: str) -> dict[str, Any]:
    return runpy.run_path(str(SNIPPETS / f"django_{name}.py"))


@pytest.mark.usefixtures("protected")
def test_views(browser: Browser, tokens: TokenFactory) -> None:
    code = run("views")
    with project(items=code["items"], clear=code["Clear"].as_view()):
        assert browser("/items").status_code == 401
        assert browser("/items", tokens.mint()).status_code == 403
        assert browser("/items", tokens.mint(scopes=["items:read"])).content == b"items for alice"
        token = tokens.mint(scopes=["items:write"])
        assert browser("/clear", token, method="DELETE").status_code == 403
        token = tokens.mint(scopes=["items:write"], permissions=["items.delete"])
        assert browser("/clear", token, method="DELETE").status_code == 204


@pytest.mark.usefixtures("protected")
def test_drf(browser: Browser, tokens: TokenFactory) -> None:
    with project(items=run("drf")["Items"].as_view()):
        assert browser("/items").status_code == 401
        assert browser("/items", tokens.mint(scopes=["items:read"])).json() == ["items for alice"]


@pytest.mark.usefixtures("protected")
def test_ninja(browser: Browser, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NINJA_SKIP_REGISTRY", "1")
    with project(path("", run("ninja")["api"].urls)):
        assert browser("/items").status_code == 401
        assert browser("/items", tokens.mint(scopes=["items:read"])).json() == "items for alice"


@pytest.mark.usefixtures("db")
def test_logouts() -> None:
    with FakeIssuer("shop") as issuer:
        code = (SNIPPETS / "logout_django.py").read_text(encoding="utf-8")
        names: dict[str, Any] = {"__name__": "snippet"}
        exec(code.replace("https://id.example.com", issuer.url), names)
        for sid in ("session", "another"):
            session = SessionStore()
            session.update({"sub": "alice", "sid": sid})
            session.save()
        SessionStore().save()  # of somebody who has not signed in
        settings = {"MIDDLEWARE": [CSRF], "BEZANT": names["BEZANT"]}
        with project(path("", include("django_bezant.urls")), settings=settings):
            http = Client(enforce_csrf_checks=True)

            def told(token: str) -> int:
                return http.post("/backchannel-logout", {"logout_token": token}).status_code

            def told_form(token: str) -> int:
                form = urlencode({"logout_token": token})
                kind = "application/x-www-form-urlencoded"
                return http.post("/backchannel-logout", form, content_type=kind).status_code

            assert told(issuer.logout_token("shop")) == 415  # multipart, which no issuer sends
            assert told_form(issuer.logout_token("stranger")) == 400
            assert Session.objects.count() == 3
            assert told_form(issuer.logout_token("shop")) == 200
            assert Session.objects.count() == 2
            assert told_form(issuer.logout_token("shop", sid=None)) == 200
            assert Session.objects.count() == 1


def test_pages_for_single_sign_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_SECRET_KEY", SECRET_KEY)
    names = runpy.run_path(str(SNIPPETS / "sso_django_settings.py"))
    with override_settings(BEZANT=names["BEZANT"]):
        assert {"authorize", "end_session"} <= {e.name for e in conf.server().endpoints}


def test_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_SECRET_KEY", SECRET_KEY)
    settings = {name: value for name, value in run("settings").items() if name.isupper()}
    urls = path("", include("django_bezant.urls"))
    with override_settings(**settings), project(urls, settings={**settings}):
        assert conf.server().config.access_token_ttl == 300
        found = run_checks(include_deployment_checks=True)
    assert [m.id for m in found if "bezant" in str(m.id)] == ["bezant.W012"]


def test_signals(caplog: pytest.LogCaptureFixture) -> None:
    alarm = run("signals")["alarm"]
    event = RefreshReuseDetected(
        at=0.0, client_id="web", subject="7", authorization_id="x", generation=1, address=""
    )
    security_event.send(RefreshReuseDetected, event=event)
    security_event.disconnect(alarm, sender=RefreshReuseDetected)
    assert "of 7 was used" in caplog.text
