"""One small world for all tests: an issuer, its clients and people, a clock that stands still."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import cache
from types import MethodType
from typing import TYPE_CHECKING, Any, Final, TypeVar

import pytest

from bezant import (
    AuthorizationServer,
    Client,
    ClientSecret,
    Key,
    PasswordHasher,
    ServerConfig,
    User,
)
from bezant.errors import StoreUnavailable
from bezant.interactions import InteractionConfig
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from bezant.stores import Consent
from bezant.stores.memory import MemoryStores, MemoryUserStore
from bezant.testing import FrozenClock, fixed_key

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable

    from bezant.events import Event
    from bezant.http import Response
    from bezant.interactions import Interaction

T = TypeVar("T")

ISSUER: Final = "https://id.example.com"
API: Final = "https://api.example.com"
OTHER_API: Final = "https://other.example.com"
SECRET_KEY: Final = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
PASSWORD: Final = "correct horse battery staple"

SCOPES: Final = ("items:read", "items:write")
SIGN_IN: Final = frozenset({"password", "refresh_token"})
CODE: Final = ("authorization_code", "refresh_token")

CALLBACK: Final = "https://app.example.com/callback"
LOOPBACK: Final = "http://127.0.0.1/callback"
NATIVE: Final = "com.example.app:/callback"
LOGIN_PAGE: Final = "/login"
CONSENT_PAGE: Final = "/consent"
ACCOUNT_PAGE: Final = "/accounts"
LOGOUT_PAGE: Final = "/signout"

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
        Client(
            "prover",
            SIGN_IN,
            SCOPES,
            (API,),
            auth_method="private_key_jwt",
            jwks={"keys": [fixed_key("EdDSA").public_jwk()]},
        ),
        confidential("api", introspect=True),
        confidential("other-api", audience=(OTHER_API,)),
        confidential("blind", *SIGN_IN, introspect=False),
        confidential("closed", *SIGN_IN, "client_credentials", active=False),
    )


@cache
def code_clients() -> tuple[Client, ...]:
    """Those that people come to with a browser."""
    scopes = ("openid", "profile", "email", "offline_access", *SCOPES)
    back = {"redirect_uris": (CALLBACK,), "post_logout_redirect_uris": (f"{CALLBACK}/bye",)}
    several = (CALLBACK, f"{CALLBACK}?tenant=1", LOOPBACK, "http://[::1]:1/callback", NATIVE)
    return (
        confidential("app", *CODE, scopes=scopes, audience=(API, OTHER_API), **back),
        confidential("portal", *CODE, scopes=scopes, first_party=True, **back),
        confidential("rival", *CODE, scopes=scopes, **back),
        Client(
            "native", frozenset(CODE), SCOPES, (API,), auth_method="none", redirect_uris=several
        ),
        confidential("bare-app", "authorization_code", scopes=(), **back),
        confidential("no-code", *SIGN_IN, **back),
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
class Browser:
    """Who is signed in in the one browser there is."""

    sign_in: SignIn | None = None

    def interaction(self) -> InteractionConfig:
        """An application whose pages the tests play."""
        return InteractionConfig(
            login_url=LOGIN_PAGE,
            consent_url=CONSENT_PAGE,
            select_account_url=ACCOUNT_PAGE,
            logout_url=LOGOUT_PAGE,
            sign_in=self._who,
        )

    def _who(self, _native: Any) -> SignIn | None:
        return self.sign_in


@dataclass
class World:
    """A server with everything around it."""

    server: AuthorizationServer
    clock: FrozenClock
    stores: MemoryStores
    users: MemoryUserStore
    events: list[Event] = field(default_factory=list)
    browser: Browser = field(default_factory=Browser)
    interaction: InteractionConfig | None = None

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

    def sign_in(self, subject: str = "user-alice", session: str = "session-1", **of: Any) -> SignIn:
        """Let somebody sign in in the browser, just now."""
        made = SignIn(subject, of.pop("auth_time", self.clock()), session, **of)
        self.browser.sign_in = made
        return made

    def sign_out(self) -> None:
        self.browser.sign_in = None

    def select(self, interaction: str) -> str:
        """The page of accounts says that one was chosen. Returns where the browser goes."""
        return self.elsewhere(lambda server: server.interactions.selected(interaction, SYNC))

    def consent(self, interaction: str, *scopes: str) -> str:
        """Whoever is signed in consents. Returns where the browser goes."""
        who = self.browser.sign_in
        assert who is not None
        return self.elsewhere(
            lambda server: server.interactions.consent(interaction, who, scopes, SYNC)
        )

    def deny(self, interaction: str) -> Response:
        """Whoever sits there refuses. Returns what the browser gets."""
        return self.elsewhere(lambda server: server.interactions.deny(interaction, SYNC))

    def waits(self, interaction: str) -> Interaction | None:
        """What a page is told."""
        return self.elsewhere(lambda server: server.interactions.get(interaction, SYNC))

    def remember(self, subject: str, client_id: str, *scopes: str) -> None:
        """Somebody has consented before."""
        self.stores.consents.put(Consent(subject, client_id, scopes, self.clock()))

    def withdraw(self, subject: str, client_id: str) -> None:
        assert self.stores.consents.remove(subject, client_id)

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
            interaction=self.interaction,
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
    code_flow: bool = False,
    **config: Any,
) -> World:
    """A world whose server is ready.

    Args:
        wrap: Given each store's name and the store; what it returns is what the server gets.
        clock: Another world's clock.
        more_clients: Beside `clients`.
        server: Arguments of the server.
        code_flow: Whether people sign in in a browser, `code_clients` included.
        config: Settings of the server.
    """
    clock = clock or FrozenClock()
    browser = Browser()
    interaction = browser.interaction() if code_flow else None
    stores = MemoryStores([*clients(), *(code_clients() if code_flow else ()), *more_clients])
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
        "interaction": interaction,
        **(server or {}),
    }
    made = AuthorizationServer(ServerConfig(**settings), **parts)
    world = World(made, clock, stores, users, events, browser, interaction)
    # The first key comes from elsewhere, so that whatever wraps the stores sees requests only.
    world.elsewhere(lambda server: server.prepare(SYNC))
    return world


_read_key = Key.from_jwk


@cache
def _read_once(jwk: str) -> Key:
    return _read_key(json.loads(jwk))


_make_key = Key.generate
_made: defaultdict[str, list[Key]] = defaultdict(list)


def lasting_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys that are made once for all tests; within one test they are all different."""
    used = Counter[str]()

    def generate(algorithm: str = "ES256") -> Key:
        made = _made[algorithm]
        used[algorithm] += 1
        if used[algorithm] > len(made):
            made.append(_make_key(algorithm))
        return made[used[algorithm] - 1]

    monkeypatch.setattr(Key, "generate", generate)


def quick_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same keys in every world. To make an RSA key takes long, and so does to read one."""
    monkeypatch.setattr(Key, "generate", fixed_key)
    monkeypatch.setattr(Key, "from_jwk", lambda jwk: _read_once(json.dumps(jwk)))


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
