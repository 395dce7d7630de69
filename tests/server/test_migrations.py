"""The tables: made, compared, changed, and never half done."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from bezant.clients import Client
from bezant.errors import Refused
from bezant.runtime import run_sync
from bezant.stores import Code, Consent, LogoutNotice
from bezant.stores.sql import Database, SQLStores, SyncDatabase
from bezant.testing.stores import an_authorization, call
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


def columns(settings: Settings) -> dict[str, set[str]]:
    engine = create_engine(settings.database_url)
    try:
        inspected = inspect(engine)
        return {
            table: {column["name"] for column in inspected.get_columns(table)}
            | {str(index["name"]) for index in inspected.get_indexes(table)}
            for table in inspected.get_table_names()
        }
    finally:
        engine.dispose()


def names(settings: Settings, query: str) -> set[str]:
    engine = create_engine(settings.database_url)
    try:
        with engine.connect() as connection:
            return set(connection.scalars(text(query)))
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


FIRST_CLIENT = (
    "INSERT INTO bezant_clients (client_id, grants, scopes, audience, auth_method, secrets, name,"
    " active, introspect) VALUES ('{0}', '[\"password\"]', '[\"items\"]', '[]', 'none', '[]', '',"
    " true, true)"
)
FIRST_AUTHORIZATION = (
    "INSERT INTO bezant_authorizations (id, client_id, subject, scopes, audience, auth_time,"
    " created_at, expires_at, idle_expires_at, generation, rotated_at, address, sweep_at)"
    " VALUES ('{0}', 'old', 'alice', '[\"items\"]', '[]', 1, 1, 9, 9, 3, 5, '', 9)"
)
"""As the first version writes them."""


def test_rows_of_the_first_version_outlive_the_way_up_and_down(empty: Settings) -> None:
    migrate(empty, "0001")
    first = columns(empty)
    change(empty, FIRST_CLIENT.format("old"))
    change(empty, FIRST_AUTHORIZATION.format("old"))

    assert migrate(empty)
    # Processes of the first version may not have ended yet.
    change(empty, FIRST_CLIENT.format("late"))
    change(empty, FIRST_AUTHORIZATION.format("late"))
    database = opened(empty)
    stores = SQLStores(database)
    client = Client("old", grants=frozenset({"password"}), scopes=("items",), auth_method="none")
    new = Client(
        "new",
        grants=frozenset({"authorization_code"}),
        auth_method="none",
        redirect_uris=("https://app.example.com/callback",),
        first_party=True,
    )
    for name in ("late", "old"):
        assert run_sync(call(stores.clients.get, name)) == replace(client, client_id=name)
        kept = run_sync(call(stores.authorizations.get, name))
        assert kept is not None
        assert (kept.generation, kept.session_id, kept.claims) == (3, None, "")
    assert run_sync(call(stores.clients.add, new))
    browser = an_authorization(id="new", session_id="browser", claims="{}")
    run_sync(call(stores.authorizations.add, browser))
    assert run_sync(call(stores.authorizations.list_for_session, "browser")) == [browser]
    assert run_sync(call(stores.codes.put, Code("code", "digest", "{}", 9.0)))
    run_sync(call(stores.consents.put, Consent("alice", "new", ("items",), 1.0)))
    notice = LogoutNotice("notice", "new", "alice", "browser", 1.0)
    run_sync(call(stores.logouts.add, [notice]))
    database.close()

    assert migrate(empty, "0001")
    assert columns(empty) == first
    assert names(empty, "SELECT client_id FROM bezant_clients") == {"old", "late", "new"}
    assert names(empty, "SELECT id FROM bezant_authorizations") == {"old", "late", "new"}


def test_migrated_tables_are_those_that_are_created(
    empty: Settings, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Defaults and conditions of indexes too, which Alembic does not compare."""
    migrate(empty)
    fresh = f"sqlite:///{tmp_path}/created.db"
    if not empty.database_url.startswith("sqlite"):
        fresh = request.getfixturevalue("postgres").create_database()
    engine = create_engine(fresh)
    for metadata in METADATA:
        metadata.create_all(engine)
    engine.dispose()
    migrated = structure(empty.database_url)
    del migrated[VERSION_TABLE]
    assert migrated == structure(fresh)


def structure(url: str) -> dict[str, dict[str, str]]:
    """All that a database says about its tables."""
    engine = create_engine(url)
    try:
        inspected = inspect(engine)
        return {
            table: {
                **{column["name"]: described(column) for column in inspected.get_columns(table)},
                **{str(index["name"]): described(index) for index in inspected.get_indexes(table)},
                "primary key": described(inspected.get_pk_constraint(table)),
            }
            for table in inspected.get_table_names()
        }
    finally:
        engine.dispose()


def described(thing: Any) -> str:
    if isinstance(thing, dict):
        return str(sorted((name, described(value)) for name, value in thing.items()))
    return str(thing)


def test_authorizations_are_still_one_tree() -> None:
    settings = load_settings()
    migrate(settings)
    found = names(settings, "SELECT sql FROM sqlite_master WHERE name = 'bezant_authorizations'")
    assert "WITHOUT ROWID" in found.pop()


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
