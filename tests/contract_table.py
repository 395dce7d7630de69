"""What the contract suite has proven in each harness: ``pytest -p tests.contract_table``.

A row is a rule or an attack of `tests.conformance`, a column a harness. A number says how many
tests passed, ``-`` that the contract suite has none for it, ``FAILED`` that one did not pass.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.conformance import ATTACKS, RULES, Rule, collect
from tests.harness import HARNESSES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

OWN: Final = "all tests of the contract"


class Table:
    """Counts what passes and what does not."""

    def __init__(self) -> None:
        self._rules: dict[str, list[Rule | str]] = {}
        for rule, tests in collect().items():
            for test in tests:
                self._rules.setdefault(test, []).append(rule)
        self._passed: Counter[tuple[Rule | str, str]] = Counter()
        self._failed: Counter[tuple[Rule | str, str]] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a test, when it was called or did not get so far."""
        name, bracket, parameters = report.nodeid.partition("[")
        harness = next((h for h in HARNESSES if bracket and _is_of(h, parameters)), None)
        if harness is None or not (report.when == "call" or report.failed):
            return
        counter = self._passed if report.passed else self._failed
        for rule in (OWN, *self._rules.get(name, ())):
            counter[rule, harness] += 1

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table."""
        harnesses = [
            name for name in HARNESSES if self._passed[OWN, name] + self._failed[OWN, name]
        ]
        terminalreporter.section("the contract: tests passed, by rule and harness")
        terminalreporter.write_line(_line("", harnesses))
        for rule, title in (*_titles(), (OWN, OWN)):
            cells = [self._cell(rule, harness) for harness in harnesses]
            if any(cell != "-" for cell in cells):
                terminalreporter.write_line(_line(title, cells))

    def _cell(self, rule: Rule | str, harness: str) -> str:
        if self._failed[rule, harness]:
            return "FAILED"
        return str(self._passed[rule, harness] or "-")


def _is_of(harness: str, parameters: str) -> bool:
    """Whether a test's parameters begin with a harness, and maybe a kind of stores."""
    return parameters.startswith((f"{harness}-", f"{harness}]"))


def _titles() -> Iterator[tuple[Rule | str, str]]:
    for (number, _), rules in sorted(RULES.items(), key=lambda item: int(item[0][0])):
        for section, rule in rules.items():
            yield (number, section), f"RFC {number} {section}: {rule}"
    for attacks in ATTACKS.values():
        for name, attack in attacks.items():
            yield name, f"{name}: {attack}"


def _line(title: str, cells: list[str]) -> str:
    return f"{title[:58]:58}" + "".join(f"{cell:>13}" for cell in cells)


def pytest_configure(config: pytest.Config) -> None:
    """Count where results are reported, which with xdist is the controller."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Table())
