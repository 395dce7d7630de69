"""Suite `protect`: one route under load, unprotected and protected, by Bezant and by peers, in
every framework. `protect-flask` and its like are the parts of it.
"""

from __future__ import annotations

import contextlib
import importlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import servers
from bench.load import Loaded, LoadError, Work, get, take_turns
from bench.machine import workspace
from bench.peers import Missing, exchange, need
from bench.report import Findings, Table, Target
from bench.servers import StartError, free_port, processes, serving
from bench.timing import Series, median, ratio

ALGORITHMS = ("HS256", "ES256")
CONNECTIONS = 32
TURN = 0.05
"""Seconds: a shared machine keeps its speed for some tenths of one."""
OPEN, OPEN_WITH_HEADER = "unprotected", "unprotected, the header sent all the same"


@dataclass(frozen=True)
class Application:
    """One row: a function of the framework's module that makes an application."""

    title: str
    function: str
    needs: Sequence[str] = ()
    """Modules that have to be installed beside the framework's."""
    token: str = ""
    """The function of the same module that makes a token, where it has to be of another form."""
    protected: bool = True


@dataclass(frozen=True)
class Framework:
    """What is measured in one framework, and what is wanted of it."""

    title: str
    module: str
    needs: Sequence[str]
    serve: Callable[[str, str, int], Sequence[str]]
    """The command that serves an application, from module, function and port."""
    applications: Sequence[Application]
    fractions: Mapping[str, Mapping[str, float]]
    """By row of Bezant and algorithm: the fraction of the unprotected route to reach."""
    ahead: Mapping[str, Sequence[str]]
    """By row of Bezant: the rows of peers that it must be ahead of."""


def _uvicorn(module: str, function: str, port: int) -> list[str]:
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", "--factory", f"{module}:{function}", *options]


def _gunicorn(module: str, function: str, port: int) -> list[str]:
    return servers.gunicorn(f"{module}:{function}()", port)


def _itself(module: str, function: str, port: int) -> list[str]:
    return [sys.executable, "-m", module, function, str(port)]


UNCACHED, CACHED, MIDDLEWARE = "Bezant, no cache", "Bezant, cached", "Bezant, middleware, cached"
LIMIT, BY_HAND = "the signature alone", "PyJWT by hand"
FASTAPI_PEERS = ("OAuth2PasswordBearer and PyJWT", "authx", "fastapi-users, users in memory")
FLASK_PEERS = (BY_HAND, "flask-jwt-extended")
TOOLKIT, SIMPLEJWT = "django-oauth-toolkit, opaque tokens in SQLite", "DRF, simplejwt"
REST_OPEN, REST_UNCACHED, REST_CACHED = (
    "DRF, unprotected",
    "DRF, Bezant, no cache",
    "DRF, Bezant, cached",
)
AIOHTTP_PEERS = (BY_HAND, "aiohttp-jwt")

