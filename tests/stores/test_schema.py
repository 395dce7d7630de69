"""The tables: their names, and that no statement reads more of them than it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text

from bezant.runtime import run_sync
from bezant.stores import Outcome
from bezant.stores.sql import (
    Database,
    Prepared,
    SQLStores,
    SyncDatabase,
    authorizations,
    clients,
    codes,
    consents,
    keys,
    logouts,
    metadata,
    reads,
    revocations,
    schema,
    throttle,
)
from bezant.testing.stores import NOW, an_authorization, call

if TYPE_CHECKING:
    from collections.abc import Iterator

WHOLE_TABLE = {clients.LIST, keys.LOAD}
"""These are small, and wanted whole."""

STATEMENTS = {
    f"{module.__name__.rpartition('.')[2]}.{name}": statement
    for module in (
        authorizations,
        clients,
        codes,
        consents,
        keys,
        logouts,
        revocations,
        throttle,
    )
    for name, statement in vars(module).items()
    if isinstance(statement, Prepared)
} | {f"authorizations.LIST{by}": statement for by, statement in authorizations.LIST.items()}


@pytest.fixture
def database() -> Iterator[SyncDatabase]:
    database = Database.sync("sqlite://")
    database.create_all()
    yield database
    database.close()


def test_all_tables_bear_our_name() -> None:
    assert all(table.name.startswith("bezant_") for table in metadata.sorted_tables)
    assert {column.name for column in schema.authorizations.c} >= {
        column.name for column in authorizations.COLUMNS
    }


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_finds_its_rows_by_an_index(name: str, database: SyncDatabase) -> None:
    statement = STATEMENTS[name]

    @reads
    def plan(connection: Connection) -> list[str]:
        sql = statement._compile(connection.dialect).string
        steps = connection.connection.cursor().execute(
            f"EXPLAIN QUERY PLAN {sql}", (None,) * sql.count("?")
        )
        return [step[3] for step in steps]

    steps = database.run(plan)
    if statement not in WHOLE_TABLE:
        assert not [step for step in steps if step.startswith("SCAN") and "INDEX" not in step]


def test_postgresql_updates_a_rotated_row_without_touching_indexes(
    shared_postgres_url: str,
) -> None:
    database = Database.sync(shared_postgres_url, pool_size=1)
    store = SQLStores(database).authorizations

    @reads
    def updates(connection: Connection) -> tuple[int, int]:
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        row = connection.execute(
            text(
                "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables"
                " WHERE relname = 'bezant_authorizations'"
            )
        ).one()
        return row[0], row[1]

    before = database.run(updates)
    added = an_authorization()
    run_sync(call(store.add, added))
    for generation in range(1, 41):
        rotation = run_sync(
            call(store.rotate, added.id, added.client_id, generation, NOW, NOW + 1000, 10.0)
        )
        assert rotation.outcome is Outcome.ROTATED
    after = database.run(updates)
    database.close()
    rows, without_indexes = (new - old for new, old in zip(after, before, strict=True))
    assert rows == 40
    assert without_indexes >= 38
