from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from aiohttp_bezant import principal, require, setup
from bezant import Verifier
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from pytest_bezant import ActAs


# The application, which your tests import.
@require("items:read")
async def items(request: web.Request) -> web.Response:
    return web.Response(text=f"items for {principal(request).subject}")


def create_app(verifier: Verifier) -> web.Application:
    app = web.Application()
    setup(app, verifier)
    app.router.add_get("/items", items)
    return app


# Its tests.
@pytest.fixture
def app(bezant_tokens: TokenFactory) -> web.Application:
    return create_app(bezant_tokens.verifier())


@pytest.fixture
async def http(app: web.Application) -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(app)) as client:
        yield client


async def test_a_reader_sees_the_items(
    app: web.Application, http: TestClient, bezant_as: ActAs
) -> None:
    bezant_as("alice", app, scopes=["items:read"])
    assert await (await http.get("/items")).text() == "items for alice"


async def test_others_are_told_what_they_lack(
    app: web.Application, http: TestClient, bezant_as: ActAs
) -> None:
    assert_challenge(await http.get("/items"), 401)
    bezant_as("bob", app)
    answer = await http.get("/items")
    assert_challenge(answer, 403, error="insufficient_scope", scope="items:read")


async def test_a_token_ends(http: TestClient, bezant_tokens: TokenFactory) -> None:
    headers = {"Authorization": f"Bearer {bezant_tokens.mint(scopes=['items:read'])}"}
    assert (await http.get("/items", headers=headers)).status == 200
    bezant_tokens.clock.advance(3600)
    assert_challenge(await http.get("/items", headers=headers), 401, error="invalid_token")
