"""Load from another process: describe the work, drive a server with it, read what came of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote_plus, urlencode

from bench.machine import LOAD_CORE, pin

HOST = "127.0.0.1"


class LoadError(Exception):
    """The answers were not what the work expects: the row is worthless and says so."""


@dataclass(frozen=True)
class Work:
    """What one group of connections does; see `loadgen.py` for the meaning of each field."""

    name: str
    requests: Sequence[str]
    connections: int
    tokens: Sequence[str] = ()
    rate: float = 0


@dataclass(frozen=True)
class Outcome:
    """What one group of connections saw."""

    rate: float
    p50: float
    p99: float
    answers: int
    """All of them, those of the warm-up included."""


def get(path: str, headers: Mapping[str, str] | None = None) -> str:
    """A GET request as text."""
    return _head("GET", path, headers or {}) + "\r\n"


def basic(client_id: str, secret: str) -> dict[str, str]:
    """The header of client_secret_basic."""
    pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


def form(path: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """A POST request with a form."""
    body = urlencode(fields)
    return _post(path, headers, str(len(body))) + body


def refresh_form(path: str, fields: Mapping[str, str], headers: Mapping[str, str]) -> str:
    """The template of a refresh request: the generator fills in token and length."""
    body = urlencode({"grant_type": "refresh_token", **fields}) + "&refresh_token=$TOKEN"
    return _post(path, headers, "$LENGTH") + body


def drive(port: int, *works: Work, seconds: float, warmup: float) -> dict[str, Outcome]:
    """Put the work on a server for `seconds` after `warmup`; every answer must be the right one."""
    groups = [asdict(work) for work in works]
    plan = {"host": HOST, "port": port, "seconds": seconds, "warmup": warmup, "groups": groups}
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("loadgen.py"))],
        input=json.dumps(plan).encode(),
        capture_output=True,
        preexec_fn=pin(LOAD_CORE),
        timeout=seconds + warmup + 60,
        check=False,
    )
    if done.returncode:
        raise LoadError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    report = json.loads(done.stdout)
    outcomes = {}
    for name, seen in report["groups"].items():
        if seen["errors"]:
            raise LoadError(
                f"{name}: {seen['errors']} wrong answers, the first: {seen['first_error']!r}"
            )
        if not seen["latencies"]:
            raise LoadError(f"{name}: no answer within {seconds} s")
        outcomes[name] = Outcome(
            rate=len(seen["latencies"]) / seconds,
            p50=_percentile(seen["latencies"], 0.50),
            p99=_percentile(seen["latencies"], 0.99),
            answers=seen["answers"],
        )
    return outcomes


def _percentile(ordered: Sequence[float], fraction: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def _head(method: str, path: str, headers: Mapping[str, str]) -> str:
    lines = [
        f"{method} {path} HTTP/1.1",
        f"Host: {HOST}",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join(lines) + "\r\n"


def _post(path: str, headers: Mapping[str, str], length: str) -> str:
    kind = {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": length}
    return _head("POST", path, {**headers, **kind}) + "\r\n"
