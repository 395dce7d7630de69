"""A user's code over the aiohttp extension, as mypy --strict sees it."""

from __future__ import annotations

from typing import assert_type

from aiohttp import web

from aiohttp_bezant import (
    BEZANT,
    Bezant,
    bearer_middleware,
    closing,
    get_principal,
    oauth_app,
    oauth_routes,
    optional,
    principal,
    require,
    setup,
    well_known_routes,
)
from aiohttp_bezant.testing import as_principal
from bezant import AuthorizationServer, Principal, TokenVerifier
from bezant.interactions import Interaction
from bezant.logout_receiver import LogoutReceiver
from bezant.sign_in import SignIn
from bezant.stores.sql import SQLStores, SyncDatabase


@require("items:read")
async def items(request: web.Request) -> web.Response:
    who = assert_type(principal(request), Principal)
    return web.json_response(assert_type(who.subject, str))


@optional
async def hello(request: web.Request) -> web.StreamResponse:
    who = assert_type(get_principal(request), Principal | None)
    return web.Response(text=who.subject if who else "stranger")


@require(any_of=["feed", "items:read"], fresh=3600)
async def feed(request: web.Request) -> web.WebSocketResponse:
    return web.WebSocketResponse()


class Orders(web.View):
    @require("orders", role="clerk")
    async def get(self) -> web.Response:
        return web.json_response(principal(self.request).subject)


class Handlers:
    @require(permission=["items.delete"])
    async def drop(self, request: web.Request, hard: bool = False) -> web.Response:
        return web.Response(status=204)


async def called(request: web.Request, handlers: Handlers) -> None:
    assert_type(await items(request), web.Response)
    assert_type(await hello(request), web.StreamResponse | web.Response)
    assert_type(await feed(request), web.WebSocketResponse | web.Response)
    assert_type(await handlers.drop(request, hard=True), web.Response)
    await items(7)  # type: ignore[arg-type]
    await handlers.drop(request, soft=True)  # type: ignore[call-arg]


def protect(verifier: TokenVerifier) -> web.Application:
    app = web.Application(middlewares=[bearer_middleware(anonymous=False)])
    assert_type(setup(app, verifier, resource="https://api.example.com"), Bezant)
    assert_type(app[BEZANT], Bezant)
    app.add_routes([web.get("/items", items), web.get("/feed", feed), web.view("/orders", Orders)])
    app.router.add_get("/hello", hello)
    app.router.add_delete("/items", Handlers().drop)
    with as_principal(app, Principal("alice")):
        pass
    return app


def issue(server: AuthorizationServer, stores: SQLStores[SyncDatabase]) -> web.Application:
    app = web.Application()
    app.cleanup_ctx.append(closing(stores.database, SQLStores.open("sqlite://").database, server))
    setup(app, server, scopes=["items:read"])
    app.add_routes(oauth_routes(server))
    app.add_subapp("/id", oauth_app(server))
    app.add_routes(well_known_routes(server))
    return app


@require("items:read")  # type: ignore[type-var]
async def number(request: web.Request) -> int:
    return 7


async def pages(server: AuthorizationServer, receiver: LogoutReceiver, who: SignIn) -> None:
    bezant = setup(web.Application(), server, logout_receiver=receiver)
    assert_type(await bezant.interactions.get("id"), Interaction | None)
    assert_type(bezant.interactions.resume("id"), web.Response)
    assert_type(await bezant.interactions.consent("id", who, ["openid"]), web.Response)
    assert_type(await bezant.logouts.finish("id"), web.Response | None)
