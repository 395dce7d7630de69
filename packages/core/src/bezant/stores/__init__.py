"""What Bezant asks of storage: few verbs, each atomic, nothing secret in clear.

Every method may be ``def`` or ``async def``. `bezant.testing.stores` holds the suite that proves a
store, concurrency included. All times are seconds since the epoch. A store that cannot answer
raises `StoreUnavailable`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, Protocol, TypeAlias

from bezant.clients import Client
from bezant.runtime import MaybeAwaitable
from bezant.users import User

__all__ = [
    "Allowance",
    "Authorization",
    "AuthorizationStore",
    "Blocked",
    "ClientStore",
    "Code",
    "CodeKind",
    "CodeStore",
    "Consent",
    "ConsentStore",
    "KeyStore",
    "LogoutNotice",
    "LogoutStore",
    "Outcome",
    "Revocation",
    "RevocationKind",
    "RevocationStore",
    "Rotation",
    "StoredKey",
    "Stores",
    "Taking",
    "ThrottleLimit",
    "ThrottleStore",
    "UserStore",
]


class UserStore(Protocol):
    """Accounts, when Bezant checks passwords itself."""

    def find(self, login: str, /) -> MaybeAwaitable[User | None]:
        """The user with this login name, compared exactly; disabled ones too."""

    def get(self, subject: str, /) -> MaybeAwaitable[User | None]:
        """The user with this subject; disabled ones too."""

    def replace_password_hash(self, subject: str, old: str, new: str, /) -> MaybeAwaitable[None]:
        """Replace a stored hash by a stronger one of the same password.

        Only where the hash is still ``old``: a password that was changed meanwhile stays changed.
        """


class ClientStore(Protocol):
    """Registered clients."""

    def get(self, client_id: str, /) -> MaybeAwaitable[Client | None]:
        """The client with this id, compared exactly; disabled ones too."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What one resource owner gave one client at one login: the one row behind all its refresh
    tokens.
    """

    id: str
    """22 characters of base64url (128 random bits)."""
    client_id: str
    subject: str
    scopes: tuple[str, ...]
    audience: tuple[str, ...]
    auth_time: float
    """When the resource owner signed in."""
    created_at: float
    expires_at: float
    """The absolute end of life."""
    idle_expires_at: float
    """The end of life unless it is refreshed before."""
    generation: int = 1
    """The generation of the one refresh token that is good now."""
    rotated_at: float = 0.0
    """When that generation began."""
    revoked_at: float | None = None
    address: str = field(default="", repr=False)
    """Where the resource owner signed in from."""
    session_id: str | None = None
    """The sign-in in a browser that it was given in; None when it was given otherwise."""
    claims: str = field(default="", repr=False)
    """The ``claims`` parameter that it was asked for with, as JSON (OpenID Connect Core section
    5.5)."""


class Outcome(Enum):
    """How an attempt to rotate ended."""

    ROTATED = "rotated"
    """The generation moved on by one."""
    RETRIED = "retried"
    """The immediate predecessor within the retry window: nothing moved, the same successor is given
    again."""
    REUSED = "reused"
    """A spent generation: the authorization was revoked by this very call."""
    REVOKED = "revoked"
    EXPIRED = "expired"
    UNKNOWN = "unknown"
    """No such authorization, or another client's: nothing was changed."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """What came of an attempt to spend a generation."""

    outcome: Outcome
    authorization: Authorization | None
    """As it is after the call; None when unknown."""
    user: User | None = None
    """Its resource owner as of now, from a store that knows them and so spares the look-up; None
    says nothing."""


