"""A resource server that trusts tokens of a factory."""

from __future__ import annotations

import pytest
from aiohttp import web

from aiohttp_bezant import Bezant, setup
from bezant.testing import TokenFactory


@pytest.fixture
def tokens(bezant_tokens: TokenFactory) -> TokenFactory:
    return bezant_tokens


@pytest.fixture
def app() -> web.Application:
    return web.Application()


@pytest.fixture
def bezant(app: web.Application, tokens: TokenFactory) -> Bezant:
    return setup(app, tokens.verifier())
