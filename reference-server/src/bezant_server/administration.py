"""What the commands work with: the database and the server's own parts, in one thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import ParamSpec, TypeVar

from bezant.clients import Client
from bezant.keyring import KeyInfo
from bezant.passwords import PasswordHasher
from bezant.runtime import SYNC, MaybeAwaitable, run_sync
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.stores import Authorization
from bezant.stores.sql import SQLStores, SyncDatabase
from bezant_server.accounts import Directory
from bezant_server.assembly import assemble, hasher
from bezant_server.database import open_database, sqlite_file
from bezant_server.errors import Refused
from bezant_server.schema import read_schema, require_current
from bezant_server.secret_file import open_ring
from bezant_server.settings import Settings

__all__ = ["Administration", "administration"]

P = ParamSpec("P")
T = TypeVar("T")


class Administration:
    """Accounts, clients, keys and sessions, for as long as a command takes.

    Args:
        settings: Where everything is.
        database: The opened database.
        notify: Told of what happens beside the command, such as a new key file.
    """

    def __init__(
        self, settings: Settings, database: SyncDatabase, notify: Callable[[str], None]
    ) -> None:
        self.settings = settings
        self.database = database
        self.stores = SQLStores(database)
        self.directory = Directory(database)
        self._notify = notify

    @cached_property
    def ring(self) -> SecretKeyRing:
        """The secret key ring; most commands do without it."""
        return open_ring(self.settings, self._notify)

    @cached_property
    def server(self) -> AuthorizationServer:
        """The authorization server's own rules, on this database."""
        return assemble(self.settings, self.database, self.ring)

    @property
    def hasher(self) -> PasswordHasher:
        """Hashes passwords as the server does."""
        return hasher(self.settings)

    def new_password_hash(self, password: str) -> str:
        """The hash of a new password.

        Raises:
            Refused: It is too short.
            InvalidRequest: It is too long or no text.
        """
        minimum = self.settings.password_min_length
        if len(password) < minimum:
            raise Refused(f"a password needs at least {minimum} characters")
        return self.hasher.hash(password)

    # Clients

    def add_client(self, client: Client) -> None:
        """Register a client.

        Raises:
            Refused: Its id is taken.
        """
        if not _settled(self.stores.clients.add, client):
            raise Refused(f"there is a client {client.client_id!r} already")

    def replace_client(self, client: Client) -> None:
        """Change a registration."""
        _settled(self.stores.clients.replace, client)

    def clients(self) -> Sequence[Client]:
        """All registered clients, by id."""
        return _settled(self.stores.clients.list_all)

    def client(self, client_id: str) -> Client:
        """A registered client.

        Raises:
            Refused: There is none with this id.
        """
        client = _settled(self.stores.clients.get, client_id)
        if client is None:
            raise Refused(f"there is no client {client_id!r}; `bezant client list` shows them")
        return client

    # Keys

    def keys(self) -> list[KeyInfo]:
        """All signing keys with their states."""
        run_sync(self.server.keys.refresh(SYNC))
        return self.server.keys.describe()

    def rotate_keys(self, *, immediately: bool, algorithm: str | None) -> KeyInfo:
        """Add a signing key."""
        keys = self.server.keys
        return run_sync(keys.rotate(SYNC, immediately=immediately, algorithm=algorithm))

    def retire_key(self, kid: str) -> None:
        """Withdraw a signing key.

        Raises:
            Refused: There is no such key, or it was withdrawn before.
        """
        if not run_sync(self.server.keys.retire(SYNC, kid)):
            raise Refused(f"there is no key {kid!r} to withdraw; `bezant keys list` shows them")

    # Sessions

    def sessions(
        self, now: float, *, user: str | None, client: str | None, limit: int
    ) -> Sequence[Authorization]:
        """Live sessions, newest first."""
        subject = None if user is None else self.directory.user(user).subject
        client_id = None if client is None else self.client(client).client_id
        return _settled(self.stores.authorizations.list_live, now, subject, client_id, limit)

    def session(self, session_id: str) -> Authorization | None:
        """One session, live or ended."""
        return _settled(self.stores.authorizations.get, session_id)

    def end_session(self, session_id: str) -> bool:
        """End one session. Returns False when there is none, or it had ended."""
        server = self.server
        return run_sync(server.authorizations.revoke(session_id, now=server.clock(), runtime=SYNC))

    def end_all_of_client(self, client_id: str) -> int:
        """End every session and access token of a client. Returns how many sessions were live."""
        server = self.server
        return run_sync(
            server.authorizations.revoke_for_client(client_id, now=server.clock(), runtime=SYNC)
        )

    def end_access_tokens_of(self, subject: str) -> None:
        """Refuse a user's access tokens; sessions go on and get new ones."""
        run_sync(self.server.revocations.revoke(SYNC, "subject", subject))

    def end_all_of(self, subject: str) -> int:
        """End every session and access token of a user. Returns how many sessions were live."""
        server = self.server
        return run_sync(
            server.authorizations.revoke_for_subject(subject, now=server.clock(), runtime=SYNC)
        )


def _settled(verb: Callable[P, MaybeAwaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    """Call a verb of a store that may be of either kind; these are plain."""
    return run_sync(SYNC.call(verb, *args, **kwargs))


@contextmanager
def administration(settings: Settings, notify: Callable[[str], None]) -> Iterator[Administration]:
    """Open the database for a command, and close it afterwards.

    Raises:
        ConfigurationError: The settings do not lead to a database.
        Refused: There is no database yet, or its tables are not those of this version.
        StoreUnavailable: It cannot answer.
    """
    file = sqlite_file(settings)
    if file is not None and not file.exists():
        raise Refused(f"there is no database {file.absolute()}; `bezant db upgrade` makes it")
    database = open_database(settings)
    try:
        require_current(database.run(read_schema))
        yield Administration(settings, database, notify)
    finally:
        database.close()
