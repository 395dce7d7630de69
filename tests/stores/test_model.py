"""The stores in SQL do what the stores in memory do, whatever the order of calls."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from bezant.runtime import run_sync
from bezant.stores import Code, Consent, LogoutNotice, Revocation, ThrottleLimit
from bezant.stores.memory import MemoryStores
from bezant.stores.sql import Database, SQLStores, SyncDatabase, schema
from bezant.testing.stores import an_authorization, call

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection

    from bezant.stores import CodeKind

few = st.sampled_from(["a", "b", "c"])
kinds = st.sampled_from(["code", "par"])
seconds = st.integers(0, 40).map(lambda quarters: quarters / 4)
"""Few enough to meet each other, and exact in floating point."""
limits = st.builds(
    ThrottleLimit,
    free=st.integers(1, 3),
    base=st.just(0.5),
    cap=st.just(4.0),
    memory=seconds.map(lambda more: 10.0 + more),
)


class Comparison(RuleBasedStateMachine):
    """Calls both and compares."""

    database: SyncDatabase

    @initialize()
    def begin(self) -> None:
        def empty(connection: Connection) -> None:
            for table in schema.metadata.sorted_tables:
                connection.execute(table.delete())

        self.database.run(empty)
        self.memory, self.sql = MemoryStores(), SQLStores(self.database)
        self.known: set[str] = set()
        self.notices: set[str] = set()
        self.moments = count(1)

    def both(self, choose: Callable[[Any], Any], *args: Any, **kwargs: Any) -> None:
        expected = run_sync(call(choose(self.memory), *args, **kwargs))
        assert run_sync(call(choose(self.sql), *args, **kwargs)) == expected

    @rule(
        id=few,
        client=few,
        subject=few,
        session=st.none() | few,
        created=seconds,
        end=seconds,
        idle=seconds,
    )
    def add(
        self,
        id: str,
        client: str,
        subject: str,
        session: str | None,
        created: float,
        end: float,
        idle: float,
    ) -> None:
        if id in self.known:
            return
        self.known.add(id)
        row = an_authorization(
            id=id,
            client_id=client,
            subject=subject,
            created_at=created + next(self.moments) / 4096,  # no two alike: the order is defined
            expires_at=end,
            idle_expires_at=idle,
            rotated_at=0.0,
            session_id=session,
        )
        self.both(lambda stores: stores.authorizations.add, row)

    @rule(id=few, client=few, back=st.integers(-1, 3), now=seconds, idle=seconds, window=seconds)
    def rotate(
        self, id: str, client: str, back: int, now: float, idle: float, window: float
    ) -> None:
        found = self.memory.authorizations.get(id)
        generation = max(1, (found.generation if found else 1) - back)
        idle = max(
            idle, found.idle_expires_at if found else idle
        )  # refreshing makes it live longer
        self.both(
            lambda stores: stores.authorizations.rotate, id, client, generation, now, idle, window
        )

    @rule(id=few, now=seconds)
    def revoke(self, id: str, now: float) -> None:
        self.both(lambda stores: stores.authorizations.revoke, id, now)

    @rule(subject=few, now=seconds)
    def revoke_for_subject(self, subject: str, now: float) -> None:
        self.both(lambda stores: stores.authorizations.revoke_for_subject, subject, now)

    @rule(client=few, now=seconds)
    def revoke_for_client(self, client: str, now: float) -> None:
        self.both(lambda stores: stores.authorizations.revoke_for_client, client, now)

    @rule(now=seconds, subject=st.none() | few, client=st.none() | few, limit=st.integers(1, 3))
    def list_live(self, now: float, subject: str | None, client: str | None, limit: int) -> None:
        self.both(lambda stores: stores.authorizations.list_live, now, subject, client, limit=limit)

    @rule(session=few)
    def list_for_session(self, session: str) -> None:
        found = [
            {row.id: row for row in run_sync(call(stores.authorizations.list_for_session, session))}
            for stores in (self.memory, self.sql)
        ]
        assert found[0] == found[1]

    @rule(before=seconds)
    def purge(self, before: float) -> None:
        self.both(lambda stores: stores.authorizations.purge, before)
        self.known = {id for id in self.known if self.memory.authorizations.get(id)}
        for id in ("a", "b", "c"):
            self.both(lambda stores: stores.authorizations.get, id)

    @rule(value=few, issued=seconds, expires=seconds, recorded=seconds)
    def add_revocation(self, value: str, issued: float, expires: float, recorded: float) -> None:
        row = Revocation("token", value, issued, expires, recorded)
        self.both(lambda stores: stores.revocations.add, row)

    @rule(now=seconds)
    def read_revocations(self, now: float) -> None:
        for stores in (self.memory, self.sql):
            assert run_sync(call(stores.revocations.since, 99.0, now)) == []
        found = [
            set(run_sync(call(stores.revocations.since, now, now)))
            for stores in (self.memory, self.sql)
        ]
        assert found[0] == found[1]

    @rule(now=seconds)
    def purge_revocations(self, now: float) -> None:
        self.both(lambda stores: stores.revocations.purge, now)

    @rule(counters=st.dictionaries(few, limits, min_size=1), now=seconds)
    def attempt(self, counters: dict[str, ThrottleLimit], now: float) -> None:
        self.both(lambda stores: stores.throttle.attempt, counters, now)

    @rule(keys=st.sets(few, min_size=1))
    def refund(self, keys: set[str]) -> None:
        self.both(lambda stores: stores.throttle.refund, keys)

    @rule(key=few, credits=st.integers(0, 2), expires=seconds)
    def earn(self, key: str, credits: int, expires: float) -> None:
        self.both(lambda stores: stores.throttle.earn, key, credits, expires)

    @rule(key=few, now=seconds)
    def spend(self, key: str, now: float) -> None:
        self.both(lambda stores: stores.throttle.spend, key, now)

    @rule(key=few)
    def give_back(self, key: str) -> None:
        self.both(lambda stores: stores.throttle.give_back, key)

    @rule(before=seconds)
    def purge_throttle(self, before: float) -> None:
        self.both(lambda stores: stores.throttle.purge, before)

    @rule(kind=kinds, digest=few, value=few, expires=seconds)
    def put_code(self, kind: CodeKind, digest: str, value: str, expires: float) -> None:
        self.both(lambda stores: stores.codes.put, Code(kind, digest, value, expires))

    @rule(kind=kinds, digest=few, now=seconds)
    def take_code(self, kind: CodeKind, digest: str, now: float) -> None:
        self.both(lambda stores: stores.codes.take, kind, digest, now)

    @rule(kind=kinds, digest=few, value=few, now=seconds)
    def replace_code(self, kind: CodeKind, digest: str, value: str, now: float) -> None:
        self.both(lambda stores: stores.codes.replace, kind, digest, value, now)
        self.both(lambda stores: stores.codes.peek, kind, digest, now)

    @rule(now=seconds)
    def purge_codes(self, now: float) -> None:
        self.both(lambda stores: stores.codes.purge, now)

    @rule(subject=few, client=few, scopes=st.lists(few, max_size=2), given=seconds)
    def put_consent(self, subject: str, client: str, scopes: list[str], given: float) -> None:
        consent = Consent(subject, client, tuple(scopes), given)
        self.both(lambda stores: stores.consents.put, consent)

    @rule(subject=few, client=few)
    def remove_consent(self, subject: str, client: str) -> None:
        self.both(lambda stores: stores.consents.remove, subject, client)
        self.both(lambda stores: stores.consents.get, subject, client)
        self.both(lambda stores: stores.consents.list_for_subject, subject)

    @rule(ids=st.sets(few), due=seconds)
    def add_notices(self, ids: set[str], due: float) -> None:
        new = [
            LogoutNotice(id, "web", "alice", "browser", due, due_at=due)
            for id in sorted(ids - self.notices)
        ]
        self.notices |= ids
        self.both(lambda stores: stores.logouts.add, new)

    @rule(now=seconds, lease=seconds, limit=st.integers(1, 3))
    def claim_notices(self, now: float, lease: float, limit: int) -> None:
        found = [
            set(run_sync(call(stores.logouts.claim, now, now + lease, limit)))
            for stores in (self.memory, self.sql)
        ]
        assert found[0] == found[1]

    @rule(id=few)
    def settle_notice(self, id: str) -> None:
        self.notices.discard(id)
        self.both(lambda stores: stores.logouts.done, id)

    @rule(id=few, due=seconds)
    def retry_notice(self, id: str, due: float) -> None:
        self.both(lambda stores: stores.logouts.retry, id, due)


@pytest.fixture(params=["sqlite", "postgresql"])
def machine(request: pytest.FixtureRequest) -> Iterator[type[Comparison]]:
    url = (
        "sqlite://" if request.param == "sqlite" else request.getfixturevalue("shared_postgres_url")
    )
    database = Database.sync(url)
    database.create_all()
    yield type("Comparison", (Comparison,), {"database": database})
    database.close()


def test_sql_behaves_as_memory(machine: type[Comparison]) -> None:
    machine.TestCase().runTest()
