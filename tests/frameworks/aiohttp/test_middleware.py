"""`bearer_middleware`: whom every request comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiohttp_bezant import (
    bearer_middleware,
    get_principal,
    oauth_routes,
    principal,
    require,
    setup,
)
from bezant.errors import InsufficientScope
from bezant.testing.challenges import assert_challenge
from tests.frameworks.aiohttp.calls import bearer, client
from tests.world import API, ISSUER, PASSWORD, make_world

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from bezant.testing import TokenFactory


async def me(request: web.Request) -> web.Response:
    found = get_principal(request)
    return web.json_response(found and found.subject)


def application(tokens: TokenFactory, **options: Any) -> web.Application:
    app = web.Application(middlewares=[bearer_middleware(**options)])
    setup(app, tokens.verifier(), resource=API)
    app.router.add_get("/me", me)
    return app


async def test_handlers_know_who_asks(tokens: TokenFactory) -> None:
    async with client(application(tokens)) as http:
        assert await (await http.get("/me")).json() is None
        assert await (await http.get("/me", headers=bearer(tokens.mint()))).json() == "alice"
        # Credentials of another scheme are somebody else's business.
        assert await (await http.get("/me", headers={"Authorization": "Basic Og=="})).json() is None


async def test_a_bad_token_is_refused_before_the_application(tokens: TokenFactory) -> None:
    async with client(application(tokens)) as http:
        for path in ("/me", "/nowhere"):
            answer = await http.get(path, headers=bearer("bad"))
            assert_challenge(answer, 401, error="invalid_token")
            assert (await answer.json())["error"] == "invalid_token"
        assert (await http.get("/nowhere")).status == 404


async def test_nobody_may_be_refused_too(tokens: TokenFactory) -> None:
    async with client(application(tokens, anonymous=False)) as http:
        for path in ("/me", "/nowhere"):
            answer = await http.get(path)
            assert answer.status == 401
            assert "error" not in await answer.json()
        assert await (await http.get("/me", headers=bearer(tokens.mint()))).json() == "alice"
        # How to get tokens is told to those who have none.
        answer = await http.get("/.well-known/oauth-protected-resource")
        assert (await answer.json())["authorization_servers"] == [ISSUER]


async def test_clients_of_the_server_are_not_locked_out() -> None:
    world = make_world()
    app = web.Application(middlewares=[bearer_middleware(anonymous=False)])
    setup(app, world.server)
    app.add_routes(oauth_routes(world.server))
    form = {"grant_type": "password", "client_id": "spa", "username": "alice", "password": PASSWORD}
    async with client(app) as http:
        assert (await http.post("/oauth/token", data=form)).status == 200
        # With this header they fail, in the server's words.
        answer = await http.post("/oauth/token", data=form, headers=bearer("bad"))
        assert answer.headers["www-authenticate"].startswith("Basic ")


async def test_require_goes_by_what_the_middleware_found(
    tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = web.Application(middlewares=[bearer_middleware()])
    bezant = setup(app, tokens.verifier())
    app.router.add_get("/", require("items:read")(me))
    seen = []
    verify = bezant.guard.verifier.verify  # type: ignore[attr-defined]
    monkeypatch.setattr(
        bezant.guard.verifier, "verify", lambda token: seen.append(token) or verify(token)
    )
    async with client(app) as http:
        good = bearer(tokens.mint(scopes=["items:read"]))
        assert await (await http.get("/", headers=good)).json() == "alice"
        assert len(seen) == 1
        assert (await http.get("/")).status == 401
        assert (await http.get("/", headers=bearer(tokens.mint()))).status == 403


async def test_a_middleware_of_the_outer_application_knows_its_own_principal(
    tokens: TokenFactory,
) -> None:
    """Though the handler goes by the one of the inner application."""
    told = []

    @web.middleware
    async def log(request: web.Request, handler: Handler) -> web.StreamResponse:
        answer = await handler(request)
        told.append(principal(request).audience)
        return answer

    outer = web.Application(middlewares=[bearer_middleware(), log])
    inner = web.Application()
    setup(outer, tokens.verifier())
    setup(inner, tokens.verifier(audience="https://inner.example.com"))
    inner.router.add_get("/", require()(me))
    outer.add_subapp("/inner", inner)
    async with client(outer) as http:
        audience = [API, "https://inner.example.com"]
        token = tokens.mint(aud=audience)
        assert (await http.get("/inner/", headers=bearer(token))).status == 200
        assert told == [tuple(audience)]
        assert (await http.get("/inner/", headers=bearer(tokens.mint()))).status == 401


async def test_a_handler_may_refuse_by_itself(tokens: TokenFactory) -> None:
    async def closed(request: web.Request) -> web.Response:
        raise InsufficientScope("not on Sundays")

    app = application(tokens)
    app.router.add_get("/closed", closed)
    async with client(app) as http:
        answer = await http.get("/closed")
        assert (answer.status, (await answer.json())["error"]) == (403, "insufficient_scope")
