"""Several processes on one database, and one that is killed."""

from __future__ import annotations

import secrets
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, closing
from itertools import islice
from pathlib import Path

import pytest

from bezant.runtime import run_sync
from bezant.stores import Authorization, Outcome
from bezant.stores.sql import Database, SQLStores
from bezant.testing.stores import call
from tests.stores.rotator import CLIENT, WINDOW

PROCESSES = 4


@pytest.fixture(
    params=["sqlite", "sync+sqlite", "postgresql", "sync+postgresql", "postgresql+asyncpg"]
)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    driver: str = request.param
    if driver.endswith("sqlite"):
        plain = f"sqlite:///{tmp_path}/bezant.db"
        with closing(Database.sync(plain)) as database:
            database.create_all()
        return plain.replace("sqlite", driver, 1)
    shared: str = request.getfixturevalue("shared_postgres_url")
    return shared.replace("postgresql", driver, 1)


def add(url: str, *ids: str) -> None:
    now = time.time()
    with closing(Database.sync(url.removeprefix("sync+"))) as database:
        for id_ in ids:
            row = Authorization(id_, CLIENT, "alice", (), (), now, now, now + 9999, now + 999)
            run_sync(call(SQLStores(database).authorizations.add, row))


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.stores.rotator", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        text=True,
    )


def test_r01_many_refreshes_in_many_processes_make_one_generation(url: str) -> None:
    id_ = secrets.token_urlsafe(16)
    add(url, id_)
    with ExitStack() as stack:
        rotators = [stack.enter_context(start("once", url, id_, "13")) for _ in range(PROCESSES)]
        for rotator in rotators:
            assert rotator.stdout is not None
            assert rotator.stdout.readline() == "ready\n"
        outputs = [rotator.communicate("go\n", timeout=60)[0] for rotator in rotators]
    assert [rotator.returncode for rotator in rotators] == [0] * PROCESSES
    assert Counter("".join(outputs).split()) == {"ROTATED": 1, "RETRIED": PROCESSES * 13 - 1}


def test_a_process_that_is_killed_loses_nothing_it_acknowledged(url: str) -> None:
    ids = [secrets.token_urlsafe(16) for _ in range(8)]
    add(url, *ids)
    acknowledged = dict.fromkeys(ids, 1)
    rotator = start("forever", url, *ids)
    with rotator:
        assert rotator.stdout is not None
        lines = list(islice(rotator.stdout, 300))
        rotator.kill()
        lines += [line for line in rotator.stdout if line.endswith("\n")]
    for line in lines:
        id_, _, number = line.partition(" ")
        acknowledged[id_] = int(number)

    if "sqlite" in url:
        with closing(sqlite3.connect(url.partition("///")[2])) as file:
            assert file.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    now = time.time()
    with closing(Database.sync(url.removeprefix("sync+"))) as database:
        store = SQLStores(database).authorizations
        for id_, generation in acknowledged.items():
            # The client that saw no answer sends its token again.
            rotation = run_sync(call(store.rotate, id_, CLIENT, generation, now, now + 999, WINDOW))
            assert rotation.outcome in (Outcome.ROTATED, Outcome.RETRIED)
            assert rotation.authorization is not None
            assert rotation.authorization.generation == generation + 1
