"""An API that takes the tokens of an issuer elsewhere.

uvicorn --app-dir examples --port 8001 fastapi_protect:app
Start fastapi_issue first: its tokens are good here.
"""

import os
from typing import Annotated

from fastapi import FastAPI

from bezant import Principal, TokenVerifier
from fastapi_bezant import Bezant

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = "https://api.example.com"

bezant = Bezant(TokenVerifier.from_issuer(ISSUER, audience=AUDIENCE))
app = FastAPI()
bezant.install(app)
items = {"1": "a gold coin", "2": "a silver coin"}


@app.get("/items", dependencies=[bezant.require("items:read")])
def list_items() -> dict[str, str]:
    return items


may_delete = bezant.require("items:write", permission="items.delete")


@app.delete("/items/{item_id}", status_code=204, dependencies=[may_delete])
def delete_item(item_id: str) -> None:
    items.pop(item_id, None)


@app.get("/me")
def me(who: Annotated[Principal, bezant.principal]) -> dict[str, object]:
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
