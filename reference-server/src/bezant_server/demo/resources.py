"""Starting the four APIs, and ending them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from importlib.util import find_spec
from typing import Final

from bezant.errors import Refused
from bezant_server.demo.apis.process import Order

__all__ = ["FRAMEWORKS", "resource_apis"]

FRAMEWORKS: Final = {
    "FastAPI": "fastapi",
    "Flask": "flask",
    "Django": "django",
    "aiohttp": "aiohttp",
}
"""The APIs by name, and their modules."""

PATIENCE = 30.0


@contextmanager
def resource_apis(order: Order) -> Iterator[dict[str, str]]:
    """The APIs as processes, for as long as a block lasts.

    Args:
        order: What they are told; each takes the next port.

    Returns:
        Their URLs by framework.

    Raises:
        Refused: One of them is not installed, or did not start.
    """
    missing = [name for name, module in FRAMEWORKS.items() if find_spec(f"{module}_bezant") is None]
    if missing:
        raise Refused(
            f"the demo's APIs in {', '.join(missing)} are not installed: "
            "pip install 'bezant-server[demo]'"
        )
    processes: list[subprocess.Popen[str]] = []
    urls: dict[str, str] = {}
    try:
        for number, (name, module) in enumerate(FRAMEWORKS.items()):
            processes.append(_start(module))
            if name == "aiohttp":  # which takes the tokens of the Flask API, too
                urls["Flask"] = _where(processes[list(FRAMEWORKS).index("Flask")], "Flask")
                order = replace(order, partner=urls["Flask"])
            port = order.port and order.port + number
            _tell(processes[-1], replace(order, port=port).dumps())
        for process, name in zip(processes, FRAMEWORKS, strict=True):
            urls[name] = urls.get(name) or _where(process, name)
        yield {name: urls[name] for name in FRAMEWORKS}
    finally:
        for process in processes:
            _end(process)


def _start(module: str) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 (modules of our own)
        [sys.executable, "-m", f"bezant_server.demo.apis.{module}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C is for the demo, which ends them
    )


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    with suppress(BrokenPipeError):  # `_where` says what became of it
        process.stdin.write(line + "\n")
        process.stdin.flush()


def _where(process: subprocess.Popen[str], name: str) -> str:
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        raise Refused(f"the demo's API in {name} did not start")
    return url


def _end(process: subprocess.Popen[str]) -> None:
    """Close what it reads: then it ends."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
