"""What a run found: tables, targets with yes or no, peers left out by name; Markdown and JSON."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

SIGNS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
}
"""How what is reached may compare with what is wanted."""


@dataclass(frozen=True)
class Table:
    """A table of measured values."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


@dataclass(frozen=True)
class Target:
    """A ratio (or time) to reach, and what was reached; `None` when it could not be measured."""

    name: str
    wanted: float
    reached: float | None
    sign: str = ">="
    unit: str = ""
    why_not: str = ""

    @property
    def met(self) -> bool | None:
        if self.reached is None:
            return None
        return SIGNS[self.sign](self.reached, self.wanted)

    def cells(self) -> tuple[str, str, str, str]:
        verdict = {True: "yes", False: "no", None: "not measured"}[self.met]
        reached = self.why_not if self.reached is None else f"{self.reached:.2f}{self.unit}"
        return self.name, f"{self.sign} {self.wanted:g}{self.unit}", reached, verdict


@dataclass
class Findings:
    """All that one suite, or a whole run, has to say."""

    tables: list[Table] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)

    def add(self, other: Findings) -> None:
        self.tables += other.tables
        self.targets += other.targets
        self.left_out |= other.left_out


def markdown(findings: Findings, machine: Sequence[tuple[str, str]]) -> str:
    """The whole report as aligned Markdown."""
    parts = ["# Benchmarks", "\n".join(f"- {name}: {value}" for name, value in machine)]
    for table in findings.tables:
        parts += [f"## {table.title}", *filter(None, [table.note]), grid(table.columns, table.rows)]
    if findings.targets:
        cells = [target.cells() for target in findings.targets]
        parts += ["## Targets", grid(("target", "wanted", "reached", "met"), cells)]
    if findings.left_out:
        left = "\n".join(f"- {name}: {reason}" for name, reason in findings.left_out.items())
        parts += ["## Left out", left]
    return "\n\n".join(parts) + "\n"


def as_json(findings: Findings, machine: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """The report for programs."""
    return {
        "machine": dict(machine),
        "tables": [asdict(table) for table in findings.tables],
        "targets": [{**asdict(target), "met": target.met} for target in findings.targets],
        "left_out": findings.left_out,
    }


def grid(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table that also reads well as plain text."""
    widths = [max(len(row[index]) for row in (columns, *rows)) for index in range(len(columns))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
        )
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|".join(
        "-" * (width + 2) if index == 0 else "-" * (width + 1) + ":"
        for index, width in enumerate(widths)
    )
    return "\n".join([line(columns), f"|{rule}|", *map(line, rows)])
