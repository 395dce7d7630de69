"""`python -m bench [jwt|protect|token|storm|all] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from bench import machine, report

SUITES = {"jwt": "primitives", "protect": "protect", "token": "endpoint", "storm": "storm"}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description="Measure Bezant against its peers."
    )
    parser.add_argument(
        "suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)} or all (the default)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="few short rounds: does it run? not: how fast is it?"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the findings here")
    options = parser.parse_args()
    unknown = set(options.suites) - {*SUITES, "all"}
    if unknown:
        parser.error(f"no such suite: {', '.join(sorted(unknown))}")
    wanted = list(SUITES) if not options.suites or "all" in options.suites else options.suites

    described = machine.describe()
    findings = report.Findings()
    for suite in wanted:
        print(f"measuring: {suite}", file=sys.stderr, flush=True)
        findings.add(import_module(f"bench.{SUITES[suite]}").run(quick=options.quick))
    print(report.markdown(findings, described))
    if options.json:
        options.json.write_text(json.dumps(report.as_json(findings, described), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