class AuthorizationStore(Protocol):
    """Authorizations. `rotate` is the heart: one compare-and-set, decided by the store alone."""

    def add(self, authorization: Authorization, /) -> MaybeAwaitable[None]:
        """Store a new authorization."""

    def get(self, authorization_id: str, /) -> MaybeAwaitable[Authorization | None]:
        """Read one, whatever its state."""

    def rotate(
        self,
        authorization_id: str,
        client_id: str,
        generation: int,
        now: float,
        idle_expires_at: float,
        retry_window: float,
        /,
    ) -> MaybeAwaitable[Rotation]:
        """Spend one generation, atomically; what decides, in this order:

        1. no such id, or another client's: UNKNOWN, nothing changes
        2. revoked: REVOKED
        3. ``now >= min(expires_at, idle_expires_at)``: EXPIRED
        4. ``generation`` is the current one: ROTATED; generation + 1, ``rotated_at = now``, the new
        idle end is
           stored
        5. ``generation`` is the current one - 1 and ``now - rotated_at < retry_window``: RETRIED
        6. any smaller generation: REUSED, ``revoked_at = now``
        7. a larger generation (never issued): UNKNOWN
        """

    def revoke(self, authorization_id: str, now: float, /) -> MaybeAwaitable[Authorization | None]:
        """End one. Returns it if it was live until now, else None."""

    def revoke_for_subject(self, subject: str, now: float, /) -> MaybeAwaitable[int]:
        """End all of a resource owner's, in one statement. Returns how many were live."""

    def revoke_for_client(self, client_id: str, now: float, /) -> MaybeAwaitable[int]:
        """End all of a client's, in one statement. Returns how many were live."""

    def list_live(
        self,
        now: float,
        subject: str | None = None,
        client_id: str | None = None,
        limit: int = 1000,
    ) -> MaybeAwaitable[Sequence[Authorization]]:
        """Those neither revoked nor expired, newest first."""

    def list_for_session(self, session_id: str, /) -> MaybeAwaitable[Sequence[Authorization]]:
        """Those of one sign-in, whatever their state."""

    def purge(self, before: float, /) -> MaybeAwaitable[int]:
        """Forget those that ended (revoked or expired) before a time. Returns how many."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A signing key at rest. States follow from the times; see `bezant.keys`."""

    kid: str
    """RFC 7638 thumbprint."""
    algorithm: str
    sequence: int
    """1, 2, 3 ...: unique, so that of two processes that rotate at once one wins."""
    sealed: bytes = field(repr=False)
    """The private key, encrypted."""
    created_at: float
    activates_at: float
    """From then on it signs, until a later one does."""
    retired_at: float | None = None
    """Withdrawn by hand; refused from then on."""


class KeyStore(Protocol):
    """Signing keys, private parts sealed."""

    def load(self) -> MaybeAwaitable[Sequence[StoredKey]]:
        """All keys, by sequence."""

    def add(self, key: StoredKey, /) -> MaybeAwaitable[bool]:
        """Store a key unless its sequence is taken. Returns whether it was stored."""

    def retire(self, kid: str, now: float, /) -> MaybeAwaitable[bool]:
        """Withdraw a key. Returns False when there is none, or it was withdrawn before."""

    def remove(self, kid: str, /) -> MaybeAwaitable[None]:
        """Forget a key that is gone."""


RevocationKind: TypeAlias = Literal["token", "authorization", "subject", "client"]


@dataclass(frozen=True, slots=True)
class Revocation:
    """Access tokens to be refused although their signature and times are good.

    It ends what was issued up to ``issued_before``: by ``jti`` (token), ``sid`` (authorization),
    ``sub`` (subject) or ``client_id`` (client).
    """

    kind: RevocationKind
    value: str
    issued_before: float
    """Tokens with ``iat`` up to this moment are refused."""
    expires_at: float
    """From then on no such token can be alive."""
    recorded_at: float


class RevocationStore(Protocol):
    """Revocations until they expire."""

    def add(self, revocation: Revocation, /) -> MaybeAwaitable[None]:
        """Store one; of two with the same kind and value the later ``issued_before`` and
        ``expires_at`` stay.
        """

    def since(self, recorded_at: float, now: float, /) -> MaybeAwaitable[Sequence[Revocation]]:
        """Those recorded at or after a time and not expired."""

    def purge(self, now: float, /) -> MaybeAwaitable[int]:
        """Forget the expired ones. Returns how many."""


@dataclass(frozen=True, slots=True)
class ThrottleLimit:
    """Exponential back-off: ``free`` attempts, then waits of ``base``, twice that, ... up to
    ``cap`` seconds.

    Attempts are forgotten after ``memory`` seconds without one.
    """

    free: int
    base: float
    cap: float
    memory: float

    def wait(self, attempts: int) -> float:
        """Seconds until another attempt is looked at, after this many."""
        if attempts < self.free:
            return 0.0
        return float(min(self.cap, self.base * 2 ** min(attempts - self.free, 62)))


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why an attempt has to wait."""

    key: str
    """The counter that blocks it."""
    wait: float
    """Seconds until it does so no more."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Attempts that are not counted."""

    credits: int
    """How many are left."""
    expires_at: float


class ThrottleStore(Protocol):
    """Counters of login attempts, and allowances that pass them by. Keys are digests, never login
    names.
    """

    def attempt(
        self, counters: Mapping[str, ThrottleLimit], now: float, /
    ) -> MaybeAwaitable[Blocked | None]:
        """Count an attempt at several counters before it is looked at, atomically: at all of them,
        or at none when one of them blocks it.

        Returns None when it may go on, else the first counter, in the order given, that blocks it.
        The n-th attempt counted at a key blocks that key for ``limit.wait(n)`` seconds from
        ``now``.
        """

    def refund(self, keys: Collection[str], /) -> MaybeAwaitable[None]:
        """Take one counted attempt back from each counter, as after a right password; lifts the
        blocks it caused.
        """

    def spend(self, key: str, now: float, /) -> MaybeAwaitable[Allowance | None]:
        """Use one credit of an allowance, atomically. Returns what is left; None when there was no
        credit, or it expired.
        """

    def give_back(self, key: str, /) -> MaybeAwaitable[None]:
        """Undo one `spend`: nobody looked at the attempt."""

    def earn(self, key: str, credits: int, expires_at: float, /) -> MaybeAwaitable[None]:
        """Set the credits of an allowance."""

    def purge(self, before: float, /) -> MaybeAwaitable[int]:
        """Forget counters last touched, and allowances expired, before a time. Returns how many."""


