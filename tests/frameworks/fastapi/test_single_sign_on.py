"""Who is signed in, and clients that are told of logouts as long as an application runs."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from fastapi import FastAPI, Request

from bezant import ConfigurationError
from bezant.sign_in import SignIn
from bezant.testing import TokenFactory
from fastapi_bezant import Bezant
from tests.frameworks.fastapi.calls import client
from tests.harness import Awaited, Blocking
from tests.sending import ASK, TOLD, Post, queue, sending_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from bezant.sign_in import SignInCallable


@pytest.mark.parametrize("wrap", [Blocking, Awaited])
@pytest.mark.parametrize("install", [True, False])
async def test_clients_are_told(wrap: Callable[[Any], Any], install: bool) -> None:
    post = Post()
    world = sending_world(post, lambda _, store: wrap(store))
    app, bezant = FastAPI(), Bezant(world.server)
    if install:
        bezant.install(app)
    app.include_router(bezant.router())
    queue(world, "a")
    async with app.router.lifespan_context(app):
        assert await asyncio.to_thread(post.arrives)
    assert post.sent == [f"POST {TOLD}"]
    assert "an event loop is blocked" not in post.threads
    queue(world, "b")
    await asyncio.sleep(0.05)
    assert len(post.sent) == 1, "it ends with the application"
    async with app.router.lifespan_context(app):  # and begins again with it
        assert await asyncio.to_thread(post.arrives)
    world.server.close()


async def test_an_application_that_fails_ends_it_too() -> None:
    world = sending_world(Post())
    app = FastAPI()
    app.include_router(Bezant(world.server).router())
    before = asyncio.all_tasks()
    with pytest.raises(RuntimeError, match="the application fails"):
        async with app.router.lifespan_context(app):
            raise RuntimeError("the application fails")
    assert asyncio.all_tasks() == before
    world.server.close()


def test_pages_without_a_server_say_what_is_missing() -> None:
    bezant = Bezant(TokenFactory().verifier())
    with pytest.raises(ConfigurationError, match="this Bezant has none"):
        bezant.interactions.resume("x")


async def known(request: Request) -> SignIn | None:
    await asyncio.sleep(0)
    return known_in_a_thread(request, threading.main_thread())


def known_in_a_thread(request: Request, here: Any = None) -> SignIn | None:
    assert type(request) is Request
    assert (threading.current_thread() is threading.main_thread()) == (here is not None)
    name = request.cookies.get("who")
    return None if name is None else SignIn(name, time.time(), "a-sign-in")


@pytest.mark.parametrize("sign_in", [known, known_in_a_thread])
async def test_sign_in_is_given_starlettes_request(sign_in: SignInCallable) -> None:
    world = sending_world(Post(), sign_in=sign_in)
    app = FastAPI()
    app.include_router(Bezant(world.server).router())
    async with client(app) as http:
        for cookies, page in (({}, "/login"), ({"who": "user-alice"}, "/consent")):
            http.cookies.update(cookies)
            answer = await http.get("/oauth/authorize", params=ASK)
            assert answer.status_code == 303
            assert answer.headers["location"].startswith(page)
        answer = await http.post("/oauth/authorize", data=ASK)
        assert answer.status_code == 303
        answer = await http.get("/oauth/authorize")
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    world.server.close()
