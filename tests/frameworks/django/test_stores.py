"""Django's database as the stores of a server: core's contract, and what is Django's own."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext, override_settings

from bezant.errors import ConfigurationError, StoreUnavailable
from bezant.runtime import SYNC
from bezant.stores import (
    AuthorizationStore,
    Blocked,
    ClientStore,
    Code,
    CodeStore,
    Consent,
    ConsentStore,
    KeyStore,
    LogoutNotice,
    LogoutStore,
    Outcome,
    RevocationStore,
    StoredKey,
    Taking,
    ThrottleLimit,
    ThrottleStore,
)
from bezant.testing.stores import (
    NOW,
    AuthorizationStoreContract,
    ClientStoreContract,
    CodeStoreContract,
    ConsentStoreContract,
    KeyStoreContract,
    LogoutStoreContract,
    RevocationStoreContract,
    ThrottleStoreContract,
    an_authorization,
)
from django_bezant.stores import DjangoStores, django_stores
from tests.frameworks.django.databases import LABEL, added, postgres_database, sqlite_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from django.db.backends.base.base import BaseDatabaseWrapper

    from tests.services import Postgres


class Threads:
    """A store called from threads without an event loop, as under WSGI.

    Each thread has a connection of its own, until `close`.
    """

    def __init__(self, store: Any, alias: str) -> None:
        self._store = store
        self._alias = alias
        self._worker = ThreadPoolExecutor(1)
        self._connections: set[BaseDatabaseWrapper] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)

        def here(*args: Any, **kwargs: Any) -> Any:
            self._connections.add(connections[self._alias])
            return method(*args, **kwargs)

        return self._called(here)

    def _called(self, here: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return here(*args, **kwargs)
            return self._worker.submit(here, *args, **kwargs).result()

        return call

    def close(self) -> None:
        self._worker.shutdown()
        for connection in self._connections - {connections[self._alias]}:
            connection.inc_thread_sharing()  # its own thread may have ended
            connection.close()


class Awaited(Threads):
    """A store awaited on an event loop, as under ASGI, where requests run in several threads."""

    def _called(self, here: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            return await sync_to_async(here, thread_sensitive=False)(*args, **kwargs)

        return call


@pytest.fixture(params=[Threads, Awaited], ids=["threads", "asgi"])
def reached(request: pytest.FixtureRequest, alias: str) -> Iterator[Callable[[str], Any]]:
    """One of the stores, by its name, reached in either way."""
    stores, made = django_stores(alias), list[Threads]()

    def reach(name: str) -> Any:
        made.append(request.param(getattr(stores, name), alias))
        return made[-1]

    yield reach
    for one in made:
        one.close()


class TestClients(ClientStoreContract):
    @pytest.fixture
    def store(self, alias: str, reached: Callable[[str], Any]) -> ClientStore:
        for client in self.clients:
            assert django_stores(alias).clients.add(client)
        return reached("clients")


class TestAuthorizations(AuthorizationStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> AuthorizationStore:
        return reached("authorizations")


class TestKeys(KeyStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> KeyStore:
        return reached("keys")


class TestRevocations(RevocationStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> RevocationStore:
        return reached("revocations")


class TestThrottle(ThrottleStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> ThrottleStore:
        return reached("throttle")


class TestCodes(CodeStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> CodeStore:
        return reached("codes")


class TestConsents(ConsentStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> ConsentStore:
        return reached("consents")


class TestLogouts(LogoutStoreContract):
    @pytest.fixture
    def store(self, reached: Callable[[str], Any]) -> LogoutStore:
        return reached("logouts")


@pytest.fixture
def stores(alias: str) -> DjangoStores:
    return django_stores(alias)


def spend(stores: DjangoStores, id_: str, generation: int = 1, window: float = 10.0) -> Outcome:
    rotate = stores.authorizations.rotate
    return rotate(id_, "web", generation, NOW, NOW + 900, window).outcome


class TestClientsBeyondTheContract:
    def test_an_id_is_taken_once(self, stores: DjangoStores) -> None:
        first, second = ClientStoreContract.clients[:2]
        assert stores.clients.add(first)
        assert not stores.clients.add(first)
        assert stores.clients.add(second)
        assert stores.clients.list_all() == sorted((first, second), key=lambda c: c.client_id)

    def test_only_what_is_there_is_replaced(self, stores: DjangoStores) -> None:
        first, second = ClientStoreContract.clients[:2]
        assert not stores.clients.replace(first)
        stores.clients.add(first)
        stores.clients.add(second)
        disabled = first.with_new_secret(secrets.token_urlsafe(), now=NOW, overlap=5.0)
        assert stores.clients.replace(disabled)
        assert stores.clients.get(first.client_id) == disabled
        assert stores.clients.get(second.client_id) == second


def a_code(**changes: Any) -> Code:
    return replace(Code("code", "digest", "{}", NOW + 60), **changes)


def a_notice(id_: str) -> LogoutNotice:
    return LogoutNotice(id_, "web", "7", "browser", NOW, due_at=NOW)


class TestCodesBeyondTheContract:
    def test_one_that_came_between_two_statements_is_none_that_was_taken(
        self, stores: DjangoStores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stores.codes.put(a_code())
        with monkeypatch.context() as patched:  # as if it had not been committed yet
            patched.setattr(type(stores.codes._database), "rows", lambda *_: [])
            assert stores.codes.take("code", "digest", NOW) == (Taking.UNKNOWN, None)
        assert stores.codes.take("code", "digest", NOW) == (Taking.TAKEN, "{}")


TWICE = ThrottleLimit(free=2, base=10.0, cap=10.0, memory=100.0)


class TestThrottleBeyondTheContract:
    def test_a_block_that_was_lifted_between_two_statements_blocks_nobody(
        self, stores: DjangoStores, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        rows = type(stores.throttle._database).rows

        def late(*args: Any) -> Any:
            """As if what blocked had been taken back just after."""
            found = rows(*args)
            if not found:
                stores.throttle.refund(["k"])
            return found

        for _ in range(2):
            assert stores.throttle.attempt({"k": TWICE}, NOW) is None
        with monkeypatch.context() as patched:
            patched.setattr(type(stores.throttle._database), "rows", late)
            assert stores.throttle.attempt({"k": TWICE}, NOW) is None
        assert stores.throttle.attempt({"k": TWICE}, NOW) == Blocked("k", 10.0)

    @pytest.mark.parametrize("held", ["a", "b"])
    def test_a_block_that_came_while_its_row_was_waited_for_counts_nowhere(
        self, held: str, postgres: Postgres
    ) -> None:
        url, counters = postgres.create_database(), dict.fromkeys("ab", TWICE)
        (other,) = counters.keys() - {held}
        with (
            postgres_database(url) as alias,
            psycopg.connect(url) as slow,
            psycopg.connect(url, autocommit=True) as watch,
            ThreadPoolExecutor(1) as thread,
        ):
            stores = django_stores(alias)
            slow.execute(
                "INSERT INTO bezant_login_attempts VALUES (%s, 2, %s, %s)", [held, NOW + 10, NOW]
            )
            answer = thread.submit(_closing(stores, stores.throttle.attempt), counters, NOW)
            waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            while not watch.execute(waits).fetchone():
                time.sleep(0.01)
            slow.commit()
            assert answer.result() == Blocked(held, 10.0)
            for _ in range(2):
                assert stores.throttle.attempt({other: TWICE}, NOW) is None
            assert stores.throttle.attempt({other: TWICE}, NOW) == Blocked(other, 10.0)


class TestLogoutsBeyondTheContract:
    def test_of_many_notices_all_are_stored_or_none(self, stores: DjangoStores) -> None:
        with pytest.raises(IntegrityError):
            stores.logouts.add([a_notice(id_) for id_ in ("a", "b", "a")])
        assert list(stores.logouts.claim(NOW, NOW + 60, 10)) == []

    def test_what_a_sender_holds_is_passed_over(self, postgres: Postgres) -> None:
        with (
            postgres_database(postgres.create_database(), options="-c lock_timeout=50") as alias,
            ThreadPoolExecutor(1) as other,
        ):
            stores = django_stores(alias)
            stores.logouts.add([a_notice("a"), a_notice("b")])
            with transaction.atomic(using=alias):
                (mine,) = stores.logouts.claim(NOW, NOW + 60, 1)
                (theirs,) = other.submit(
                    _closing(stores, stores.logouts.claim), NOW, NOW + 60, 5
                ).result()
            assert (mine.id, theirs.id) == ("a", "b")


class TestStatements:
    """How many statements, of which kind."""

    def test_a_code_is_taken_by_one_update(self, stores: DjangoStores) -> None:
        stores.codes.put(a_code())
        kinds = []
        for taking in (Taking.TAKEN, Taking.SPENT):
            with CaptureQueriesContext(connections[stores.using]) as captured:
                assert stores.codes.take("code", "digest", NOW) == (taking, "{}")
            kinds.append([query["sql"].split()[0] for query in captured])
        assert kinds == [["UPDATE"], ["UPDATE", "SELECT"]]

    def test_notices_are_claimed_by_one_update(self, stores: DjangoStores) -> None:
        stores.logouts.add([a_notice("a"), a_notice("b")])
        with CaptureQueriesContext(connections[stores.using]) as captured:
            assert len(stores.logouts.claim(NOW, NOW + 60, 10)) == 2
        (statement,) = [query["sql"] for query in captured]
        assert statement.startswith("UPDATE")

    def test_a_rotation_is_one_update(self, stores: DjangoStores) -> None:
        row = an_authorization()
        stores.authorizations.add(row)
        with CaptureQueriesContext(connections[stores.using]) as captured:
            assert spend(stores, row.id) is Outcome.ROTATED
        (statement,) = [query["sql"] for query in captured]
        assert statement.startswith("UPDATE")

    def test_an_attempt_is_counted_by_one_statement(self, stores: DjangoStores) -> None:
        throttle, counters = stores.throttle, ThrottleStoreContract.both
        throttle.earn("k", 1, NOW + 5)
        kinds = []
        for called in (
            *[lambda: throttle.attempt(counters, NOW)] * 4,
            lambda: throttle.refund(counters),
            lambda: throttle.spend("k", NOW),
            lambda: throttle.give_back("k"),
        ):
            with CaptureQueriesContext(connections[stores.using]) as captured:
                called()
            words = [query["sql"].split()[0] for query in captured]
            kinds.append([word for word in words if word not in ("BEGIN", "COMMIT")])
        assert kinds == [
            ["WITH"],
            ["WITH"],
            ["WITH", "UPDATE"],  # the third blocks those after it
            ["WITH", "SELECT"],
            ["UPDATE"],
            ["UPDATE"],
            ["UPDATE"],
        ]

    def test_a_lost_answer_is_an_update_and_a_look(self, stores: DjangoStores) -> None:
        row = an_authorization()
        stores.authorizations.add(row)
        spend(stores, row.id)
        with CaptureQueriesContext(connections[stores.using]) as captured:
            assert spend(stores, row.id) is Outcome.RETRIED
        assert [query["sql"].split()[0] for query in captured] == ["UPDATE", "SELECT"]

    @pytest.mark.parametrize("alias", ["sqlite"], indirect=True)
    def test_every_lookup_has_an_index(self, stores: DjangoStores) -> None:
        """What finds a few rows of a table must not slow down as it grows. SQLite tells how,
        whatever the size.
        """
        calls = {
            "get": lambda: stores.authorizations.get("x"),
            "rotate": lambda: spend(stores, "x"),
            "revoke_for_subject": lambda: stores.authorizations.revoke_for_subject("x", NOW),
            "revoke_for_client": lambda: stores.authorizations.revoke_for_client("x", NOW),
            "list_live": lambda: stores.authorizations.list_live(NOW, limit=5),
            "list of one": lambda: stores.authorizations.list_live(NOW, subject="x"),
            "list of a client": lambda: stores.authorizations.list_live(NOW, client_id="x"),
            "purge": lambda: stores.authorizations.purge(NOW),
            "list of a sign-in": lambda: stores.authorizations.list_for_session("x"),
            "client": lambda: stores.clients.get("x"),
            "retire": lambda: stores.keys.retire("x", NOW),
            "since": lambda: stores.revocations.since(NOW, NOW),
            "forget revocations": lambda: stores.revocations.purge(NOW),
            "refund": lambda: stores.throttle.refund(["x", "y"]),
            "spend": lambda: stores.throttle.spend("x", NOW),
            "give back": lambda: stores.throttle.give_back("x"),
            "forget attempts": lambda: stores.throttle.purge(NOW),
            "take": lambda: stores.codes.take("code", "x", NOW),
            "peek": lambda: stores.codes.peek("code", "x", NOW),
            "replace": lambda: stores.codes.replace("code", "x", "{}", NOW),
            "forget codes": lambda: stores.codes.purge(NOW),
            "consent": lambda: stores.consents.get("x", "y"),
            "consents": lambda: stores.consents.list_for_subject("x"),
            "take back": lambda: stores.consents.remove("x", "y"),
            "claim": lambda: stores.logouts.claim(NOW, NOW + 60, 10),
            "done": lambda: stores.logouts.done("x"),
            "retry": lambda: stores.logouts.retry("x", NOW),
        }
        connection = connections[stores.using]
        for name, call in calls.items():
            with CaptureQueriesContext(connection) as captured:
                call()
            for query in captured:
                if query["sql"].split()[0] not in ("SELECT", "UPDATE", "DELETE"):
                    continue
                with connection.cursor() as cursor:
                    cursor.execute(f"EXPLAIN QUERY PLAN {query['sql']}")
                    plan = [row[3] for row in cursor.fetchall()]
                assert not [
                    step for step in plan if "SCAN bezant" in step and "USING" not in step
                ], (
                    name,
                    plan,
                )


class TestTransactions:
    def test_a_reuse_outlives_a_refused_request(self, stores: DjangoStores) -> None:
        """Outside of a transaction everything is committed when the store answers."""
        row = an_authorization()
        stores.authorizations.add(row)
        spend(stores, row.id)
        assert spend(stores, row.id, window=0.0) is Outcome.REUSED
        with ThreadPoolExecutor(1) as other:  # on a connection of its own
            found = other.submit(_closing(stores, stores.authorizations.get), row.id).result()
        assert found is not None
        assert found.revoked_at == NOW

    def test_what_loses_inside_a_transaction_does_not_spoil_it(self, stores: DjangoStores) -> None:
        key = _a_key()
        with transaction.atomic(using=stores.using):
            assert stores.keys.add(key)
            assert not stores.keys.add(key)
            assert stores.clients.add(ClientStoreContract.clients[0])
            assert not stores.clients.add(ClientStoreContract.clients[0])
            for _ in range(2):
                stores.throttle.earn("k", 1, NOW + 5)
                stores.throttle.attempt(ThrottleStoreContract.both, NOW)
                stores.consents.put(Consent("7", "web", ("a",), NOW))
            assert stores.codes.put(a_code())
            assert not stores.codes.put(a_code())
        assert list(stores.keys.load()) == [key]

    def test_inside_a_transaction_all_ends_with_it(self, stores: DjangoStores) -> None:
        row = an_authorization()
        stores.authorizations.add(row)
        with transaction.atomic(using=stores.using):
            assert spend(stores, row.id) is Outcome.ROTATED
            transaction.set_rollback(True, using=stores.using)
        assert stores.authorizations.get(row.id) == row

    def test_a_second_alias_is_not_rolled_back(self, postgres: Postgres) -> None:
        """How a project's own atomic views end sessions for good."""
        url, row = postgres.create_database(), an_authorization()
        with postgres_database(url) as mine, postgres_database(url) as durable:
            stores = django_stores(durable)
            stores.authorizations.add(row)
            with transaction.atomic(using=mine):
                assert django_stores(mine).authorizations.get(row.id) == row
                stores.authorizations.revoke(row.id, NOW)
                transaction.set_rollback(True, using=mine)
            assert stores.authorizations.revoke(row.id, NOW) is None


