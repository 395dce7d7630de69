import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from accounts import Accounts
from fastapi import FastAPI

from bezant import AuthorizationServer, Principal, ServerConfig
from bezant.legacy import LegacyTokens
from bezant.stores.sql import SQLStores
from fastapi_bezant import Bezant

accounts = Accounts(os.environ["DATABASE_URL"])


def admit(old: Principal) -> Principal | None:
    user = accounts.get(old.subject)
    if user is None or not user.active:
        return None
    return replace(
        old,
        scopes=frozenset({"items:read", "items:write"}),
        permissions=frozenset(user.permissions),
    )


legacy = LegacyTokens(
    key=os.environ["SECRET"],  # that of JWTStrategy
    audience="fastapi-users:auth",
    accepted_until=datetime.fromisoformat(os.environ["CUT_OVER_ENDS"]),
    admit=admit,
)
stores = SQLStores.open(os.environ["DATABASE_URL"])
server = AuthorizationServer(
    ServerConfig(issuer="https://shop.example.com", audience=("https://api.example.com",)),
    stores=stores,
    secret_key=os.environ["SECRET_KEY"],  # from SecretKeyRing.generate()
    users=accounts,
    legacy=legacy,
)
bezant = Bezant(server)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    await stores.database.create_all()
    yield
    await stores.database.close()


app = FastAPI(lifespan=lifespan)
bezant.install(app)
app.include_router(bezant.router())


@app.get("/items")
async def items(who: Annotated[Principal, bezant.require("items:read")]) -> str:
    return f"items for {who.subject}"
