"""Several issuers in front of one application, chosen by ``iss`` from a closed list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bezant import ConfigurationError, TrustedIssuers
from bezant.errors import InvalidToken
from bezant.runtime import SYNC, run_sync
from bezant.testing import TokenFactory, fixed_key
from tests.jose import compact, parts

if TYPE_CHECKING:
    from bezant import Key, Principal

ONE, OTHER = "https://one.example.com", "https://other.example.com"


def factory(issuer: str, algorithm: str) -> TokenFactory:
    return TokenFactory(issuer, key=fixed_key(algorithm))


one, other = factory(ONE, "ES256"), factory(OTHER, "EdDSA")


@pytest.fixture
def trusted() -> TrustedIssuers:
    return TrustedIssuers([one.verifier(), other.verifier()])


def verify(trusted: TrustedIssuers, token: str) -> Principal:
    return run_sync(trusted.averify(token, SYNC))


def test_each_token_goes_to_the_verifier_of_its_issuer(trusted: TrustedIssuers) -> None:
    assert verify(trusted, one.mint()).claims["iss"] == ONE
    assert verify(trusted, other.mint()).claims["iss"] == OTHER
    assert trusted.issuers == (ONE, OTHER)


@pytest.mark.parametrize("issuer", ["https://evil.example.com", "", None, 5, [ONE], ONE + "/"])
def test_any_other_issuer_is_refused(trusted: TrustedIssuers, issuer: object) -> None:
    with pytest.raises(InvalidToken):
        verify(trusted, one.mint(iss=issuer))


@pytest.mark.parametrize(("claimed", "key"), [(OTHER, one.key), (ONE, other.key)])
def test_one_issuer_cannot_speak_for_the_other(
    trusted: TrustedIssuers, claimed: str, key: Key
) -> None:
    with pytest.raises(InvalidToken):
        verify(trusted, one.mint(iss=claimed, key=key))


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "x" * 100_000, "\u00e9.\u00e9.\u00e9"])
def test_what_is_no_token_is_refused(trusted: TrustedIssuers, token: str) -> None:
    with pytest.raises(InvalidToken):
        verify(trusted, token)


def test_a_second_iss_does_not_slip_through(trusted: TrustedIssuers) -> None:
    header, claims, _ = parts(one.mint())
    doubled = f'{{"iss":"{ONE}","iss":"{OTHER}","sub":"{claims["sub"]}"}}'
    with pytest.raises(InvalidToken):
        verify(trusted, compact(header, doubled, one.key.sign))


def test_two_verifiers_for_one_issuer_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="verifiers: there are two"):
        TrustedIssuers([one.verifier(), one.verifier()])


def test_no_verifier_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="verifiers: name the issuers"):
        TrustedIssuers([])
