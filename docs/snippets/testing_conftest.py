import pytest

from bezant.testing import FrozenClock, TokenFactory, fixed_key


@pytest.fixture
def bezant_audience() -> str:
    return "https://shop"


@pytest.fixture
def bezant_tokens(bezant_audience: str, bezant_clock: FrozenClock) -> TokenFactory:
    issuer = "https://id.example.com"
    return TokenFactory(issuer, bezant_audience, fixed_key("EdDSA"), bezant_clock)