CodeKind: TypeAlias = Literal["code", "par", "interaction", "logout", "assertion", "ended", "state"]
"""Authorization codes, pushed requests, interactions, logouts that wait for a person, ids of
assertions, sign-ins that have ended, and what a client sent to another issuer."""


@dataclass(frozen=True, slots=True)
class Code:
    """Something that is good once."""

    kind: CodeKind
    digest: str
    """43 characters of base64url (SHA-256): what was handed out is not known here."""
    value: str = field(repr=False)
    """JSON."""
    expires_at: float


class Taking(Enum):
    """How an attempt to take a code ended."""

    TAKEN = "taken"
    """By this very call."""
    SPENT = "spent"
    """Somebody was faster."""
    UNKNOWN = "unknown"
    """There is none, or it has expired."""


class CodeStore(Protocol):
    """Codes. A code that was taken stays until it expires, so that its second use is known."""

    def put(self, code: Code, /) -> MaybeAwaitable[bool]:
        """Store a code unless its kind and digest are there. Returns whether it was stored."""

    def take(
        self, kind: CodeKind, digest: str, now: float, /
    ) -> MaybeAwaitable[tuple[Taking, str | None]]:
        """Take a code, atomically: of all calls, one is answered TAKEN.

        Returns:
            The outcome; and the value, unless it is UNKNOWN.
        """

    def peek(self, kind: CodeKind, digest: str, now: float, /) -> MaybeAwaitable[str | None]:
        """The value of a code, taken or not, that has not expired."""

    def replace(
        self, kind: CodeKind, digest: str, value: str, now: float, /
    ) -> MaybeAwaitable[bool]:
        """Change the value of a code, taken or not, that has not expired. False when there is
        none.
        """

    def purge(self, now: float, /) -> MaybeAwaitable[int]:
        """Forget the expired ones. Returns how many."""


@dataclass(frozen=True, slots=True)
class Consent:
    """What a resource owner lets a client have, until they take it back."""

    subject: str
    client_id: str
    scopes: tuple[str, ...]
    given_at: float


class ConsentStore(Protocol):
    """Consents: one for each resource owner and client."""

    def get(self, subject: str, client_id: str, /) -> MaybeAwaitable[Consent | None]:
        """What was consented to."""

    def put(self, consent: Consent, /) -> MaybeAwaitable[None]:
        """Store a consent in place of the one for the same subject and client."""

    def remove(self, subject: str, client_id: str, /) -> MaybeAwaitable[bool]:
        """Take a consent back. Returns whether there was one."""

    def list_for_subject(self, subject: str, /) -> MaybeAwaitable[Sequence[Consent]]:
        """All of a resource owner's, by client id."""


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """A client that is still to be told that a sign-in has ended (OpenID Connect Back-Channel
    Logout).
    """

    id: str
    """22 characters of base64url (128 random bits)."""
    client_id: str
    subject: str
    session_id: str
    created_at: float
    attempts: int = 0
    """How often it was tried."""
    due_at: float = 0.0
    """When to try next."""


class LogoutStore(Protocol):
    """Notices that are to be delivered: a queue that outlives the process."""

    def add(self, notices: Sequence[LogoutNotice], /) -> MaybeAwaitable[None]:
        """Store notices."""

    def claim(
        self, now: float, until: float, limit: int, /
    ) -> MaybeAwaitable[Sequence[LogoutNotice]]:
        """Take up to ``limit`` notices that are due, and make them due again at ``until``,
        atomically: of several senders one gets each. They are returned with ``attempts`` counted
        up.
        """

    def done(self, notice_id: str, /) -> MaybeAwaitable[None]:
        """Forget a notice."""

    def retry(self, notice_id: str, due_at: float, /) -> MaybeAwaitable[None]:
        """Try again later."""


class Stores(Protocol):
    """The stores of an authorization server; `bezant.stores.memory` and `bezant.stores.sql` give
    all of them.
    """

    @property
    def clients(self) -> ClientStore: ...
    @property
    def authorizations(self) -> AuthorizationStore: ...
    @property
    def keys(self) -> KeyStore: ...
    @property
    def revocations(self) -> RevocationStore: ...
    @property
    def throttle(self) -> ThrottleStore: ...
    @property
    def codes(self) -> CodeStore: ...
    @property
    def consents(self) -> ConsentStore: ...
    @property
    def logouts(self) -> LogoutStore: ...
