"""The API in aiohttp, which takes the tokens of two issuers: the server's, and the Flask API's."""

from __future__ import annotations

import socket

from aiohttp import web

from aiohttp_bezant import principal, require, setup
from bezant import TrustedIssuers, Verifier
from bezant_server.demo.apis.items import about, new_items
from bezant_server.demo.apis.process import Order, follow, run

__all__ = ["create"]


def create(verifier: Verifier) -> web.Application:
    """The API.

    Args:
        verifier: Tells good tokens.
    """
    app, items, routes = web.Application(), new_items(), web.RouteTableDef()
    setup(app, verifier)

    @routes.get("/items")
    @require("items:read")
    async def read_items(request: web.Request) -> web.Response:
        return web.json_response(items)

    @routes.delete("/items/{number:[0-9]+}")
    @require("items:write", permission="items.delete")
    async def delete_item(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        if number not in items:
            return web.json_response({"detail": "There is no such item."}, status=404)
        return web.json_response({"deleted": items.pop(number), "by": principal(request).subject})

    @routes.get("/me")
    @require()
    async def me(request: web.Request) -> web.Response:
        return web.json_response(about(principal(request)))

    app.add_routes(routes)
    return app


def serve(order: Order, listening: socket.socket, url: str) -> None:
    """Serve with aiohttp's own server."""
    issuers = [issuer for issuer in (order.issuer, order.partner) if issuer]
    app = create(TrustedIssuers([follow(order, issuer) for issuer in issuers]))
    web.run_app(app, sock=listening, print=None, access_log=None)


if __name__ == "__main__":
    run(serve)
