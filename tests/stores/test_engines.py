"""Opening databases: what URLs mean, what is refused, and engines that the application has."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.ext.asyncio import create_async_engine

from bezant.errors import ConfigurationError, StoreUnavailable
from bezant.runtime import SYNC
from bezant.stores import AuthorizationStore
from bezant.stores.sql import (
    AsyncDatabase,
    Database,
    SQLAuthorizationStore,
    SQLStores,
    SyncDatabase,
    reads,
)
from bezant.stores.sql.pooled import PooledDatabase
from bezant.stores.sql.writer import WriterDatabase
from bezant.testing.stores import NOW, an_authorization, call, together

if TYPE_CHECKING:
    from pathlib import Path


@reads
def pragma(connection: Connection, name: str) -> Any:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()


@pytest.mark.parametrize(
    "url", ["", "bezant.db", "mysql://app:secret@db/app", "oracle://app:secret@db/app"]
)
def test_refuses_what_is_no_url_of_ours_and_repeats_no_password(url: str) -> None:
    for refuse in (Database.sync, Database.asynchronous):
        with pytest.raises(ConfigurationError, match="database URL") as caught:
            refuse(url)
        assert "secret" not in str(caught.value)


def test_refuses_drivers_that_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="psycopg2"):
        Database.sync("postgresql+psycopg2://app@db/app")
    with pytest.raises(ConfigurationError, match="no driver"):
        Database.sync("postgresql+nonesuch://app@db/app")
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigurationError, match="asyncpg"):
        Database.asynchronous("postgresql+asyncpg://app@db/app")


def test_names_the_extra_when_greenlet_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bezant.stores.sql.engines.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="sql-async"):
        Database.asynchronous("postgresql://app@db/app")


@pytest.mark.parametrize(
    ("url", "kind", "driver"),
    [
        ("sqlite:///x.db", WriterDatabase, "pysqlite"),
        ("sqlite+pysqlite:///x.db", WriterDatabase, "pysqlite"),
        ("sqlite+aiosqlite:///x.db", PooledDatabase, "aiosqlite"),
        ("postgresql://app@db/app", PooledDatabase, "psycopg"),
        ("postgresql+psycopg://app@db/app", PooledDatabase, "psycopg"),
        ("postgresql+asyncpg://app@db/app", PooledDatabase, "asyncpg"),
    ],
)
async def test_each_url_has_its_asynchronous_database(
    url: str, kind: type[AsyncDatabase], driver: str
) -> None:
    database = Database.asynchronous(url)
    assert isinstance(database, kind)
    assert isinstance(database, WriterDatabase | PooledDatabase)
    assert database.engine.dialect.driver == driver
    await database.close()


@pytest.mark.parametrize(
    ("url", "driver"),
    [
        ("sqlite:///x.db", "pysqlite"),
        ("sqlite+aiosqlite:///x.db", "pysqlite"),
        ("postgresql://app@db/app", "psycopg"),
        ("postgresql+asyncpg://app@db/app", "psycopg"),
    ],
)
def test_each_url_has_its_synchronous_driver(url: str, driver: str) -> None:
    database = Database.sync(url)
    assert database.engine.dialect.driver == driver
    database.close()


@pytest.mark.parametrize("url", ["sqlite:///{}", "sqlite+aiosqlite:///{}"])
async def test_sqlite_is_set_up_to_keep_what_it_answered(url: str, tmp_path: Path) -> None:
    database = Database.asynchronous(url.format(tmp_path / "bezant.db"))
    assert await database.run(pragma, "journal_mode") == "wal"
    assert await database.run(pragma, "synchronous") == 2
    assert await database.run(pragma, "foreign_keys") == 1
    await database.close()


async def test_sqlite_may_be_set_up_to_be_faster(tmp_path: Path) -> None:
    database = Database.asynchronous(f"sqlite:///{tmp_path}/bezant.db", synchronous="NORMAL")
    assert await database.run(pragma, "synchronous") == 1
    await database.close()


async def test_what_the_url_says_wins(postgres_url: str) -> None:
    @reads
    def name(connection: Connection) -> Any:
        return connection.execute(text("SHOW application_name")).scalar_one()

    database = Database.asynchronous(f"{postgres_url}&application_name=sso&connect_timeout=5")
    assert await database.run(name) == "sso"
    await database.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite+aiosqlite://"])
async def test_a_database_in_memory_is_one_for_all_tasks(url: str) -> None:
    stores = SQLStores.open(url)
    await stores.database.create_all()
    row = an_authorization()
    await call(stores.authorizations.add, row)
    found = await together(stores.authorizations.get, 20, row.id)
    assert found == [row] * 20
    await stores.database.close()


async def test_a_database_in_memory_is_one_for_all_threads() -> None:
    stores = SQLStores.open("sqlite://", sync=True)
    stores.database.create_all()
    row = an_authorization()
    await call(stores.authorizations.add, row)
    assert await together(stores.authorizations.get, 20, row.id) == [row] * 20
    stores.database.close()


@pytest.mark.parametrize("url", ["sqlite:///{}", "{}"])
async def test_runs_on_an_engine_of_the_application(
    url: str, tmp_path: Path, postgres_url: str
) -> None:
    url = url.format(tmp_path / "app.db" if "sqlite" in url else postgres_url)
    engine = create_engine(url)
    database = SyncDatabase(engine)
    database.create_all()
    await rotates_and_rolls_back(database)
    database.close()

    asynchronous = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite", 1))
    await rotates_and_rolls_back(pooled := PooledDatabase(asynchronous))
    await pooled.close()


async def rotates_and_rolls_back(database: Database) -> None:
    store = SQLStores(database).authorizations
    row = an_authorization()
    await call(store.add, row)
    rotations = await together(store.rotate, 20, row.id, row.client_id, 1, NOW, NOW + 9, 10.0)
    assert [rotation.outcome.name for rotation in rotations].count("ROTATED") == 1

    def fail(connection: Connection) -> None:
        connection.execute(text("DELETE FROM bezant_authorizations"))
        raise LookupError

    with pytest.raises(LookupError):
        await call(database.run, fail)
    assert await call(store.get, row.id) is not None


async def test_a_synchronous_framework_refuses_asynchronous_stores(tmp_path: Path) -> None:
    stores = SQLStores.open(f"sqlite:///{tmp_path}/bezant.db")
    with pytest.raises(ConfigurationError, match=r"SQLAuthorizationStore\.add is 'async def'"):
        SYNC.check("stores.authorizations", stores.authorizations, AuthorizationStore)
    await stores.database.close()


def test_a_synchronous_framework_takes_synchronous_stores(tmp_path: Path) -> None:
    stores = SQLStores.open(f"sqlite:///{tmp_path}/bezant.db", sync=True)
    SYNC.check("stores.authorizations", stores.authorizations, AuthorizationStore)
    stores.database.close()


async def test_methods_are_named_and_explained(tmp_path: Path) -> None:
    stores = SQLStores.open(f"sqlite:///{tmp_path}/bezant.db")
    assert "one" in str(SQLAuthorizationStore.get.__doc__)
    for method in (stores.authorizations.rotate, stores.authorizations.purge):
        assert method.__qualname__ == f"SQLAuthorizationStore.{method.__name__}"
        assert method.__doc__
        assert getattr(stores.authorizations, method.__name__) is method
    await stores.database.close()


async def test_threads_that_write_to_sqlite_wait_for_their_turn(tmp_path: Path) -> None:
    stores = SQLStores(Database.sync(f"sqlite:///{tmp_path}/bezant.db", pool_size=50))
    stores.database.create_all()
    await together(stores.throttle.earn, 500, "k", 1, NOW)
    stores.database.close()


def test_threads_wait_for_another_process_that_writes(tmp_path: Path) -> None:
    stores = SQLStores.open(f"sqlite:///{tmp_path}/bezant.db", sync=True)
    stores.database.create_all()
    other = sqlite3.connect(tmp_path / "bezant.db", isolation_level=None, check_same_thread=False)
    with closing(other):
        other.execute("BEGIN IMMEDIATE")
        release = threading.Timer(0.05, other.execute, ["COMMIT"])
        release.start()
        stores.throttle.earn("k", 1, NOW)
        release.join()
    assert stores.throttle.spend("k", NOW - 1) is not None
    stores.database.close()


def test_a_turn_that_never_comes_is_an_outage(tmp_path: Path) -> None:
    database = Database.sync(f"sqlite:///{tmp_path}/bezant.db", timeout=0.05)

    def nested(connection: Connection) -> None:
        database.run(lambda inner: None)

    with pytest.raises(StoreUnavailable, match="busy"):
        database.run(nested)
    database.close()
