"""Who is signed in, and clients that are told of logouts as long as an application runs."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from aiohttp_bezant import oauth_app, oauth_routes, setup
from bezant import ConfigurationError
from bezant.sign_in import SignIn
from bezant.testing import TokenFactory
from tests.frameworks.aiohttp.calls import client
from tests.harness import Awaited, Blocking
from tests.sending import ASK, TOLD, Post, queue, sending_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from bezant import AuthorizationServer
    from bezant.sign_in import SignInCallable


def with_routes(server: AuthorizationServer) -> web.Application:
    app = web.Application()
    setup(app, server)
    app.add_routes(oauth_routes(server))
    return app


def with_both(server: AuthorizationServer) -> web.Application:
    app = oauth_app(server)
    setup(app, server)
    return app


@pytest.mark.parametrize("wrap", [Blocking, Awaited])
@pytest.mark.parametrize("make", [with_routes, oauth_app, with_both])
async def test_clients_are_told(
    make: Callable[[AuthorizationServer], web.Application], wrap: Callable[[Any], Any]
) -> None:
    post = Post()
    world = sending_world(post, lambda _, store: wrap(store))
    queue(world, "a")
    async with client(make(world.server)):
        assert await asyncio.to_thread(post.arrives)
    assert post.sent == [f"POST {TOLD}"]
    assert "an event loop is blocked" not in post.threads
    queue(world, "b")
    await asyncio.sleep(0.05)
    assert len(post.sent) == 1, "it ends with the application"
    async with client(make(world.server)):  # and begins again with it
        assert await asyncio.to_thread(post.arrives)
    world.server.close()


def test_pages_without_a_server_say_what_is_missing() -> None:
    bezant = setup(web.Application(), TokenFactory().verifier())
    with pytest.raises(ConfigurationError, match="give it the AuthorizationServer"):
        bezant.interactions.resume("x")


async def known(request: web.Request) -> SignIn | None:
    await asyncio.sleep(0)
    return known_in_a_thread(request, threading.main_thread())


def known_in_a_thread(request: web.Request, here: Any = None) -> SignIn | None:
    assert type(request) is web.Request
    assert (threading.current_thread() is threading.main_thread()) == (here is not None)
    name = request.cookies.get("who")
    return None if name is None else SignIn(name, time.time(), "a-sign-in")


@pytest.mark.parametrize("sign_in", [known, known_in_a_thread])
async def test_sign_in_is_given_aiohttps_request(sign_in: SignInCallable) -> None:
    world = sending_world(Post(), sign_in=sign_in)
    async with client(with_routes(world.server)) as http:
        for cookies, page in (({}, "/login"), ({"who": "user-alice"}, "/consent")):
            http.session.cookie_jar.update_cookies(cookies, http.make_url("/"))
            answer = await http.get("/oauth/authorize", params=ASK, allow_redirects=False)
            assert answer.status == 303
            assert answer.headers["location"].startswith(page)
        answer = await http.post("/oauth/authorize", data=ASK, allow_redirects=False)
        assert answer.status == 303
        answer = await http.get("/oauth/authorize")
        assert answer.status == 400
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
    world.server.close()
