"""Units of work, on every driver: transactions, markers, second tries."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from bezant.errors import StoreUnavailable
from bezant.stores.sql import Database, SQLStores, one_statement, reads, transaction
from bezant.stores.sql.schema import allowances
from bezant.testing.stores import call

if TYPE_CHECKING:
    from collections.abc import Sequence

Stores = SQLStores[Database]


class Mistake(Exception):
    """Raised by a unit of work."""


def put(connection: Connection, *keys: str) -> int:
    for key in keys:
        connection.execute(allowances.insert().values(key=key, credits=1, expires_at=1.0))
    return len(keys)


def put_and_fail(connection: Connection, key: str) -> None:
    put(connection, key)
    raise Mistake


@reads
def keys(connection: Connection) -> Sequence[str]:
    return (
        connection.execute(text("SELECT key FROM bezant_allowances ORDER BY key")).scalars().all()
    )


async def test_runs_units_with_arguments_and_gives_results_back(sql: Stores) -> None:
    assert await call(sql.database.run, put, "a", "b") == 2
    assert await call(sql.database.run, keys) == ["a", "b"]


async def test_a_unit_that_raises_leaves_nothing(sql: Stores) -> None:
    with pytest.raises(Mistake):
        await call(sql.database.run, put_and_fail, "a")
    assert await call(sql.database.run, keys) == []


async def test_a_failed_statement_leaves_nothing_and_is_no_outage(sql: Stores) -> None:
    with pytest.raises(IntegrityError) as caught:
        await call(sql.database.run, put, "a", "b", "a")
    assert "parameters hidden" in str(caught.value)
    assert await call(sql.database.run, keys) == []
    assert await call(sql.database.run, put, "a") == 1


async def test_a_part_of_a_unit_may_be_a_transaction(sql: Stores) -> None:
    @one_statement
    def unit(connection: Connection) -> None:
        put(connection, "outside")
        with suppress(Mistake), transaction(connection):
            put_and_fail(connection, "inside")
        with transaction(connection):
            put(connection, "after")

    await call(sql.database.run, unit)
    assert await call(sql.database.run, keys) == ["after", "outside"]


@pytest.mark.parametrize("database", ["sqlite-threads", "psycopg-threads"], indirect=True)
async def test_an_interrupted_unit_leaves_nothing(sql: Stores) -> None:
    def interrupt(connection: Connection) -> None:
        put(connection, "a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        await call(sql.database.run, interrupt)
    assert await call(sql.database.run, keys) == []


async def test_a_transaction_within_a_transaction_is_the_same_one(sql: Stores) -> None:
    def unit(connection: Connection) -> None:
        put(connection, "a")
        with transaction(connection):
            put(connection, "b")
        raise Mistake

    with pytest.raises(Mistake):
        await call(sql.database.run, unit)
    assert await call(sql.database.run, keys) == []


async def test_a_failure_does_not_poison_the_connection(sql: Stores) -> None:
    for attempt in range(25):  # more than any pool has connections
        with pytest.raises(Mistake):
            await call(sql.database.run, put_and_fail, f"k{attempt}")
    assert await call(sql.database.run, put, "k0") == 1


async def test_creating_the_tables_twice_does_no_harm(sql: Stores) -> None:
    await call(sql.database.run, put, "a")
    await call(sql.database.create_all)
    assert await call(sql.database.run, keys) == ["a"]


@pytest.mark.parametrize("database", ["psycopg", "psycopg-threads", "asyncpg"], indirect=True)
@pytest.mark.parametrize("state", ["40001", "40P01"])
class TestConflicts:
    """A transaction that lost against another is run again, once."""

    async def test_runs_again(self, sql: Stores, state: str) -> None:
        attempts = 0

        def unit(connection: Connection) -> str:
            nonlocal attempts
            attempts += 1
            put(connection, "a")
            if attempts == 1:
                lose(connection, state)
            return "done"

        assert await call(sql.database.run, unit) == "done"
        assert attempts == 2
        assert await call(sql.database.run, keys) == ["a"]

    async def test_gives_up_after_the_second(self, sql: Stores, state: str) -> None:
        with pytest.raises(StoreUnavailable, match=state):
            await call(sql.database.run, lose, state)


def lose(connection: Connection, state: str) -> None:
    connection.exec_driver_sql(f"DO $$ BEGIN RAISE SQLSTATE '{state}'; END $$")
