"""The command `bezant` as its users run it: as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2

__all__ = ["Served", "environment", "run", "serving"]

PATIENCE = 60.0

# A hash that takes microseconds: these tests are not about Argon2.
CHEAP_HASHES = {"BEZANT_PASSWORD_MEMORY_KIB": "8", "BEZANT_PASSWORD_ITERATIONS": "1"}


def environment(settings: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a process: this one's, with nothing of Bezant in it but what is given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("BEZANT_")}
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    kept["COLUMNS"] = "80"
    return {**kept, **CHEAP_HASHES, **(settings or {})}


def run(
    *arguments: str,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "bezant_server", *arguments],
        cwd=cwd,
        env=environment(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@dataclass
class Served:
    """A server that runs."""

    process: subprocess.Popen[str]
    url: str
    log: list[str]
    """What it has written to standard error."""

    def http(self) -> httpx2.Client:
        """A client for it."""
        return httpx2.Client(base_url=self.url, trust_env=False, timeout=20)

    def kill(self) -> None:
        """End it without a chance to do anything about it."""
        self.process.kill()
        self.process.wait(PATIENCE)

    def stop(self) -> int:
        """Tell it to stop. Returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(*arguments: str, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """`bezant serve` on a free port, for as long as a block lasts; it is ready."""
    if "--port" not in arguments:
        arguments += ("--port", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "bezant_server", "serve", *arguments],
        cwd=cwd,
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    served = Served(process, "", [])
    started, ready = threading.Event(), threading.Event()

    def read() -> None:
        for line in process.stderr or ():
            served.log.append(line)
            if found := re.search(r"serving (http\S+) ", line):
                served.url = found[1]
                started.set()
            if "Application startup complete" in line:
                ready.set()
        started.set()
        ready.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert started.wait(PATIENCE)
        assert ready.wait(PATIENCE)
        assert served.url and process.poll() is None, "".join(served.log)
        yield served
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            finally:
                process.kill()
        reader.join()
        process.stderr.close()
