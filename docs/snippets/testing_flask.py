import pytest
from flask import Flask
from flask.testing import FlaskClient

from bezant import Verifier
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from flask_bezant import Bezant, current_principal, require
from pytest_bezant import ActAs


# The application, which your tests import.
def create_app(verifier: Verifier | None = None, **config: str) -> Flask:
    app = Flask(__name__)
    app.config.from_mapping(config)
    Bezant(verifier).init_app(app)

    @app.get("/items")
    @require("items:read")
    def items() -> str:
        return f"items for {current_principal.subject}"

    return app


# Its tests.
@pytest.fixture
def app(bezant_tokens: TokenFactory) -> Flask:
    return create_app(bezant_tokens.verifier())


@pytest.fixture
def http(app: Flask) -> FlaskClient:
    return app.test_client()


def test_a_reader_sees_the_items(app: Flask, http: FlaskClient, bezant_as: ActAs) -> None:
    bezant_as("alice", app, scopes=["items:read"])
    assert http.get("/items").text == "items for alice"


def test_others_are_told_what_they_lack(app: Flask, http: FlaskClient, bezant_as: ActAs) -> None:
    assert_challenge(http.get("/items"), 401)
    bezant_as("bob", app)
    assert_challenge(http.get("/items"), 403, error="insufficient_scope", scope="items:read")


def test_a_token_ends(http: FlaskClient, bezant_tokens: TokenFactory) -> None:
    headers = {"Authorization": f"Bearer {bezant_tokens.mint(scopes=['items:read'])}"}
    assert http.get("/items", headers=headers).status_code == 200
    bezant_tokens.clock.advance(3600)
    assert_challenge(http.get("/items", headers=headers), 401, error="invalid_token")
