from typing import Annotated

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from bezant import Principal, TokenVerifier
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from fastapi_bezant import Bezant
from pytest_bezant import ActAs

# The application, which your tests import.
bezant = Bezant(TokenVerifier.from_issuer("https://id.example.com", audience="https://shop"))
app = FastAPI()
bezant.install(app)


@app.get("/items")
def items(who: Annotated[Principal, bezant.require("items:read")]) -> str:
    return f"items for {who.subject}"


# Its tests.
http = TestClient(app)


def test_a_reader_sees_the_items(bezant_as: ActAs) -> None:
    bezant_as("alice", bezant, scopes=["items:read"])
    assert http.get("/items").json() == "items for alice"


def test_others_are_told_what_they_lack(bezant_as: ActAs) -> None:
    assert_challenge(http.get("/items"), 401)
    bezant_as("bob", bezant)
    assert_challenge(http.get("/items"), 403, error="insufficient_scope", scope="items:read")


def test_a_token_ends(bezant_tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bezant.guard, "verifier", bezant_tokens.verifier())
    headers = {"Authorization": f"Bearer {bezant_tokens.mint(scopes=['items:read'])}"}
    assert http.get("/items", headers=headers).status_code == 200
    bezant_tokens.clock.advance(3600)
    assert_challenge(http.get("/items", headers=headers), 401, error="invalid_token")