def _a_key() -> StoredKey:
    return StoredKey("kid", "ES256", 1, b"sealed", NOW, NOW)


def _closing(stores: DjangoStores, method: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        try:
            return method(*args)
        finally:
            connections[stores.using].close()

    return call


class TestOutages:
    def test_a_server_that_stopped(self, postgres: Postgres) -> None:
        url = postgres.create_database()
        with postgres_database(url) as alias:
            stores = django_stores(alias)
            assert stores.clients.get("web") is None
            postgres.drop_database(url)
            with pytest.raises(StoreUnavailable) as caught:
                stores.clients.get("web")
            assert "postgres" not in str(caught.value)
            assert caught.value.__suppress_context__

    def test_a_file_that_is_locked(self, tmp_path: Path) -> None:
        file = tmp_path / "database"
        with sqlite_database(file) as busy, sqlite_database(file, timeout=0.05) as alias:
            with (
                transaction.atomic(using=busy),  # which begins as a writer
                pytest.raises(StoreUnavailable, match="SQLITE_BUSY"),
            ):
                django_stores(alias).throttle.earn("k", 1, NOW)
            django_stores(alias).throttle.earn("k", 1, NOW)

    def test_a_lock_held_too_long(self, postgres: Postgres) -> None:
        with postgres_database(postgres.create_database(), options="-c lock_timeout=50") as alias:
            stores, row = django_stores(alias), an_authorization()
            stores.authorizations.add(row)
            with ThreadPoolExecutor(1) as other, transaction.atomic(using=alias):
                spend(stores, row.id)
                with pytest.raises(StoreUnavailable, match="55P03"):
                    other.submit(
                        _closing(stores, stores.authorizations.revoke), row.id, NOW
                    ).result()

    def test_a_mistake_stays_one(self, tmp_path: Path) -> None:
        settings = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(tmp_path / "empty")}
        with (
            added(settings, migrate=False) as alias,
            pytest.raises(Exception, match="no such table"),
        ):
            django_stores(alias).clients.get("web")

    def test_who_loses_a_deadlock_tries_again(self, postgres: Postgres) -> None:
        url = postgres.create_database()
        with (
            # It looks for a deadlock once, this long after it began to wait.
            postgres_database(url, options="-c deadlock_timeout=1000") as alias,
            psycopg.connect(url, options="-c deadlock_timeout=60000") as other,
            ThreadPoolExecutor(1) as thread,
        ):
            stores = django_stores(alias)
            first = an_authorization(subject="alice", created_at=NOW - 9)
            second = an_authorization(subject="alice", created_at=NOW - 8)
            for row in (first, second):
                stores.authorizations.add(row)
            touch = "UPDATE bezant_authorization SET address = 'touched' WHERE id = %s"
            other.execute(touch, [second.id])
            ended = thread.submit(
                _closing(stores, stores.authorizations.revoke_for_subject), "alice", NOW
            )
            with psycopg.connect(url, autocommit=True) as watch:
                waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
                while watch.execute(waiting).fetchone() == (0,):
                    pass  # until it holds the first row and waits for the second
            other.execute(touch, [first.id])
            other.commit()
            assert ended.result() == 2


