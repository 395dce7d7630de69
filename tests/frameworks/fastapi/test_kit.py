"""The test kit at work on FastAPI's applications."""

from typing import Annotated

import pytest
from fastapi import FastAPI

from bezant import Principal, TokenVerifier
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from bezant.testing.issuer import FakeIssuer
from fastapi_bezant import Bezant
from pytest_bezant import ActAs
from tests.frameworks.fastapi.calls import client


def application(bezant: Bezant) -> FastAPI:
    app = FastAPI()
    bezant.install(app)

    @app.get("/")
    def root(who: Annotated[Principal, bezant.require("items:read", fresh=60)]) -> str:
        return who.subject

    return app


async def test_acting_still_demands_what_the_route_demands(
    bezant: Bezant, bezant_as: ActAs
) -> None:
    async with client(application(bezant)) as http:
        assert_challenge(await http.get("/"), 401)
        bezant_as("carol", bezant, scopes=["items:read"])
        assert (await http.get("/")).json() == "carol"
        with bezant_as(Principal("dave"), bezant):
            assert_challenge(
                await http.get("/"), 403, error="insufficient_scope", scope="items:read"
            )
        with bezant_as(None, bezant):
            assert_challenge(await http.get("/"), 401)
        assert (await http.get("/")).json() == "carol"


async def test_the_application_itself_does_not_know_its_bezant(
    bezant: Bezant, bezant_as: ActAs
) -> None:
    with pytest.raises(TypeError, match=r"fastapi\.applications\.FastAPI is neither"):
        bezant_as("carol", application(bezant))


async def test_an_issuer_elsewhere_rotates_and_goes_away(bezant_issuer: FakeIssuer) -> None:
    verifier = TokenVerifier.from_issuer(bezant_issuer.url, audience=bezant_issuer.audience)
    app = application(Bezant(verifier))
    async with app.router.lifespan_context(app), client(app) as http:
        for change in (None, bezant_issuer.rotate, lambda: bezant_issuer.fail("down")):
            if change is not None:
                change()
            token = bezant_issuer.mint(scopes=["items:read"])
            answer = await http.get("/", headers={"authorization": f"Bearer {token}"})
            assert answer.json() == "alice"


async def test_an_application_that_is_there_already_takes_tokens_of_the_kit(
    bezant_tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = TokenVerifier.from_issuer("https://id.example.com", audience="https://shop")
    bezant = Bezant(elsewhere)
    app = application(bezant)
    asked: list[str] = []
    monkeypatch.setattr(elsewhere, "start", lambda: asked.append("start"))
    monkeypatch.setattr(bezant.guard, "verifier", bezant_tokens.verifier())
    async with app.router.lifespan_context(app), client(app) as http:
        token = bezant_tokens.mint(scopes=["items:read"])
        answer = await http.get("/", headers={"authorization": f"Bearer {token}"})
        assert answer.json() == "alice"
    assert asked == []
