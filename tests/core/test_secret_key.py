"""The server's secrets: what they seal, what opens it, and which are good enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import ConfigurationError, SecretKeyRing
from bezant.errors import KeyUnavailable

NEW, OLD, OTHER = (f"{letter}0123456789-abcdefghijklmnopqrstuvwxyz" for letter in "NOX")


@given(plain=st.binary(), context=st.text(st.characters(codec="utf-8")))
def test_what_is_sealed_is_opened(plain: bytes, context: str) -> None:
    ring = SecretKeyRing(NEW)
    sealed = ring.seal(plain, context=context)
    assert ring.open(sealed, context=context) == plain
    assert ring.seal(plain, context=context) != sealed
    assert len(plain) < 4 or plain not in sealed


def test_an_older_secret_still_opens() -> None:
    sealed = SecretKeyRing(OLD).seal(b"plain", context="x")
    assert SecretKeyRing(NEW, OLD).open(sealed, context="x") == b"plain"
    # What is sealed from now on needs the newest alone.
    again = SecretKeyRing(NEW, OLD).seal(b"plain", context="x")
    assert SecretKeyRing(NEW).open(again, context="x") == b"plain"


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda sealed: SecretKeyRing(OTHER).seal(b"plain", context="x"), id="unknown"),
        pytest.param(lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]), id="changed-end"),
        pytest.param(lambda sealed: sealed[:4] + bytes(12) + sealed[16:], id="other-nonce"),
        pytest.param(lambda sealed: sealed[:20], id="cut"),
        pytest.param(lambda sealed: sealed[:4], id="id-alone"),
        pytest.param(lambda sealed: b"", id="empty"),
        pytest.param(lambda sealed: sealed + b"\0", id="longer"),
    ],
)
def test_what_was_changed_is_not_opened(spoil) -> None:
    ring = SecretKeyRing(NEW, OLD)
    sealed = spoil(ring.seal(b"plain", context="x"))
    with pytest.raises(KeyUnavailable, match="x was sealed with another secret key"):
        ring.open(sealed, context="x")


def test_what_was_sealed_for_one_thing_is_not_opened_for_another() -> None:
    ring = SecretKeyRing(NEW)
    with pytest.raises(KeyUnavailable):
        ring.open(ring.seal(b"plain", context="key 1"), context="key 2")


def test_each_purpose_has_keys_of_its_own() -> None:
    ring = SecretKeyRing(NEW, OLD)
    (new_id, new), (old_id, old) = ring.keys("a")
    assert (len(new_id), len(new)) == (4, 32)
    assert new_id != old_id
    assert len({new, old, *(key for _, key in ring.keys("b"))}) == 4
    assert ring.keys("a") == SecretKeyRing(NEW, OLD).keys("a")


@pytest.mark.parametrize("separator", [",", " ", "\n", ", ", " ,\t\r\n"])
def test_a_setting_lists_them_newest_first(separator: str) -> None:
    ring = SecretKeyRing.parse(f"{separator}{NEW}{separator}{OLD}{separator}")
    assert ring.keys("x") == SecretKeyRing(NEW, OLD).keys("x")


def test_a_made_secret_is_good_enough() -> None:
    first, second = SecretKeyRing.generate(), SecretKeyRing.generate()
    assert first != second
    assert SecretKeyRing.parse(f"{first},{second}")


@pytest.mark.parametrize(
    "text",
    ["", " , ", "changeme", "x" * 31, "x" * 64, "abcdefg" * 10, f"{NEW},short", f"{NEW} {NEW}"],
    ids=lambda text: text[:8] or "empty",
)
def test_x05_a_poor_secret_is_refused_by_the_name_of_its_setting(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SecretKeyRing.parse(text, setting="BEZANT_SECRET_KEY")
    assert caught.value.setting == "BEZANT_SECRET_KEY"
    assert not text.strip(" ,") or text not in str(caught.value)


def test_a_ring_tells_no_secret() -> None:
    assert repr(SecretKeyRing(NEW, OLD)) == "<SecretKeyRing of 2>"
