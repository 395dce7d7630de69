"""Many requests at once, each with a token of its own: principals never mix."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiohttp import web

from aiohttp_bezant import bearer_middleware, get_principal, optional, principal, require, setup
from bezant.testing import TokenFactory
from tests.frameworks.aiohttp.calls import Client, bearer, client

PEOPLE = 40
ROUNDS = 10


async def linger(request: web.Request) -> None:
    """Let others go first, again and again."""
    for _ in range(random.Random(request.query_string).randrange(5)):
        await asyncio.sleep(0)


@require("items:read")
async def mine(request: web.Request) -> web.Response:
    before = principal(request).subject
    await linger(request)
    return web.json_response([before, principal(request).subject])


@optional
async def maybe(request: web.Request) -> web.Response:
    await linger(request)
    found = get_principal(request)
    return web.json_response([found and found.subject])


class View(web.View):
    @require("items:read")
    async def get(self) -> web.Response:
        await linger(self.request)
        return web.json_response([principal(self.request).subject])


@pytest.mark.parametrize("cache_size", [0, 7, 1000])
@pytest.mark.parametrize("middleware", [False, True])
async def test_everybody_sees_themselves(
    tokens: TokenFactory, cache_size: int, middleware: bool
) -> None:
    app = web.Application(middlewares=[bearer_middleware()] if middleware else [])
    setup(app, tokens.verifier(cache_size=cache_size))
    app.router.add_get("/mine", mine)
    app.router.add_get("/maybe", maybe)
    app.router.add_view("/view", View)

    async def visit(http: Client, number: int) -> None:
        name = f"user-{number}"
        good = bearer(tokens.mint(subject=name, scopes=["items:read"]))
        narrow = bearer(tokens.mint(subject=name))
        forged = {"Authorization": good["Authorization"][:-8] + "AAAAAAAA"}
        for turn in range(ROUNDS):
            path = ("/mine", "/maybe", "/view")[turn % 3]
            query = f"?{number}.{turn}"
            answer = await http.get(path + query, headers=good)
            assert answer.status == 200
            assert set(await answer.json()) == {name}
            assert (await http.get(path + query, headers=forged)).status == 401
            expected = (200, [name]) if path == "/maybe" else (403, None)
            answer = await http.get(path + query, headers=narrow)
            assert answer.status == expected[0]
            if path == "/maybe":
                assert await answer.json() == [name]
                assert await (await http.get(path + query)).json() == [None]
            else:
                assert (await http.get(path + query)).status == 401

    async with client(app) as http:
        await asyncio.gather(*(visit(http, number) for number in range(PEOPLE)))