FRAMEWORKS = {
    "fastapi": Framework(
        "FastAPI",
        "bench.protected.fastapi",
        ("fastapi", "fastapi_bezant", "uvicorn", "uvloop", "httptools"),
        _uvicorn,
        (
            Application(OPEN, "unprotected", protected=False),
            Application(UNCACHED, "dependency_uncached"),
            Application(CACHED, "dependency"),
            Application(MIDDLEWARE, "middleware"),
            Application(LIMIT, "signature_alone"),
            Application(FASTAPI_PEERS[0], "pyjwt_dependency"),
            Application(FASTAPI_PEERS[1], "authx_dependency", ("authx",), "authx_token"),
            Application(
                *(FASTAPI_PEERS[2], "fastapi_users_dependency"),
                *(("fastapi_users",), "fastapi_users_token"),
            ),
        ),
        fractions={
            UNCACHED: {"HS256": 0.62, "ES256": 0.42},
            CACHED: {"HS256": 0.75, "ES256": 0.75},
            MIDDLEWARE: {"HS256": 0.88, "ES256": 0.88},
        },
        ahead={UNCACHED: FASTAPI_PEERS, CACHED: FASTAPI_PEERS},
    ),
    "flask": Framework(
        "Flask",
        "bench.protected.flask",
        ("flask", "flask_bezant", "gunicorn"),
        _gunicorn,
        (
            Application(OPEN, "unprotected", protected=False),
            Application(UNCACHED, "decorator_uncached"),
            Application(CACHED, "decorator"),
            Application(FLASK_PEERS[0], "pyjwt_decorator"),
            Application(FLASK_PEERS[1], "jwt_extended", ("flask_jwt_extended",)),
        ),
        fractions={UNCACHED: {"ES256": 0.52}, CACHED: {"HS256": 0.85, "ES256": 0.85}},
        ahead={UNCACHED: FLASK_PEERS, CACHED: FLASK_PEERS},
    ),
    "django": Framework(
        "Django",
        "bench.protected.django",
        ("django", "django_bezant", "gunicorn"),
        _gunicorn,
        (
            Application(OPEN, "unprotected", protected=False),
            Application(UNCACHED, "decorator_uncached"),
            Application(CACHED, "decorator"),
            Application(MIDDLEWARE, "middleware"),
            Application(BY_HAND, "pyjwt_decorator"),
            Application(TOOLKIT, "toolkit", ("oauth2_provider",), "toolkit_token"),
            Application(REST_OPEN, "rest_unprotected", ("rest_framework",), protected=False),
            Application(REST_UNCACHED, "rest_uncached", ("rest_framework",)),
            Application(REST_CACHED, "rest", ("rest_framework",)),
            Application(SIMPLEJWT, "simplejwt", ("rest_framework_simplejwt",), "simplejwt_token"),
        ),
        fractions={UNCACHED: {"ES256": 0.52}, CACHED: {"HS256": 0.85, "ES256": 0.85}},
        ahead={
            UNCACHED: (BY_HAND, TOOLKIT, SIMPLEJWT),
            CACHED: (BY_HAND, TOOLKIT, SIMPLEJWT),
            REST_UNCACHED: (SIMPLEJWT,),
            REST_CACHED: (SIMPLEJWT,),
        },
    ),
    "aiohttp": Framework(
        "aiohttp",
        "bench.protected.aiohttp",
        ("aiohttp", "aiohttp_bezant", "uvloop"),
        _itself,
        (
            Application(OPEN, "unprotected", protected=False),
            Application(UNCACHED, "decorator_uncached"),
            Application(CACHED, "decorator"),
            Application(MIDDLEWARE, "middleware"),
            Application(LIMIT, "signature_alone"),
            Application(AIOHTTP_PEERS[0], "pyjwt_middleware"),
            Application(AIOHTTP_PEERS[1], "jwt_middleware", ("aiohttp_jwt",)),
        ),
        fractions={UNCACHED: {"ES256": 0.27}, CACHED: {"HS256": 0.80, "ES256": 0.80}},
        ahead={UNCACHED: AIOHTTP_PEERS, CACHED: AIOHTTP_PEERS},
    ),
}
"""By the name that chooses it on the command line."""

Column = Mapping[str, Series]
"""By row: requests per second of processor time, one value per round."""


def run(*names: str, quick: bool) -> Findings:
    """Measure the named frameworks, or all."""
    findings = Findings()
    for name in names or FRAMEWORKS:
        findings.add(_run(FRAMEWORKS[name], quick=quick))
    return findings


def _run(framework: Framework, *, quick: bool) -> Findings:
    rounds, turns = (2, 5) if quick else (7, 30)
    findings, left_out = Findings(), dict[str, str]()
    try:
        need(*framework.needs)
    except Missing as error:
        findings.left_out[framework.title] = str(error)
        columns: dict[str, Column] = {algorithm: {} for algorithm in ALGORITHMS}
    else:
        columns = {
            algorithm: _measure(framework, algorithm, rounds, turns, left_out)
            for algorithm in ALGORITHMS
        }
        findings.tables.append(_table(framework, columns))
    findings.left_out |= {f"{framework.title}: {row}": why for row, why in left_out.items()}
    for algorithm, column in columns.items():
        findings.targets += _targets(framework, algorithm, column)
    return findings


