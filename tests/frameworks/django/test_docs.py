"""The code on Django's page works as it stands there."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.core.checks import run_checks
from django.test import override_settings
from django.urls import include, path

from bezant.events import RefreshReuseDetected
from bezant.testing import TokenFactory
from django_bezant import conf
from django_bezant.signals import security_event
from tests.frameworks.django.web import project
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
