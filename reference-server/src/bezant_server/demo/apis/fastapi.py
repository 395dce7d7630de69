"""The API in FastAPI."""

# FastAPI reads the annotations, and those speak of a local name: they must be no strings.

import socket
from importlib.util import find_spec
from typing import Annotated, Any

import uvicorn
from fastapi import FastAPI, HTTPException

from bezant import Principal, Verifier
from bezant_server.demo.apis.items import about, new_items
from bezant_server.demo.apis.process import Order, follow, run
from bezant_server.demo.data import DOCS_CLIENT, SCOPES
from fastapi_bezant import Bezant

__all__ = ["create"]


def create(verifier: Verifier, token_url: str) -> FastAPI:
    """The API.

    Args:
        verifier: Tells good tokens.
        token_url: Where Swagger UI gets some.
    """
    app = FastAPI(title="Items", docs_url=None, redoc_url=None)
    bezant = Bezant(verifier, scopes=SCOPES, token_url=token_url)
    bezant.install(app)
    items = new_items()

    @app.get("/items")
    async def read_items(
        who: Annotated[Principal, bezant.require("items:read")],
    ) -> dict[int, str]:
        return items

    @app.delete("/items/{number}")
    async def delete_item(
        number: int,
        who: Annotated[Principal, bezant.require("items:write", permission="items.delete")],
    ) -> dict[str, Any]:
        if number not in items:
            raise HTTPException(404, "There is no such item.")
        return {"deleted": items.pop(number), "by": who.subject}

    @app.get("/me")
    async def me(who: Annotated[Principal, bezant.require()]) -> dict[str, Any]:
        return about(who)

    if find_spec("fastapi_offline") is not None:
        bezant.docs(app, client_id=DOCS_CLIENT)
    return app


def serve(order: Order, listening: socket.socket, url: str) -> None:
    """Serve with uvicorn."""
    app = create(follow(order), f"{order.issuer}/oauth/token")
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])


if __name__ == "__main__":
    run(serve)
