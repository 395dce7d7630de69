"""Load from another process: describe the work, drive a server with it, read what came of it."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
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
class Loaded:
    """A server and what is to be done to it at once."""

    port: int
    works: Sequence[Work]
    processes: Sequence[int] = ()
    """Whose processor time counts."""


@dataclass(frozen=True)
class Outcome:
    """What one group of connections saw."""

    rate: float
    """Answers per second."""
    p50: float
    p99: float
    busy_rate: float = 0.0
    """Answers per second of processor time, of all groups of that server."""


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
    """Put the work on one server for `seconds` after `warmup`. Every answer must be the right one.

    Returns:
        The outcomes by name of the work.

    Raises:
        LoadError: An answer was not the right one, or there was none.
    """
    servers = {"": Loaded(port, works)}
    found = take_turns(servers, turns=1, seconds=seconds, warmup=warmup)[""]
    if isinstance(found, LoadError):
        raise found
    return found


def take_turns(
    servers: Mapping[str, Loaded],
    *,
    turns: int,
    seconds: float,
    warmup: float,
    round_number: int = 0,
) -> dict[str, dict[str, Outcome] | LoadError]:
    """Like `drive`, on one server after the other, for so many turns of `seconds` each; before the
    first, `warmup` seconds each.

    Returns:
        By server: the outcomes by name of the work, or what went wrong there.
    """
    plan = {
        "host": HOST,
        "turns": turns,
        "seconds": seconds,
        "warmup": warmup,
        "round": round_number,
        "servers": {
            name: {
                "port": server.port,
                "processes": server.processes,
                "groups": [asdict(work) for work in server.works],
            }
            for name, server in servers.items()
        },
    }
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("loadgen.py"))],
        input=json.dumps(plan).encode(),
        capture_output=True,
        preexec_fn=pin(LOAD_CORE),
        timeout=60 + (seconds * turns + warmup + 60) * len(servers),
        check=False,
    )
    if done.returncode:
        raise LoadError(done.stderr.decode(errors="replace").strip().splitlines()[-1])
    found: dict[str, dict[str, Outcome] | LoadError] = {}
    for name, seen in json.loads(done.stdout).items():
        try:
            found[name] = _outcomes(seen)
        except LoadError as error:
            found[name] = error
    return found


def _outcomes(seen: Mapping[str, Any]) -> dict[str, Outcome]:
    if "failed" in seen:
        raise LoadError(seen["failed"])
    groups = seen["groups"]
    for name, group in groups.items():
        if group["errors"]:
            raise LoadError(
                f"{name}: {group['errors']} wrong answers, the first: {group['first_error']!r}"
            )
        if not group["latencies"]:
            raise LoadError(f"{name}: no answer within {seen['seconds']} s")
    answers = sum(len(group["latencies"]) for group in groups.values())
    return {
        name: Outcome(
            rate=len(group["latencies"]) / seen["seconds"],
            p50=_percentile(group["latencies"], 0.50),
            p99=_percentile(group["latencies"], 0.99),
            busy_rate=answers / seen["busy"] if seen["busy"] else 0.0,
        )
        for name, group in groups.items()
    }


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
