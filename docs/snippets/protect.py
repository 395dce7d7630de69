import json
from pathlib import Path
from typing import Annotated

from fastapi import FastAPI

from bezant import KeySet, Principal, TokenVerifier
from fastapi_bezant import Bezant

keys = KeySet.from_jwks(json.loads(Path("jwks.json").read_text()))  # the issuer's public keys
verifier = TokenVerifier(issuer="https://id.example.com", audience="https://shop", keys=keys)
bezant = Bezant(verifier)
app = FastAPI()
bezant.install(app)


@app.get("/items")
async def items(who: Annotated[Principal, bezant.require("items:read")]) -> str:
    return f"items for {who.subject}"


@app.delete("/items", dependencies=[bezant.require("items:write", permission="items.delete")])
async def clear() -> None: ...
