"""A user's code over the FastAPI extension, as mypy --strict sees it."""

from __future__ import annotations

from typing import Annotated, assert_type

from fastapi import FastAPI, Response

from bezant import AuthorizationServer, Principal, TokenVerifier
from bezant.interactions import Interaction
from bezant.logout_receiver import LogoutReceiver
from bezant.sign_in import SignIn
from fastapi_bezant import BearerMiddleware, Bezant


def protect(verifier: TokenVerifier) -> FastAPI:
    bezant = Bezant(verifier, scopes={"items:read": "See items"})
    app = FastAPI()
    bezant.install(app)
    app.add_middleware(BearerMiddleware, bezant=bezant)

    @app.get("/items")
    async def items(who: Annotated[Principal, bezant.require("items:read")]) -> str:
        assert_type(who, Principal)
        return assert_type(who.subject, str)

    @app.get("/hello")
    def hello(who: Annotated[Principal | None, bezant.optional]) -> str:
        return who.subject if who else "stranger"

    @app.delete("/items/{item}", dependencies=[bezant.require(permission="items.delete")])
    async def drop(item: int) -> None: ...

    return app


def issue(server: AuthorizationServer) -> FastAPI:
    bezant = Bezant(server)
    app = FastAPI(lifespan=bezant.lifespan)
    app.include_router(bezant.router())
    return app


async def pages(server: AuthorizationServer, receiver: LogoutReceiver, who: SignIn) -> None:
    bezant = Bezant(server, logout_receiver=receiver)
    assert_type(await bezant.interactions.get("id"), Interaction | None)
    assert_type(bezant.interactions.resume("id"), Response)
    assert_type(await bezant.interactions.consent("id", who, ["openid"]), Response)
    assert_type(await bezant.logouts.finish("id"), Response | None)
