"""The tables: made, compared, changed, and never half done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from bezant.errors import Refused
from bezant.stores.sql import Database, SyncDatabase
from bezant_server import schema
from bezant_server.migrations import HEAD, REVISIONS, VERSION_TABLE
from bezant_server.schema import METADATA, Schema, differences, migrate, read_schema
from bezant_server.settings import Settings, load_settings


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a database without tables."""
    if request.param == "postgresql":
        monkeypatch.setenv("BEZANT_DATABASE_URL", request.getfixturevalue("postgres_url"))
    return load_settings()


def opened(settings: Settings) -> SyncDatabase:
    return Database.sync(settings.database_url)


def tables(settings: Settings) -> set[str]:
    engine = create_engine(settings.database_url)
    try:
        return set(inspect(engine).get_table_names())
    finally:
        engine.dispose()


OURS = {name for metadata in METADATA for name in metadata.tables}


def test_what_the_software_knows_is_what_alembic_knows() -> None:
    config = Config()
    config.set_main_option("script_location", "bezant_server:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    known = [script.revision for script in scripts.walk_revisions()]
    assert tuple(reversed(known)) == REVISIONS
    assert scripts.get_heads() == [HEAD]


def test_up_down_and_up_again(empty: Settings) -> None:
    database = opened(empty)
    assert database.run(read_schema) is Schema.EMPTY
    assert migrate(empty)
    assert not migrate(empty)
    assert tables(empty) == OURS | {VERSION_TABLE}
    assert database.run(read_schema) is Schema.CURRENT
    assert database.run(differences) == []
    assert migrate(empty, "base")
    assert tables(empty) == {VERSION_TABLE}
    assert database.run(read_schema) is Schema.EMPTY
    assert migrate(empty)
    assert database.run(differences) == []
    database.close()


def test_tables_of_other_software_are_left_alone(empty: Settings) -> None:
    engine = create_engine(empty.database_url)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (id integer)"))
    engine.dispose()
    migrate(empty)
    database = opened(empty)
    assert database.run(differences) == []
    database.close()
    assert "theirs" in tables(empty)


def test_of_many_that_begin_at_once_one_migrates(empty: Settings) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: migrate(empty), range(8)))
    assert done.count(True) == 1
    assert tables(empty) == OURS | {VERSION_TABLE}


def test_a_migration_that_fails_leaves_nothing_behind(
    empty: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    perform = schema._migrate

    def fail(connection: object, revision: str) -> bool:
        perform(connection, revision)  # type: ignore[arg-type]
        raise RuntimeError("the power is gone")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "_migrate", fail)
        with pytest.raises(RuntimeError):
            migrate(empty)
    assert tables(empty) == set()
    assert migrate(empty)


def test_a_newer_database_is_not_touched(empty: Settings) -> None:
    migrate(empty)
    change(empty, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")
    with pytest.raises(Refused, match="newer version"):
        migrate(empty)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("ALTER TABLE bezant_users DROP COLUMN created_at", "add column"),
        ("ALTER TABLE bezant_users ADD COLUMN shoe_size integer", "remove column"),
        ("DROP TABLE bezant_user_roles", "add table"),
        ("CREATE TABLE bezant_surprise (id integer)", "remove table"),
    ],
)
def test_differences_are_told(empty: Settings, statement: str, found: str) -> None:
    migrate(empty)
    change(empty, statement)
    database = opened(empty)
    told = database.run(differences)
    database.close()
    assert any(difference.startswith(found) for difference in told), told


def test_a_new_sqlite_file_is_for_its_owner_only() -> None:
    migrate(load_settings())
    assert Path("bezant.db").stat().st_mode & 0o777 == 0o600


def change(settings: Settings, statement: str) -> None:
    engine = create_engine(settings.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
