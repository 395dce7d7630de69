"""The code on the first page works as it stands there."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from bezant import SecretKeyRing
from bezant.runtime import SYNC, run_sync
from bezant.testing.issuer import FakeIssuer

SNIPPETS = Path(__file__).parent.parent.parent / "docs" / "snippets"


def with_issuer(name: str, issuer: FakeIssuer) -> dict[str, Any]:
    """The names in a snippet, whose issuer is the one given."""
    code = (SNIPPETS / name).read_text(encoding="utf-8")
    assert "https://id.example.com" in code
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(code.replace("https://id.example.com", issuer.url), name, "exec"), names)
    return names


def test_protect() -> None:
    def headers(**claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {issuer.mint(**claims)}"}

    with (
        FakeIssuer("https://shop") as issuer,
        TestClient(with_issuer("protect.py", issuer)["app"]) as http,
    ):
        assert http.get("/items").status_code == 401
        assert http.get("/items", headers=headers()).status_code == 403
        reader = headers(scopes=["items:read"])
        assert http.get("/items", headers=reader).json() == "items for alice"
        writer = {"scopes": ["items:write"]}
        assert http.delete("/items", headers=headers(**writer)).status_code == 403
        deleter = headers(**writer, permissions=["items.delete"])
        assert http.delete("/items", headers=deleter).status_code == 200


def test_issuers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("API_SECRET", FakeIssuer.client_secret)
    monkeypatch.setenv("PARTNER_SECRET", "the partner's")
    with FakeIssuer() as issuer:
        verifier = with_issuer("issuers.py", issuer)["verifier"]
        assert verifier.issuers == (issuer.url, "https://id.partner.example")
        token = issuer.mint(scopes=["items:read"])
        assert run_sync(verifier.averify(token, SYNC)).scopes == {"items:read"}
        verifier.close()


def test_issue(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEB_SECRET", "the secret of web")
    monkeypatch.setenv("ALICE_PASSWORD", "wonderland")
    monkeypatch.setenv("SECRET_KEY", SecretKeyRing.generate())
    app = runpy.run_path(str(SNIPPETS / "issue.py"))["app"]
    form = {"grant_type": "password", "username": "alice", "password": "wonderland"}
    with TestClient(app) as http:
        answer = http.post("/oauth/token", data=form, auth=("web", "the secret of web"))
        assert answer.status_code == 200, answer.text
        assert answer.json()["scope"] == "items:read"
        assert http.get("/oauth/jwks.json").json()["keys"]
