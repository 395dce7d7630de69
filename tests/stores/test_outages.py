"""What a database that cannot answer looks like: a prompt `StoreUnavailable`, and nothing after."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from sqlalchemy import Connection, text

from bezant.errors import StoreUnavailable
from bezant.stores.sql import Database, SQLStores, reads
from bezant.testing.stores import call, together
from tests.services import Postgres

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

KINDS = ["psycopg", "psycopg-threads", "asyncpg"]


def open_database(kind: str, url: str, **options: Any) -> Database:
    if kind == "psycopg-threads":
        return Database.sync(url, **options)
    return Database.asynchronous(url.replace("postgresql", f"postgresql+{kind}", 1), **options)


@asynccontextmanager
async def opened(kind: str, url: str, **options: Any) -> AsyncIterator[SQLStores[Database]]:
    database = open_database(kind, url, **options)
    try:
        yield SQLStores(database)
    finally:
        await call(database.close)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server to be stopped and started."""
    server = Postgres()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
def url(server: Postgres) -> Iterator[str]:
    url = server.create_database()
    with closing(Database.sync(url)) as database:
        database.create_all()
    yield url
    server.drop_database(url)


@reads
def one(connection: Connection) -> int:
    return len(connection.execute(text("SELECT 1")).all())


@pytest.mark.parametrize("kind", KINDS)
class TestPostgres:
    async def test_a_stopped_server(self, kind: str, server: Postgres, url: str) -> None:
        async with opened(kind, url) as stores:
            await call(stores.clients.get, "web")
            server.stop()
            started = time.monotonic()
            for _ in range(2):
                with pytest.raises(StoreUnavailable) as caught:
                    await call(stores.clients.get, "web")
                assert "postgres" not in str(caught.value)
                assert caught.value.__suppress_context__
            assert time.monotonic() - started < 4
            server.start()
            assert await call(stores.clients.get, "web") is None

    @pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
    async def test_a_restart_between_two_requests_goes_unnoticed(
        self, kind: str, how: signal.Signals, server: Postgres, url: str
    ) -> None:
        async with opened(kind, url, pool_size=5) as stores:
            await together(stores.database.bind(one), 20)
            server.stop(how)
            server.start()
            await noticed()
            assert await together(stores.database.bind(one), 20) == [1] * 20

    async def test_a_connection_lost_on_the_way(self, kind: str, url: str) -> None:
        def cut(connection: Connection) -> None:
            connection.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

        async with opened(kind, url) as stores:
            with pytest.raises(StoreUnavailable):
                await call(stores.database.run, cut)
            assert await call(stores.database.run, one) == 1

    async def test_no_connection_is_free(self, kind: str, url: str) -> None:
        async with opened(kind, url, pool_size=1, timeout=0.2) as stores:
            with psycopg.connect(url) as other:
                other.execute("LOCK bezant_clients IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(StoreUnavailable):
                    await together(stores.clients.get, 3, "web")
            assert await call(stores.clients.get, "web") is None

    async def test_a_lock_that_is_never_released(self, kind: str, url: str) -> None:
        async with opened(kind, url, timeout=0.3) as stores:
            with psycopg.connect(url) as other:
                other.execute("LOCK bezant_clients IN ACCESS EXCLUSIVE MODE")
                with pytest.raises(StoreUnavailable, match="55P03"):
                    await call(stores.clients.get, "web")
            assert await call(stores.clients.get, "web") is None

    async def test_a_standby_that_only_reads(self, kind: str, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            name = admin.info.dbname
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        async with opened(kind, url) as stores:
            with pytest.raises(StoreUnavailable, match="25006"):
                await call(stores.throttle.earn, "k", 1, 1.0)

    async def test_too_many_connections(self, kind: str, url: str) -> None:
        with psycopg.connect(url, autocommit=True) as admin:
            name = admin.info.dbname
            admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")
            admin.execute("CREATE ROLE guest LOGIN")
            async with opened(kind, url.replace("postgres@", "guest@")) as stores:
                with pytest.raises(StoreUnavailable):
                    await call(stores.clients.get, "web")
            admin.execute("DROP ROLE guest")


async def test_a_server_that_hangs(server: Postgres, url: str) -> None:
    async with opened("asyncpg", url, timeout=0.3) as stores:
        await call(stores.clients.get, "web")
        server.pause()
        try:
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await call(stores.clients.get, "web")
            assert time.monotonic() - started < 5
        finally:
            server.resume()
        assert await call(stores.clients.get, "web") is None


async def noticed() -> None:
    """Let the event loop read what waits for it, as it does all the time in a server."""
    for _ in range(5):
        await asyncio.sleep(0)
