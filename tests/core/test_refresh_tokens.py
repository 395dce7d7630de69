"""The text of refresh tokens: derivable, unforgeable, and stored nowhere."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import SecretKeyRing
from bezant.errors import InvalidGrant
from bezant.refresh_tokens import RefreshTokens, new_authorization_id
from tests.jose import b64, unb64

NEW, OLD, OTHER = (f"{letter}0123456789-abcdefghijklmnopqrstuvwxyz" for letter in "NOX")

tokens = RefreshTokens(SecretKeyRing(NEW, OLD))
ids = st.binary(min_size=16, max_size=16).map(b64)
generations = st.integers(0, 2**32 - 1)


@given(id_=ids, generation=generations)
def test_a_token_says_whose_and_which_it_is(id_: str, generation: int) -> None:
    token = tokens.mint(id_, generation)
    assert re.fullmatch(r"bzr_[\w-]{76}", token)
    assert tokens.read(token) == (id_, generation)
    assert tokens.mint(id_, generation) == token


@given(data=st.data(), id_=ids, generation=generations)
def test_nothing_else_is_a_token(data: st.DataObject, id_: str, generation: int) -> None:
    token = tokens.mint(id_, generation)
    at, cut = data.draw(st.integers(0, len(token))), data.draw(st.integers(0, 4))
    put = data.draw(st.text(max_size=4) | st.text("AZaz09-_=", max_size=4))
    other = token[:at] + put + token[at + cut :]
    if other != token:
        with pytest.raises(InvalidGrant, match="the refresh token is not valid"):
            tokens.read(other)


@given(text=st.text() | st.binary(min_size=57, max_size=57).map(lambda raw: "bzr_" + b64(raw)))
def test_no_text_makes_it_stumble(text: str) -> None:
    with pytest.raises(InvalidGrant):
        tokens.read(text)


@given(raw=st.binary(max_size=57))
def test_every_byte_is_covered(raw: bytes) -> None:
    """Whatever is laid over a good token's bytes makes it a bad one."""
    good = unb64(tokens.mint(b64(bytes(16)), 1)[4:])
    for at in range(0, len(good), 7):
        other = (good[:at] + raw + good[at + len(raw) :])[: len(good)]
        if other != good:
            with pytest.raises(InvalidGrant):
                tokens.read("bzr_" + b64(other))


def test_an_older_secret_still_reads_and_the_newest_makes() -> None:
    id_ = new_authorization_id()
    old = RefreshTokens(SecretKeyRing(OLD)).mint(id_, 7)
    assert tokens.read(old) == (id_, 7)
    new = tokens.mint(id_, 7)
    assert new != old
    assert RefreshTokens(SecretKeyRing(NEW)).read(new) == (id_, 7)
    for stranger in SecretKeyRing(OTHER), SecretKeyRing(NEW):
        with pytest.raises(InvalidGrant) as caught:
            RefreshTokens(stranger).read(old)
        assert caught.value.detail == "not made by this server"


def test_ids_are_random() -> None:
    made = {new_authorization_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.fullmatch(r"[\w-]{22}", id_) and len(unb64(id_)) == 16 for id_ in made)


def test_a_refusal_does_not_quote_the_token() -> None:
    token = tokens.mint(b64(bytes(16)), 1)
    for bad in token[:-1] + ("A" if token[-1] != "A" else "B"), "bzr_canary":
        with pytest.raises(InvalidGrant) as caught:
            tokens.read(bad)
        assert bad not in f"{caught.value!r} {caught.value.detail}"
