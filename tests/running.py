"""Examples in processes of their own."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parent.parent
PATIENCE = 60.0
"""Seconds until an example that does not answer has failed to start, on the slowest machine."""


@contextmanager
def running(example: str, issuer: str | None = None) -> Iterator[httpx2.Client]:
    """A client for an example, started with the command in its first lines, on a free port.

    Args:
        example: The file's name, without the suffix.
        issuer: Whose tokens it takes, when they are not its own.
    """
    port = _free_port()
    here = f"http://127.0.0.1:{port}"
    command = (ROOT / "examples" / f"{example}.py").read_text().splitlines()[2]
    words = shlex.split(command)
    arguments = words[1:] if words[0] == "python" else ["-m", *words]
    process = subprocess.Popen(
        [sys.executable, *arguments, f"--port={port}"],
        cwd=ROOT,
        env={**os.environ, "ISSUER": issuer or here, "SECRET_KEY": ""},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        with httpx2.Client(base_url=here) as http:
            if not _answers(http, process):
                process.kill()
                pytest.fail(f"{command}\n{process.communicate()[0].decode()}")
            yield http
    finally:
        process.terminate()
        process.communicate()


def eventually(true: Callable[[], bool], *, within: float) -> bool:
    """Whether something becomes true within some seconds; asked again and again."""
    deadline = time.monotonic() + within
    while not true():
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.1)
    return True


def _answers(http: httpx2.Client, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            http.get("/me")
        except httpx2.TransportError:
            time.sleep(0.05)
        else:
            return True
    return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