def _measure(
    framework: Framework, algorithm: str, rounds: int, turns: int, left_out: dict[str, str]
) -> Column:
    """Every row, one value per round. Each round starts each server anew: where things come to lie
    in its memory can make a process some hundredths quicker than its twin, for as long as it lives.
    """
    from bench.protected import new_key

    key = new_key(algorithm)
    failed: dict[str, str] = {}
    series: dict[str, list[float]] = {}
    for round_number in range(rounds):
        with contextlib.ExitStack() as stack, workspace("protect") as directory:
            loads = _loads(stack, directory, framework, key, failed)
            seen = take_turns(
                loads, turns=turns, seconds=TURN, warmup=0.5, round_number=round_number
            )
        for name, found in seen.items():
            if not isinstance(found, LoadError):
                series.setdefault(name, []).append(found["load"].busy_rate)
            elif name == OPEN:
                raise found
            else:
                failed[name] = str(found)
    left_out |= failed
    return {name: series[name] for name in loads if name not in failed}


def _loads(
    stack: contextlib.ExitStack,
    directory: Path,
    framework: Framework,
    key: str,
    failed: dict[str, str],
) -> dict[str, Loaded]:
    """All rows, running, but those that have failed, now or before."""
    loads: dict[str, Loaded] = {}
    for application in framework.applications:
        title = application.title
        if title in failed:
            continue
        try:
            need(*application.needs)
            server, port, token = _start(stack, directory, framework, application, key)
        except (Missing, StartError, LoadError) as error:
            if title == OPEN:
                raise
            failed[title] = str(error)
            continue
        header = {"Authorization": f"Bearer {token}"}
        sent = {title: header if application.protected else {}}
        if title == OPEN:
            sent[OPEN_WITH_HEADER] = header
        for name, headers in sent.items():
            work = Work("load", [get("/items", headers)], CONNECTIONS)
            loads[name] = Loaded(port, [work], processes(server))
    return loads


def _start(
    stack: contextlib.ExitStack,
    directory: Path,
    framework: Framework,
    application: Application,
    key: str,
) -> tuple[subprocess.Popen[bytes], int, str]:
    """A running application and a token it takes; that it takes no other is tried here."""
    from bench import protected

    port = free_port()
    command = framework.serve(framework.module, application.function, port)
    server = stack.enter_context(
        serving(command, port=port, directory=directory, env={"BENCH_KEY": key})
    )
    module = importlib.import_module(framework.module) if application.token else protected
    token: str = getattr(module, application.token or "token")(key)
    forged = token[:-8] + token[-8:].swapcase()
    for sent, good in ((token, True), (forged, not application.protected)):
        status, body = exchange(port, "GET", "/items", "", {"Authorization": f"Bearer {sent}"})
        if (status == 200) is not good:
            raise LoadError(
                f"answered {status} to a {'good' if good else 'forged'} token: {body[:200]}"
            )
    return server, port, token


def _table(framework: Framework, columns: Mapping[str, Column]) -> Table:
    def cell(column: Column, name: str) -> str:
        if name not in column:
            return "-"
        return f"{median(column[name]):,.0f} ({ratio(column[name], column[OPEN]):.2f})"

    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = [(name, *(cell(column, name) for column in columns.values())) for name in names]
    note = (
        f"Requests per second of the server's processor time, {CONNECTIONS} connections; in "
        "brackets the fraction of the unprotected route. "
        "One token again and again: cached means every request but the first is a hit."
    )
    return Table(f"A protected route in {framework.title}", ("", *columns), rows, note)


def _targets(framework: Framework, algorithm: str, column: Column) -> list[Target]:
    """What is wanted with one algorithm, and what was reached."""
    label = f"{framework.title}, {algorithm}: {{}}"
    found = []
    for row, fractions in framework.fractions.items():
        if algorithm in fractions:
            reached = ratio(column[row], column[OPEN]) if row in column else None
            title = label.format(f"{row}, fraction of unprotected")
            found.append(Target(title, fractions[algorithm], reached, why_not="left out"))
    for row, peers in framework.ahead.items():
        leads = [
            ratio(column[row], column[peer]) for peer in peers if row in column and peer in column
        ]
        title = label.format(f"{row}, times the quickest peer")
        found.append(Target(title, 1, min(leads, default=None), sign=">", why_not="left out"))
    return found
