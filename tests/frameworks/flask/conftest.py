"""Applications that trust tokens of a factory."""

from __future__ import annotations

import pytest
from flask import Flask

from bezant.testing import TokenFactory
from flask_bezant import Bezant


@pytest.fixture
def tokens(bezant_tokens: TokenFactory) -> TokenFactory:
    return bezant_tokens


@pytest.fixture
def app(tokens: TokenFactory) -> Flask:
    app = Flask(__name__)
    Bezant(tokens.verifier()).init_app(app)
    return app
