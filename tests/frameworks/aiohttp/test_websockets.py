"""WebSockets are let in, or refused before the upgrade."""

from __future__ import annotations

import pytest
from aiohttp import WSMsgType, WSServerHandshakeError, web

from aiohttp_bezant import bearer_middleware, principal, require, setup
from bezant.errors import InsufficientScope
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from tests.frameworks.aiohttp.calls import bearer, client


@require("feed")
async def feed(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(principal(request).subject)
    await socket.close()
    return socket


class Feed(web.View):
    @require("feed")
    async def get(self) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(self.request)
        await socket.send_str(principal(self.request).subject)
        raise InsufficientScope("enough of it")


@pytest.fixture(params=[False, True], ids=["decorator", "middleware"])
def app(request: pytest.FixtureRequest, tokens: TokenFactory) -> web.Application:
    app = web.Application(middlewares=[bearer_middleware()] if request.param else [])
    setup(app, tokens.verifier())
    app.router.add_get("/feed", feed)
    app.router.add_view("/view", Feed)
    return app


async def test_a_good_token_is_let_in(app: web.Application, tokens: TokenFactory) -> None:
    async with client(app) as http:
        headers = bearer(tokens.mint(scopes=["feed"]))
        async with http.ws_connect("/feed", headers=headers) as socket:
            assert await socket.receive_str() == "alice"


async def test_refused_with_status_and_challenge(
    app: web.Application, tokens: TokenFactory
) -> None:
    cases = [
        ({}, 401, None, None),
        (bearer("bad"), 401, "invalid_token", None),
        (bearer(tokens.mint()), 403, "insufficient_scope", "feed"),
    ]
    async with client(app) as http:
        for path in ("/feed", "/view"):
            for headers, status, error, scope in cases:
                with pytest.raises(WSServerHandshakeError) as caught:
                    await http.ws_connect(path, headers=headers)
                assert_challenge(caught.value, status, error=error, scope=scope, realm="api")


async def test_a_refusal_in_an_open_socket_ends_it(
    app: web.Application, tokens: TokenFactory
) -> None:
    """No answer in HTTP gets among its frames."""
    async with client(app) as http:
        headers = bearer(tokens.mint(scopes=["feed"]))
        async with http.ws_connect("/view", headers=headers) as socket:
            assert await socket.receive_str() == "alice"
            message = await socket.receive()
    assert message.type in {WSMsgType.CLOSE, WSMsgType.CLOSED}
