"""The contract of the stores, as tests: subclass one and give it your store.

    class TestMyAuthorizations(AuthorizationStoreContract):
        @pytest.fixture
        async def store(self):
            async with open_database() as database:
                yield MyAuthorizationStore(database)

The tests are coroutines, so pytest needs pytest-asyncio (in its auto mode) or the like. Methods of
the store may be ``def`` or ``async def``. Tests use random ids, so a store need not be empty.

What races is tested by many calls at once: on threads when the method is ``def``, as tasks when it
is ``async def``.
"""

from __future__ import annotations

import asyncio  # noqa: TID251 (tests of concurrency need an event loop; nothing else imports this)
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from inspect import isawaitable, iscoroutinefunction
from typing import Any, ClassVar, ParamSpec, TypeVar, get_args

from bezant.clients import Client, ClientSecret
from bezant.runtime import MaybeAwaitable, Runtime
from bezant.stores import (
    Allowance,
    Authorization,
    AuthorizationStore,
    Blocked,
    ClientStore,
    Code,
    CodeKind,
    CodeStore,
    Consent,
    ConsentStore,
    KeyStore,
    LogoutNotice,
    LogoutStore,
    Outcome,
    Revocation,
    RevocationKind,
    RevocationStore,
    Rotation,
    StoredKey,
    Taking,
    ThrottleLimit,
    ThrottleStore,
    UserStore,
)
from bezant.users import User

__all__ = [
    "NOW",
    "PUBLIC_KEY",
    "AuthorizationStoreContract",
    "ClientStoreContract",
    "CodeStoreContract",
    "ConsentStoreContract",
    "KeyStoreContract",
    "LogoutStoreContract",
    "RevocationStoreContract",
    "ThrottleStoreContract",
    "UserStoreContract",
    "an_authorization",
    "call",
    "together",
]

P = ParamSpec("P")
T = TypeVar("T")

NOW = 1_800_000_000.5
"""The time of the tests, in seconds since the epoch."""

AWKWARD = "Ünï \U0001f511 'quoted\" \\ %s {} ; -- trailing "
"""Text that storage must give back as it was: several alphabets, syntax of others, a space at the
end."""

PUBLIC_KEY = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
}
"""An Ed25519 key as a JWK (RFC 8037 appendix A.2)."""


