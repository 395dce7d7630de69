"""An application that signs people in, issues tokens, and takes them itself.

uvicorn --app-dir examples fastapi_issue:app
Open http://127.0.0.1:8000/docs and authorize as alice with the password "wonderland".
"""

import os
import secrets
from typing import Annotated

from fastapi import FastAPI

from bezant import AuthorizationServer, Client, PasswordHasher, Principal, ServerConfig, User
from bezant.stores.memory import MemoryStores, MemoryUserStore
from fastapi_bezant import Bezant

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

bezant = Bezant(server)
app = FastAPI()
bezant.install(app)
bezant.docs(app, client_id="web")
app.include_router(bezant.router())


@app.get("/me")
def me(who: Annotated[Principal, bezant.principal]) -> dict[str, object]:
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
