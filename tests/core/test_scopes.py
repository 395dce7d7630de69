"""Scopes: what may be asked, and that nobody gets more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.errors import InvalidScope
from bezant.scopes import format_scope, is_scope, narrow, parse_scope

LETTERS = "".join(chr(c) for c in range(0x21, 0x7F) if chr(c) not in '"\\')

names = st.text(LETTERS, min_size=1, max_size=12)
scopes = st.lists(names, min_size=1, max_size=12, unique=True).map(tuple)


# ---- syntax --------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "3.3")
@given(scopes)
def test_what_is_written_is_read(granted: tuple[str, ...]) -> None:
    assert parse_scope(format_scope(granted)) == granted


@given(st.lists(names, min_size=1))
def test_order_is_kept_and_repeats_are_dropped(requested: list[str]) -> None:
    assert parse_scope(" ".join(requested)) == tuple(dict.fromkeys(requested))


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.parametrize("character", [chr(c) for c in range(0x80)] + ["\x80", "é", "\u2028"])
def test_exactly_the_letters_of_the_standard(character: str) -> None:
    assert is_scope(character) is (character in LETTERS)
    assert is_scope(f"a{character}b") is (character in LETTERS)


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.parametrize(
    "text",
    ["", " ", " a", "a ", "a  b", "a\tb", "a\nb", "a\n", 'a"', "a\\", "a\0", "é", "a\u00a0b"],
)
def test_j31_a_malformed_scope_is_refused(text: str) -> None:
    with pytest.raises(InvalidScope):
        parse_scope(text)


def test_t08_a_scope_of_2048_characters_is_the_longest() -> None:
    assert parse_scope("x" * 2048) == ("x" * 2048,)
    for text in "x" * 2049, "a " * 5000 + "a":
        with pytest.raises(InvalidScope, match="2048"):
            parse_scope(text)


@given(st.text())
def test_any_text_is_a_scope_or_invalid_scope(text: str) -> None:
    try:
        read = parse_scope(text)
    except InvalidScope:
        assert not all(map(is_scope, text.split(" "))) or len(text) > 2048
    else:
        assert set(read) == set(text.split(" "))
        assert all(map(is_scope, read))


# ---- narrowing -----------------------------------------------------------------------------


@pytest.mark.rfc("6749", "3.3")
@given(scopes)
def test_who_does_not_ask_gets_all_that_is_allowed(allowed: tuple[str, ...]) -> None:
    assert narrow(None, allowed) == allowed


@given(scopes, st.data())
def test_who_asks_for_less_gets_that_in_the_order_asked(
    allowed: tuple[str, ...], data: st.DataObject
) -> None:
    """T08: order and repeats do not matter."""
    requested = data.draw(st.lists(st.sampled_from(allowed), min_size=1))
    assert narrow(" ".join(requested), allowed) == tuple(dict.fromkeys(requested))


@given(scopes, scopes)
def test_nobody_gets_more_than_is_allowed(
    requested: tuple[str, ...], allowed: tuple[str, ...]
) -> None:
    try:
        granted = narrow(format_scope(requested), allowed)
    except InvalidScope:
        assert not set(requested) <= set(allowed)
    else:
        assert granted == requested
        assert set(granted) <= set(allowed)


@given(scopes, st.data())
def test_narrowing_again_changes_nothing(allowed: tuple[str, ...], data: st.DataObject) -> None:
    requested = data.draw(st.none() | st.lists(st.sampled_from(allowed), min_size=1).map(" ".join))
    once = narrow(requested, allowed)
    assert narrow(requested, once) == tuple(once)
    assert narrow(None, once) == once
    assert narrow(format_scope(once), allowed) == once


@pytest.mark.rfc("6749", "6")
@given(st.lists(names, min_size=2, max_size=12, unique=True), st.data())
def test_r06_what_was_narrowed_cannot_be_widened_back(
    allowed: list[str], data: st.DataObject
) -> None:
    lost = allowed.pop(data.draw(st.integers(0, len(allowed) - 1)))
    once = narrow(format_scope(allowed), (*allowed, lost))
    with pytest.raises(InvalidScope):
        narrow(format_scope((*allowed, lost)), once)


@pytest.mark.parametrize("requested", ["read:al", "read:all:x", "READ:ALL", "read", "all", "*"])
def test_j31_a_scope_is_itself_and_no_part_of_it(requested: str) -> None:
    with pytest.raises(InvalidScope):
        narrow(requested, ("read:all",))


def test_nothing_is_allowed_to_who_may_have_nothing() -> None:
    assert narrow(None, ()) == ()
    with pytest.raises(InvalidScope):
        narrow("a", ())


@given(scopes)
def test_a_refusal_names_the_excess_and_fits_a_description(requested: tuple[str, ...]) -> None:
    with pytest.raises(InvalidScope, match="not allowed here") as caught:
        narrow(format_scope(requested), ())
    assert requested[0] in caught.value.description
    assert len(caught.value.description) <= 200
    assert all(" " <= c <= "~" and c not in '"\\' for c in caught.value.description)


def test_a_refusal_is_cut_where_it_gets_long() -> None:
    with pytest.raises(InvalidScope) as caught:
        narrow("x" * 2000, ())
    assert len(caught.value.description) == 200


def test_a_refusal_names_only_the_excess() -> None:
    with pytest.raises(InvalidScope) as caught:
        narrow("a b c", ("a", "c"))
    assert caught.value.description == "not allowed here: b"
