"""An API that takes the tokens of an issuer elsewhere.

flask --app examples/flask_protect run --port 8001
Start flask_issue first: its tokens are good here.
"""

import os

from flask import Flask

from bezant import TokenVerifier
from flask_bezant import Bezant, current_principal, require

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = "https://api.example.com"

bezant = Bezant(TokenVerifier.from_issuer(ISSUER, audience=AUDIENCE))
app = Flask(__name__)
bezant.init_app(app)
items = {"1": "a gold coin", "2": "a silver coin"}


@app.get("/items")
@require("items:read")
def list_items() -> dict[str, str]:
    return items


@app.delete("/items/<item_id>")
@require("items:write", permission="items.delete")
def delete_item(item_id: str) -> tuple[str, int]:
    items.pop(item_id, None)
    return "", 204


@app.get("/me")
@require()
def me() -> dict[str, object]:
    who = current_principal
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
