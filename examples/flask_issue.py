"""An application that signs people in, issues tokens, and takes them itself.

flask --app examples/flask_issue run --port 8000
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import os
import secrets

from flask import Flask

from bezant import AuthorizationServer, Client, PasswordHasher, ServerConfig, User
from bezant.stores.memory import MemoryStores, MemoryUserStore
from flask_bezant import Bezant, current_principal, require

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
app = Flask(__name__)
bezant.init_app(app)
app.register_blueprint(bezant.blueprint())


@app.get("/me")
@require()
def me() -> dict[str, object]:
    who = current_principal
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
