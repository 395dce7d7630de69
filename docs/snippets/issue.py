import os

from fastapi import FastAPI

from bezant import AuthorizationServer, Client, ClientSecret, PasswordHasher, ServerConfig, User
from bezant.stores.memory import MemoryStores, MemoryUserStore
from fastapi_bezant import Bezant

secret = ClientSecret.of(os.environ["WEB_SECRET"])
grants = frozenset({"password", "refresh_token"})
web = Client("web", grants, scopes=("items:read",), secrets=(secret,))
alice = User("1", "alice", PasswordHasher().hash(os.environ["ALICE_PASSWORD"]))
server = AuthorizationServer(
    ServerConfig(issuer="https://id.example.com", audience=("https://shop",)),
    stores=MemoryStores([web]),
    secret_key=os.environ["SECRET_KEY"],
    users=MemoryUserStore([alice]),
)
bezant = Bezant(server)
app = FastAPI()
bezant.install(app)
app.include_router(bezant.router())
