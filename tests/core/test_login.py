"""Signing in: equal work for every name, guesses slowed down, nobody locked out for good."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from bezant import ServerConfig, User, passwords
from bezant.errors import (
    InvalidGrant,
    StoreUnavailable,
    TemporarilyUnavailable,
    TooManyAttempts,
)
from bezant.events import (
    Event,
    Events,
    LoginFailed,
    LoginSucceeded,
    LoginThrottled,
)
from bezant.login import HostAccounts, Login, StoredAccounts
from bezant.passwords import HashingPool
from bezant.runtime import SYNC, Runtime, run_sync
from bezant.stores import ThrottleLimit
from bezant.stores.memory import MemoryThrottleStore, MemoryUserStore
from bezant.testing import FrozenClock
from tests.world import ISSUER, PASSWORD, hasher, people

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

HOME, ELSEWHERE = "192.0.2.1", "198.51.100.7"
WRONG = "a wrong guess"
DJANGO = "pbkdf2_sha256$1000$hX3kbQ0fWmZ7aTnPq9RsLu$EmhCK1K5pdnEfsCeT0PJqhK0VKeWZlA7WKdxrJiZf8w="
DJANGO_PASSWORD = "correct horse é"


class Door:
    """A `Login` with all that it needs."""

    def __init__(self, accounts: Any = None, **config: Any) -> None:
        self.clock = FrozenClock()
        self.events: list[Event] = []
        self.users = MemoryUserStore(people())
        self.throttle = MemoryThrottleStore()
        self.pool = HashingPool(1)
        self.replaced: list[str] = []
        self.accounts = accounts or StoredAccounts(
            self.users, hasher, self.pool, self.replaced.append
        )
        settings = ServerConfig(issuer=ISSUER, **config)
        self.login = Login(self.accounts, self.throttle, settings, Events([self.events.append]))

    def attempt(
        self,
        username: str = "alice",
        password: str = PASSWORD,
        address: str = HOME,
        runtime: Runtime = SYNC,
    ) -> Coroutine[Any, Any, User]:
        return self.login.authenticate(
            username, password, address=address, now=self.clock(), runtime=runtime
        )

    def enter(self, *args: Any, **kwargs: Any) -> str:
        """``in``, ``wrong``, or the seconds to wait."""
        try:
            run_sync(self.attempt(*args, **kwargs))
        except TooManyAttempts as error:
            return str(error.retry_after)
        except InvalidGrant:
            return "wrong"
        return "in"


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door()
    yield made
    made.pool.close()


@pytest.fixture
def derived(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The memory of every Argon2id that is computed."""
    costs: list[int] = []
    genuine = passwords.argon2.Argon2id

    def counted(**parameters: Any) -> Any:
        costs.append(parameters["memory_cost"])
        return genuine(**parameters)

    monkeypatch.setattr(passwords.argon2, "Argon2id", counted)
    return costs


# ---- who comes in ----------------------------------------------------------------------------


def test_the_right_password_opens(door: Door) -> None:
    assert run_sync(door.attempt()) == door.users.get("user-alice")
    (event,) = door.events
    assert event == LoginSucceeded(at=door.clock(), subject="user-alice", address=HOME)


@pytest.mark.parametrize(
    ("username", "password", "subject", "reason"),
    [
        ("alice", WRONG, None, "wrong name or password"),
        ("nobody", PASSWORD, None, "wrong name or password"),
        ("dave", PASSWORD, None, "wrong name or password"),
        ("carol", PASSWORD, "user-carol", "disabled"),
        ("carol", WRONG, None, "wrong name or password"),
        ("\ud800", PASSWORD, None, "wrong name or password"),
        ("", PASSWORD, None, "wrong name or password"),
    ],
    ids=["wrong", "unknown", "no-password", "disabled", "disabled-and-wrong", "surrogate", "empty"],
)
def test_b04_all_refusals_are_one(
    door: Door,
    derived: list[int],
    username: str,
    password: str,
    subject: str | None,
    reason: str,
) -> None:
    """The same words and the same work, so that neither tells who exists."""
    with pytest.raises(InvalidGrant, match="the name or the password is wrong") as caught:
        run_sync(door.attempt(username, password))
    assert caught.value.detail == reason
    assert derived == [hasher.memory_kib]
    assert door.events == [
        LoginFailed(at=door.clock(), subject=subject, address=HOME, reason=reason)
    ]


