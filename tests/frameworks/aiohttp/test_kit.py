"""The test kit at work on aiohttp's applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from aiohttp_bezant import Bezant, principal, require, setup
from bezant import Principal, TokenVerifier
from bezant.testing.challenges import assert_challenge
from tests.frameworks.aiohttp.calls import bearer, client

if TYPE_CHECKING:
    import pytest

    from bezant.testing import TokenFactory
    from bezant.testing.issuer import FakeIssuer
    from pytest_bezant import ActAs


@require("items:read", fresh=60)
async def who(request: web.Request) -> web.Response:
    return web.json_response(principal(request).subject)


async def test_acting_still_demands_what_the_route_demands(
    app: web.Application, bezant: Bezant, bezant_as: ActAs
) -> None:
    app.router.add_get("/", who)
    async with client(app) as http:
        assert_challenge(await http.get("/"), 401)
        for target in (app, bezant):
            bezant_as("carol", target, scopes=["items:read"])
            assert await (await http.get("/")).json() == "carol"
            with bezant_as(Principal("dave"), target):
                answer = await http.get("/")
                assert_challenge(answer, 403, error="insufficient_scope", scope="items:read")
            with bezant_as(None, target):
                assert_challenge(await http.get("/"), 401)
            assert await (await http.get("/")).json() == "carol"


async def test_an_issuer_elsewhere_rotates_and_goes_away(
    app: web.Application, bezant_issuer: FakeIssuer
) -> None:
    setup(app, TokenVerifier.from_issuer(bezant_issuer.url, audience=bezant_issuer.audience))
    app.router.add_get("/", who)
    async with client(app) as http:
        for change in (None, bezant_issuer.rotate, lambda: bezant_issuer.fail("down")):
            if change is not None:
                change()
            token = bezant_issuer.mint(scopes=["items:read"])
            assert await (await http.get("/", headers=bearer(token))).json() == "alice"


async def test_an_application_that_is_there_already_takes_tokens_of_the_kit(
    app: web.Application, bezant_tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = TokenVerifier.from_issuer("https://id.example.com", audience="https://shop")
    bezant = setup(app, elsewhere)
    app.router.add_get("/", who)
    asked: list[str] = []
    monkeypatch.setattr(elsewhere, "start", lambda: asked.append("start"))
    monkeypatch.setattr(bezant.guard, "verifier", bezant_tokens.verifier())
    async with client(app) as http:
        token = bezant_tokens.mint(scopes=["items:read"])
        assert await (await http.get("/", headers=bearer(token))).json() == "alice"
    assert asked == []
