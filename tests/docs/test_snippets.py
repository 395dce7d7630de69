"""The code on the pages works as it stands there. What needs a Django project is with the tests of
that framework.
"""

from __future__ import annotations

import asyncio
import runpy
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import WSServerHandshakeError, web
from aiohttp.test_utils import TestClient as AiohttpClient
from aiohttp.test_utils import TestServer
from starlette.testclient import TestClient

from aiohttp_bezant import setup
from bezant import SecretKeyRing, Verifier
from bezant.errors import InvalidToken
from bezant.runtime import SYNC, run_sync
from bezant.testing import TokenFactory
from bezant.testing.issuer import FakeIssuer
from tests.jose import compact, hmac_sha256
from tests.running import eventually

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


def test_legacy(monkeypatch: pytest.MonkeyPatch) -> None:
    now, secret = int(time.time()), "the secret of the old library, 42 characters"
    monkeypatch.setenv("OLD_SECRET", secret)
    monkeypatch.setenv("CUT_OVER_ENDS", datetime.fromtimestamp(now + 3600, UTC).isoformat())
    claims = {"sub": "7", "type": "access", "exp": now + 600}
    old = compact({"alg": "HS256", "typ": "JWT"}, claims, hmac_sha256(secret.encode()))
    with FakeIssuer() as issuer:
        verifier = with_issuer("legacy.py", issuer)["verifier"]
        new = issuer.mint(scopes=["items:write"])
        assert run_sync(verifier.averify(new, SYNC)).scopes == {"items:write"}
        assert run_sync(verifier.averify(old, SYNC)).scopes == {"items:read"}
        issuer.revoke("client", "legacy")
        eventually(lambda: is_refused(verifier, old), within=10)
        assert is_refused(verifier, old)
        assert run_sync(verifier.averify(new, SYNC)).subject == "alice"
        verifier.close()


def is_refused(verifier: Verifier, token: str) -> bool:
    try:
        run_sync(verifier.averify(token, SYNC))
    except InvalidToken:
        return True
    return False


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


def told_twice(names: dict[str, Any], issuer: FakeIssuer, tell: Any) -> None:
    """One sign-in ends, then all of a subject; and a stranger's word counts for nothing."""
    keep = {"sub": "alice", "sid": "another"}
    names["sessions"] |= {"1": {"sub": "alice", "sid": "session"}, "2": keep}
    assert tell(issuer.logout_token("someone-else")) == 400
    assert len(names["sessions"]) == 2
    assert tell(issuer.logout_token("shop")) == 200
    assert names["sessions"] == {"2": keep}
    assert tell(issuer.logout_token("shop", sid=None)) == 200
    assert names["sessions"] == {}


def test_logouts_in_fastapi() -> None:
    with FakeIssuer("shop") as issuer:
        names = with_issuer("logout_fastapi.py", issuer)
        with TestClient(names["app"]) as http:
            told_twice(
                names,
                issuer,
                lambda token: http.post(LOGOUT, data={"logout_token": token}).status_code,
            )


def test_logouts_in_flask() -> None:
    with FakeIssuer("shop") as issuer:
        names = with_issuer("logout_flask.py", issuer)
        http = names["app"].test_client()
        told_twice(
            names, issuer, lambda token: http.post(LOGOUT, data={"logout_token": token}).status_code
        )


async def test_logouts_in_aiohttp() -> None:
    with FakeIssuer("shop") as issuer:
        names = with_issuer("logout_aiohttp.py", issuer)
        async with AiohttpClient(TestServer(names["app"])) as http:

            async def tell(token: str) -> int:
                return (await http.post(LOGOUT, data={"logout_token": token})).status

            loop = asyncio.get_running_loop()
            await asyncio.to_thread(
                told_twice,
                names,
                issuer,
                lambda token: asyncio.run_coroutine_threadsafe(tell(token), loop).result(30),
            )


LOGOUT = "/backchannel-logout"


async def test_aiohttp_views() -> None:
    tokens = TokenFactory()
    app = web.Application()
    setup(app, tokens.verifier())
    app.add_routes(runpy.run_path(str(SNIPPETS / "aiohttp_views.py"))["routes"])

    def bearer(**claims: Any) -> dict[str, str]:
        return {"authorization": f"Bearer {tokens.mint(**claims)}"}

    reader = bearer(scopes=["items:read"])
    async with AiohttpClient(TestServer(app)) as http:
        assert await (await http.get("/hello")).text() == "hello stranger"
        assert await (await http.get("/hello", headers=reader)).text() == "hello alice"
        assert (await http.get("/hello", headers={"authorization": "Bearer x"})).status == 401
        assert (await http.get("/items")).status == 401
        assert await (await http.get("/items", headers=reader)).text() == "items for alice"
        assert (await http.delete("/items", headers=reader)).status == 403
        deleter = bearer(scopes=["items:write"], permissions=["items.delete"])
        assert (await http.delete("/items", headers=deleter)).status == 204
        async with http.ws_connect("/news", headers=reader) as socket:
            assert await socket.receive_str() == "news for alice"
        with pytest.raises(WSServerHandshakeError, match="403"):
            await http.ws_connect("/news", headers=bearer())


async def test_aiohttp_stores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "database"
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{file}")
    monkeypatch.setenv("SECRET_KEY", SecretKeyRing.generate())
    names = runpy.run_path(str(SNIPPETS / "aiohttp_stores.py"))
    async with AiohttpClient(TestServer(names["app"])) as http:
        first = await (await http.get("/oauth/jwks.json")).json()
    names = runpy.run_path(str(SNIPPETS / "aiohttp_stores.py"))
    async with AiohttpClient(TestServer(names["app"])) as http:
        assert await (await http.get("/oauth/jwks.json")).json() == first
    assert len(first["keys"]) == 1
