"""`python -m bench [jwt|protect|protect-<framework>|token|storm|all] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from bench import machine, protect, report

SUITES = {"jwt": "primitives", "protect": "protect", "token": "endpoint", "storm": "storm"}
PARTS = {f"protect-{name}": name for name in protect.FRAMEWORKS}
"""Suites of one framework each."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Bezant against its peers."
    )
    parser.add_argument(
        "suites",
        nargs="*",
        metavar="SUITE",
        help=f"{', '.join([*SUITES, *PARTS])} or all (the default)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="few short rounds: does it run? not: how fast is it?"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings here")
    options = parser.parse_args()
    unknown = set(options.suites) - {*SUITES, *PARTS, "all"}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    if not machine.package("msgspec"):
        parser.error("the figures are those of bezant[fast]: install msgspec")
    wanted = list(SUITES) if not options.suites or "all" in options.suites else options.suites

    described = machine.describe()
    findings = report.Findings()
    for suite in wanted:
        print(f"measuring: {suite}", file=sys.stderr, flush=True)
        if suite in PARTS:
            found = protect.run(PARTS[suite], quick=options.quick)
        else:
            found = import_module(f"bench.{SUITES[suite]}").run(quick=options.quick)
        findings.add(found)
    print(report.markdown(findings, described))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(findings, described), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
