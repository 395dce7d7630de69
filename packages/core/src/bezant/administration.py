"""Looking after a server: what commands and admin pages do, in synchronous code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import ParamSpec, Protocol, TypeVar, cast

from bezant.clients import Client
from bezant.errors import ConfigurationError, Refused
from bezant.keyring import KeyInfo
from bezant.runtime import SYNC, MaybeAwaitable, run_sync
from bezant.server import AuthorizationServer
from bezant.stores import Authorization, ClientStore, Stores

__all__ = ["Administration", "ClientRegistry"]

P = ParamSpec("P")
T = TypeVar("T")


class ClientRegistry(ClientStore, Protocol):
    """A store in which clients can be registered, too."""

    def add(self, client: Client, /) -> MaybeAwaitable[bool]:
        """Store a client unless its id is taken. Returns whether it was stored."""

    def replace(self, client: Client, /) -> MaybeAwaitable[bool]:
        """Store a client in place of the one with its id. Returns False when there is none."""

    def list_all(self) -> MaybeAwaitable[Sequence[Client]]:
        """All clients, by id."""


class Administration:
    """Clients, keys and sessions of a server.

    Args:
        server: The server. All methods of its stores have to be ``def``.
        shown_by: Commands that list each ``"client"`` and each ``"key"``, for what people are told
            when there is no such one.
    """

    def __init__(
        self, server: AuthorizationServer, *, shown_by: Mapping[str, str] | None = None
    ) -> None:
        self._server = server
        self._shown_by = shown_by or {}

    @property
    def server(self) -> AuthorizationServer:
        """The server that is looked after."""
        return self._server

    @property
    def stores(self) -> Stores:
        """Where its state is."""
        return self.server.stores

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since the epoch."""
        return self.server.clock

    @property
    def max_access_token_ttl(self) -> int:
        """Seconds that access tokens may live at most."""
        return self.server.config.max_access_token_ttl

    # Clients

    def clients(self) -> Sequence[Client]:
        """All registered clients, by id."""
        return _settled(self._registry.list_all)

    def client(self, client_id: str) -> Client:
        """A registered client.

        Raises:
            Refused: There is none with this id.
        """
        client = _settled(self.stores.clients.get, client_id)
        if client is None:
            raise self._absent("client", f"{client_id!r}")
        return client

    def check_client(self, client: Client) -> None:
        """Refuse a client that does not fit the server.

        Raises:
            ConfigurationError: Its tokens would live longer than the server lets any.
        """
        limit = self.max_access_token_ttl
        if client.access_token_ttl is not None and client.access_token_ttl > limit:
            raise ConfigurationError(
                "max_access_token_ttl",
                f"access tokens of client {client.client_id!r} may not live for more than {limit} "
                "seconds",
            )

    def add_client(self, client: Client) -> None:
        """Register a client.

        Raises:
            Refused: Its id is taken.
            ConfigurationError: It does not fit the server; see `check_client`.
        """
        self.check_client(client)
        if not _settled(self._registry.add, client):
            raise Refused(f"there is a client {client.client_id!r} already")

    def rotate_secret(self, client_id: str, secret: str, *, overlap: float) -> Client:
        """Give a client another secret.

        Args:
            client_id: Which client.
            secret: The new secret.
            overlap: Seconds that the old one stays good; 0 after a leak.

        Raises:
            Refused: There is no such client, or it is a public one.
            ConfigurationError: The secret is too short or too long.
        """
        client = self.client(client_id)
        client = client.with_new_secret(secret, now=self.clock(), overlap=overlap)
        _settled(self._registry.replace, client)
        return client

    def disable_client(self, client_id: str) -> int:
        """Refuse a client, and end all that it got. Returns how many sessions were live.

        Raises:
            Refused: There is no such client.
        """
        _settled(self._registry.replace, replace(self.client(client_id), active=False))
        return self.end_all_of_client(client_id)

    def enable_client(self, client_id: str) -> None:
        """Let a disabled client get tokens again.

        Raises:
            Refused: There is no such client.
        """
        _settled(self._registry.replace, replace(self.client(client_id), active=True))

    # Keys

    def keys(self) -> Sequence[KeyInfo]:
        """All signing keys with their states, oldest first."""
        run_sync(self.server.keys.refresh(SYNC))
        return self.server.keys.describe()

    def rotate_keys(self, *, immediately: bool = False, algorithm: str | None = None) -> KeyInfo:
        """Add a signing key; see `bezant.keyring.KeyRing.rotate`.

        Args:
            immediately: Sign with it at once.
            algorithm: Which; by default one key of each algorithm that the server signs with, ID
                tokens included.

        Returns:
            The key; by default that of access tokens.
        """
        keys = self.server.keys
        wanted = keys.algorithms if algorithm is None else (algorithm,)
        made = [
            run_sync(keys.rotate(SYNC, immediately=immediately, algorithm=name)) for name in wanted
        ]
        return made[0]

    def retire_key(self, kid: str) -> None:
        """Withdraw a signing key: its tokens are refused.

        Raises:
            Refused: There is no such key, or it was withdrawn before.
        """
        if not run_sync(self.server.keys.retire(SYNC, kid)):
            raise self._absent("key", f"{kid!r} to withdraw")

    # Sessions

    def sessions(
        self, *, subject: str | None = None, client_id: str | None = None, limit: int = 1000
    ) -> Sequence[Authorization]:
        """Live sessions, newest first."""
        list_live = self.stores.authorizations.list_live
        return _settled(list_live, self.clock(), subject, client_id, limit)

    def session(self, session_id: str) -> Authorization | None:
        """One session, live or ended."""
        return _settled(self.stores.authorizations.get, session_id)

    def end_sessions(self, session_ids: Iterable[str]) -> int:
        """End sessions, access tokens included. Returns how many were live."""
        authorizations, now = self.server.authorizations, self.clock()
        return sum(
            run_sync(authorizations.revoke(session_id, now=now, runtime=SYNC))
            for session_id in session_ids
        )

    def end_all_of(self, subject: str) -> int:
        """End all of a resource owner's. Returns how many sessions were live."""
        authorizations, now = self.server.authorizations, self.clock()
        return run_sync(authorizations.revoke_for_subject(subject, now=now, runtime=SYNC))

    def withdraw_consent(self, subject: str, client_id: str) -> int:
        """Take back what a resource owner lets a client have, and end what it got. Returns how many
        sessions were live.
        """
        # First, so that the client gets nothing new meanwhile.
        _settled(self.stores.consents.remove, subject, client_id)
        ended = 0
        while live := self.sessions(subject=subject, client_id=client_id):
            ended += self.end_sessions(session.id for session in live)
        return ended

    def end_access_tokens_of(self, subject: str) -> None:
        """Refuse a resource owner's access tokens; sessions go on and get new ones."""
        run_sync(self.server.revocations.revoke(SYNC, "subject", subject))

    def end_all_of_client(self, client_id: str) -> int:
        """End all that a client got. Returns how many sessions were live."""
        authorizations, now = self.server.authorizations, self.clock()
        return run_sync(authorizations.revoke_for_client(client_id, now=now, runtime=SYNC))

    def purge(self) -> int:
        """Forget what has ended. Returns how many rows."""
        return run_sync(self.server.purge(SYNC))

    @property
    def _registry(self) -> ClientRegistry:
        store = self.stores.clients
        for verb in ("add", "replace", "list_all"):
            if not hasattr(store, verb):
                raise ConfigurationError(
                    "stores.clients",
                    f"{type(store).__name__} has no {verb}(): clients are looked after elsewhere",
                )
        return cast(ClientRegistry, store)

    def _absent(self, what: str, which: str) -> Refused:
        command = self._shown_by.get(what)
        return Refused(
            f"there is no {what} {which}" + (f"; `{command}` shows them" if command else "")
        )


def _settled(verb: Callable[P, MaybeAwaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
    return run_sync(SYNC.call(verb, *args, **kwargs))
