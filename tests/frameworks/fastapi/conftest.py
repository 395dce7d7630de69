"""A resource server that trusts tokens of a factory."""

from __future__ import annotations

import pytest

from bezant.testing import TokenFactory
from fastapi_bezant import Bezant


@pytest.fixture
def tokens() -> TokenFactory:
    return TokenFactory()


@pytest.fixture
def bezant(tokens: TokenFactory) -> Bezant:
    return Bezant(tokens.verifier(), scopes={"items:read": "Read items"})
