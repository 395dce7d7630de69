"""An application that signs people in, issues tokens, and takes them itself.

python -m aiohttp.web --hostname 127.0.0.1 --port 8000 examples.aiohttp_issue:main
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import os
import secrets

from aiohttp import web

from aiohttp_bezant import oauth_routes, principal, require, setup
from bezant import AuthorizationServer, Client, PasswordHasher, ServerConfig, User
from bezant.stores.memory import MemoryStores, MemoryUserStore

SCOPES = {"items:read": "See the items", "items:write": "Change the items"}

config = ServerConfig(
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    audience=("https://api.example.com",),
    scopes=SCOPES,
)
client = Client("web", frozenset({"password", "refresh_token"}), tuple(SCOPES), auth_method="none")
alice = User("1", "alice", PasswordHasher().hash("wonderland"), permissions=("items.delete",))
server = AuthorizationServer(
    config,
    stores=MemoryStores([client]),  # gone when the process ends; SQLStores stay
    secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32),
    users=MemoryUserStore([alice]),
)

routes = web.RouteTableDef()


@routes.get("/me")
@require()
async def me(request: web.Request) -> web.Response:
    who = principal(request)
    return web.json_response({"subject": who.subject, "scopes": sorted(who.scopes)})


def main(argv: list[str]) -> web.Application:
    app = web.Application()
    setup(app, server)
    app.add_routes(oauth_routes(server))
    app.add_routes(routes)
    return app
