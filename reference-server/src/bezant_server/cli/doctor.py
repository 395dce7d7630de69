"""`bezant doctor`: what is missing before this may face the world."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bezant_server.cli.options import AsJson
from bezant_server.cli.output import console, print_json

if TYPE_CHECKING:
    from bezant_server.diagnosis import Finding

__all__ = ["doctor"]


def doctor(json: AsJson = False) -> None:
    """Examine settings, secrets, database, keys and clients; exit 1 on a failure."""
    from bezant_server.diagnosis import Level, examine
    from bezant_server.settings import load_settings

    findings = list(examine(load_settings()))
    failed = any(finding.level is Level.FAIL for finding in findings)
    if json:
        print_json({"ok": not failed, "checks": [finding.document() for finding in findings]})
    else:
        _render(findings)
    if failed:
        raise typer.Exit(1)


def _render(findings: list[Finding]) -> None:
    from rich.table import Table
    from rich.text import Text

    styles = {"ok": "green", "warn": "yellow", "fail": "bold red"}
    made = Table.grid(padding=(0, 2))
    for finding in findings:
        level = Text(finding.level.value, style=styles[finding.level.value])
        made.add_row(level, finding.subject, Text(finding.text, overflow="fold"))
    console().print(made)