@pytest.mark.parametrize("kind", ["def", "async-def"])
def test_an_application_may_check_passwords_itself(kind: str) -> None:
    user = User("user-1")

    def authenticate(username: str, password: str) -> User | None:
        return user if (username, password) == ("alice", PASSWORD) else None

    async def authenticate_async(username: str, password: str) -> User | None:
        return authenticate(username, password)

    host = HostAccounts(authenticate if kind == "def" else authenticate_async, lambda subject: user)
    door = Door(host)
    assert run_sync(door.attempt()) is user
    assert door.enter("alice", WRONG) == door.enter("nobody") == "wrong"
    assert door.login.accounts.get("user-1") is user
    # It stands behind the same throttle.
    assert [door.enter("alice", WRONG, ELSEWHERE) for _ in range(11)][-1] == "1"


# ---- old hashes ------------------------------------------------------------------------------


def test_an_imported_hash_is_replaced_at_login(door: Door) -> None:
    door.users.add(User("user-old", "olga", DJANGO))
    assert door.enter("olga", WRONG) == "wrong"
    assert door.users.get("user-old").password_hash == DJANGO
    assert door.enter("olga", DJANGO_PASSWORD) == "in"
    stored = door.users.get("user-old").password_hash
    assert stored.startswith("$argon2id$")
    assert door.replaced == ["user-old"]
    assert door.enter("olga", DJANGO_PASSWORD) == "in"
    assert door.users.get("user-old").password_hash == stored
    assert door.replaced == ["user-old"]


def test_a_weaker_hash_of_our_own_is_replaced_too(door: Door) -> None:
    stronger = replace(hasher, iterations=2)
    door.accounts._hasher = stronger
    assert door.enter() == "in"
    assert not stronger.needs_rehash(door.users.get("user-alice").password_hash)


@pytest.mark.parametrize("failing", ["store", "pool"])
def test_a_hash_that_cannot_be_replaced_keeps_nobody_out(
    door: Door, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.users.add(User("user-old", "olga", DJANGO))

    def away(*args: Any) -> None:
        raise StoreUnavailable("away")

    if failing == "store":
        monkeypatch.setattr(door.users, "replace_password_hash", away)
    else:
        submit = door.pool.submit

        def full(function: Callable[..., Any], *args: Any) -> Any:
            if function.__name__ == "hash":
                raise TemporarilyUnavailable("full")
            return submit(function, *args)

        monkeypatch.setattr(door.pool, "submit", full)
    assert door.enter("olga", DJANGO_PASSWORD) == "in"
    assert door.users.get("user-old").password_hash == DJANGO
    assert not door.replaced


# ---- guessing --------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "4.3.2")
def test_b01_guesses_at_one_account_wait_longer_and_longer(door: Door, derived: list[int]) -> None:
    answers = [door.enter("alice", WRONG, f"192.0.2.{n}") for n in range(10)]
    assert answers == ["wrong"] * 10
    for wait in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]:
        # Refused unseen, right or wrong, and without adding to the wait.
        for password in WRONG, PASSWORD, WRONG:
            assert door.enter("alice", password, ELSEWHERE) == str(wait)
        door.clock.advance(wait - 0.5)
        assert door.enter("alice", WRONG, ELSEWHERE) == "1"
        door.clock.advance(0.5)
        assert door.enter("alice", WRONG, ELSEWHERE) == "wrong"
    assert len(derived) == 10 + 11
    throttled = [event for event in door.events if isinstance(event, LoginThrottled)]
    assert {event.limit for event in throttled} == {"account"}
    # Nobody is locked out for good.
    door.clock.advance(300)
    assert door.enter("alice", PASSWORD, ELSEWHERE) == "in"


def test_guesses_are_forgotten(door: Door) -> None:
    for _ in range(10):
        door.enter("alice", WRONG, ELSEWHERE)
    assert door.enter("alice", WRONG, ELSEWHERE) == "1"
    door.clock.advance(3600)
    assert [door.enter("alice", WRONG, ELSEWHERE) for _ in range(10)] == ["wrong"] * 10


def test_b04_unknown_names_wait_just_the_same(door: Door) -> None:
    def answers(username: str) -> list[str]:
        return [door.enter(username, WRONG, f"{username}.{n}") for n in range(12)]

    assert answers("alice") == answers("nobody") == answers("carol")
    assert door.enter("Alice") == "wrong"  # another name, another count


