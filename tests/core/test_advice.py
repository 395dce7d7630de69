"""What is better changed before a server faces the world."""

from __future__ import annotations

from typing import Any

import pytest

from bezant.advice import advise
from bezant.testing import TokenFactory
from tests.world import make_world

HOUR = 3600


def names(**settings: Any) -> set[str]:
    server = make_world(**settings).server
    found = list(advise(server.verifier(), server))
    assert all(advice.problem and advice.remedy for advice in found)
    return {advice.name for advice in found}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, set()),
        ({"issuer": "http://localhost:8000"}, {"tls"}),
        ({"access_token_ttl": HOUR}, set()),
        ({"access_token_ttl": HOUR + 1, "max_access_token_ttl": 24 * HOUR}, {"access-token-ttl"}),
        ({"max_access_token_ttl": 24 * HOUR + 1}, {"max-access-token-ttl"}),
        ({"algorithm": "HS256"}, {"shared-key"}),
        ({"revocation_max_stale": HOUR}, set()),
        ({"revocation_max_stale": HOUR + 1}, {"stale-revocations"}),
    ],
)
def test_of_a_server(config: dict[str, Any], expected: set[str]) -> None:
    always = {"password-grant", "memory"}  # people sign in with passwords, and all is in memory
    assert names(**config) == always | expected


def test_the_password_grant_is_advised_against_where_there_is_one() -> None:
    assert names(server={"users": None}) == {"memory"}


def test_stores_that_stay() -> None:
    assert names(wrap=lambda name, store: _Elsewhere(store)) == {"password-grant"}


class _Elsewhere:
    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_of_an_issuer_elsewhere() -> None:
    [advice] = advise(TokenFactory(issuer="http://127.0.0.1:8000").verifier())
    assert advice.name == "tls"
    assert "http://127.0.0.1:8000" in advice.problem
    assert list(advise(TokenFactory().verifier())) == []
