"""WebSockets are let in or refused at the handshake."""

from typing import Annotated

import pytest
from fastapi import FastAPI, WebSocket

from bezant import Principal
from bezant.testing import TokenFactory
from fastapi_bezant import BearerMiddleware, Bezant
from tests.frameworks.fastapi.calls import handshake


@pytest.fixture(params=["dependency", "middleware", "not installed"])
def app(request: pytest.FixtureRequest, bezant: Bezant) -> FastAPI:
    app = FastAPI()
    if request.param != "not installed":
        bezant.install(app)
    if request.param == "middleware":
        app.add_middleware(BearerMiddleware, bezant=bezant)

    @app.websocket("/feed", dependencies=[bezant.require("feed")])
    async def feed(
        socket: WebSocket, who: Annotated[Principal, bezant.require("items:read")]
    ) -> None:
        await socket.accept()
        await socket.send_text(who.subject)
        await socket.close()

    return app


async def test_a_good_token_is_let_in(app: FastAPI, tokens: TokenFactory) -> None:
    accepted, sent, _ = await handshake(app, "/feed", tokens.mint(scopes=["feed", "items:read"]))
    assert accepted["type"] == "websocket.accept"
    assert sent["text"] == "alice"


async def test_refused_with_status_and_challenge(app: FastAPI, tokens: TokenFactory) -> None:
    cases = [
        (None, 401, 'Bearer realm="api"'),
        ("bad", 401, 'Bearer realm="api", error="invalid_token"'),
        (tokens.mint(), 403, 'Bearer realm="api", error="insufficient_scope"'),
    ]
    for token, status, challenge in cases:
        start, body = await handshake(app, "/feed", token)
        assert start["type"] == "websocket.http.response.start"
        assert start["status"] == status
        assert dict(start["headers"])[b"www-authenticate"].decode().startswith(challenge)
        assert body["type"] == "websocket.http.response.body"
        assert b"error" in body["body"]
    assert b'scope="feed items:read"' in dict(start["headers"])[b"www-authenticate"]


async def test_closed_where_the_server_cannot_answer(app: FastAPI) -> None:
    for token in (None, "bad"):
        [close] = await handshake(app, "/feed", token, denial=False)
        assert (close["type"], close["code"]) == ("websocket.close", 1008)