def test_b02_one_password_for_many_names_from_one_address(door: Door) -> None:
    answers = [door.enter(f"user{n}", "password1", ELSEWHERE) for n in range(102)]
    assert answers == ["wrong"] * 100 + ["1", "1"]
    assert door.events[-1].limit == "address"
    assert door.enter("alice", PASSWORD, HOME) == "in"
    # A right login of one's own does not wipe the slate clean.
    door.clock.advance(1)
    assert door.enter("bob", PASSWORD, ELSEWHERE) == "in"
    assert door.enter("user", "password1", ELSEWHERE) == "wrong"
    assert door.enter("user", "password1", ELSEWHERE) == "2"


def test_b02_whoever_has_an_ipv6_network_is_one_peer(door: Door) -> None:
    for n in range(100):
        assert door.enter(f"user{n}", "password1", f"2001:db8:0:7:{n:x}::1") == "wrong"
    assert door.enter("user", "password1", "2001:db8:0:7::2") == "1"
    assert door.enter("user", "password1", "2001:db8:0:8::2") == "wrong"


def test_an_ipv4_address_is_the_same_in_ipv6_clothes(door: Door) -> None:
    assert door.enter("alice", PASSWORD, "192.0.2.1") == "in"
    for n in range(100):
        door.enter("alice", WRONG, f"198.51.100.{n}")
    assert door.enter("alice", PASSWORD, "::ffff:192.0.2.1") == "in"
    assert door.enter("alice", PASSWORD, "::ffff:192.0.2.2") != "in"


def test_b05_strangers_cannot_keep_the_owner_out_of_a_known_address(door: Door) -> None:
    assert door.enter() == "in"
    for n in range(100):
        door.enter("alice", WRONG, f"198.51.100.{n}")
    assert door.enter("alice", PASSWORD, "203.0.113.9") != "in"
    for _ in range(100):
        assert door.enter() == "in"
    # Mistyping is allowed for too, within reason.
    answers = [door.enter("alice", WRONG, HOME) for _ in range(51)]
    assert answers[:25] == ["wrong"] * 25
    assert answers[50].isdigit()


def test_b05_strangers_cannot_keep_the_owner_out_from_behind_the_same_address(door: Door) -> None:
    assert door.enter() == "in"
    for n in range(100):
        assert door.enter(f"user{n}", WRONG, HOME) == "wrong"
    for _ in range(100):
        assert door.enter("bob", PASSWORD, HOME) == "1"  # who never signed in there
        assert door.enter() == "in"
    assert door.events[-2].limit == "address"


def test_b05_both_at_once_do_not_keep_the_owner_out_either(door: Door) -> None:
    assert door.enter() == "in"
    for n in range(100):
        door.enter(f"user{n}", WRONG, HOME)
        door.enter("alice", WRONG, f"198.51.100.{n}")
    assert door.enter() == "in"
    # Others are told of the address first, as if nothing else were counted.
    door.enter("bob", PASSWORD, HOME)
    assert door.events[-1].limit == "address"


def test_b01_guesses_behind_a_known_address_use_its_allowance_up(
    door: Door, derived: list[int]
) -> None:
    assert door.enter() == "in"
    derived.clear()
    answers = [door.enter("alice", WRONG, HOME) for _ in range(70)]
    # Then they are counted as everybody's, at the account and at the address.
    assert answers == ["wrong"] * 60 + ["1"] * 10
    assert len(derived) == 60
    assert door.enter("alice", WRONG, ELSEWHERE) == door.enter() == "1"
    sprayed = [door.enter(f"user{n}", WRONG, HOME) for n in range(91)]
    assert sprayed == ["wrong"] * 90 + ["1"]
    # The owner has to wait for once, and is known again.
    door.clock.advance(1)
    assert door.enter() == "in"
    assert door.enter("alice", WRONG, ELSEWHERE) == "wrong"
    assert door.enter("alice", WRONG, ELSEWHERE) == "2"
    assert door.enter() == "in"


def test_b01_who_waits_for_the_owner_to_sign_in_gets_no_more_than_was_allowed(door: Door) -> None:
    """Allowances are restored, never added to."""
    assert door.enter() == "in"
    for _ in range(5):
        looks = 0
        while door.enter("alice", WRONG, HOME) == "wrong":
            looks += 1
        assert looks <= 50 + 10
        door.clock.advance(300)
        assert door.enter() == "in"


def test_what_a_known_address_may_do_ends(door: Door) -> None:
    assert door.enter() == "in"
    door.clock.advance(30 * 86400)
    for _ in range(10):
        door.enter("alice", WRONG, ELSEWHERE)
    assert door.enter() == "1"


