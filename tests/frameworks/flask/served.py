"""What `test_servers` serves: it takes an issuer's tokens, and issues others itself."""

from __future__ import annotations

import os
from functools import cache
from threading import Barrier

from flask import Flask

from flask_bezant import Bezant, current_principal, require
from tests.world import make_server

AT_ONCE = 8


@cache
def barrier() -> Barrier:
    """Made by the first request, for a server may patch locks after it has loaded this."""
    return Barrier(AT_ONCE)


def create_app() -> Flask:
    app, bezant = Flask(__name__), Bezant()
    app.config.from_prefixed_env()
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint(make_server()))

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

    @app.get("/priority")
    def priority() -> str:
        return str(os.nice(0))

    return app
