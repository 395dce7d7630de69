"""aiohttp. Run as ``python -m bench.protected.aiohttp <name> <port>``: it is a server, too."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import jwt
import uvloop
from aiohttp import web

from aiohttp_bezant import bearer_middleware, principal, require, setup
from bench.load import HOST
from bench.primitives import AUDIENCE, ISSUER
from bench.protected import (
    SCOPE,
    USER,
    PeerKey,
    answer,
    pyjwt_of_header,
    signature_check,
    verifier,
)

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

CLAIMS = web.RequestKey("claims", dict[str, Any])


def unprotected() -> web.Application:
    """The measure of all others: nobody guards the route."""

    async def items(request: web.Request) -> web.Response:
        return web.json_response(answer(USER))

    app = web.Application()
    app.router.add_get("/items", items)
    return app


# ---- Bezant ----


def decorator(*, cache_size: int = 1000, **options: Any) -> web.Application:
    """`require` on the handler."""

    @require(SCOPE)
    async def items(request: web.Request) -> web.Response:
        return web.json_response(answer(principal(request).subject))

    app = web.Application(**options)
    setup(app, verifier(cache_size))
    app.router.add_get("/items", items)
    return app


def decorator_uncached() -> web.Application:
    """The same, and every signature is verified."""
    return decorator(cache_size=0)


def middleware() -> web.Application:
    """`bearer_middleware` in front of it as well."""
    return decorator(middlewares=[bearer_middleware()])


# ---- the limit ----


def signature_alone() -> web.Application:
    """Nobody can do with less."""
    is_good = signature_check()

    async def items(request: web.Request) -> web.Response:
        if not is_good(request.headers["Authorization"]):
            raise web.HTTPUnauthorized
        return web.json_response(answer(USER))

    app = web.Application()
    app.router.add_get("/items", items)
    return app


# ---- peers ----


def pyjwt_middleware() -> web.Application:
    """What people write by hand: PyJWT in a middleware."""
    read = pyjwt_of_header()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            request[CLAIMS] = read(request.headers.get("Authorization", ""))
        except jwt.InvalidTokenError:
            raise web.HTTPUnauthorized from None
        return await handler(request)

    async def items(request: web.Request) -> web.Response:
        return web.json_response(answer(request[CLAIMS]["sub"]))

    app = web.Application(middlewares=[guard])
    app.router.add_get("/items", items)
    return app


def jwt_middleware() -> web.Application:
    """aiohttp-jwt's middleware, which takes keys as text only."""
    from aiohttp_jwt import JWTMiddleware

    async def items(request: web.Request) -> web.Response:
        return web.json_response(answer(request["payload"]["sub"]))

    key = PeerKey.found()
    options = {"algorithms": [key.algorithm], "audience": AUDIENCE, "issuer": ISSUER}
    app = web.Application(middlewares=[JWTMiddleware(key.texts()[1], **options)])
    app.router.add_get("/items", items)
    return app


if __name__ == "__main__":
    name, port = sys.argv[1:]
    loop = uvloop.new_event_loop()
    web.run_app(globals()[name](), host=HOST, port=int(port), access_log=None, loop=loop)