async def _inline(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
    return function(*args, **kwargs)


async def _wait(future: Future[T], /) -> T:
    return await asyncio.wrap_future(future)


_RUNTIME = Runtime(io=_inline, wait=_wait, loop=True)


async def call(method: Callable[P, MaybeAwaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a method of either kind and await its result."""
    return await _RUNTIME.call(method, *args, **kwargs)


async def together(
    method: Callable[P, MaybeAwaitable[T]], /, times: int, *args: P.args, **kwargs: P.kwargs
) -> list[T]:
    """Call a method many times at once, and collect the results."""
    if iscoroutinefunction(method):
        return list(await asyncio.gather(*(method(*args, **kwargs) for _ in range(times))))
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(min(times, 32)) as threads:
        calls = [
            loop.run_in_executor(threads, lambda: method(*args, **kwargs)) for _ in range(times)
        ]
        return [await _settled(result) for result in await asyncio.gather(*calls)]


async def _settled(result: MaybeAwaitable[T]) -> T:
    if isawaitable(result):
        return await result
    return result


def an_authorization(**changes: Any) -> Authorization:
    """A live authorization with an id and a subject of its own."""
    authorization = Authorization(
        id=_id(),
        client_id="web",
        subject=_id(),
        scopes=("items:read",),
        audience=("https://api.example.com",),
        auth_time=NOW - 10,
        created_at=NOW - 10,
        expires_at=NOW + 10_000,
        idle_expires_at=NOW + 1_000,
        rotated_at=NOW - 10,
        address="192.0.2.1",
    )
    return replace(authorization, **changes)


class UserStoreContract:
    """What a `UserStore` promises. The fixture ``store`` holds `users`."""

    users: ClassVar[Sequence[User]] = (
        User("u-1", "alice", password_hash="$argon2id$first"),
        User("u-2", "Alice", password_hash=None),
        User("u-3", "out", password_hash="$argon2id$third", active=False),
        User("u-4", AWKWARD, password_hash="$argon2id$fourth"),
    )

    async def test_finds_by_login_exactly(self, store: UserStore) -> None:
        for user in self.users:
            found = await call(store.find, user.username)
            assert found is not None
            assert _account(found) == _account(user)
        for login in ("ALICE", "alice ", " alice", "u-1", ""):
            assert await call(store.find, login) is None

    async def test_gets_by_subject_exactly(self, store: UserStore) -> None:
        for user in self.users:
            found = await call(store.get, user.subject)
            assert found is not None
            assert _account(found) == _account(user)
        for subject in ("U-1", "u-1 ", "alice", ""):
            assert await call(store.get, subject) is None

    async def test_replaces_the_password_hash_of_one(self, store: UserStore) -> None:
        before = await call(store.get, "u-1")
        assert before is not None
        assert before.password_hash is not None
        await call(store.replace_password_hash, "u-1", before.password_hash, "$argon2id$stronger")
        for found in (await call(store.get, "u-1"), await call(store.find, "alice")):
            assert found is not None
            assert found.password_hash == "$argon2id$stronger"
        other = await call(store.get, "u-3")
        assert other is not None
        assert other.password_hash == "$argon2id$third"

    async def test_a_password_changed_meanwhile_stays_changed(self, store: UserStore) -> None:
        await call(store.replace_password_hash, "u-3", "$argon2id$another", "$argon2id$stronger")
        other = await call(store.get, "u-3")
        assert other is not None
        assert other.password_hash == "$argon2id$third"

    async def test_nobody_gets_no_password_hash(self, store: UserStore) -> None:
        await call(store.replace_password_hash, "u-0", "$argon2id$old", "$argon2id$stronger")
        assert await call(store.get, "u-0") is None


def _account(user: User) -> tuple[str, str, str | None, bool]:
    return user.subject, user.username, user.password_hash, user.active


class ClientStoreContract:
    """What a `ClientStore` promises. The fixture ``store`` holds `clients`."""

    clients: ClassVar[Sequence[Client]] = (
        Client(
            "web",
            grants=frozenset({"password", "refresh_token"}),
            scopes=("items:write", "items:read"),
            audience=("https://api.example.com", "an audience with spaces"),
            auth_method="client_secret_post",
            secrets=(
                ClientSecret("sha256$aa$bb"),
                ClientSecret("sha256$cc$dd", expires_at=NOW + 0.25),
            ),
            name=AWKWARD,
            introspect=False,
            access_token_ttl=300,
            refresh_retry_window=0,
        ),
        Client("Web", grants=frozenset({"password"}), auth_method="none"),
        Client(
            "disabled",
            grants=frozenset({"client_credentials"}),
            secrets=(ClientSecret("sha256$ee$ff"),),
            active=False,
        ),
        Client(
            "browser",
            grants=frozenset({"authorization_code", "refresh_token"}),
            auth_method="private_key_jwt",
            redirect_uris=(
                "https://app.example.com/callback?next=%2F",
                "http://127.0.0.1/callback",
                "com.example.app:/callback",
            ),
            post_logout_redirect_uris=("https://app.example.com/bye", "https://app.example.com/"),
            backchannel_logout_uri="https://app.example.com/logout",
            first_party=True,
            jwks={"keys": [{**PUBLIC_KEY, "kid": AWKWARD}]},
            id_token_signed_response_alg="EdDSA",
            userinfo_signed_response_alg="ES256",
        ),
        Client(
            "published",
            grants=frozenset({"client_credentials"}),
            auth_method="private_key_jwt",
            jwks_uri="https://app.example.com/jwks.json",
        ),
    )

    async def test_gets_clients_as_they_were_registered(self, store: ClientStore) -> None:
        for client in self.clients:
            assert await call(store.get, client.client_id) == client

    async def test_gets_none_but_by_the_exact_id(self, store: ClientStore) -> None:
        for client_id in ("WEB", "web ", "we", "we%", "nobody", "", "x" * 2000):
            assert await call(store.get, client_id) is None


class AuthorizationStoreContract:
    """What an `AuthorizationStore` promises."""

    async def test_keeps_an_authorization_as_it_is(self, store: AuthorizationStore) -> None:
        added = await _added(
            store,
            subject=AWKWARD,
            scopes=("b", "a", "c"),
            audience=("https://api.example.com", "with spaces"),
            auth_time=NOW - 3.125,
            address="2001:db8::1%eth0",
            session_id=_id(),
            claims='{"userinfo": {"name": {"essential": true}, "\\u00fc": null}}',
        )
        assert await call(store.get, added.id) == added

    async def test_keeps_empty_lists(self, store: AuthorizationStore) -> None:
        added = await _added(store, scopes=(), audience=())
        assert await call(store.get, added.id) == added

    async def test_gets_none_but_by_the_exact_id(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        for id_ in (added.id.swapcase(), added.id + " ", added.id[:-1], "", "x" * 2000):
            assert await call(store.get, id_) is None

    async def test_rotates_the_current_generation(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        rotation = await call(store.rotate, added.id, added.client_id, 1, NOW + 10, NOW + 510, 10.0)
        expected = replace(added, generation=2, rotated_at=NOW + 10, idle_expires_at=NOW + 510)
        assert rotation.outcome is Outcome.ROTATED
        assert rotation.authorization == expected
        assert await call(store.get, added.id) == expected

    async def test_rotates_again_and_again(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        for generation in range(1, 20):
            now = NOW + generation
            rotation = await _rotated(store, added, generation, now)
            assert rotation.generation == generation + 1
            assert rotation.rotated_at == now

    async def test_answers_the_predecessor_again_within_the_window(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store)
        current = await _rotated(store, added, 1, NOW)
        for later in (0.0, 1.0, 9.999):
            rotation = await call(
                store.rotate, added.id, added.client_id, 1, NOW + later, NOW + 999, 10.0
            )
            assert rotation.outcome is Outcome.RETRIED
            assert rotation.authorization == current
        assert await call(store.get, added.id) == current

    async def test_takes_the_predecessor_after_the_window_for_theft(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store)
        current = await _rotated(store, added, 1, NOW)
        rotation = await call(store.rotate, added.id, added.client_id, 1, NOW + 10, NOW + 999, 10.0)
        assert rotation.outcome is Outcome.REUSED
        assert rotation.authorization == replace(current, revoked_at=NOW + 10)
        assert await call(store.get, added.id) == rotation.authorization
        after = await call(store.rotate, added.id, added.client_id, 2, NOW + 11, NOW + 999, 10.0)
        assert after.outcome is Outcome.REVOKED
        assert after.authorization == rotation.authorization

    async def test_has_no_window_when_it_is_zero(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        await _rotated(store, added, 1, NOW)
        rotation = await call(store.rotate, added.id, added.client_id, 1, NOW, NOW + 999, 0.0)
        assert rotation.outcome is Outcome.REUSED

    async def test_takes_older_generations_for_theft_also_within_the_window(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store)
        for generation in (1, 2, 3):
            await _rotated(store, added, generation, NOW)
        rotation = await call(store.rotate, added.id, added.client_id, 2, NOW, NOW + 999, 10.0)
        assert rotation.outcome is Outcome.REUSED

    async def test_knows_no_generation_that_was_never_issued(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store)
        for generation in (2, 3, 2**53):
            rotation = await call(
                store.rotate, added.id, added.client_id, generation, NOW, NOW + 999, 10.0
            )
            assert rotation.outcome is Outcome.UNKNOWN
            assert rotation.authorization is None
        assert await call(store.get, added.id) == added

    async def test_tells_another_client_nothing(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        current = await _rotated(store, added, 1, NOW)
        for generation in (1, 2, 3):
            for id_, client_id in ((added.id, "another"), (_id(), added.client_id)):
                rotation = await call(
                    store.rotate, id_, client_id, generation, NOW + 60, NOW + 999, 10.0
                )
                assert rotation.outcome is Outcome.UNKNOWN
                assert rotation.authorization is None
        assert await call(store.get, added.id) == current

    async def test_expires_at_either_end(self, store: AuthorizationStore) -> None:
        for ends in (
            {"expires_at": NOW + 100, "idle_expires_at": NOW + 200},
            {"expires_at": NOW + 200, "idle_expires_at": NOW + 100},
        ):
            added = await _added(store, **ends)
            rotation = await call(
                store.rotate, added.id, added.client_id, 1, NOW + 100, NOW + 999, 10.0
            )
            assert rotation.outcome is Outcome.EXPIRED
            assert rotation.authorization == added
            assert await call(store.get, added.id) == added
            just_before = await call(
                store.rotate, added.id, added.client_id, 1, NOW + 99.75, NOW + 999, 10.0
            )
            assert just_before.outcome is Outcome.ROTATED

    async def test_what_ended_is_neither_retried_nor_reused(
        self, store: AuthorizationStore
    ) -> None:
        expired = await _added(store, generation=5, rotated_at=NOW, expires_at=NOW + 1)
        for generation in (3, 4, 5):
            rotation = await call(
                store.rotate, expired.id, expired.client_id, generation, NOW + 1, NOW + 9, 10.0
            )
            assert rotation.outcome is Outcome.EXPIRED
        await call(store.revoke, expired.id, NOW)
        for generation in (3, 4, 5):
            rotation = await call(
                store.rotate, expired.id, expired.client_id, generation, NOW + 1, NOW + 9, 10.0
            )
            assert rotation.outcome is Outcome.REVOKED

    async def test_revokes_once(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        revoked = replace(added, revoked_at=NOW)
        assert await call(store.revoke, added.id, NOW) == revoked
        assert await call(store.revoke, added.id, NOW + 1) is None
        assert await call(store.get, added.id) == revoked

    async def test_revokes_nothing_that_is_not_live(self, store: AuthorizationStore) -> None:
        added = await _added(store, idle_expires_at=NOW)
        assert await call(store.revoke, added.id, NOW) is None
        assert await call(store.revoke, _id(), NOW) is None

    async def test_revokes_all_of_a_subject(self, store: AuthorizationStore) -> None:
        subject = _id()
        mine = [await _added(store, subject=subject, client_id=_id()) for _ in range(3)]
        await _added(store, subject=subject, expires_at=NOW)
        other = await _added(store, subject=subject.swapcase())
        await call(store.revoke, mine[0].id, NOW - 5)
        assert await call(store.revoke_for_subject, subject, NOW) == 2
        assert await call(store.revoke_for_subject, subject, NOW) == 0
        assert [await self._end(store, row) for row in mine] == [NOW - 5, NOW, NOW]
        assert await self._end(store, other) is None

    async def test_revokes_all_of_a_client(self, store: AuthorizationStore) -> None:
        client_id = _id()
        mine = [await _added(store, client_id=client_id, subject=_id()) for _ in range(3)]
        other = await _added(store, client_id=client_id.swapcase())
        await call(store.revoke, mine[0].id, NOW - 5)
        assert await call(store.revoke_for_client, client_id, NOW) == 2
        assert await call(store.revoke_for_client, client_id, NOW) == 0
        assert [await self._end(store, row) for row in mine] == [NOW - 5, NOW, NOW]
        assert await self._end(store, other) is None

    async def test_lists_what_is_live_newest_first(self, store: AuthorizationStore) -> None:
        subject, client_id = _id(), _id()
        old = await _added(store, subject=subject, client_id=client_id, created_at=NOW - 9)
        new = await _added(store, subject=subject, client_id=client_id, created_at=NOW - 1)
        elsewhere = await _added(store, subject=subject, created_at=NOW - 5)
        somebody = await _added(store, client_id=client_id, created_at=NOW - 5)
        for gone in ({"expires_at": NOW}, {"idle_expires_at": NOW}, {"revoked_at": NOW - 1}):
            await _added(store, subject=subject, client_id=client_id, **gone)

        assert await call(store.list_live, NOW, subject) == [new, elsewhere, old]
        assert await call(store.list_live, NOW, client_id=client_id) == [new, somebody, old]
        assert await call(store.list_live, NOW, subject=subject, client_id=client_id) == [new, old]
        assert await call(store.list_live, NOW, subject=subject, limit=1) == [new]
        assert await call(store.list_live, NOW, subject="nobody") == []
        everybody = await call(store.list_live, NOW)
        assert [row for row in everybody if row in (new, elsewhere, somebody, old)]

    async def test_lists_those_of_one_sign_in_whatever_their_state(
        self, store: AuthorizationStore
    ) -> None:
        session_id = _id()
        live, expired, revoked = [
            await _added(store, session_id=session_id, client_id=client_id, **ends)
            for client_id, ends in (
                ("web", {}),
                ("shop", {"expires_at": NOW - 10}),
                ("mail", {"revoked_at": NOW - 10}),
            )
        ]
        await _added(store, session_id=session_id.swapcase(), subject=live.subject)
        await _added(store, session_id=None, subject=live.subject)
        moved = await _rotated(store, live, 1, NOW)
        assert moved.session_id == session_id
        found = await call(store.list_for_session, session_id)
        assert sorted(found, key=lambda row: row.client_id) == [revoked, expired, moved]
        for unknown in (session_id[:-1], f"{session_id} ", "", _id()):
            assert list(await call(store.list_for_session, unknown)) == []

    async def test_purges_what_ended_before(self, store: AuthorizationStore) -> None:
        long_gone = [
            await _added(store, expires_at=NOW - 10),
            await _added(store, idle_expires_at=NOW - 10),
        ]
        revoked, revoked_of_many, reused = [await _added(store) for _ in range(3)]
        await call(store.revoke, revoked.id, NOW - 10)
        await call(store.revoke_for_subject, revoked_of_many.subject, NOW - 10)
        await _rotated(store, reused, 1, NOW - 11)
        await call(store.rotate, reused.id, reused.client_id, 1, NOW - 10, NOW, 0.0)
        kept = [
            await _added(store),
            await _added(store, expires_at=NOW),
            await _added(store, idle_expires_at=NOW),
            await _added(store, revoked_at=NOW),
        ]
        assert await call(store.purge, NOW) >= 5
        for row in (*long_gone, revoked, revoked_of_many, reused):
            assert await call(store.get, row.id) is None
        for row in kept:
            assert await call(store.get, row.id) == row
        assert await call(store.purge, NOW) == 0

    async def test_purges_by_the_idle_end_as_refreshes_moved_it(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store, idle_expires_at=NOW + 10)
        moved = await _rotated(store, added, 1, NOW, idle_expires_at=NOW + 100)
        await call(store.purge, NOW + 50)
        assert await call(store.get, added.id) == moved
        await call(store.purge, NOW + 100)
        assert await call(store.get, added.id) == moved
        await call(store.purge, NOW + 100.5)
        assert await call(store.get, added.id) is None

    async def test_one_of_many_rotations_at_once_wins(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        rotations = await together(
            store.rotate, 50, added.id, added.client_id, 1, NOW, NOW + 500, 10.0
        )
        assert _outcomes(rotations) == {Outcome.ROTATED: 1, Outcome.RETRIED: 49}
        assert {rotation.authorization for rotation in rotations} == {
            replace(added, generation=2, rotated_at=NOW, idle_expires_at=NOW + 500)
        }

    async def test_without_a_window_the_second_of_many_revokes(
        self, store: AuthorizationStore
    ) -> None:
        added = await _added(store)
        rotations = await together(
            store.rotate, 50, added.id, added.client_id, 1, NOW, NOW + 500, 0.0
        )
        assert _outcomes(rotations) == {
            Outcome.ROTATED: 1,
            Outcome.REUSED: 1,
            Outcome.REVOKED: 48,
        }
        assert await self._end(store, added) == NOW

    async def test_one_of_many_revocations_at_once_counts(self, store: AuthorizationStore) -> None:
        added = await _added(store)
        revocations = await together(store.revoke, 20, added.id, NOW)
        assert [row for row in revocations if row is not None] == [replace(added, revoked_at=NOW)]

    async def _end(self, store: AuthorizationStore, row: Authorization) -> float | None:
        found = await call(store.get, row.id)
        assert found is not None
        return found.revoked_at


def _id() -> str:
    """22 characters of base64url, at least one of them a letter that `str.swapcase` changes."""
    return "a" + secrets.token_urlsafe(16)[1:]


async def _added(store: AuthorizationStore, **changes: Any) -> Authorization:
    authorization = an_authorization(**changes)
    await call(store.add, authorization)
    return authorization


async def _rotated(
    store: AuthorizationStore,
    authorization: Authorization,
    generation: int,
    now: float,
    idle_expires_at: float = NOW + 1_000,
) -> Authorization:
    rotation = await call(
        store.rotate,
        authorization.id,
        authorization.client_id,
        generation,
        now,
        idle_expires_at,
        10.0,
    )
    assert rotation.outcome is Outcome.ROTATED
    assert rotation.authorization is not None
    return rotation.authorization


def _outcomes(rotations: Sequence[Rotation]) -> Counter[Outcome]:
    return Counter(rotation.outcome for rotation in rotations)


class KeyStoreContract:
    """What a `KeyStore` promises. The fixture ``store`` is empty."""

    async def test_begins_empty(self, store: KeyStore) -> None:
        assert list(await call(store.load)) == []

    async def test_loads_keys_by_sequence(self, store: KeyStore) -> None:
        second, first = _key(2, retired_at=NOW), _key(1)
        assert await call(store.add, second)
        assert await call(store.add, first)
        loaded = await call(store.load)
        assert list(loaded) == [first, second]
        assert [key.sealed for key in loaded] == [first.sealed, second.sealed]

    async def test_stores_no_second_key_of_a_sequence(self, store: KeyStore) -> None:
        first = _key(1)
        assert await call(store.add, first)
        assert not await call(store.add, _key(1, kid="another"))
        assert not await call(store.add, replace(first, sequence=2))
        assert list(await call(store.load)) == [first]

    async def test_one_of_many_that_add_at_once_wins(self, store: KeyStore) -> None:
        assert Counter(await together(store.add, 20, _key(1))) == {True: 1, False: 19}
        assert len(await call(store.load)) == 1

    async def test_retires_once(self, store: KeyStore) -> None:
        key, other = _key(1), _key(2)
        await call(store.add, key)
        await call(store.add, other)
        assert await call(store.retire, key.kid, NOW)
        assert not await call(store.retire, key.kid, NOW + 1)
        assert not await call(store.retire, "unknown", NOW)
        assert list(await call(store.load)) == [replace(key, retired_at=NOW), other]

    async def test_removes_one(self, store: KeyStore) -> None:
        key, other = _key(1), _key(2)
        await call(store.add, key)
        await call(store.add, other)
        await call(store.remove, key.kid)
        await call(store.remove, "unknown")
        assert list(await call(store.load)) == [other]


def _key(sequence: int, **changes: Any) -> StoredKey:
    return replace(
        StoredKey(
            kid=f"kid-{sequence}",
            algorithm="ES256",
            sequence=sequence,
            sealed=bytes(range(256)) + bytes([sequence]),
            created_at=NOW - sequence,
            activates_at=NOW + sequence + 0.25,
        ),
        **changes,
    )


class RevocationStoreContract:
    """What a `RevocationStore` promises. The fixture ``store`` is empty."""

    async def test_keeps_revocations_of_every_kind(self, store: RevocationStore) -> None:
        kinds: tuple[RevocationKind, ...] = ("token", "authorization", "subject", "client")
        added = [_revocation(kind=kind, value=AWKWARD) for kind in kinds]
        for revocation in added:
            await call(store.add, revocation)
        found = await call(store.since, 0.0, NOW)
        assert sorted(found, key=lambda row: kinds.index(row.kind)) == added

    async def test_gives_those_recorded_since(self, store: RevocationStore) -> None:
        rows = [_revocation(value=str(age), recorded_at=NOW - age) for age in (3, 2, 1)]
        for row in rows:
            await call(store.add, row)
        assert list(await call(store.since, NOW - 3, NOW)) == rows
        assert list(await call(store.since, NOW - 2, NOW)) == rows[1:]
        assert list(await call(store.since, NOW - 0.5, NOW)) == []

    async def test_gives_none_that_expired(self, store: RevocationStore) -> None:
        row = _revocation(expires_at=NOW + 1)
        await call(store.add, row)
        assert list(await call(store.since, 0.0, NOW + 0.75)) == [row]
        assert list(await call(store.since, 0.0, NOW + 1)) == []

    async def test_keeps_the_later_of_two(self, store: RevocationStore) -> None:
        await call(
            store.add, _revocation(issued_before=NOW - 1, expires_at=NOW + 9, recorded_at=NOW)
        )
        await call(
            store.add, _revocation(issued_before=NOW, expires_at=NOW + 5, recorded_at=NOW + 1)
        )
        expected = _revocation(issued_before=NOW, expires_at=NOW + 9, recorded_at=NOW + 1)
        assert list(await call(store.since, NOW + 1, NOW)) == [expected]

    async def test_takes_the_same_one_many_times(self, store: RevocationStore) -> None:
        row = _revocation()
        await together(store.add, 20, row)
        assert list(await call(store.since, 0.0, NOW)) == [row]

    async def test_purges_the_expired(self, store: RevocationStore) -> None:
        kept = _revocation(value="kept", expires_at=NOW + 0.25)
        for row in (kept, _revocation(value="at", expires_at=NOW), _revocation(expires_at=NOW - 1)):
            await call(store.add, row)
        assert await call(store.purge, NOW) == 2
        assert await call(store.purge, NOW) == 0
        assert list(await call(store.since, 0.0, 0.0)) == [kept]


def _revocation(**changes: Any) -> Revocation:
    return replace(
        Revocation(
            kind="token",
            value="a-jti",
            issued_before=NOW,
            expires_at=NOW + 600,
            recorded_at=NOW,
        ),
        **changes,
    )


class ThrottleStoreContract:
    """What a `ThrottleStore` promises. The fixture ``store`` is empty."""

    limit: ClassVar[ThrottleLimit] = ThrottleLimit(free=3, base=10.0, cap=35.0, memory=1000.0)
    wide: ClassVar[ThrottleLimit] = ThrottleLimit(free=5, base=20.0, cap=20.0, memory=100.0)
    k: ClassVar[Mapping[str, ThrottleLimit]] = {"k": limit}
    both: ClassVar[Mapping[str, ThrottleLimit]] = {"wide": wide, "k": limit}
    turned: ClassVar[Mapping[str, ThrottleLimit]] = {"k": limit, "wide": wide}

    async def test_backs_off_exponentially(self, store: ThrottleStore) -> None:
        now = NOW
        waits: list[float] = []
        for _ in range(6):
            assert await call(store.attempt, self.k, now) is None
            blocked = await call(store.attempt, self.k, now) if len(waits) > 1 else None
            waits.append(blocked.wait if blocked else 0.0)
            now += waits[-1]
        assert waits == [0.0, 0.0, 10.0, 20.0, 35.0, 35.0]

    async def test_counts_no_attempt_that_has_to_wait(self, store: ThrottleStore) -> None:
        for _ in range(3):
            await call(store.attempt, self.k, NOW)
        for later in (0.0, 2.5, 9.75):
            blocked = await call(store.attempt, self.k, NOW + later)
            assert blocked == Blocked("k", 10.0 - later)
        assert await call(store.attempt, self.k, NOW + 10) is None
        assert await call(store.attempt, self.k, NOW + 10) == Blocked("k", 20.0)

    async def test_keeps_keys_apart(self, store: ThrottleStore) -> None:
        for _ in range(4):
            await call(store.attempt, self.k, NOW)
        assert await call(store.attempt, {"K": self.limit}, NOW) is None
        assert await call(store.attempt, {"k ": self.limit}, NOW) is None
        assert await call(store.attempt, self.k, NOW) is not None

    async def test_forgets_after_a_while(self, store: ThrottleStore) -> None:
        for _ in range(2):
            await call(store.attempt, self.k, NOW)
        assert await call(store.attempt, self.k, NOW + 1000) is None
        assert await call(store.attempt, self.k, NOW + 1999) is None
        assert await call(store.attempt, self.k, NOW + 1999) is None
        assert await call(store.attempt, self.k, NOW + 1999) == Blocked("k", 10.0)

    async def test_counts_at_each_of_several_by_its_own_limit(self, store: ThrottleStore) -> None:
        for _ in range(3):
            assert await call(store.attempt, self.both, NOW) is None
        assert await call(store.attempt, self.both, NOW) == Blocked("k", 10.0)
        # The wide one remembers for a tenth of the time: what it knew is forgotten.
        for _ in range(5):
            assert await call(store.attempt, {"wide": self.wide}, NOW + 100) is None
        assert await call(store.attempt, {"wide": self.wide}, NOW + 100) == Blocked("wide", 20.0)
        assert await call(store.attempt, self.k, NOW + 100) is None
        assert await call(store.attempt, self.k, NOW + 100) == Blocked("k", 20.0)

    async def test_counts_at_all_of_several_or_at_none(self, store: ThrottleStore) -> None:
        for _ in range(3):
            await call(store.attempt, self.k, NOW)
        for counters in (self.both, self.turned):
            for _ in range(9):
                assert await call(store.attempt, counters, NOW + 5) == Blocked("k", 5.0)
        for _ in range(5):
            assert await call(store.attempt, {"wide": self.wide}, NOW + 5) is None
        assert await call(store.attempt, {"wide": self.wide}, NOW + 5) == Blocked("wide", 20.0)

    async def test_what_is_not_counted_is_not_remembered_longer(self, store: ThrottleStore) -> None:
        for _ in range(4):
            await call(store.attempt, {"wide": self.wide}, NOW)
        for _ in range(3):
            await call(store.attempt, self.k, NOW + 95)
        assert await call(store.attempt, self.both, NOW + 99) == Blocked("k", 6.0)
        for _ in range(5):
            assert await call(store.attempt, {"wide": self.wide}, NOW + 100) is None

    async def test_names_the_first_that_blocks(self, store: ThrottleStore) -> None:
        for key, limit in self.both.items():
            for _ in range(5):
                await call(store.attempt, {key: limit}, NOW)
        assert await call(store.attempt, self.both, NOW) == Blocked("wide", 20.0)
        assert await call(store.attempt, self.turned, NOW) == Blocked("k", 10.0)

    async def test_a_refund_lifts_the_block(self, store: ThrottleStore) -> None:
        for _ in range(3):
            await call(store.attempt, self.k, NOW)
        await call(store.refund, ["k"])
        assert await call(store.attempt, self.k, NOW) is None
        assert await call(store.attempt, self.k, NOW) == Blocked("k", 10.0)

    async def test_refunds_no_more_than_was_counted(self, store: ThrottleStore) -> None:
        await call(store.attempt, self.k, NOW)
        for _ in range(3):
            await call(store.refund, ["k", "unknown"])
        for _ in range(3):
            assert await call(store.attempt, self.k, NOW) is None
        assert await call(store.attempt, self.k, NOW) == Blocked("k", 10.0)

    async def test_refunds_each_of_several(self, store: ThrottleStore) -> None:
        for _ in range(3):
            await call(store.attempt, self.both, NOW)
        await call(store.refund, list(self.both))
        assert await call(store.attempt, self.both, NOW) is None
        for _ in range(2):
            assert await call(store.attempt, {"wide": self.wide}, NOW) is None
        assert await call(store.attempt, {"wide": self.wide}, NOW) == Blocked("wide", 20.0)

    async def test_lets_no_more_through_at_once_than_one_by_one(self, store: ThrottleStore) -> None:
        answers = await together(store.attempt, 50, self.k, NOW)
        assert Counter(answers) == {None: 3, Blocked("k", 10.0): 47}

    async def test_counts_at_all_of_several_or_at_none_at_once(self, store: ThrottleStore) -> None:
        answers = await together(store.attempt, 50, self.both, NOW)
        assert Counter(answers) == {None: 3, Blocked("k", 10.0): 47}
        for _ in range(2):
            assert await call(store.attempt, {"wide": self.wide}, NOW) is None
        assert await call(store.attempt, {"wide": self.wide}, NOW) == Blocked("wide", 20.0)

    async def test_many_count_and_refund_at_once_in_any_order(self, store: ThrottleStore) -> None:
        ample = replace(self.limit, free=1000)
        names = ["a", "b", "c"]
        for _ in range(20):
            await call(store.attempt, dict.fromkeys(names, ample), NOW)
        await asyncio.gather(
            *(
                together(store.attempt, 10, dict.fromkeys(order, ample), NOW)
                for order in (names, names[::-1])
            ),
            *(together(store.refund, 10, order) for order in (names, names[::-1])),
        )
        for key in names:
            last = {key: replace(self.limit, free=21)}
            assert await call(store.attempt, last, NOW) is None
            assert await call(store.attempt, last, NOW) == Blocked(key, 10.0)

    async def test_spends_what_was_earned(self, store: ThrottleStore) -> None:
        assert await call(store.spend, "k", NOW) is None
        await call(store.earn, "k", 2, NOW + 100)
        left = [await call(store.spend, "k", NOW + 99.75) for _ in range(3)]
        assert left == [Allowance(1, NOW + 100), Allowance(0, NOW + 100), None]
        await call(store.earn, "k", 1, NOW + 100)
        assert await call(store.spend, "other", NOW) is None
        assert await call(store.spend, "k", NOW + 100) is None

    async def test_earning_sets_the_credits(self, store: ThrottleStore) -> None:
        await call(store.earn, "k", 5, NOW + 100)
        await call(store.earn, "k", 1, NOW + 200)
        left = [await call(store.spend, "k", NOW + 150) for _ in range(2)]
        assert left == [Allowance(0, NOW + 200), None]

    async def test_what_is_given_back_is_there_again(self, store: ThrottleStore) -> None:
        await call(store.earn, "k", 2, NOW + 100)
        for _ in range(3):
            assert await call(store.spend, "k", NOW) == Allowance(1, NOW + 100)
            await call(store.give_back, "k")
        await call(store.give_back, "unknown")
        assert await call(store.spend, "unknown", NOW) is None

    async def test_spends_no_credit_twice(self, store: ThrottleStore) -> None:
        await call(store.earn, "k", 5, NOW + 100)
        left = Counter(await together(store.spend, 50, "k", NOW))
        assert left == {None: 45} | {Allowance(credits, NOW + 100): 1 for credits in range(5)}

    async def test_an_allowance_is_no_counter(self, store: ThrottleStore) -> None:
        await call(store.earn, "k", 1, NOW + 100)
        assert await call(store.attempt, self.k, NOW) is None
        await call(store.refund, ["k"])
        assert await call(store.spend, "k", NOW) == Allowance(0, NOW + 100)

    async def test_purges_what_is_past(self, store: ThrottleStore) -> None:
        long_ago = NOW - self.limit.memory
        await call(store.attempt, {"old": self.limit}, long_ago - 1)
        await call(store.attempt, {"new": self.limit}, NOW)
        await call(store.earn, "old", 1, NOW - 1)
        await call(store.earn, "new", 1, NOW)
        assert await call(store.purge, NOW) <= 2  # it may have forgotten them by itself
        assert await call(store.purge, NOW) == 0
        assert await call(store.spend, "new", NOW - 1) is not None
        for _ in range(2):
            assert await call(store.attempt, {"new": self.limit}, NOW) is None
        assert await call(store.attempt, {"new": self.limit}, NOW) == Blocked("new", 10.0)


class CodeStoreContract:
    """What a `CodeStore` promises."""

    async def test_keeps_a_code_until_it_expires(self, store: CodeStore) -> None:
        code = await _put(store, value=AWKWARD)
        for now in (NOW, code.expires_at - 0.25):
            assert await call(store.peek, code.kind, code.digest, now) == code.value
        for now in (code.expires_at, code.expires_at + 1):
            assert await call(store.peek, code.kind, code.digest, now) is None
            assert not await call(store.replace, code.kind, code.digest, "other", now)
            assert await call(store.take, code.kind, code.digest, now) == (Taking.UNKNOWN, None)
        taken = await call(store.take, code.kind, code.digest, code.expires_at - 0.25)
        assert taken == (Taking.TAKEN, code.value)

    async def test_keeps_long_values(self, store: CodeStore) -> None:
        code = await _put(store, value="ü" * 100_000)
        assert await call(store.peek, code.kind, code.digest, NOW) == code.value

    async def test_t10_a_code_is_taken_once(self, store: CodeStore) -> None:
        code = await _put(store)
        first = await call(store.take, code.kind, code.digest, NOW)
        assert first == (Taking.TAKEN, code.value)
        for _ in range(2):
            again = await call(store.take, code.kind, code.digest, NOW + 1)
            assert again == (Taking.SPENT, code.value)
        assert await call(store.peek, code.kind, code.digest, NOW) == code.value
        assert not await call(store.put, code)
        late = await call(store.take, code.kind, code.digest, code.expires_at)
        assert late == (Taking.UNKNOWN, None)

    async def test_t10_of_many_that_take_a_code_at_once_one_does(self, store: CodeStore) -> None:
        code = await _put(store)
        taken = await together(store.take, 50, code.kind, code.digest, NOW)
        assert Counter(taken) == {(Taking.TAKEN, code.value): 1, (Taking.SPENT, code.value): 49}

    async def test_c07_a_name_is_stored_once(self, store: CodeStore) -> None:
        code = await _put(store, kind="assertion")
        other = replace(code, value="other", expires_at=NOW + 1_000)
        assert not await call(store.put, other)
        assert await call(store.peek, code.kind, code.digest, NOW) == code.value
        assert await call(store.peek, code.kind, code.digest, code.expires_at) is None

    async def test_c07_of_many_that_store_a_name_at_once_one_does(self, store: CodeStore) -> None:
        code = _code(kind="assertion")
        assert Counter(await together(store.put, 50, code)) == {True: 1, False: 49}

    async def test_keeps_kinds_apart(self, store: CodeStore) -> None:
        kinds: tuple[CodeKind, ...] = get_args(CodeKind)
        digest = _digest()
        for kind in kinds:
            assert await call(store.put, _code(kind=kind, digest=digest, value=kind))
        for kind in kinds:
            taken = await call(store.take, kind, digest, NOW)
            assert taken == (Taking.TAKEN, kind)

    async def test_finds_none_but_by_the_exact_digest(self, store: CodeStore) -> None:
        code = await _put(store)
        for digest in (code.digest.swapcase(), f"{code.digest} ", code.digest[:-1], ""):
            assert await call(store.peek, code.kind, digest, NOW) is None
            assert not await call(store.replace, code.kind, digest, "other", NOW)
            assert await call(store.take, code.kind, digest, NOW) == (Taking.UNKNOWN, None)
        assert await call(store.take, code.kind, code.digest, NOW) == (Taking.TAKEN, code.value)

    async def test_replaces_the_value_alone(self, store: CodeStore) -> None:
        code, other = await _put(store), await _put(store)
        assert await call(store.replace, code.kind, code.digest, AWKWARD, NOW)
        assert await call(store.peek, code.kind, code.digest, NOW) == AWKWARD
        assert await call(store.peek, code.kind, code.digest, code.expires_at) is None
        taken = await call(store.take, code.kind, code.digest, NOW)
        assert taken == (Taking.TAKEN, AWKWARD)
        assert await call(store.replace, code.kind, code.digest, "after", NOW)
        again = await call(store.take, code.kind, code.digest, NOW)
        assert again == (Taking.SPENT, "after")
        assert await call(store.peek, other.kind, other.digest, NOW) == other.value

    async def test_purges_the_expired(self, store: CodeStore) -> None:
        kept = await _put(store, expires_at=NOW + 0.25)
        spent = await _put(store, expires_at=NOW + 0.25)
        await call(store.take, spent.kind, spent.digest, NOW)
        gone = [
            await _put(store, expires_at=NOW),
            await _put(store, expires_at=NOW - 1),
            await _put(store, kind="par", expires_at=NOW - 1),
        ]
        await call(store.take, gone[0].kind, gone[0].digest, NOW - 10)
        assert await call(store.purge, NOW) >= len(gone)
        for code in gone:
            assert await call(store.peek, code.kind, code.digest, NOW - 10) is None
            assert await call(store.put, code)
        assert await call(store.take, kept.kind, kept.digest, NOW) == (Taking.TAKEN, kept.value)
        assert await call(store.take, spent.kind, spent.digest, NOW) == (Taking.SPENT, spent.value)


def _digest() -> str:
    """43 characters of base64url, at least one of them a letter that `str.swapcase` changes."""
    return "a" + secrets.token_urlsafe(32)[1:]


def _code(**changes: Any) -> Code:
    code = Code(kind="code", digest=_digest(), value='{"a": 1}', expires_at=NOW + 60)
    return replace(code, **changes)


async def _put(store: CodeStore, **changes: Any) -> Code:
    code = _code(**changes)
    assert await call(store.put, code)
    return code


class ConsentStoreContract:
    """What a `ConsentStore` promises."""

    async def test_keeps_a_consent_as_it_is(self, store: ConsentStore) -> None:
        for scopes in (("b", "a", "c"), ()):
            consent = await _consented(store, client_id=AWKWARD, scopes=scopes)
            assert await call(store.get, consent.subject, consent.client_id) == consent

    async def test_gets_none_but_by_the_exact_names(self, store: ConsentStore) -> None:
        consent = await _consented(store)
        subject, client_id = consent.subject, consent.client_id
        for names in (
            (subject.swapcase(), client_id),
            (f"{subject} ", client_id),
            (subject, "WEB"),
            (subject, "we"),
            (client_id, subject),
            ("", ""),
        ):
            assert await call(store.get, *names) is None
            assert not await call(store.remove, *names)
        assert await call(store.get, subject, client_id) == consent

    async def test_a_new_consent_takes_the_place_of_the_old(self, store: ConsentStore) -> None:
        old = await _consented(store, scopes=("a", "b"))
        other = await _consented(store, subject=old.subject, client_id="other")
        new = await _consented(store, subject=old.subject, scopes=("b",), given_at=NOW + 0.25)
        assert await call(store.get, old.subject, old.client_id) == new
        assert list(await call(store.list_for_subject, old.subject)) == [other, new]

    async def test_the_same_consent_many_times_at_once_is_one(self, store: ConsentStore) -> None:
        consent = _a_consent()
        await together(store.put, 20, consent)
        assert list(await call(store.list_for_subject, consent.subject)) == [consent]

    async def test_a_consent_is_taken_back_once(self, store: ConsentStore) -> None:
        consent = await _consented(store)
        other = await _consented(store, subject=consent.subject, client_id="other")
        removals = await together(store.remove, 20, consent.subject, consent.client_id)
        assert Counter(removals) == {True: 1, False: 19}
        assert await call(store.get, consent.subject, consent.client_id) is None
        assert list(await call(store.list_for_subject, consent.subject)) == [other]

    async def test_lists_those_of_one_resource_owner_by_client(self, store: ConsentStore) -> None:
        subject = _id()
        consents = [
            await _consented(store, subject=subject, client_id=client_id)
            for client_id in ("c", "a", "b")
        ]
        await _consented(store, subject=subject.swapcase())
        listed = await call(store.list_for_subject, subject)
        assert list(listed) == [consents[1], consents[2], consents[0]]
        assert list(await call(store.list_for_subject, _id())) == []


def _a_consent(**changes: Any) -> Consent:
    consent = Consent(subject=_id(), client_id="web", scopes=("items:read",), given_at=NOW)
    return replace(consent, **changes)


async def _consented(store: ConsentStore, **changes: Any) -> Consent:
    consent = _a_consent(**changes)
    await call(store.put, consent)
    return consent


class LogoutStoreContract:
    """What a `LogoutStore` promises. The fixture ``store`` is empty."""

    async def test_gives_a_notice_that_is_due_and_counts_the_attempt(
        self, store: LogoutStore
    ) -> None:
        notice = _notice(subject=AWKWARD, due_at=NOW)
        await call(store.add, [notice])
        assert list(await call(store.claim, NOW - 0.25, NOW + 60, 10)) == []
        claimed = await call(store.claim, NOW, NOW + 60, 10)
        assert list(claimed) == [replace(notice, attempts=1, due_at=NOW + 60)]

    async def test_a_notice_that_nobody_settled_is_given_again(self, store: LogoutStore) -> None:
        notice = _notice(attempts=3)
        await call(store.add, [notice])
        await call(store.claim, NOW, NOW + 60, 10)
        assert list(await call(store.claim, NOW + 59.75, NOW + 90, 10)) == []
        again = await call(store.claim, NOW + 60, NOW + 120, 10)
        assert list(again) == [replace(notice, attempts=5, due_at=NOW + 120)]

    async def test_gives_the_longest_due_first_and_no_more_than_asked(
        self, store: LogoutStore
    ) -> None:
        notices = [_notice(due_at=NOW - age) for age in (1, 3, 2, 4)]
        await call(store.add, notices)
        first = await call(store.claim, NOW, NOW + 60, 2)
        assert _names(first) == _names([notices[3], notices[1]])
        second = await call(store.claim, NOW, NOW + 60, 2)
        assert _names(second) == _names([notices[0], notices[2]])
        assert list(await call(store.claim, NOW, NOW + 60, 2)) == []

    async def test_adds_many_at_once(self, store: LogoutStore) -> None:
        await call(store.add, [])
        assert list(await call(store.claim, NOW, NOW + 60, 1000)) == []
        notices = [_notice() for _ in range(100)]
        await call(store.add, notices)
        assert _names(await call(store.claim, NOW, NOW + 60, 1000)) == _names(notices)

    async def test_forgets_what_is_done(self, store: LogoutStore) -> None:
        done, other = _notice(), _notice()
        await call(store.add, [done, other])
        await call(store.claim, NOW, NOW + 60, 10)
        await call(store.done, done.id)
        await call(store.done, done.id)
        await call(store.done, _id())
        assert _names(await call(store.claim, NOW + 60, NOW + 120, 10)) == [other.id]

    async def test_tries_again_when_it_is_told_to(self, store: LogoutStore) -> None:
        soon, later = _notice(), _notice()
        await call(store.add, [soon, later])
        await call(store.claim, NOW, NOW + 60, 10)
        await call(store.retry, soon.id, NOW + 5)
        await call(store.retry, later.id, NOW + 500)
        await call(store.retry, _id(), NOW)
        assert list(await call(store.claim, NOW + 4.75, NOW + 90, 10)) == []
        claimed = await call(store.claim, NOW + 5, NOW + 90, 10)
        assert list(claimed) == [replace(soon, attempts=2, due_at=NOW + 90)]
        assert _names(await call(store.claim, NOW + 500, NOW + 900, 10)) == _names([soon, later])

    async def test_of_many_senders_at_once_one_gets_each(self, store: LogoutStore) -> None:
        notices = [_notice(due_at=NOW - age) for age in range(60)]
        await call(store.add, notices)
        claims = await together(store.claim, 50, NOW, NOW + 60, 3)
        given = [notice for claimed in claims for notice in claimed]
        assert max(len(claimed) for claimed in claims) == 3
        # A sender may find nothing where another one is at it; what is left is for the next round.
        while more := await call(store.claim, NOW, NOW + 60, 3):
            given += more
        assert _names(given) == _names(notices)
        assert {notice.attempts for notice in given} == {1}


def _notice(**changes: Any) -> LogoutNotice:
    notice = LogoutNotice(
        id=_id(),
        client_id="web",
        subject=_id(),
        session_id=_id(),
        created_at=NOW - 10.25,
        due_at=NOW - 10.25,
    )
    return replace(notice, **changes)


def _names(notices: Sequence[LogoutNotice]) -> list[str]:
    return sorted(notice.id for notice in notices)