def test_who_comes_back_in_time_stays_known(door: Door) -> None:
    assert door.enter() == "in"
    for _ in range(4):
        door.clock.advance(20 * 86400)
        assert door.enter() == "in"
    for _ in range(10):
        door.enter("alice", WRONG, ELSEWHERE)
    assert door.enter() == "in"


def test_a_known_address_is_known_for_one_account_alone(door: Door) -> None:
    assert door.enter("bob") == "in"
    for _ in range(10):
        door.enter("alice", WRONG, ELSEWHERE)
    assert door.enter("alice", PASSWORD, HOME) == "1"


def test_b02_ones_own_account_opens_no_way_to_others(door: Door) -> None:
    """Whoever signs in all the time from an address guesses no more there than everybody."""
    looks = 0
    for _ in range(40):
        assert door.enter("bob", PASSWORD, ELSEWHERE) == "in"
        looks += door.enter("alice", WRONG, ELSEWHERE) == "wrong"
    assert looks == 10
    looks = 0
    for n in range(200):
        assert door.enter("bob", PASSWORD, ELSEWHERE) == "in"
        looks += door.enter(f"user{n}", WRONG, ELSEWHERE) == "wrong"
    assert looks == 90


def test_who_has_to_wait_for_an_account_uses_up_no_address(door: Door) -> None:
    answers = [door.enter("alice", WRONG, HOME) for _ in range(200)]
    assert answers == ["wrong"] * 10 + ["1"] * 190
    assert [door.enter(f"user{n}", WRONG, HOME) for n in range(91)] == ["wrong"] * 90 + ["1"]


def test_right_logins_are_not_counted(door: Door) -> None:
    assert {door.enter("alice", PASSWORD, f"192.0.2.{n}") for n in range(200)} == {"in"}
    assert {door.enter("bob") for _ in range(200)} == {"in"}


def test_without_an_address_the_account_alone_is_counted(door: Door) -> None:
    answers = [door.enter(f"user{n}", WRONG, "") for n in range(150)]
    assert set(answers) == {"wrong"}
    assert door.enter("bob", PASSWORD, "") == "in"
    assert [door.enter("alice", WRONG, "") for _ in range(11)][-1] == "1"
    assert not door.throttle._allowances


def test_the_counters_hold_neither_names_nor_addresses(door: Door) -> None:
    door.enter("alice")
    keys = [*door.throttle._counters, *door.throttle._allowances]
    assert len(keys) == 3
    assert "alice" not in repr(keys)
    assert HOME not in repr(keys)


# ---- what it costs ---------------------------------------------------------------------------


