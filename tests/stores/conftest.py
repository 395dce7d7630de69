"""Databases for the tests of stores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

import pytest

from bezant.stores.sql import Database, SQLStores
from bezant.testing.stores import call
from tests.services import emptied, postgres, postgres_url, valkey, valkey_url

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.services import Postgres

__all__ = ["postgres", "postgres_url", "shared_postgres_url", "sql", "valkey", "valkey_url"]

PATIENCE = 30.0
"""Seconds: what is tested here is what a store answers, not how soon a busy machine lets it."""

Kind = Literal["sqlite", "sqlite-threads", "aiosqlite", "psycopg", "psycopg-threads", "asyncpg"]
KINDS: tuple[Kind, ...] = (
    "sqlite",
    "sqlite-threads",
    "aiosqlite",
    "psycopg",
    "psycopg-threads",
    "asyncpg",
)
"""Every driver; on ``threads`` it is synchronous."""


@pytest.fixture(scope="session")
def shared_postgres_url(postgres: Postgres) -> str:
    """A database with the tables, which `emptied` makes ready for the next test."""
    url = postgres.create_database()
    database = Database.sync(url)
    database.create_all()
    database.close()
    return url


@pytest.fixture(scope="session")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A SQLite file with the tables, to copy: to make them takes longer than most tests."""
    file = tmp_path_factory.mktemp("sqlite") / "bezant.db"
    database = Database.sync(f"sqlite:///{file}")
    database.create_all()
    database.close()
    return file.read_bytes()


@pytest.fixture(params=KINDS)
def database(request: pytest.FixtureRequest, tmp_path: Path, sqlite_file: bytes) -> Database:
    """A database whose tables are empty."""
    kind = cast("Kind", request.param)
    if "sqlite" in kind:
        (tmp_path / "bezant.db").write_bytes(sqlite_file)
    file = f"sqlite:///{tmp_path}/bezant.db"
    if kind == "sqlite":
        return Database.asynchronous(file, timeout=PATIENCE, synchronous="NORMAL")
    if kind == "sqlite-threads":
        return Database.sync(file, timeout=PATIENCE, synchronous="NORMAL")
    if kind == "aiosqlite":
        return Database.asynchronous(
            file.replace("sqlite", "sqlite+aiosqlite", 1), timeout=PATIENCE
        )
    url = emptied(request.getfixturevalue("shared_postgres_url"))
    if kind == "psycopg":
        return Database.asynchronous(url, timeout=PATIENCE)
    if kind == "psycopg-threads":
        return Database.sync(url, timeout=PATIENCE)
    return Database.asynchronous(
        url.replace("postgresql", "postgresql+asyncpg", 1), timeout=PATIENCE
    )


@pytest.fixture
async def sql(database: Database) -> AsyncIterator[SQLStores[Database]]:
    """All stores, on every driver."""
    yield SQLStores(database)
    await call(database.close)
