"""An API that takes the tokens of an issuer elsewhere.

uvicorn --app-dir examples --port 8001 fastapi_protect:app
Start fastapi_issue first: its tokens are good here.
"""

import json
import os
from typing import Annotated
from urllib.request import urlopen

from fastapi import FastAPI

from bezant import KeySet, Principal, TokenVerifier
from fastapi_bezant import Bezant

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")

with urlopen(f"{ISSUER}/oauth/jwks.json") as answer:
    keys = KeySet.from_jwks(json.load(answer))
bezant = Bezant(TokenVerifier(issuer=ISSUER, audience="https://api.example.com", keys=keys))
app = FastAPI()
bezant.install(app)
items = {1: "a gold coin", 2: "a silver coin"}


@app.get("/items")
def list_items(who: Annotated[Principal, bezant.require("items:read")]) -> dict[int, str]:
    return items


may_delete = bezant.require("items:write", permission="items.delete")


@app.delete("/items/{item_id}", status_code=204, dependencies=[may_delete])
def delete_item(item_id: int) -> None:
    items.pop(item_id, None)


@app.get("/me")
def me(who: Annotated[Principal, bezant.principal]) -> dict[str, object]:
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
