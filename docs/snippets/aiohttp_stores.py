import os
from collections.abc import AsyncIterator

from aiohttp import web

from aiohttp_bezant import oauth_routes, setup
from bezant import AuthorizationServer, ServerConfig
from bezant.stores.sql import SQLStores

stores = SQLStores.open(os.environ["DATABASE_URL"])
server = AuthorizationServer(
    ServerConfig(issuer="https://shop.example.com", audience=("https://api.example.com",)),
    stores=stores,
    secret_key=os.environ["SECRET_KEY"],  # from SecretKeyRing.generate()
)


async def database(app: web.Application) -> AsyncIterator[None]:
    await stores.database.create_all()
    yield
    await stores.database.close()


app = web.Application()
app.cleanup_ctx.append(database)  # above `setup`, which makes the first signing key
setup(app, server)
app.add_routes(oauth_routes(server))
