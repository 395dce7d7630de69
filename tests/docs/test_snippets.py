"""The code on the first page works as it stands there."""

from __future__ import annotations

import json
import runpy
import time
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from bezant import SecretKeyRing
from bezant.testing import TokenFactory, fixed_key

SNIPPETS = Path(__file__).parent.parent.parent / "docs" / "snippets"


def test_protect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [fixed_key().public_jwk()]}))
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path(str(SNIPPETS / "protect.py"))["app"]
    factory = TokenFactory(issuer="https://id.example.com", audience="https://shop")
    factory.clock.now = time.time()

    def headers(**claims: object) -> dict[str, str]:
        return {"authorization": f"Bearer {factory.mint(**claims)}"}  # type: ignore[arg-type]

    with TestClient(app) as http:
        assert http.get("/items").status_code == 401
        assert http.get("/items", headers=headers()).status_code == 403
        reader = headers(scopes=["items:read"])
        assert http.get("/items", headers=reader).json() == "items for alice"
        writer = {"scopes": ["items:write"]}
        assert http.delete("/items", headers=headers(**writer)).status_code == 403
        deleter = headers(**writer, permissions=["items.delete"])
        assert http.delete("/items", headers=deleter).status_code == 200


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
