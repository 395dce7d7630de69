"""Databases, commands and servers for the tests of the reference server."""

from __future__ import annotations

import io
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer.main

from bezant.stores.sql import Database, SyncDatabase
from bezant_server import cli
from bezant_server.migrations import VERSION_TABLE
from bezant_server.schema import migrate
from bezant_server.settings import Settings, load_settings
from tests.server.processes import CHEAP_HASHES
from tests.services import Postgres, emptied, postgres, postgres_url, valkey, valkey_url
from tests.world import lasting_keys

__all__ = ["postgres", "postgres_url", "valkey", "valkey_url"]

POSTGRES_SECRET_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test is in an empty directory, and in an environment without settings."""
    for name in [name for name in os.environ if name.startswith("BEZANT_")]:
        monkeypatch.delenv(name)
    for name, value in CHEAP_HASHES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """To make keys for each test would take longer than most tests."""
    lasting_keys(monkeypatch)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database whose tables are up to date; copying it is quicker than migrating."""
    file = tmp_path_factory.mktemp("template") / "bezant.db"
    migrate(Settings(database_url=f"sqlite:///{file}"))
    return file


@pytest.fixture
def installed(template: Path, tmp_path: Path) -> Settings:
    """The settings of an empty, migrated database in the test's directory."""
    shutil.copy(template, tmp_path / "bezant.db")
    return load_settings()


@pytest.fixture(scope="session")
def shared_postgres_url(postgres: Postgres) -> str:
    """The same in PostgreSQL, which `emptied` makes ready for the next test."""
    url = postgres.create_database()
    migrate(Settings(database_url=url, secret_key=POSTGRES_SECRET_KEY))
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def migrated(request: pytest.FixtureRequest) -> Settings:
    """The same, on every database."""
    if request.param == "sqlite":
        settings: Settings = request.getfixturevalue("installed")
        return settings
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    shared: str = request.getfixturevalue("shared_postgres_url")
    monkeypatch.setenv("BEZANT_DATABASE_URL", emptied(shared, but=VERSION_TABLE))
    monkeypatch.setenv("BEZANT_SECRET_KEY", POSTGRES_SECRET_KEY)
    return load_settings()


@pytest.fixture
def database(migrated: Settings) -> Iterator[SyncDatabase]:
    """That database, opened."""
    opened = Database.sync(migrated.database_url)
    yield opened
    opened.close()


@dataclass
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output, which is one JSON document."""
        return json.loads(self.out)


Bezant = Callable[..., Done]

# Typer makes it, and all that is below it, anew each time that its application is called.
COMMAND = typer.main.get_command(cli.app)


@pytest.fixture
def bezant(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Bezant:
    """The command `bezant` within this process: the same code, without the time to start Python."""
    monkeypatch.setattr(cli, "app", COMMAND)

    def run(*arguments: str, stdin: str = "") -> Done:
        monkeypatch.setattr(sys, "argv", ["bezant", *arguments])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), "utf-8"))
        capfd.readouterr()
        code: Any = 0
        try:
            cli.main()
        except SystemExit as ended:
            code = ended.code or 0
        out, err = capfd.readouterr()
        return Done(int(code), out, err)

    return run
