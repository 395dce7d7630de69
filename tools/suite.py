"""Run every session of the suite, then close with a table of them and one count of all tests.

python3 dev.py test [PYTEST OPTIONS]
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / ".nox" / "results"  # each pytest run leaves a file in here
REPORT = RESULTS / "sessions.json"
REMEDY = "to run these: "  # in the reason of a skip that somebody can do something about


@dataclass(frozen=True)
class Count:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    def __str__(self) -> str:
        line = f"{self.passed} passed, {self.failed} failed"
        return f"{line}, {self.skipped} skipped" if self.skipped else line


def main(arguments: list[str]) -> int:
    shutil.rmtree(RESULTS, ignore_errors=True)
    RESULTS.mkdir(parents=True)

    # nox hears Ctrl-C too, and is given the time to stop what it started.
    signal.signal(signal.SIGINT, lambda *_: None)
    # One more at a time than there are cores: tests wait for servers, browsers and timeouts.
    lanes = str((os.cpu_count() or 1) + 1)
    nox = [sys.executable, "-m", "nox", "--tags", "suite", "--parallel", lanes]
    code = subprocess.call([*nox, "--report", str(REPORT), "--", *arguments], cwd=ROOT)

    try:
        sessions = json.loads(REPORT.read_text(encoding="utf-8"))["sessions"]
    except (OSError, ValueError):
        sessions = []  # nox itself gave up, and said why
    counts = read_counts(RESULTS)
    rows = [(session, tally(session, counts)) for session in sessions]
    total = sum((count for _, count in rows), Count())
    if code and not total.failed:
        total += Count(failed=1)
    print(table(rows), flush=True)
    for line in left_out(RESULTS):
        print(line, flush=True)
    print(total, flush=True)
    return code or bool(total.failed)


def read_suites(folder: Path) -> list[ET.Element]:
    """What the pytest runs left in a folder."""
    suites: list[ET.Element] = []
    for file in sorted(folder.glob("*.xml")):
        try:
            suites.extend(ET.parse(file).getroot())
        except ET.ParseError:  # cut short, and so its session failed
            continue
    return suites


def read_counts(folder: Path) -> dict[str, Count]:
    """What each session's tests came to."""
    counts: dict[str, Count] = defaultdict(Count)
    for suite in read_suites(folder):
        number = {key: int(suite.get(key, 0)) for key in ("tests", "errors", "failures", "skipped")}
        failed = number["errors"] + number["failures"]
        passed = number["tests"] - failed - number["skipped"]
        counts[suite.get("name", "")] += Count(passed, failed, number["skipped"])
    return counts


def left_out(folder: Path) -> list[str]:
    """A line for each thing that is missing here and that somebody could install: how many tests
    were skipped for want of it, and the reason they gave.
    """
    reasons = Counter(
        skipped.get("message", "")
        for suite in read_suites(folder)
        for skipped in suite.iter("skipped")
    )
    return [
        f"{number} left out: {reason}" for reason, number in reasons.items() if REMEDY in reason
    ]


def tally(session: dict[str, Any], counts: dict[str, Count]) -> Count:
    """A session that failed counts as a failure, also when no test in it did."""
    count = counts.get(name(session), Count())
    if session["result"] in {"failed", "aborted"} and not count.failed:
        count += Count(failed=1)
    return count


def name(session: dict[str, Any]) -> str:
    return str((session["signatures"] or [session["name"]])[0])


def table(rows: list[tuple[dict[str, Any], Count]]) -> str:
    width = max((len(name(session)) for session, _ in rows), default=0)
    lines = [f"\n{'session':{width}}  result     time  passed  failed  skipped"]
    for session, count in rows:
        line = f"{name(session):{width}}  {session['result']:8} {session['duration']:4.0f} s"
        line += "".join(
            f"{number or '-':>{w}}" for number, w in zip(astuple(count), (8, 8, 9), strict=True)
        )
        # An interpreter that is not here is no failure, and no secret either.
        lines.append(f"{line}  {session['reason'] or ''}".rstrip())
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
