"""What `test_servers` serves: it takes an issuer's tokens, and issues others itself."""

from __future__ import annotations

import os
import sys
from functools import cache
from threading import Barrier
from typing import Any

from flask import Flask

from bezant.http import Response
from flask_bezant import Bezant, current_principal, require
from tests.sending import queue, sending_world

AT_ONCE = 8


@cache
def barrier() -> Barrier:
    """Made by the first request, for a server may patch locks after it has loaded this."""
    return Barrier(AT_ONCE)


def post(method: str, url: str, **_: Any) -> Response:
    print(f"told {url} in {os.getpid()}", file=sys.stderr, flush=True)
    return Response(200, (), b"")


def create_app() -> Flask:
    world = sending_world(post)
    queue(world, "a")  # before a fork, if there is one
    app, bezant = Flask(__name__), Bezant()
    app.config.from_prefixed_env()
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint(world.server))

    @app.get("/together")
    @require("items:read")
    def together() -> str:
        before = current_principal.subject
        barrier().wait(30)
        return f"{before} {current_principal.subject}"

    @app.get("/me")
    @require()
    def me() -> str:
        return current_principal.subject

    @app.get("/process")
    def process() -> str:
        return str(os.getpid())

    @app.get("/priority")
    def priority() -> str:
        return str(os.nice(0))

    return app