class TestSetUp:
    def test_an_unknown_alias(self) -> None:
        with pytest.raises(ConfigurationError, match="there is no database 'nowhere'"):
            django_stores("nowhere")

    def test_another_kind_of_database(self) -> None:
        with (
            added({"ENGINE": "django.db.backends.dummy"}, migrate=False) as alias,
            pytest.raises(ConfigurationError, match="use sqlite or postgresql"),
        ):
            django_stores(alias)

    def test_routers_choose(self, alias: str) -> None:
        class Router:
            def db_for_write(self, model: Any, **hints: Any) -> str | None:
                return alias if model._meta.app_label == LABEL else None

            def db_for_read(self, model: Any, **hints: Any) -> str | None:
                return "default"

        with override_settings(DATABASE_ROUTERS=[Router()]):
            stores = django_stores()
            assert stores.using == alias
            stores.clients.add(ClientStoreContract.clients[0])
            assert stores.clients.get("web") == ClientStoreContract.clients[0]

    def test_a_synchronous_framework_takes_them(self, stores: DjangoStores) -> None:
        for name, protocol in {
            "clients": ClientStore,
            "authorizations": AuthorizationStore,
            "keys": KeyStore,
            "revocations": RevocationStore,
            "throttle": ThrottleStore,
            "codes": CodeStore,
            "consents": ConsentStore,
            "logouts": LogoutStore,
        }.items():
            SYNC.check(name, getattr(stores, name), protocol)


