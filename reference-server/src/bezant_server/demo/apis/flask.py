"""The API in Flask, which issues tokens as well: a second issuer, with people of its own."""

from __future__ import annotations

import secrets
import socket
from typing import Any

from flask import Flask, Response, abort, jsonify
from werkzeug.serving import WSGIRequestHandler, make_server

from bezant import (
    AuthorizationServer,
    Client,
    PasswordHasher,
    ServerConfig,
    TrustedIssuers,
    User,
    Verifier,
)
from bezant.stores.memory import MemoryStores, MemoryUserStore
from bezant_server.demo.apis.items import about, new_items
from bezant_server.demo.apis.process import Order, follow, run
from bezant_server.demo.data import CAROL, KIOSK, SCOPES
from flask_bezant import Bezant, current_principal, require

__all__ = ["create"]


def create(verifier: Verifier, server: AuthorizationServer) -> Flask:
    """The API.

    Args:
        verifier: Tells good tokens.
        server: Issues some.
    """
    app, bezant = Flask(__name__), Bezant(verifier)
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint(server))
    items = new_items()

    @app.get("/items")
    @require("items:read")
    def read_items() -> Response:
        return jsonify(items)

    @app.delete("/items/<int:number>")
    @require("items:write", permission="items.delete")
    def delete_item(number: int) -> dict[str, Any]:
        if number not in items:
            abort(404, "There is no such item.")
        return {"deleted": items.pop(number), "by": current_principal.subject}

    @app.get("/me")
    @require()
    def me() -> dict[str, Any]:
        return about(current_principal)

    return app


def issuer(url: str, audience: str) -> AuthorizationServer:
    """An issuer that forgets everything when it ends."""
    hasher = PasswordHasher()
    carol = User("carol-1", CAROL.name, hasher.hash(CAROL.password))
    kiosk = Client(KIOSK, frozenset({"password"}), tuple(SCOPES), auth_method="none")
    return AuthorizationServer(
        ServerConfig(issuer=url, audience=(audience,), scopes=SCOPES),
        stores=MemoryStores([kiosk]),
        secret_key=secrets.token_urlsafe(32),
        users=MemoryUserStore([carol]),
        hasher=hasher,
    )


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        """The story is told elsewhere."""


def serve(order: Order, listening: socket.socket, url: str) -> None:
    """Serve with Werkzeug."""
    server = issuer(url, order.audience)
    app = create(TrustedIssuers([follow(order), server.verifier()]), server)
    make_server(
        *(order.host, listening.getsockname()[1], app),
        threaded=True,
        request_handler=_Quiet,
        fd=listening.fileno(),
    ).serve_forever()


if __name__ == "__main__":
    run(serve)
