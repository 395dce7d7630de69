"""A user's tests with the pytest plugin, as mypy --strict sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import pytest
from flask import Flask

from bezant import Principal, TokenVerifier
from bezant.testing.challenges import Challenge, assert_challenge, challenges

if TYPE_CHECKING:
    from bezant.testing import FrozenClock, TokenFactory
    from bezant.testing.issuer import FakeIssuer
    from pytest_bezant import ActAs


@pytest.fixture
def app(bezant_tokens: TokenFactory) -> Flask:
    verifier = assert_type(bezant_tokens.verifier(leeway=0), TokenVerifier)
    assert verifier.issuers
    return Flask(__name__)


def test_items(app: Flask, bezant_as: ActAs, bezant_clock: FrozenClock) -> None:
    bezant_as("alice", app, scopes=["items:read"], roles=("editor",), tenant="blue")
    bezant_as("alice")
    with bezant_as(Principal("bob"), app), bezant_as(None, app):
        answer = app.test_client().get("/items")
    challenge = assert_challenge(answer, 403, error="insufficient_scope", scope={"items:write"})
    assert_type(challenge, Challenge)
    assert_type(challenges(answer), tuple[Challenge, ...])
    assert_type(challenge.scopes, frozenset[str])
    assert_type(challenge.realm, str | None)
    assert_type(bezant_clock(), float)


def test_outage(bezant_issuer: FakeIssuer) -> None:
    bezant_issuer.fail("down")
    bezant_issuer.fail("sunk")  # type: ignore[arg-type]
    assert_type(bezant_issuer.mint(scopes=["items:read"]), str)


def test_mistakes(app: Flask, bezant_as: ActAs) -> None:
    bezant_as(7, app)  # type: ignore[arg-type]
    assert_challenge(app.test_client().get("/"))  # type: ignore[call-arg]
