"""Suite `protect`: one FastAPI route under load, unprotected and protected, Bezant and peers."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import protected_apps
from bench.load import LoadError, Work, drive, get
from bench.machine import workspace
from bench.peers import Missing, exchange, need
from bench.report import Findings, Table, Target
from bench.servers import StartError, free_port, serving
from bench.timing import Series, median, ratio, shuffled
from bezant.keys import Key

ALGORITHMS = ("HS256", "ES256")
CONNECTIONS = 32
OPEN, OPEN_WITH_HEADER = "unprotected", "unprotected, the header sent all the same"


@dataclass(frozen=True)
class Application:
    """One factory of `protected_apps` and what it needs installed."""

    title: str
    factory: str
    modules: Sequence[str] = ()
    protected: bool = True


UNCACHED, DEPENDENCY, MIDDLEWARE = (
    "Bezant, dependency, no cache",
    "Bezant, dependency, cached",
    "Bezant, middleware, cached",
)

APPLICATIONS = (
    Application(OPEN, "unprotected", protected=False),
    Application(UNCACHED, "bezant_dependency_uncached", ("bezant", "fastapi_bezant")),
    Application(DEPENDENCY, "bezant_dependency", ("bezant", "fastapi_bezant")),
    Application(MIDDLEWARE, "bezant_middleware", ("bezant", "fastapi_bezant")),
    Application("OAuth2PasswordBearer and PyJWT", "pyjwt_dependency"),
    Application("authx", "authx_dependency", ("authx",)),
    Application("fastapi-users, users in memory", "fastapi_users_dependency", ("fastapi_users",)),
)


def run(*, quick: bool) -> Findings:
    rounds, seconds = (2, 0.5) if quick else (7, 2.0)
    findings = Findings()
    columns: dict[str, Mapping[str, Series]] = {}
    for algorithm in ALGORITHMS:
        columns[algorithm] = _measure(algorithm, rounds, seconds, findings.left_out)

    names = [
        name
        for name in columns[ALGORITHMS[0]]
        if any(name in column for column in columns.values())
    ]
    rows = [
        (name, *(_cell(columns[algorithm], name) for algorithm in ALGORITHMS)) for name in names
    ]
    note = (
        f"Requests per second on one core, {CONNECTIONS} connections; "
        "in brackets the fraction of the unprotected route. "
        "One token again and again: cached means every request but the first is a hit."
    )
    findings.tables.append(Table("A protected FastAPI route", ("", *ALGORITHMS), rows, note))
    for algorithm, uncached in (("HS256", 0.62), ("ES256", 0.42)):
        for name, wanted in ((UNCACHED, uncached), (DEPENDENCY, 0.75), (MIDDLEWARE, 0.88)):
            findings.targets.append(_target(name, algorithm, wanted, columns[algorithm]))
    return findings


def _measure(
    algorithm: str, rounds: int, seconds: float, left_out: dict[str, str]
) -> dict[str, Series]:
    """Requests per second of every application, one value per round, all running side by side."""
    key = Key.generate(algorithm).private_jwk().decode()
    with contextlib.ExitStack() as stack, workspace("protect") as directory:
        loads: dict[str, tuple[int, Work]] = {}
        for application in APPLICATIONS:
            try:
                port, token = _start(stack, directory, application, key)
            except (Missing, StartError, LoadError) as error:
                if not application.protected:
                    raise
                left_out[application.title] = str(error)
                continue
            header = {"Authorization": f"Bearer {token}"}
            requests = get("/items", header if application.protected else {})
            loads[application.title] = port, Work("load", [requests], CONNECTIONS)
            if not application.protected:
                loads[OPEN_WITH_HEADER] = port, Work("load", [get("/items", header)], CONNECTIONS)
        series: dict[str, list[float]] = {name: [] for name in loads}
        for round_number in range(rounds):
            for name in shuffled(loads, round_number):
                port, work = loads[name]
                outcome = drive(port, work, seconds=seconds, warmup=0.3)["load"]
                series[name].append(outcome.rate)
    return dict(series)


def _start(
    stack: contextlib.ExitStack, directory: Path, application: Application, key: str
) -> tuple[int, str]:
    """A running application and a token it takes; that it takes no other is tried here."""
    need(*application.modules)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "--factory",
        f"bench.protected_apps:{application.factory}",
    ]
    command += ["--port", str(port), "--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    stack.enter_context(serving(command, port=port, directory=directory, env={"BENCH_KEY": key}))
    token = protected_apps.token_for(application.factory, key)
    forged = token[:-8] + token[-8:].swapcase()
    for sent, good in ((token, True), (forged, not application.protected)):
        status, body = exchange(port, "GET", "/items", "", {"Authorization": f"Bearer {sent}"})
        if (status == 200) is not good:
            raise LoadError(
                f"answered {status} to a {'good' if good else 'forged'} token: {body[:200]}"
            )
    return port, token


def _cell(column: Mapping[str, Series], name: str) -> str:
    if name not in column:
        return "-"
    return f"{median(column[name]):,.0f} ({ratio(column[name], column[OPEN]):.2f})"


def _target(name: str, algorithm: str, wanted: float, column: Mapping[str, Series]) -> Target:
    title = f"{name}, {algorithm}, fraction of unprotected"
    if name not in column or OPEN not in column:
        return Target(title, wanted, None, why_not="left out")
    return Target(title, wanted, ratio(column[name], column[OPEN]))