def test_tables_do_not_grow_with_use(stores: DjangoStores) -> None:
    row = an_authorization()
    stores.authorizations.add(row)
    for generation in range(1, 30):
        assert spend(stores, row.id, generation) is Outcome.ROTATED
    with connections[stores.using].cursor() as cursor:
        cursor.execute("SELECT count(*) FROM bezant_authorization")
        assert cursor.fetchone() == (1,)


def test_a_purge_takes_many_steps(stores: DjangoStores, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("authorizations", "codes", "revocations", "throttle"):
        monkeypatch.setattr(f"django_bezant.stores.{module}.STEP", 3)
    for number in range(20):
        stores.authorizations.add(an_authorization(expires_at=NOW - number - 1))
        stores.authorizations.add(an_authorization(revoked_at=NOW - number - 1))
        stores.throttle.earn(str(number), 1, NOW - 1)
        stores.codes.put(a_code(digest=str(number), expires_at=NOW - number))
    live = [an_authorization() for _ in range(5)]
    for row in live:
        stores.authorizations.add(row)
    assert stores.authorizations.purge(NOW) == 40
    assert stores.throttle.purge(NOW) == 20
    assert stores.codes.purge(NOW) == 20
    assert Counter(row.id for row in stores.authorizations.list_live(NOW)) == Counter(
        row.id for row in live
    )