@pytest.fixture
def called(door: Door, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is asked of the counters."""
    names: list[str] = []

    def noted(name: str) -> Callable[..., Any]:
        method = getattr(door.throttle, name)

        def call(*args: Any) -> Any:
            names.append(name)
            return method(*args)

        return call

    for name in ("attempt", "refund", "spend", "give_back", "earn"):
        monkeypatch.setattr(door.throttle, name, noted(name))
    return names


def test_who_comes_back_costs_one_look(door: Door, called: list[str]) -> None:
    assert door.enter() == "in"
    assert called == ["spend", "attempt", "refund", "earn"]
    called.clear()
    # Until half of the credits are gone.
    for number in range(1, 79):
        assert door.enter() == "in"
        assert called == (["spend"] if number % 26 else ["spend", "earn"])
        called.clear()


def test_who_comes_back_after_half_of_the_time_is_trusted_anew(
    door: Door, called: list[str]
) -> None:
    assert door.enter() == "in"
    door.clock.advance(15 * 86400)
    called.clear()
    assert door.enter() == "in"
    door.clock.advance(0.5)
    assert door.enter() == "in"
    assert door.enter() == "in"
    assert called == ["spend", "spend", "earn", "spend"]


def test_who_is_refused_costs_no_more_than_counting(door: Door, called: list[str]) -> None:
    assert door.enter("alice", WRONG) == "wrong"
    assert called == ["spend", "attempt"]
    assert door.enter() == "in"
    called.clear()
    assert door.enter("alice", WRONG) == "wrong"
    assert called == ["spend"]
    called.clear()
    assert door.enter("alice", WRONG, "") == "wrong"
    assert door.enter("alice", PASSWORD, "") == "in"
    assert called == ["attempt", "attempt", "refund"]


# ---- at once ---------------------------------------------------------------------------------


def waiting() -> Runtime:
    """A runtime whose logins stop where the hash is computed, until they are driven on."""

    async def io(function: Callable[..., Any], *args: Any) -> Any:
        return function(*args)

    async def wait(future: Any) -> Any:
        await _Pause()
        return future.result()

    return Runtime(io=io, wait=wait, loop=True)


class _Pause:
    def __await__(self) -> Iterator[None]:
        yield


def together(attempts: list[Coroutine[Any, Any, User]]) -> tuple[int, list[str]]:
    """Drive attempts side by side: how many reached the hash, and how they ended."""
    reached, ends = [], []
    for attempt in attempts:
        try:
            attempt.send(None)
        except TooManyAttempts:
            ends.append("throttled")
        else:
            reached.append(attempt)
    for attempt in reached:
        try:
            attempt.send(None)
        except StopIteration:
            ends.append("in")
        except InvalidGrant:
            ends.append("wrong")
    return len(reached), ends


def test_b01_guesses_sent_at_once_are_counted_before_they_are_checked(door: Door) -> None:
    runtime = waiting()
    guesses = [door.attempt("alice", WRONG, f"192.0.2.{n}", runtime) for n in range(50)]
    reached, ends = together(guesses)
    assert reached == 10
    assert ends.count("throttled") == 40


def test_b06_right_logins_sent_at_once_all_come_in(door: Door) -> None:
    runtime = waiting()
    assert door.enter() == "in"  # an address that is known
    reached, ends = together([door.attempt(runtime=runtime) for _ in range(50)])
    assert (reached, set(ends)) == (50, {"in"})
    # And ten even from nowhere.
    fresh = [door.attempt("bob", PASSWORD, f"192.0.2.{n}", runtime) for n in range(10)]
    assert together(fresh) == (10, ["in"] * 10)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_b01_many_threads_get_no_more_looks_than_the_limits_allow(name: str) -> None:
    """From an address that is known for alice: her allowance, and what everybody has."""
    looks: list[str] = []
    everybody = Barrier(50)

    def authenticate(username: str, password: str) -> User | None:
        if password == PASSWORD:
            return User(f"user-{username}")
        looks.append(username)
        return None

    door = Door(HostAccounts(authenticate, User), trusted_address_credits=5)
    assert door.enter() == "in"

    def guess(_: int) -> str:
        everybody.wait()
        return door.enter(name, WRONG)

    with ThreadPoolExecutor(50) as threads:
        answers = Counter(threads.map(guess, range(50)))
    allowed = {"alice": 5 + 10, "bob": 10}[name]
    assert answers == {"wrong": allowed, "1": 50 - allowed}
    assert len(looks) == allowed
    door.pool.close()


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
@pytest.mark.parametrize("error", [StoreUnavailable("away"), TemporarilyUnavailable("full")])
def test_what_was_not_looked_at_does_not_count(
    door: Door, error: Exception, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any) -> Any:
        raise error

    if known:
        assert door.enter(address=ELSEWHERE) == "in"
    with monkeypatch.context() as patch:
        patch.setattr(door.users, "find", fail)
        for _ in range(200):
            with pytest.raises(type(error)):
                door.enter(address=ELSEWHERE)
    looks = 0
    while door.enter("alice", WRONG, ELSEWHERE) == "wrong":
        looks += 1
    assert looks == (50 + 10 if known else 10)


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_the_first_error_is_what_is_told(
    door: Door, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: Any) -> Any:
        raise StoreUnavailable("away")

    def full(*args: Any) -> Any:
        raise TemporarilyUnavailable("full")

    if known:
        assert door.enter() == "in"
    monkeypatch.setattr(door.users, "find", full)
    for verb in ("refund", "give_back"):
        monkeypatch.setattr(door.throttle, verb, away)
    with pytest.raises(TemporarilyUnavailable, match="full"):
        door.enter()


@pytest.mark.parametrize("limit", ["account_limit", "address_limit"])
def test_the_limits_can_be_set(limit: str) -> None:
    door = Door(**{limit: ThrottleLimit(free=2, base=5, cap=7, memory=60)})
    answers = []
    for _ in range(4):
        answers.append(door.enter("alice", WRONG))
        if answers[-1].isdigit():
            door.clock.advance(int(answers[-1]))
            door.enter("alice", WRONG)
    assert answers == ["wrong", "wrong", "5", "7"]
    door.pool.close()
