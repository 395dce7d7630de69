"""The API that the demo protects: an ordinary FastAPI application with a few lines of Bezant."""

# FastAPI reads the annotations, and those speak of a local name: they must be no strings.

from importlib.util import find_spec
from typing import Annotated, Any

from fastapi import FastAPI, HTTPException

from bezant.principal import Principal
from bezant.server import AuthorizationServer
from bezant_server.demo.data import DOCS_CLIENT, SCOPES
from fastapi_bezant import Bezant

__all__ = ["create_api"]


def create_api(server: AuthorizationServer, audience: str, token_url: str) -> FastAPI:
    """The API.

    Args:
        server: In the same process, so that nothing has to be fetched. An API elsewhere gives
            `Bezant` a `TokenVerifier` instead; nothing else changes.
        audience: What this API is called in tokens.
        token_url: Where Swagger UI gets tokens.
    """
    app = FastAPI(title="Items", docs_url=None, redoc_url=None)
    bezant = Bezant(server, audience=audience, scopes=SCOPES, token_url=token_url)
    bezant.install(app)
    items = {1: "a gold coin", 2: "a silver spoon", 3: "a copper kettle"}

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
        return {
            "subject": who.subject,
            "client": who.client_id,
            "scopes": sorted(who.scopes),
            "roles": sorted(who.roles),
            "permissions": sorted(who.permissions),
        }

    if has_docs():
        bezant.docs(app, client_id=DOCS_CLIENT)
    return app


def has_docs() -> bool:
    """Whether Swagger UI's files are on this machine (`pip install 'fastapi-bezant[docs]'`)."""
    return find_spec("fastapi_offline") is not None
