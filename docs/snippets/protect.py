from typing import Annotated

from fastapi import FastAPI

from bezant import Principal, TokenVerifier
from fastapi_bezant import Bezant

verifier = TokenVerifier.from_issuer("https://id.example.com", audience="https://shop")
bezant = Bezant(verifier)
app = FastAPI()
bezant.install(app)


@app.get("/items")
async def items(who: Annotated[Principal, bezant.require("items:read")]) -> str:
    return f"items for {who.subject}"


@app.delete("/items", dependencies=[bezant.require("items:write", permission="items.delete")])
async def clear() -> None: ...
