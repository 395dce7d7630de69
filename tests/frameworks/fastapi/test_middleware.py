"""`BearerMiddleware`: ``request.user`` and ``request.auth``, as Starlette means them."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette
from starlette.authentication import requires
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bezant import Principal
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from fastapi_bezant import BearerMiddleware, BearerUser, Bezant
from tests.frameworks.fastapi.calls import client, started


def describe(request: Request) -> dict[str, Any]:
    return {
        "authenticated": request.user.is_authenticated,
        "name": request.user.display_name,
        "scopes": sorted(request.auth.scopes),
    }


@pytest.fixture
def app(bezant: Bezant) -> FastAPI:
    app = FastAPI()
    app.add_middleware(BearerMiddleware, bezant=bezant)

    @app.get("/me")
    def me(request: Request) -> dict[str, Any]:
        return describe(request)

    return app


async def test_a_good_token_fills_user_and_auth(app: FastAPI, tokens: TokenFactory) -> None:
    async with client(app, tokens.mint(scopes=["items:read"])) as http:
        assert (await http.get("/me")).json() == {
            "authenticated": True,
            "name": "alice",
            "scopes": ["authenticated", "items:read"],
        }


async def test_nobody_passes_as_nobody(app: FastAPI) -> None:
    async with client(app) as http:
        nobody = {"authenticated": False, "name": "", "scopes": []}
        assert (await http.get("/me")).json() == nobody
        # Credentials of another scheme are somebody else's business.
        answer = await http.get("/me", headers={"authorization": "Basic Og=="})
        assert answer.json() == nobody


async def test_a_bad_token_is_refused_before_the_application(app: FastAPI) -> None:
    async with client(app, "bad") as http:
        answer = await http.get("/nowhere")
    assert_challenge(answer, 401, error="invalid_token")
    assert answer.json()["error"] == "invalid_token"


async def test_dependencies_use_what_the_middleware_found(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    verifier: Any = bezant.guard.verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda token: seen.append(token) or verify(token))

    @app.get("/same")
    def same(request: Request, who: Annotated[Principal, bezant.require("items:read")]) -> bool:
        assert isinstance(request.user, BearerUser)
        assert request.user.identity == "alice"
        return request.user.principal is who

    async with client(app, tokens.mint(scopes=["items:read"])) as http:
        assert (await http.get("/same")).json() is True
    assert len(seen) == 1
    async with client(app) as http:
        assert (await http.get("/same")).status_code == 401
    async with client(app, tokens.mint()) as http:
        assert (await http.get("/same")).status_code == 403


async def test_plain_starlette_with_requires(bezant: Bezant, tokens: TokenFactory) -> None:
    @requires("items:read")
    async def items(request: Request) -> Response:
        return JSONResponse(request.user.display_name)

    app = Starlette(
        routes=[Route("/items", items)], middleware=[Middleware(BearerMiddleware, bezant=bezant)]
    )
    bezant.install(app)
    await started(app)
    async with client(app, tokens.mint(scopes=["items:read"])) as http:
        assert (await http.get("/items")).json() == "alice"
    async with client(app, tokens.mint()) as http:
        assert (await http.get("/items")).status_code == 403
    async with client(app) as http:
        assert (await http.get("/items")).status_code == 403


async def test_browsers_can_read_a_refusal_behind_cors(app: FastAPI) -> None:
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example.com"])
    headers = {"origin": "https://shop.example.com"}
    async with client(app, "bad") as http:
        answer = await http.get("/me", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["access-control-allow-origin"] == "https://shop.example.com"
        headers["access-control-request-method"] = "GET"
        assert (await http.options("/me", headers=headers)).status_code == 200
