"""The test kit at work on Flask's applications."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask

from bezant import Principal
from bezant.testing.challenges import assert_challenge
from flask_bezant import Bezant, current_principal, require
from tests.frameworks.flask.calls import get

if TYPE_CHECKING:
    import pytest

    from bezant.testing import TokenFactory
    from bezant.testing.issuer import FakeIssuer
    from pytest_bezant import ActAs


class Shop(Flask):
    """Some subclass it."""


def application(bezant: Bezant, **config: str) -> Flask:
    app = Shop(__name__)
    app.config.from_mapping(config)
    bezant.init_app(app)

    @app.get("/")
    @require("items:read", fresh=60)
    def root() -> str:
        return current_principal.subject

    return app


def test_acting_still_demands_what_the_view_demands(tokens: TokenFactory, bezant_as: ActAs) -> None:
    app = application(Bezant(tokens.verifier()))
    assert_challenge(get(app, "/"), 401)
    bezant_as("carol", app, scopes=["items:read"])
    assert get(app, "/").text == "carol"
    with bezant_as(Principal("dave"), app):
        assert_challenge(get(app, "/"), 403, error="insufficient_scope", scope="items:read")
    with bezant_as(None, app):
        assert_challenge(get(app, "/"), 401)
    assert get(app, "/").text == "carol"


def test_an_application_that_is_there_already_takes_tokens_of_the_kit(
    bezant_issuer: FakeIssuer, bezant_tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = {"BEZANT_ISSUER": bezant_issuer.url, "BEZANT_AUDIENCE": bezant_issuer.audience}
    app = application(Bezant(), **config)
    monkeypatch.setattr(app.extensions["bezant"].guard, "verifier", bezant_tokens.verifier())
    assert get(app, "/", bezant_tokens.mint(scopes=["items:read"])).text == "alice"
    assert bezant_issuer.requests == []
