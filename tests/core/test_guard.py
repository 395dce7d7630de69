"""The guard's own words: challenges that fit a header, whatever is in them."""

from __future__ import annotations

import pytest

from bezant import ConfigurationError, ResourceGuard
from bezant.errors import (
    InsufficientAuthentication,
    InsufficientScope,
    InvalidClient,
    InvalidToken,
    MalformedCredentials,
    MissingToken,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant.events import Event, Events, TokenRejected
from bezant.runtime import SYNC, run_sync
from bezant.testing import TokenFactory
from tests.api import challenge, is_not_stored

METADATA = "https://api.example.com/.well-known/oauth-protected-resource"


@pytest.fixture
def factory() -> TokenFactory:
    return TokenFactory()


@pytest.mark.rfc("6750", "3")
@pytest.mark.rfc("9470", "3")
@pytest.mark.parametrize(
    ("error", "told"),
    [
        (MissingToken(), {}),
        (MalformedCredentials("twice"), {"error": "invalid_request"}),
        (InvalidToken("no"), {"error": "invalid_token"}),
        (InsufficientScope("a role"), {"error": "insufficient_scope"}),
        (
            InsufficientScope("x", scopes=["a", "b"]),
            {"error": "insufficient_scope", "scope": "a b"},
        ),
        (
            InsufficientAuthentication(60),
            {"error": "insufficient_user_authentication", "max_age": "60"},
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_challenge_says_what_is_wrong(
    factory: TokenFactory, error: InvalidToken, told: dict[str, str]
) -> None:
    answer = ResourceGuard(factory.verifier(), realm="items").refuse(error)
    parameters = challenge(answer)
    assert parameters.pop("error_description", error.description) == error.description
    assert parameters == {"realm": "items", **told}
    assert answer.status == error.status
    assert is_not_stored(answer)


@pytest.mark.rfc("9728", "5.1")
def test_a_challenge_may_point_to_the_resources_metadata(factory: TokenFactory) -> None:
    guard = ResourceGuard(factory.verifier(), resource_metadata=METADATA)
    assert challenge(guard.refuse(MissingToken())) == {
        "realm": "api",
        "resource_metadata": METADATA,
    }


def test_other_errors_carry_no_bearer_challenge(factory: TokenFactory) -> None:
    guard = ResourceGuard(factory.verifier())
    answer = guard.refuse(TemporarilyUnavailable())
    assert (answer.status, answer.header("www-authenticate")) == (503, None)
    assert (guard.refuse(InvalidClient()).header("www-authenticate") or "").startswith("Basic")


@pytest.mark.parametrize("text", ['"', "\\", "a\r\nset-cookie: x", "é", "\0", "\x7f"])
@pytest.mark.parametrize("setting", ["realm", "resource_metadata"])
def test_what_does_not_fit_a_header_is_refused_at_set_up(
    factory: TokenFactory, setting: str, text: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ResourceGuard(factory.verifier(), **{setting: text})
    assert caught.value.setting == setting


def test_a_refused_token_is_an_event_and_a_missing_one_is_none(factory: TokenFactory) -> None:
    seen: list[Event] = []
    guard = ResourceGuard(factory.verifier(), events=Events([seen.append]))
    for header, error in ([], MissingToken), (["Bearer x"], InvalidToken):
        with pytest.raises(error):
            run_sync(guard.authenticate(header, SYNC))
    assert seen == [TokenRejected(at=factory.clock(), reason="not a compact JWT")]


def test_a_source_that_is_away_is_a_503(factory: TokenFactory) -> None:
    class Away:
        due = True

        async def refresh(self, runtime: object, /) -> None:
            raise StoreUnavailable("the database at db.internal is away")

    guard = ResourceGuard(factory.verifier(sources=[Away()]))
    for ask in guard.authenticate, guard.authenticate_if_present:
        with pytest.raises(TemporarilyUnavailable) as caught:
            run_sync(ask([f"Bearer {factory.mint()}"], SYNC))
        assert "db.internal" in caught.value.detail
        assert "db.internal" not in caught.value.description
