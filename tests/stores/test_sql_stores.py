"""What the stores in SQL do beyond the contract, on every driver."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest
from sqlalchemy.exc import IntegrityError

from bezant.clients import Client, ClientSecret
from bezant.stores import Blocked, Code, LogoutNotice, Outcome, Taking, ThrottleLimit
from bezant.stores.sql import Database, Prepared, SQLStores, authorizations, codes, schema, throttle
from bezant.stores.sql.authorizations import STEP
from bezant.testing.stores import NOW, an_authorization, call, together

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection, Table

    from bezant.stores import Stores
    from bezant.stores.sql.prepared import Row

CLIENT = Client("web", grants=frozenset({"password"}), secrets=(ClientSecret("sha256$aa$bb"),))


async def test_they_are_all_the_stores_there_are(sql: SQLStores[Database]) -> None:
    stores: Stores = sql
    assert await call(stores.clients.get, "web") is None
    assert await call(stores.codes.peek, "code", "digest", NOW) is None
    assert await call(stores.consents.get, "alice", "web") is None
    assert await call(stores.logouts.claim, NOW, NOW + 60, 10) == []


async def test_clients_are_added_once(sql: SQLStores[Database]) -> None:
    assert sorted(await together(sql.clients.add, 10, CLIENT)) == [False] * 9 + [True]
    assert not await call(sql.clients.add, replace(CLIENT, name="other"))
    assert await call(sql.clients.get, "web") == CLIENT


async def test_clients_are_replaced(sql: SQLStores[Database]) -> None:
    secrets = (ClientSecret("sha256$cc$dd"), ClientSecret("sha256$aa$bb", expires_at=NOW))
    changed = replace(CLIENT, secrets=secrets, active=False, access_token_ttl=60)
    assert not await call(sql.clients.replace, changed)
    await call(sql.clients.add, CLIENT)
    await call(sql.clients.add, replace(CLIENT, client_id="other"))
    assert await call(sql.clients.replace, changed)
    assert await call(sql.clients.get, "web") == changed
    assert await call(sql.clients.get, "other") == replace(CLIENT, client_id="other")


async def test_clients_are_listed_by_id(sql: SQLStores[Database]) -> None:
    clients = [replace(CLIENT, client_id=client_id) for client_id in ("b", "c", "a")]
    for client in clients:
        await call(sql.clients.add, client)
    listed = await call(sql.clients.list_all)
    assert [client.client_id for client in listed] == ["a", "b", "c"]
    assert set(listed) == set(clients)


async def test_a_row_that_came_between_two_statements_is_rotated(
    sql: SQLStores[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(Prepared):
        """Finds nothing at first, as if the row had not been committed yet."""

        calls = 0

        def row(self, connection: Connection, /, **parameters: object) -> Row | None:
            self.calls += 1
            return super().row(connection, **parameters) if self.calls > 1 else None

    monkeypatch.setattr(authorizations, "ROTATE", Blind(authorizations.ROTATE._build))
    row = an_authorization()
    await call(sql.authorizations.add, row)
    rotation = await call(
        sql.authorizations.rotate, row.id, row.client_id, 1, NOW, NOW + 1000, 10.0
    )
    assert rotation.outcome is Outcome.ROTATED
    assert rotation.authorization == replace(row, generation=2, rotated_at=NOW)


async def test_a_code_that_came_between_two_statements_is_none_that_was_taken(
    sql: SQLStores[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Blind(Prepared):
        """Finds nothing, as if the row had not been committed yet."""

        def row(self, connection: Connection, /, **parameters: object) -> Row | None:
            return None

    code = Code("code", "digest", "{}", NOW + 60)
    await call(sql.codes.put, code)
    with monkeypatch.context() as patched:
        patched.setattr(codes, "TAKE", Blind(codes.TAKE._build))
        assert await call(sql.codes.take, "code", "digest", NOW) == (Taking.UNKNOWN, None)
    assert await call(sql.codes.take, "code", "digest", NOW) == (Taking.TAKEN, "{}")


TWICE = ThrottleLimit(free=2, base=10.0, cap=10.0, memory=100.0)


async def test_a_block_that_was_lifted_between_two_statements_blocks_nobody(
    sql: SQLStores[Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Lifted(Prepared):
        """Finds nothing: what blocked was taken back just now."""

        def rows(self, connection: Connection, /, **parameters: object) -> Sequence[Row]:
            throttle.refund(connection, ["k"])
            return []

    for _ in range(2):
        assert await call(sql.throttle.attempt, {"k": TWICE}, NOW) is None
    with monkeypatch.context() as patched:
        patched.setattr(throttle, "_blocks", lambda size: Lifted(throttle.BLOCK._build))
        assert await call(sql.throttle.attempt, {"k": TWICE}, NOW) is None
    assert await call(sql.throttle.attempt, {"k": TWICE}, NOW) == Blocked("k", 10.0)


@pytest.mark.parametrize("held", ["a", "b"])
def test_a_block_that_came_while_its_row_was_waited_for_counts_nowhere(
    held: str, postgres_url: str
) -> None:
    counters = dict.fromkeys("ab", TWICE)
    (other,) = counters.keys() - {held}
    with (
        closing(Database.sync(postgres_url)) as database,
        psycopg.connect(postgres_url) as slow,
        psycopg.connect(postgres_url, autocommit=True) as watch,
        ThreadPoolExecutor(1) as thread,
    ):
        database.create_all()
        store = SQLStores(database).throttle
        slow.execute("INSERT INTO bezant_attempts VALUES (%s, 2, %s, %s)", [held, NOW + 10, NOW])
        answer = thread.submit(store.attempt, counters, NOW)
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        while not watch.execute(waits).fetchone():
            time.sleep(0.01)
        slow.commit()
        assert answer.result() == Blocked(held, 10.0)
        for _ in range(2):
            assert store.attempt({other: TWICE}, NOW) is None
        assert store.attempt({other: TWICE}, NOW) == Blocked(other, 10.0)


async def test_of_many_notices_all_are_stored_or_none(sql: SQLStores[Database]) -> None:
    notices = [
        LogoutNotice(id_, "web", "alice", "browser", NOW, due_at=NOW) for id_ in ("a", "b", "a")
    ]
    with pytest.raises(IntegrityError):
        await call(sql.logouts.add, notices)
    assert list(await call(sql.logouts.claim, NOW, NOW + 60, 10)) == []


async def test_purges_take_as_many_steps_as_they_need(sql: SQLStores[Database]) -> None:
    many = 2 * STEP + 3
    row = an_authorization(expires_at=NOW - 1, idle_expires_at=NOW - 1)
    alive = an_authorization()

    def fill(connection: Connection) -> None:
        def insert(table: Table, *rows: dict[str, object]) -> None:
            connection.execute(table.insert(), list(rows))

        values = {
            column.name: getattr(row, column.name)
            for column in schema.authorizations.c
            if column.name != "sweep_at"
        } | {"scopes": "[]", "audience": "[]", "sweep_at": NOW - 2}
        moved = {"expires_at": alive.expires_at, "idle_expires_at": alive.idle_expires_at}
        insert(
            schema.authorizations,
            *[values | {"id": f"ended {number}"} for number in range(many)],
            *[values | moved | {"id": f"alive {number}"} for number in range(many)],
        )
        insert(
            schema.revocations,
            *[
                {"kind": "token", "value": str(number), "issued_before": NOW}
                | {"expires_at": NOW, "recorded_at": NOW}
                for number in range(many)
            ],
        )
        insert(
            schema.attempts,
            *[
                {"key": str(number), "attempts": 1, "blocked_until": 0.0, "touched_at": NOW - 1}
                for number in range(many)
            ],
        )

        insert(
            schema.codes,
            *[
                {"kind": "code", "digest": str(number), "value": "{}", "taken": False}
                | {"expires_at": NOW}
                for number in range(many)
            ],
        )

    await call(sql.database.run, fill)
    assert await call(sql.authorizations.purge, NOW) == many
    assert await call(sql.authorizations.purge, NOW) == 0
    assert await call(sql.revocations.purge, NOW) == many
    assert await call(sql.throttle.purge, NOW) == many
    assert await call(sql.codes.purge, NOW) == many
    assert len(await call(sql.authorizations.list_live, NOW, limit=10_000)) == many
