"""Servers under test: started on the server's core, stopped with all that they started."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.load import HOST
from bench.machine import SERVER_CORE, pin


class StartError(Exception):
    """A server did not come up; the message ends with the last lines of its log."""


def free_port() -> int:
    """A port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The caller's environment with the repository's root importable."""
    root = str(Path(__file__).resolve().parent.parent)
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **(extra or {})}


def gunicorn(application: str, port: int) -> list[str]:
    """The command that serves a WSGI application: one worker of four threads.

    Not gunicorn's `sync` worker, which closes every connection and would be charged for it.
    """
    return [
        *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread"),
        *("--workers", "1", "--threads", "4", "--keep-alive", "60"),
        *("--bind", f"{HOST}:{port}", "--log-level", "error", application),
    ]


@contextlib.contextmanager
def serving(
    command: Sequence[str],
    *,
    port: int,
    directory: Path,
    env: Mapping[str, str] | None = None,
    patience: float = 60,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for the length of the block; it is ready once its port answers."""
    log = directory / f"server-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(command),
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            cwd=directory,
            env=environment(env),
            start_new_session=True,
            preexec_fn=pin(SERVER_CORE),  # noqa: PLW1509 - no thread runs here
        )
    try:
        _await_port(process, shlex.join(command), port, log, patience)
        yield process
    finally:
        _stop(process)


def processes(server: subprocess.Popen[bytes]) -> list[int]:
    """A server and all that it has started."""
    found = []
    for process in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            # The name may hold anything; of what follows, session is 3.
            if int(process.read_text().rpartition(")")[2].split()[3]) == server.pid:
                found.append(int(process.parent.name))
    return found


def _await_port(
    process: subprocess.Popen[bytes], command: str, port: int, log: Path, patience: float
) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"{command} ended with {process.returncode}: {_tail(log)}")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise StartError(f"{command} did not listen within {patience:.0f} s: {_tail(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the whole session to end, then insist."""
    for kind in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, kind)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
            return


def _tail(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " / ".join(line.strip() for line in lines[-3:])
