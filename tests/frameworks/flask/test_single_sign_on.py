"""Who is signed in, and clients that are told of logouts by processes or a command."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from flask import Flask, Request

from bezant import ConfigurationError
from bezant.sign_in import SignIn
from bezant.testing import TokenFactory
from flask_bezant import Bezant
from tests.sending import ASK, TOLD, Post, queue, sending_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def world(post: Post) -> Iterator[World]:
    made = sending_world(post)
    yield made
    made.server.close()


def application(world: World) -> Flask:
    app, bezant = Flask(__name__), Bezant(world.server)
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint())
    return app


def test_a_process_begins_with_its_first_request(world: World, post: Post) -> None:
    app = application(world)
    queue(world, "a")
    assert world.server.logout_sender is not None
    assert world.server.logout_sender._thread._thread is None, "a fork would leave it behind"
    app.test_client().get("/whatever")
    assert post.arrives()
    assert (post.sent, post.threads) == ([f"POST {TOLD}"], ["bezant-logouts"])


def test_not_in_tests(world: World, post: Post) -> None:
    app = application(world)
    app.testing = True
    queue(world, "a")
    app.test_client().get("/oauth/jwks.json")
    assert world.server.logout_sender is not None
    assert world.server.logout_sender._thread._thread is None
    assert post.sent == []


def test_by_a_command(world: World, post: Post) -> None:
    queue(world, "a", "b")
    runner = application(world).test_cli_runner()
    result = runner.invoke(args=["bezant", "logouts"])
    assert (result.exit_code, result.output) == (0, "notices sent or put off: 2\n")
    assert post.sent == [f"POST {TOLD}"] * 2


def test_a_command_without_pages(world: World) -> None:
    app = Flask(__name__)
    Bezant(TokenFactory().verifier()).init_app(app)
    result = app.test_cli_runner().invoke(args=["bezant", "logouts"])
    assert (result.exit_code, result.output) == (1, "Error: this application issues no tokens\n")


def test_pages_without_a_server_say_what_is_missing() -> None:
    app, bezant = Flask(__name__), Bezant(TokenFactory().verifier())
    bezant.init_app(app)
    with app.app_context(), pytest.raises(ConfigurationError, match="this Bezant has none"):
        bezant.interactions.resume("x")


def test_sign_in_is_given_flasks_request() -> None:
    def known(request: Request) -> SignIn | None:
        assert type(request) is Request, "no proxy, which would be another one in a thread"
        name = request.cookies.get("who")
        return None if name is None else SignIn(name, time.time(), "a-sign-in")

    world = sending_world(Post(), sign_in=known)
    app = application(world)
    app.testing = True
    http = app.test_client()
    assert http.get("/oauth/authorize", query_string=ASK).location.startswith("/login")
    http.set_cookie("who", "user-alice")
    assert http.get("/oauth/authorize", query_string=ASK).location.startswith("/consent")
    assert http.post("/oauth/authorize", data=ASK).status_code == 303
    answer = http.get("/oauth/authorize")
    assert (answer.status_code, answer.content_type) == (400, "text/html; charset=utf-8")
    world.server.close()


def test_a_sign_in_that_awaits_is_refused_at_set_up() -> None:
    async def known(_: Request) -> None: ...

    world = sending_world(Post(), sign_in=known)
    with pytest.raises(ConfigurationError, match=r"interaction\.sign_in.*'async def'"):
        Bezant(world.server).init_app(Flask(__name__))
    world.server.close()
