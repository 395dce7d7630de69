"""What the commands work with: the database and the server's own parts, in one thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import bezant.administration
from bezant.errors import Refused
from bezant.events import Event
from bezant.passwords import PasswordHasher
from bezant.runtime import SYNC, run_sync
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.stores import Authorization
from bezant.stores.sql import SQLStores, SyncDatabase
from bezant_server.accounts import Directory
from bezant_server.accounts.history_store import HistoryStore
from bezant_server.assembly import assemble, browser_sessions, hasher, logouts_of
from bezant_server.database import open_database, sqlite_file
from bezant_server.history import History
from bezant_server.schema import read_schema, require_current
from bezant_server.secret_file import open_ring
from bezant_server.settings import Settings

__all__ = ["Administration", "administration"]


class Administration(bezant.administration.Administration):
    """Accounts, clients, keys and sessions, for as long as a command takes.

    The server itself is put together when a command needs it: it wants a secret key, and many
    commands do not.

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
        self.directory = Directory(database)
        self._notify = notify
        self._shown_by = {"client": "bezant client list", "key": "bezant keys list"}

    @cached_property
    def stores(self) -> SQLStores[SyncDatabase]:
        """Where everything is."""
        return SQLStores(self.database)

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch."""
        return time.time

    @property
    def max_access_token_ttl(self) -> int:
        """Seconds that access tokens may live at most."""
        return self.settings.max_access_token_ttl

    @cached_property
    def ring(self) -> SecretKeyRing:
        """The secret key ring; most commands do without it."""
        return open_ring(self.settings, self._notify)

    @cached_property
    def server(self) -> AuthorizationServer:
        """The authorization server's own rules, on this database."""
        return assemble(self.settings, self.database, self.ring, subscribers=[self._history.note])

    @cached_property
    def _history(self) -> History:
        return History(
            HistoryStore(self.database),
            ttl=self.settings.history_ttl,
            runtime=SYNC,
            clock=self.clock,
        )

    def emit(self, event: Event) -> None:
        """Tell of something that a command did to an account."""
        self.server.events.emit(event)

    def write_history(self) -> None:
        """Write down what happened to accounts; commands do it at their end."""
        run_sync(self._history.write())

    def end_all_of(self, subject: str) -> int:
        """End all of a resource owner's: sign-ins in browsers, and what clients got. Returns how
        many authorizations were live.
        """
        sessions = browser_sessions(self.settings, self.database, SYNC, self.clock)
        ended = run_sync(sessions.end_all_of(subject, logouts_of(self.server)))
        return ended + super().end_all_of(subject)

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

    def sessions_of(
        self, *, user: str | None = None, client: str | None = None, limit: int = 1000
    ) -> Sequence[Authorization]:
        """Live sessions, newest first.

        Raises:
            Refused: There is no such user, or no such client.
        """
        subject = None if user is None else self.directory.user(user).subject
        client_id = None if client is None else self.client(client).client_id
        return self.sessions(subject=subject, client_id=client_id, limit=limit)


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
        at = Administration(settings, database, notify)
        yield at
        at.write_history()
    finally:
        database.close()
