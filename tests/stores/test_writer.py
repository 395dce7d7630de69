"""The SQLite writer thread: what it commits together, and what it keeps apart."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import OperationalError

from bezant.errors import StoreUnavailable
from bezant.stores.sql import AsyncDatabase, Database, one_statement, reads
from bezant.stores.sql.schema import allowances
from bezant.stores.sql.writer import MAX_BATCH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bezant.db"


@pytest.fixture
async def database(file: Path) -> AsyncIterator[AsyncDatabase]:
    database = Database.asynchronous(f"sqlite:///{file}", timeout=0.2)
    await database.create_all()
    yield database
    await database.close()


def put(connection: Connection, key: str) -> str:
    connection.execute(allowances.insert().values(key=key, credits=1, expires_at=1.0))
    return key


def put_and_fail(connection: Connection, key: str) -> None:
    put(connection, key)
    raise LookupError(key)


@reads
def count(connection: Connection) -> int:
    return len(connection.execute(select(allowances.c.key)).all())


def trace(connection: Connection, statements: list[str]) -> None:
    driver: Any = connection.connection.dbapi_connection
    driver.set_trace_callback(statements.append)


class Gate:
    """Keeps the thread busy, so that what comes meanwhile is one batch."""

    def __init__(self, database: AsyncDatabase) -> None:
        self._database = database
        self._entered, self._open = threading.Event(), threading.Event()

    async def __aenter__(self) -> None:
        def hold(connection: Connection) -> None:
            self._entered.set()
            self._open.wait(10)

        self._holder = asyncio.create_task(self._database.run(reads(hold)))
        await asyncio.to_thread(self._entered.wait, 10)

    async def __aexit__(self, *error: object) -> None:
        await asyncio.sleep(0)  # so that every task has put its unit into the queue
        self._open.set()
        await self._holder


async def together(database: AsyncDatabase, *units: Callable[[Connection], Any]) -> list[Any]:
    """The results, or errors, of units in one batch."""
    async with Gate(database):
        tasks = [asyncio.create_task(database.run(unit)) for unit in units]
        await asyncio.sleep(0)
    return await asyncio.gather(*tasks, return_exceptions=True)


def putting(key: str) -> Callable[[Connection], str]:
    return lambda connection: put(connection, key)


async def test_commits_what_waits_together(database: AsyncDatabase) -> None:
    statements: list[str] = []
    await database.run(trace, statements)
    statements.clear()
    results = await together(database, *[putting(str(number)) for number in range(20)])
    assert results == [str(number) for number in range(20)]
    assert statements.count("BEGIN IMMEDIATE") == 1
    assert statements.count("COMMIT") == 1
    assert await database.run(count) == 20


async def test_commits_together_what_one_turn_of_a_loop_asks_for(database: AsyncDatabase) -> None:
    statements: list[str] = []
    await database.run(trace, statements)
    statements.clear()
    await asyncio.gather(*[database.run(putting(str(number))) for number in range(20)])
    assert statements.count("COMMIT") == 1


async def test_closing_finishes_what_the_same_turn_asked_for(database: AsyncDatabase) -> None:
    tasks = [asyncio.create_task(database.run(putting(str(number)))) for number in range(3)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == ["0", "1", "2"]


async def test_commits_many_in_several_batches(database: AsyncDatabase) -> None:
    statements: list[str] = []
    await database.run(trace, statements)
    statements.clear()
    amount = 2 * MAX_BATCH + 1
    await together(database, *[putting(str(number)) for number in range(amount)])
    assert statements.count("COMMIT") == 3
    assert await database.run(count) == amount


async def test_reads_take_no_lock(database: AsyncDatabase) -> None:
    statements: list[str] = []
    await database.run(trace, statements)
    statements.clear()
    await together(database, count, count)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "SELECT"]


async def test_a_unit_that_fails_does_not_hurt_the_others(database: AsyncDatabase) -> None:
    first, failed, clash, last = await together(
        database,
        putting("a"),
        lambda connection: put_and_fail(connection, "b"),
        lambda connection: put(connection, put(connection, "c") and "a"),
        putting("d"),
    )
    assert (first, last) == ("a", "d")
    assert isinstance(failed, LookupError)
    assert type(clash).__name__ == "IntegrityError"
    assert await database.run(count) == 2


async def test_a_commit_that_fails_fails_all_of_the_batch(database: AsyncDatabase) -> None:
    def create(connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE TABLE child (parent TEXT REFERENCES bezant_allowances (key)"
            " DEFERRABLE INITIALLY DEFERRED)"
        )

    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("INSERT INTO child VALUES ('nobody')")

    await database.run(create)
    results = await together(database, putting("a"), orphan, putting("b"))
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert await database.run(count) == 0
    assert await database.run(put, "a") == "a"


@pytest.mark.parametrize("kind", [one_statement, lambda unit: unit])
async def test_a_transaction_that_sqlite_ended_fails_all_of_the_batch(
    database: AsyncDatabase, kind: Callable[[Any], Any]
) -> None:
    @kind
    def end(connection: Connection) -> None:
        connection.exec_driver_sql("ROLLBACK")  # as SQLite does itself when the disk fails
        raise LookupError

    results = await together(database, putting("a"), end, putting("b"))
    assert [type(result) for result in results] == [StoreUnavailable] * 3
    assert await database.run(count) == 0
    assert await database.run(put, "a") == "a"


async def test_a_full_disk_is_an_outage(database: AsyncDatabase) -> None:
    def shrink(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")

    def grow(connection: Connection) -> None:
        for number in range(200):
            put(connection, "x" * 250 + str(number))

    await database.run(reads(shrink))
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        await database.run(grow)
    assert await database.run(count) == 0


async def test_mistakes_are_no_outage(database: AsyncDatabase) -> None:
    with pytest.raises(OperationalError, match="no such table"):
        await database.run(lambda connection: connection.execute(text("SELECT * FROM nowhere")))


async def test_another_process_that_holds_the_lock_is_waited_for(
    database: AsyncDatabase, file: Path
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        threading.Timer(0.05, other.execute, ["COMMIT"]).start()
        assert await database.run(put, "a") == "a"


async def test_a_lock_that_is_never_released_is_an_outage(
    database: AsyncDatabase, file: Path
) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="SQLITE_BUSY"):
            await database.run(put, "a")
        assert await database.run(count) == 0  # reading goes on
    assert await database.run(put, "a") == "a"


async def test_a_file_that_cannot_be_opened_is_an_outage_until_it_can(tmp_path: Path) -> None:
    database = Database.asynchronous(f"sqlite:///{tmp_path}/later/bezant.db")
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="SQLITE_CANTOPEN"):
            await database.create_all()
    (tmp_path / "later").mkdir()
    await database.create_all()
    await database.close()


async def test_a_task_that_was_cancelled_does_not_hurt_the_others(
    database: AsyncDatabase,
) -> None:
    async with Gate(database):
        cancelled = asyncio.create_task(database.run(put, "a"))
        other = asyncio.create_task(database.run(put, "b"))
        await asyncio.sleep(0)
        cancelled.cancel()
    assert await other == "b"
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_closing_finishes_what_waits(database: AsyncDatabase, file: Path) -> None:
    async with Gate(database):
        tasks = [asyncio.create_task(database.run(put, str(number))) for number in range(50)]
        await asyncio.sleep(0)
        closing_task = asyncio.create_task(database.close())
        await asyncio.sleep(0)
        with pytest.raises(StoreUnavailable, match="closed"):
            await database.run(put, "late")
    await closing_task
    assert await asyncio.gather(*tasks) == [str(number) for number in range(50)]
    with closing(sqlite3.connect(file)) as other:
        assert other.execute("SELECT count(*) FROM bezant_allowances").fetchone() == (50,)
    assert "bezant-sqlite" not in [thread.name for thread in threading.enumerate()]


async def test_closing_twice_or_unused_does_no_harm(tmp_path: Path) -> None:
    database = Database.asynchronous(f"sqlite:///{tmp_path}/bezant.db")
    await database.close()
    await database.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await database.create_all()


def test_serves_several_event_loops(file: Path) -> None:
    database = Database.asynchronous(f"sqlite:///{file}")
    asyncio.run(database.create_all())

    async def work(number: int) -> None:
        await asyncio.gather(*(database.run(put, f"{number}.{key}") for key in range(50)))

    threads = [threading.Thread(target=asyncio.run, args=[work(number)]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert asyncio.run(database.run(count)) == 200
    asyncio.run(database.close())


def test_outlives_a_loop_that_ended_before_its_answer(file: Path) -> None:
    database = Database.asynchronous(f"sqlite:///{file}")
    asyncio.run(database.create_all())
    opened = threading.Event()

    def slow(connection: Connection) -> None:
        opened.wait(10)

    async def leave() -> None:
        task = asyncio.create_task(database.run(slow))
        await asyncio.sleep(0)
        task.cancel()

    asyncio.run(leave())
    opened.set()
    assert asyncio.run(database.run(put, "a")) == "a"
    asyncio.run(database.close())


FORK = """
import asyncio, os, sys
from sqlalchemy import text
from bezant.stores.sql import Database

def put(connection, key):
    connection.execute(text("INSERT INTO bezant_allowances VALUES (:key, 1, 1.0)"), {"key": key})

def count(connection):
    return connection.execute(text("SELECT count(*) FROM bezant_allowances")).scalar_one()

if sys.argv[2] == "asynchronous":
    database, settle = Database.asynchronous(sys.argv[1]), asyncio.run
else:
    database, settle = Database.sync(sys.argv[1]), lambda result: result
settle(database.create_all())
settle(database.run(put, "parent"))
child = os.fork()
if child == 0:
    settle(database.run(put, "child"))
    settle(database.close())
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
settle(database.run(put, "parent again"))
assert settle(database.run(count)) == 3
settle(database.close())
"""


@pytest.mark.parametrize("kind", ["asynchronous", "sync"])
def test_works_on_both_sides_of_a_fork(kind: str, file: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", FORK, f"sqlite:///{file}", kind]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
