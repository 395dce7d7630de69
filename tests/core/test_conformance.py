"""The table of rules, attacks and proofs is whole and up to date."""

from __future__ import annotations

import pytest

from tests.conformance import PAGE, Proofs, collect, listed, page


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return collect()


def test_all_that_is_listed_has_a_proof(proofs: Proofs) -> None:
    assert sorted(listed() - proofs.keys(), key=str) == []


def test_all_that_is_proven_is_listed(proofs: Proofs) -> None:
    strangers = {name: tests for name, tests in proofs.items() if name not in listed()}
    assert strangers == {}, "list them in tests/conformance.py"


def test_the_page_is_up_to_date(proofs: Proofs) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(proofs), "run: python -m tests.conformance"
