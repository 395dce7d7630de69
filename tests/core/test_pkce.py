"""PKCE: the published example, and nothing but what fits."""

from __future__ import annotations

import string
from base64 import urlsafe_b64encode
from hashlib import sha256

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bezant.errors import InvalidRequest
from bezant.pkce import check_challenge, is_proven

VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

verifiers = st.text(string.ascii_letters + string.digits + "-._~", min_size=43, max_size=128)


def s256(verifier: str) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@pytest.mark.rfc("7636", "B")
def test_the_published_example() -> None:
    assert check_challenge(CHALLENGE, "S256") == CHALLENGE
    assert is_proven(CHALLENGE, VERIFIER)


@pytest.mark.rfc("7636", "4.6")
@given(verifiers, verifiers)
def test_t12_one_verifier_fits_one_challenge(verifier: str, other: str) -> None:
    assume(verifier != other)
    challenge = check_challenge(s256(verifier), "S256")
    assert is_proven(challenge, verifier)
    assert not is_proven(challenge, other)


@pytest.mark.rfc("7636", "4.1")
@given(st.text(max_size=140))
def test_t12_what_is_no_verifier_fits_nothing(text: str) -> None:
    letters = set(string.ascii_letters + string.digits + "-._~")
    well_formed = 43 <= len(text) <= 128 and set(text) <= letters
    challenge = s256(text.encode("utf-8", "replace").decode())
    assert is_proven(challenge, text) == well_formed


@pytest.mark.rfc("7636", "4.2")
@pytest.mark.rfc("7636", "4.3")
@given(st.one_of(st.none(), st.text(max_size=60)), st.one_of(st.none(), st.text(max_size=6)))
def test_a07_what_is_no_challenge_is_refused(challenge: str | None, method: str | None) -> None:
    letters = set(string.ascii_letters + string.digits + "-_")
    good = challenge is not None and len(challenge) == 43 and set(challenge) <= letters
    if good and method == "S256":
        assert check_challenge(challenge, method) == challenge
    else:
        with pytest.raises(InvalidRequest, match="code_challenge"):
            check_challenge(challenge, method)


@pytest.mark.rfc("7636", "4.2")
@pytest.mark.parametrize("method", [None, "", "plain", "PLAIN", "s256", "S256 ", "S512"])
def test_a07_no_other_method(method: str | None) -> None:
    with pytest.raises(InvalidRequest, match="S256"):
        check_challenge(CHALLENGE, method)


@given(verifiers)
def test_t12_a_challenge_is_not_its_own_verifier(verifier: str) -> None:
    challenge = s256(verifier)
    assert not is_proven(challenge, challenge)
