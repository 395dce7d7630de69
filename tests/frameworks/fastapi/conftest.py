"""A resource server that trusts tokens of a factory."""

from __future__ import annotations

import pytest

from bezant.testing import TokenFactory
from fastapi_bezant import Bezant


@pytest.fixture
def tokens(bezant_tokens: TokenFactory) -> TokenFactory:
    return bezant_tokens


@pytest.fixture
def bezant(tokens: TokenFactory) -> Bezant:
    return Bezant(tokens.verifier(), scopes={"items:read": "Read items"})
