"""Signing a resource owner in with a name and a password, behind a throttle.

Every way in uses this one: the password grant and login pages alike.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import suppress
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Network, ip_address
from typing import Final, Protocol

from bezant.config import ServerConfig
from bezant.errors import (
    InvalidGrant,
    StoreUnavailable,
    TemporarilyUnavailable,
    TooManyAttempts,
)
from bezant.events import Events, LoginFailed, LoginSucceeded, LoginThrottled
from bezant.passwords import HashingPool, PasswordHasher
from bezant.runtime import MaybeAwaitable, Runtime
from bezant.stores import Allowance, ThrottleStore, UserStore
from bezant.users import User

__all__ = ["WRONG", "Accounts", "HostAccounts", "Login", "StoredAccounts"]

WRONG: Final = "the name or the password is wrong"
"""What is said of every login that fails, whatever the reason."""


class Accounts(Protocol):
    """Where resource owners come from."""

    async def check(self, username: str, password: str, runtime: Runtime, /) -> User | None:
        """The user, if name and password are right; None otherwise. Disabled users are returned
        too.
        """

    def get(self, subject: str, /) -> MaybeAwaitable[User | None]:
        """The user with this subject, as of now."""


class StoredAccounts:
    """Accounts in a `UserStore`, whose passwords Bezant checks.

    Args:
        users: The store.
        hasher: Hashes and verifies.
        pool: Where hashing runs: never on an event loop, never more at once than there are
            processors.
        replaced: Told the subject whose hash was brought up to date.
    """

    def __init__(
        self,
        users: UserStore,
        hasher: PasswordHasher,
        pool: HashingPool,
        replaced: Callable[[str], None],
    ) -> None:
        self._users = users
        self._hasher = hasher
        self._pool = pool
        self._replaced = replaced

    @property
    def get(self) -> Callable[[str], MaybeAwaitable[User | None]]:
        """The store's own method, so that a runtime sees of which kind it is."""
        return self._users.get

    async def check(self, username: str, password: str, runtime: Runtime, /) -> User | None:
        """Verify, and bring an old hash up to date; an unknown name costs the same time as a wrong
        password.
        """
        user = await runtime.call(self._users.find, username)
        stored = user.password_hash if user is not None else None
        if user is None or stored is None:
            await runtime.wait(self._pool.submit(self._hasher.verify_nobody, password))
            return None
        if not await runtime.wait(self._pool.submit(self._hasher.verify, password, stored)):
            return None
        if self._hasher.needs_rehash(stored):
            # Whatever hinders this, the login is good, and the next one tries again.
            with suppress(StoreUnavailable, TemporarilyUnavailable):
                fresh = await runtime.wait(self._pool.submit(self._hasher.hash, password))
                await runtime.call(self._users.replace_password_hash, user.subject, stored, fresh)
                self._replaced(user.subject)
        return user


class HostAccounts:
    """Accounts of an application that checks passwords itself.

    Args:
        authenticate: Takes name and password, returns the user or None; ``def`` or ``async def``.
        get_user: Takes a subject, returns the user as of now or None; ``def`` or ``async def``.
    """

    def __init__(
        self,
        authenticate: Callable[[str, str], MaybeAwaitable[User | None]],
        get_user: Callable[[str], MaybeAwaitable[User | None]],
    ) -> None:
        self._authenticate = authenticate
        self.get = get_user

    async def check(self, username: str, password: str, runtime: Runtime, /) -> User | None:
        """Ask the application."""
        return await runtime.call(self._authenticate, username, password)


class Login:
    """Checks names and passwords, and slows guessing down without ever locking anybody out for
    good.

    Attempts are counted before they are looked at. From an address where this account has signed in
    before, an allowance comes first: while it lasts nothing else is counted, so neither strangers
    who guess at the account nor those behind the same address can hold its owner up. All other
    attempts are counted twice: per address (of IPv6, per /64, which one peer has all of) and per
    account.

    Args:
        accounts: Where resource owners come from.
        throttle: Where attempts are counted.
        config: The limits.
        events: Told of successes, failures and refusals.
    """

    def __init__(
        self, accounts: Accounts, throttle: ThrottleStore, config: ServerConfig, events: Events
    ) -> None:
        self.accounts: Accounts = accounts
        self._throttle = throttle
        self._config = config
        self._events = events

    async def authenticate(
        self, username: str, password: str, *, address: str, now: float, runtime: Runtime
    ) -> User:
        """The resource owner that a name and a password prove.

        Args:
            username: As typed, compared exactly.
            password: As typed.
            address: The peer's address, empty when unknown.
            now: Seconds since the epoch.
            runtime: How to call stores and wait for hashing.

        Raises:
            InvalidGrant: Wrong name, wrong password, or disabled: nobody can tell which.
            TooManyAttempts: Refused unseen; also the same for names that do not exist.
            TemporarilyUnavailable: Too many logins at once.
            StoreUnavailable: The accounts or the counters cannot be read.
        """
        trusted = _key("trusted", username, _network(address))
        left = await runtime.call(self._throttle.spend, trusted, now) if address else None
        counted: Collection[str] = ()
        if left is None:
            counted = await self._count(username, address, now, runtime)

        try:
            user = await self.accounts.check(username, password, runtime)
        except (StoreUnavailable, TemporarilyUnavailable):
            with suppress(StoreUnavailable):  # nobody looked at the password: it was no attempt
                if counted:
                    await runtime.call(self._throttle.refund, counted)
                else:
                    await runtime.call(self._throttle.give_back, trusted)
            raise
        if user is None or not user.active:
            subject, reason = (
                (user.subject, "disabled") if user is not None else (None, "wrong name or password")
            )
            self._events.emit(LoginFailed(at=now, subject=subject, address=address, reason=reason))
            raise InvalidGrant(WRONG, detail=reason)

        if counted:
            await runtime.call(self._throttle.refund, counted)
        if address and (left is None or self._runs_low(left, now)):
            expires_at = now + self._config.trusted_address_ttl
            await runtime.call(
                self._throttle.earn, trusted, self._config.trusted_address_credits, expires_at
            )
        self._events.emit(LoginSucceeded(at=now, subject=user.subject, address=address))
        return user

    async def _count(
        self, username: str, address: str, now: float, runtime: Runtime
    ) -> Collection[str]:
        """Count an attempt, and say where."""
        account = _key("account", username)
        counters = {account: self._config.account_limit}
        if address:
            peer = _key("address", _network(address))
            counters = {peer: self._config.address_limit, **counters}
        blocked = await runtime.call(self._throttle.attempt, counters, now)
        if blocked is not None:
            limit = "account" if blocked.key == account else "address"
            wait = blocked.wait
            self._events.emit(
                LoginThrottled(at=now, address=address, limit=limit, retry_after=wait)
            )
            raise TooManyAttempts(wait)
        return list(counters)

    def _runs_low(self, left: Allowance, now: float) -> bool:
        """Whether less than half of an allowance is left: before that, renewing it is not worth a
        write.
        """
        return (
            left.credits < self._config.trusted_address_credits / 2
            or left.expires_at - now < self._config.trusted_address_ttl / 2
        )


def _network(address: str) -> str:
    """What one peer commands: an IPv4 address, or an IPv6 network, which has a /64 at least."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(ip.ipv4_mapped or IPv6Network((ip, 64), strict=False))


def _key(kind: str, *parts: str) -> str:
    """A digest, so that the counters hold neither names nor addresses."""
    text = "\0".join((kind, *parts))
    return f"{kind}:{sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:40]}"
