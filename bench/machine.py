"""The machine under the figures: cores to pin to, a place on a real disk, what it is made of."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

CACHE = Path(os.environ.get("BEZANT_BENCH_CACHE", Path(__file__).parent / ".cache")).resolve()
"""Where peers are installed and databases live: on the disk of the checkout, never on a tmpfs,
because the price of a durable commit is part of what is measured."""

CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
SERVER_CORE = CORES[0] if len(CORES) > 1 else None
LOAD_CORE = CORES[1] if len(CORES) > 1 else None


def pin(core: int | None) -> Callable[[], None]:
    """A function that ties its process, and all it starts, to a core (None: to no core)."""

    def tie() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    return tie


@contextlib.contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run the block on one core."""
    before = os.sched_getaffinity(0) if core is not None else set()
    pin(core)()
    try:
        yield
    finally:
        if before:
            os.sched_setaffinity(0, before)


@contextlib.contextmanager
def workspace(name: str) -> Iterator[Path]:
    """A fresh directory on the disk of the checkout, removed afterwards."""
    CACHE.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(prefix=f"run-{name}-", dir=CACHE))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def durable_writes(seconds: float = 0.5) -> float:
    """4 KiB appends with fdatasync in a second: the ceiling of FULL unless commits are grouped."""
    with workspace("disk") as path, (path / "probe").open("wb", buffering=0) as file:
        block, done, begin = b"x" * 4096, 0, time.perf_counter()
        while (passed := time.perf_counter() - begin) < seconds:
            file.write(block)
            os.fdatasync(file.fileno())
            done += 1
    return done / passed


PACKAGES = (
    *("bezant", "fastapi-bezant", "flask-bezant", "django-bezant", "aiohttp-bezant"),
    *("bezant-server", "cryptography", "pyjwt", "joserfc", "sqlalchemy", "uvicorn", "uvloop"),
    *("httptools", "gunicorn", "fastapi", "starlette", "flask", "django", "djangorestframework"),
    *("aiohttp", "authx", "fastapi-users", "flask-jwt-extended", "djangorestframework-simplejwt"),
    *("django-oauth-toolkit", "aiohttp-jwt", "authlib"),
)
PROGRAMS = ("node", "glewlwyd")


def describe() -> list[tuple[str, str]]:
    """Machine and versions, for the head of a report."""
    processor = platform.machine()
    with (
        contextlib.suppress(OSError, StopIteration),
        Path("/proc/cpuinfo").open(encoding="utf-8") as lines,
    ):
        processor = next(
            line.partition(":")[2].strip() for line in lines if line.startswith("model name")
        )
    pinning = (
        f"server on core {SERVER_CORE}, load on core {LOAD_CORE}"
        if len(CORES) > 1
        else "none: one core"
    )
    return [
        ("processor", f"{processor}, {len(CORES) or os.cpu_count()} cores"),
        ("system", f"{platform.system()} {platform.release()}, Python {platform.python_version()}"),
        ("pinning", pinning),
        ("disk", f"{durable_writes():,.0f} appends of 4 KiB with fdatasync per second"),
        ("load average", ", ".join(f"{value:.2f}" for value in os.getloadavg())),
        ("SQLite", sqlite3.sqlite_version),
        ("Bezant", f"bezant[fast], {package('msgspec')}"),
        ("packages", ", ".join(filter(None, map(package, PACKAGES)))),
        ("programs", ", ".join(filter(None, map(program, PROGRAMS)))),
    ]


def package(name: str) -> str:
    """A Python package with its version, or nothing."""
    try:
        return f"{name} {metadata.version(name)}"
    except metadata.PackageNotFoundError:
        return ""


def program(name: str) -> str:
    """A program with its version, or nothing."""
    try:
        done = subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return f"{name} {(done.stdout or done.stderr).strip().removeprefix('v')}"
