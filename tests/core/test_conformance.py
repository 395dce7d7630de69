"""The table of rules and proofs is whole and up to date."""

from __future__ import annotations

import pytest

from tests.conformance import PAGE, Proofs, collect, listed, page


@pytest.fixture(scope="module")
def proofs() -> Proofs:
    return collect()


def test_every_rule_has_a_proof(proofs: Proofs) -> None:
    assert sorted(listed() - proofs.keys()) == []


def test_every_marker_names_a_rule(proofs: Proofs) -> None:
    strangers = {rule: tests for rule, tests in proofs.items() if rule not in listed()}
    assert strangers == {}, "list them in tests/conformance.py"


def test_the_page_is_up_to_date(proofs: Proofs) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(proofs), "run: python -m tests.conformance"
