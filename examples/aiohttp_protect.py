"""An API that takes the tokens of an issuer elsewhere.

python -m aiohttp.web --hostname 127.0.0.1 --port 8001 examples.aiohttp_protect:main
Start aiohttp_issue first: its tokens are good here.
"""

import os

from aiohttp import web

from aiohttp_bezant import principal, require, setup
from bezant import TokenVerifier

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = "https://api.example.com"

verifier = TokenVerifier.from_issuer(ISSUER, audience=AUDIENCE)
routes = web.RouteTableDef()
items = {"1": "a gold coin", "2": "a silver coin"}


@routes.get("/items")
@require("items:read")
async def list_items(request: web.Request) -> web.Response:
    return web.json_response(items)


@routes.delete("/items/{item_id}")
@require("items:write", permission="items.delete")
async def delete_item(request: web.Request) -> web.Response:
    items.pop(request.match_info["item_id"], None)
    return web.Response(status=204)


@routes.get("/me")
@require()
async def me(request: web.Request) -> web.Response:
    who = principal(request)
    return web.json_response({"subject": who.subject, "scopes": sorted(who.scopes)})


def main(argv: list[str]) -> web.Application:
    app = web.Application()
    setup(app, verifier)
    app.add_routes(routes)
    return app
