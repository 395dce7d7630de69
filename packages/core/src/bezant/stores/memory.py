"""Stores in the memory of one process: for tests, examples and a first try.

They are complete and safe between threads, and they forget everything when the process ends. Two
processes do not share them, so neither a second worker nor a restart knows of a revocation or a
spent refresh token.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock

from bezant.clients import Client
from bezant.errors import ConfigurationError
from bezant.runtime import nonblocking
from bezant.stores import (
    Allowance,
    Authorization,
    Blocked,
    Code,
    CodeKind,
    Consent,
    LogoutNotice,
    Outcome,
    Revocation,
    RevocationKind,
    Rotation,
    StoredKey,
    Taking,
    ThrottleLimit,
)
from bezant.stores.rotation import decide
from bezant.users import User

__all__ = [
    "MemoryAuthorizationStore",
    "MemoryClientStore",
    "MemoryCodeStore",
    "MemoryConsentStore",
    "MemoryKeyStore",
    "MemoryLogoutStore",
    "MemoryRevocationStore",
    "MemoryStores",
    "MemoryThrottleStore",
    "MemoryUserStore",
]

MAX_THROTTLE_KEYS = 100_000
"""Attackers choose the keys of a throttle; beyond this many the one touched longest ago goes."""


@nonblocking
class MemoryUserStore:
    """Accounts (`bezant.stores.UserStore`).

    Args:
        users: The accounts to begin with.
    """

    def __init__(self, users: Iterable[User] = ()) -> None:
        self._lock = Lock()
        self._users: dict[str, User] = {}
        for user in users:
            self.add(user)

    def add(self, user: User, /) -> None:
        """Store an account, in place of one with the same subject.

        Raises:
            ConfigurationError: Another account has the login name.
        """
        with self._lock:
            for other in self._users.values():
                if other.username == user.username and other.subject != user.subject:
                    raise ConfigurationError(
                        f"user {user.subject!r}", "another user has this login name"
                    )
            self._users[user.subject] = user

    def find(self, login: str, /) -> User | None:
        with self._lock:
            return next((user for user in self._users.values() if user.username == login), None)

    def get(self, subject: str, /) -> User | None:
        with self._lock:
            return self._users.get(subject)

    def replace_password_hash(self, subject: str, old: str, new: str, /) -> None:
        with self._lock:
            user = self._users.get(subject)
            if user is not None and user.password_hash == old:
                self._users[subject] = replace(user, password_hash=new)


@nonblocking
class MemoryClientStore:
    """Registered clients (`bezant.stores.ClientStore`).

    Args:
        clients: The clients to begin with.
    """

    def __init__(self, clients: Iterable[Client] = ()) -> None:
        self._lock = Lock()
        self._clients = {client.client_id: client for client in clients}

    def add(self, client: Client, /) -> None:
        """Store a client, in place of one with the same id."""
        with self._lock:
            self._clients[client.client_id] = client

    def get(self, client_id: str, /) -> Client | None:
        with self._lock:
            return self._clients.get(client_id)


@nonblocking
class MemoryAuthorizationStore:
    """Authorizations (`bezant.stores.AuthorizationStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, Authorization] = {}

    def add(self, authorization: Authorization, /) -> None:
        with self._lock:
            self._rows[authorization.id] = authorization

    def get(self, authorization_id: str, /) -> Authorization | None:
        with self._lock:
            return self._rows.get(authorization_id)

    def rotate(
        self,
        authorization_id: str,
        client_id: str,
        generation: int,
        now: float,
        idle_expires_at: float,
        retry_window: float,
        /,
    ) -> Rotation:
        with self._lock:
            found = self._rows.get(authorization_id)
            outcome = decide(found, client_id, generation, now, retry_window)
            if found is None or outcome is Outcome.UNKNOWN:
                return Rotation(outcome, None)
            if outcome is Outcome.ROTATED:
                found = replace(
                    found,
                    generation=generation + 1,
                    rotated_at=now,
                    idle_expires_at=idle_expires_at,
                )
            elif outcome is Outcome.REUSED:
                found = replace(found, revoked_at=now)
            self._rows[authorization_id] = found
            return Rotation(outcome, found)

    def revoke(self, authorization_id: str, now: float, /) -> Authorization | None:
        with self._lock:
            found = self._rows.get(authorization_id)
            if found is None or not _is_live(found, now):
                return None
            revoked = self._rows[found.id] = replace(found, revoked_at=now)
            return revoked

    def revoke_for_subject(self, subject: str, now: float, /) -> int:
        with self._lock:
            return self._revoke([row for row in self._rows.values() if row.subject == subject], now)

    def revoke_for_client(self, client_id: str, now: float, /) -> int:
        with self._lock:
            return self._revoke(
                [row for row in self._rows.values() if row.client_id == client_id], now
            )

    def list_live(
        self,
        now: float,
        subject: str | None = None,
        client_id: str | None = None,
        limit: int = 1000,
    ) -> Sequence[Authorization]:
        with self._lock:
            found = [
                row
                for row in self._rows.values()
                if _is_live(row, now)
                and subject in (None, row.subject)
                and client_id in (None, row.client_id)
            ]
        return sorted(found, key=lambda row: row.created_at, reverse=True)[:limit]

    def list_for_session(self, session_id: str, /) -> Sequence[Authorization]:
        with self._lock:
            return [row for row in self._rows.values() if row.session_id == session_id]

    def purge(self, before: float, /) -> int:
        with self._lock:
            ended = [
                row.id
                for row in self._rows.values()
                if not _is_live(row, before) and _end(row) < before
            ]
            for id_ in ended:
                del self._rows[id_]
            return len(ended)

    def _revoke(self, rows: Iterable[Authorization], now: float) -> int:
        live = [row for row in rows if _is_live(row, now)]
        for row in live:
            self._rows[row.id] = replace(row, revoked_at=now)
        return len(live)


def _end(row: Authorization) -> float:
    """When it ended or will end."""
    ends = (row.expires_at, row.idle_expires_at)
    return min(ends) if row.revoked_at is None else min(*ends, row.revoked_at)


def _is_live(row: Authorization, now: float) -> bool:
    return row.revoked_at is None and now < _end(row)


@nonblocking
class MemoryKeyStore:
    """Signing keys (`bezant.stores.KeyStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._keys: dict[str, StoredKey] = {}

    def load(self) -> Sequence[StoredKey]:
        with self._lock:
            return sorted(self._keys.values(), key=lambda key: key.sequence)

    def add(self, key: StoredKey, /) -> bool:
        with self._lock:
            if key.kid in self._keys or any(
                other.sequence == key.sequence for other in self._keys.values()
            ):
                return False
            self._keys[key.kid] = key
            return True

    def retire(self, kid: str, now: float, /) -> bool:
        with self._lock:
            key = self._keys.get(kid)
            if key is None or key.retired_at is not None:
                return False
            self._keys[kid] = replace(key, retired_at=now)
            return True

    def remove(self, kid: str, /) -> None:
        with self._lock:
            self._keys.pop(kid, None)


@nonblocking
class MemoryRevocationStore:
    """Revocations (`bezant.stores.RevocationStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[tuple[RevocationKind, str], Revocation] = {}

    def add(self, revocation: Revocation, /) -> None:
        place = revocation.kind, revocation.value
        with self._lock:
            known = self._rows.get(place, revocation)
            self._rows[place] = replace(
                revocation,
                issued_before=max(known.issued_before, revocation.issued_before),
                expires_at=max(known.expires_at, revocation.expires_at),
                recorded_at=max(known.recorded_at, revocation.recorded_at),
            )

    def since(self, recorded_at: float, now: float, /) -> Sequence[Revocation]:
        with self._lock:
            found = [
                row
                for row in self._rows.values()
                if row.recorded_at >= recorded_at and row.expires_at > now
            ]
        return sorted(found, key=lambda row: row.recorded_at)

    def purge(self, now: float, /) -> int:
        with self._lock:
            expired = [place for place, row in self._rows.items() if row.expires_at <= now]
            for place in expired:
                del self._rows[place]
            return len(expired)


@dataclass(slots=True)
class _Counter:
    attempts: int
    blocked_until: float
    touched_at: float
    forget_at: float


@nonblocking
class MemoryThrottleStore:
    """Counters of login attempts (`bezant.stores.ThrottleStore`).

    Args:
        max_keys: How many counters, and how many allowances, are kept at most.
    """

    def __init__(self, max_keys: int = MAX_THROTTLE_KEYS) -> None:
        self._lock = Lock()
        self._max_keys = max_keys
        self._counters: OrderedDict[str, _Counter] = OrderedDict()  # touched longest ago first
        self._allowances: OrderedDict[str, Allowance] = OrderedDict()

    def attempt(self, counters: Mapping[str, ThrottleLimit], now: float, /) -> Blocked | None:
        with self._lock:
            for key in counters:
                counter = self._counters.get(key)
                if counter is not None and now < counter.blocked_until:
                    return Blocked(key, counter.blocked_until - now)
            for key, limit in counters.items():
                self._count(key, limit, now)
            return None

    def refund(self, keys: Collection[str], /) -> None:
        with self._lock:
            for key in keys:
                counter = self._counters.get(key)
                if counter is not None:
                    counter.attempts = max(0, counter.attempts - 1)
                    counter.blocked_until = 0.0

    def spend(self, key: str, now: float, /) -> Allowance | None:
        with self._lock:
            found = self._allowances.get(key)
            if found is None or found.credits <= 0 or now >= found.expires_at:
                return None
            left = self._allowances[key] = replace(found, credits=found.credits - 1)
            self._allowances.move_to_end(key)
            return left

    def give_back(self, key: str, /) -> None:
        with self._lock:
            found = self._allowances.get(key)
            if found is not None:
                self._allowances[key] = replace(found, credits=found.credits + 1)

    def earn(self, key: str, credits: int, expires_at: float, /) -> None:
        with self._lock:
            self._allowances[key] = Allowance(credits, expires_at)
            self._allowances.move_to_end(key)
            while len(self._allowances) > self._max_keys:
                self._allowances.popitem(last=False)

    def purge(self, before: float, /) -> int:
        with self._lock:
            counters = [
                key for key, counter in self._counters.items() if counter.touched_at < before
            ]
            allowances = [
                key for key, allowance in self._allowances.items() if allowance.expires_at < before
            ]
            for key in counters:
                del self._counters[key]
            for key in allowances:
                del self._allowances[key]
            return len(counters) + len(allowances)

    def _count(self, key: str, limit: ThrottleLimit, now: float) -> None:
        counter = self._counters.get(key)
        remembered = counter is not None and now - counter.touched_at < limit.memory
        attempts = counter.attempts + 1 if counter is not None and remembered else 1
        wait = limit.wait(attempts)
        blocked_until = now + wait if wait else 0.0
        forget_at = max(now + limit.memory, blocked_until)
        self._counters[key] = _Counter(attempts, blocked_until, now, forget_at)
        self._counters.move_to_end(key)
        self._shed(now)

    def _shed(self, now: float) -> None:
        """Drop what is forgotten anyway, and the oldest beyond the bound.

        At most two go for one that comes: constant work, and stale counters still vanish faster
        than new ones appear.
        """
        for _ in range(min(2, len(self._counters))):
            oldest = next(iter(self._counters.values()))
            if oldest.forget_at > now and len(self._counters) <= self._max_keys:
                return
            self._counters.popitem(last=False)


@nonblocking
class MemoryCodeStore:
    """Codes (`bezant.stores.CodeStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[tuple[str, str], tuple[Code, bool]] = {}

    def put(self, code: Code, /) -> bool:
        with self._lock:
            if (code.kind, code.digest) in self._rows:
                return False
            self._rows[code.kind, code.digest] = code, False
            return True

    def take(self, kind: CodeKind, digest: str, now: float, /) -> tuple[Taking, str | None]:
        with self._lock:
            code, taken = self._rows.get((kind, digest), (None, False))
            if code is None or now >= code.expires_at:
                return Taking.UNKNOWN, None
            self._rows[kind, digest] = code, True
            return Taking.SPENT if taken else Taking.TAKEN, code.value

    def peek(self, kind: CodeKind, digest: str, now: float, /) -> str | None:
        with self._lock:
            code, _ = self._rows.get((kind, digest), (None, False))
            return None if code is None or now >= code.expires_at else code.value

    def replace(self, kind: CodeKind, digest: str, value: str, now: float, /) -> bool:
        with self._lock:
            code, taken = self._rows.get((kind, digest), (None, False))
            if code is None or now >= code.expires_at:
                return False
            self._rows[kind, digest] = replace(code, value=value), taken
            return True

    def purge(self, now: float, /) -> int:
        with self._lock:
            expired = [key for key, (code, _) in self._rows.items() if code.expires_at <= now]
            for key in expired:
                del self._rows[key]
            return len(expired)


@nonblocking
class MemoryConsentStore:
    """Consents (`bezant.stores.ConsentStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[tuple[str, str], Consent] = {}

    def get(self, subject: str, client_id: str, /) -> Consent | None:
        with self._lock:
            return self._rows.get((subject, client_id))

    def put(self, consent: Consent, /) -> None:
        with self._lock:
            self._rows[consent.subject, consent.client_id] = consent

    def remove(self, subject: str, client_id: str, /) -> bool:
        with self._lock:
            return self._rows.pop((subject, client_id), None) is not None

    def list_for_subject(self, subject: str, /) -> Sequence[Consent]:
        with self._lock:
            found = [consent for consent in self._rows.values() if consent.subject == subject]
        return sorted(found, key=lambda consent: consent.client_id)


@nonblocking
class MemoryLogoutStore:
    """Notices of logouts (`bezant.stores.LogoutStore`)."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[str, LogoutNotice] = {}

    def add(self, notices: Sequence[LogoutNotice], /) -> None:
        with self._lock:
            self._rows.update((notice.id, notice) for notice in notices)

    def claim(self, now: float, until: float, limit: int, /) -> Sequence[LogoutNotice]:
        with self._lock:
            due = sorted(
                (notice for notice in self._rows.values() if notice.due_at <= now),
                key=lambda notice: (notice.due_at, notice.id),
            )
            claimed = [
                replace(notice, attempts=notice.attempts + 1, due_at=until)
                for notice in due[:limit]
            ]
            self._rows.update((notice.id, notice) for notice in claimed)
            return claimed

    def done(self, notice_id: str, /) -> None:
        with self._lock:
            self._rows.pop(notice_id, None)

    def retry(self, notice_id: str, due_at: float, /) -> None:
        with self._lock:
            notice = self._rows.get(notice_id)
            if notice is not None:
                self._rows[notice_id] = replace(notice, due_at=due_at)


class MemoryStores:
    """All stores of an authorization server, in memory (`bezant.stores.Stores`).

    Args:
        clients: The clients to begin with.
    """

    def __init__(self, clients: Iterable[Client] = ()) -> None:
        self.clients: MemoryClientStore = MemoryClientStore(clients)
        self.authorizations: MemoryAuthorizationStore = MemoryAuthorizationStore()
        self.keys: MemoryKeyStore = MemoryKeyStore()
        self.revocations: MemoryRevocationStore = MemoryRevocationStore()
        self.throttle: MemoryThrottleStore = MemoryThrottleStore()
        self.codes: MemoryCodeStore = MemoryCodeStore()
        self.consents: MemoryConsentStore = MemoryConsentStore()
        self.logouts: MemoryLogoutStore = MemoryLogoutStore()
