"""Suite `storm`: what becomes of refreshes while everybody signs in at once."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from dataclasses import replace

from bench.endpoint import PASSWORDS, REFRESH, start_all, work
from bench.load import LoadError, Outcome, drive
from bench.machine import workspace
from bench.ours import OURS
from bench.peers import TokenServer
from bench.report import Findings, Table, Target
from bench.timing import median, ratio

STORM = 64
"""Connections that sign in, one login after the other, without a pause."""

LOADS = {"at full speed": 0.0, "at 100 a second": 100.0}
"""Refreshes meanwhile: as fast as 16 connections can, and at a pace far below that."""

WEATHERS = ("quiet", "storm")

Results = dict[tuple[str, str, str], list[Outcome]]
"""By load, weather and grant: one outcome per round."""


def run(*, quick: bool) -> Findings:
    rounds, seconds = (1, 3.0) if quick else (5, 6.0)
    findings = Findings()
    results: Results = {}
    with contextlib.ExitStack() as stack, workspace("storm") as directory:
        servers = start_all((OURS,), stack, directory, 0, findings)
        if servers:
            try:
                results = measure(servers[OURS.name], rounds, seconds)
            except LoadError as error:
                findings.left_out["login storm"] = str(error)

    rows = []
    for load in LOADS:
        p99 = {
            weather: [outcome.p99 for outcome in results.get((load, weather, REFRESH), ())]
            for weather in WEATHERS
        }
        reached = ratio(p99["storm"], p99["quiet"]) if results else None
        title = f"refreshes {load}: p99 in a login storm, times quiet"
        findings.targets.append(Target(title, 5, reached, sign="<=", why_not="left out"))
        if results:
            rows += [
                (f"refreshes {load}, quiet", *_cells(results[load, "quiet", REFRESH])),
                (f"refreshes {load}, storm", *_cells(results[load, "storm", REFRESH])),
                ("- the logins of that storm", *_cells(results[load, "storm", PASSWORDS])),
            ]
    note = (
        f"{STORM} connections sign in without a pause while 16 refresh. "
        "Latency of paced requests counts from the moment they were due."
    )
    columns = ("", "per second", "p50 ms", "p99 ms")
    findings.tables.append(Table("A login storm", columns, rows, note))
    return findings


def measure(server: TokenServer, rounds: int, seconds: float) -> Results:
    """Quiet and storm by turns, for each load."""
    results: Results = defaultdict(list)
    for _ in range(rounds):
        for load, rate in LOADS.items():
            for weather in WEATHERS:
                works = [replace(work(server, REFRESH), rate=rate)]
                if weather == "storm":
                    works.append(replace(work(server, PASSWORDS), connections=STORM))
                seen = drive(server.port, *works, seconds=seconds, warmup=1.0)
                for grant, outcome in seen.items():
                    results[load, weather, grant].append(outcome)
    return results


def _cells(outcomes: list[Outcome]) -> tuple[str, str, str]:
    rate = median([outcome.rate for outcome in outcomes])
    p50 = median([outcome.p50 for outcome in outcomes])
    p99 = median([outcome.p99 for outcome in outcomes])
    return f"{rate:,.0f}", f"{p50 * 1e3:.1f}", f"{p99 * 1e3:.1f}"
