"""One small world for all tests: an issuer, its clients and people, a clock that stands still."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cache
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from bezant import AuthorizationServer, Client, ClientSecret, PasswordHasher, ServerConfig, User
from bezant.errors import StoreUnavailable
from bezant.runtime import SYNC, run_sync
from bezant.stores.memory import MemoryStores, MemoryUserStore
from bezant.testing import FrozenClock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from bezant.events import Event

T = TypeVar("T")

ISSUER: Final = "https://id.example.com"
API: Final = "https://api.example.com"
SECRET_KEY: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PASSWORD: Final = "correct horse battery staple"

SCOPES: Final = ("items:read", "items:write")
SIGN_IN: Final = frozenset({"password", "refresh_token"})

hasher = PasswordHasher.fast_for_tests()


def secret_of(client_id: str) -> str:
    return f"{client_id}: s3cret + 100% random"


def confidential(client_id: str, *grants: str, **options: Any) -> Client:
    """A client with a secret, `secret_of` its id."""
    settings = {"scopes": SCOPES, "audience": (API,), **options}
    secrets = (ClientSecret.of(secret_of(client_id)),)
    return Client(client_id, frozenset(grants), secrets=secrets, **settings)


@cache
def clients() -> tuple[Client, ...]:
    return (
        confidential("web", *SIGN_IN),
        confidential("mobile", *SIGN_IN, auth_method="client_secret_post"),
        Client("spa", SIGN_IN, SCOPES, (API,), auth_method="none"),
        confidential("machine", "client_credentials", scopes=("items:read", "reports")),
        confidential("kiosk", "password"),
        confidential("api", introspect=True),
        confidential("other-api", audience=("https://other.example.com",)),
        confidential("blind", *SIGN_IN, introspect=False),
        confidential("closed", *SIGN_IN, "client_credentials", active=False),
    )


@cache
def people() -> tuple[User, ...]:
    hashed = hasher.hash(PASSWORD)

    def person(name: str, **options: Any) -> User:
        return User(f"user-{name}", name, hashed, **options)

    return (
        person("alice", roles=("editor",), permissions=("items.delete", "items.publish")),
        person("bob"),
        person("carol", active=False),
        replace(person("dave"), password_hash=None),
        # Whoever lets people choose their subject must not let them pose as a client.
        replace(person("web"), subject="web"),
    )


@dataclass
class World:
    """A server with everything around it."""

    server: AuthorizationServer
    clock: FrozenClock
    stores: MemoryStores
    users: MemoryUserStore
    events: list[Event] = field(default_factory=list)

    def seen(self, kind: type[Event]) -> list[Any]:
        """The events of one kind."""
        return [event for event in self.events if isinstance(event, kind)]

    def change_user(self, subject: str, **changes: Any) -> None:
        user = self.users.get(subject)
        assert user is not None
        self.users.add(replace(user, **changes))

    def remove_user(self, subject: str) -> None:
        del self.users._users[subject]

    def change_client(self, client_id: str, **changes: Any) -> None:
        client = self.stores.clients.get(client_id)
        assert client is not None
        self.stores.clients.add(replace(client, **changes))

    def take_away(self, name: str, error: Exception | None = None) -> None:
        """Let every call of a store fail."""

        def fail(*args: Any, **kwargs: Any) -> Any:
            raise error or StoreUnavailable("the database is away")

        store = self._store(name)
        for method in dir(type(store)):
            if not method.startswith("_"):
                setattr(store, method, MethodType(fail, store))

    def bring_back(self, name: str) -> None:
        store = self._store(name)
        for method in dir(type(store)):
            vars(store).pop(method, None)

    def elsewhere(self, act: Callable[[AuthorizationServer], Coroutine[Any, Any, T]]) -> T:
        """Let another process, with the same stores, do something."""
        server = AuthorizationServer(
            self.server.config,
            stores=self.stores,
            secret_key=SECRET_KEY,
            users=self.users,
            hasher=hasher,
            clock=self.clock,
        )
        try:
            return run_sync(act(server))
        finally:
            server.close()

    def _store(self, name: str) -> Any:
        return self.users if name == "users" else getattr(self.stores, name)


class Wrapped:
    """Stores, each behind a wrapper."""

    def __init__(self, stores: MemoryStores, wrap: Callable[[str, Any], Any]) -> None:
        for name, store in vars(stores).items():
            setattr(self, name, wrap(name, store))


def make_world(
    *,
    wrap: Callable[[str, Any], Any] = lambda name, store: store,
    clock: FrozenClock | None = None,
    more_clients: Iterable[Client] = (),
    server: dict[str, Any] | None = None,
    **config: Any,
) -> World:
    """A world whose server is ready.

    Args:
        wrap: Given each store's name and the store; what it returns is what the server gets.
        clock: Another world's clock.
        more_clients: Beside `clients`.
        server: Arguments of the server.
        config: Settings of the server.
    """
    clock = clock or FrozenClock()
    stores = MemoryStores([*clients(), *more_clients])
    users = MemoryUserStore(people())
    events: list[Event] = []
    settings = {
        "issuer": ISSUER,
        "audience": (API,),
        "scopes": {"items:read": "read items", "items:write": "change items"},
        "algorithm": "EdDSA",
        "client_cache_ttl": 0,
        **config,
    }
    parts = {
        "stores": Wrapped(stores, wrap),
        "secret_key": SECRET_KEY,
        "users": wrap("users", users),
        "hasher": hasher,
        "subscribers": [events.append],
        "clock": clock,
        **(server or {}),
    }
    made = AuthorizationServer(ServerConfig(**settings), **parts)
    world = World(made, clock, stores, users, events)
    # The first key comes from elsewhere, so that whatever wraps the stores sees requests only.
    world.elsewhere(lambda server: server.prepare(SYNC))
    return world


def make_server(issuer: str = API, **config: Any) -> AuthorizationServer:
    """A server without keys: nothing has prepared it."""
    return AuthorizationServer(
        ServerConfig(issuer=issuer, audience=(API,), **config),
        stores=MemoryStores(clients()),
        secret_key=SECRET_KEY,
        users=MemoryUserStore(people()),
        hasher=hasher,
    )


def configured(**config: Any) -> pytest.MarkDecorator:
    """Run a test with these settings of the server."""
    return pytest.mark.parametrize("config", [config], ids=[""])
