"""A user's code over core, as mypy --strict sees it."""

from __future__ import annotations

from typing import assert_type

from bezant import (
    AuthorizationServer,
    Client,
    ClientSecret,
    KeySet,
    Principal,
    Requirement,
    ResourceGuard,
    Runtime,
    ServerConfig,
    TokenVerifier,
    User,
    run_sync,
)
from bezant.http import Request, Response
from bezant.runtime import SYNC
from bezant.stores import AuthorizationStore, KeyStore, Stores, UserStore
from bezant.stores.memory import MemoryStores, MemoryUserStore


class PlainUsers:
    """A store whose methods are plain."""

    def find(self, login: str, /) -> User | None:
        return User(subject=login)

    def get(self, subject: str, /) -> User | None:
        return User(subject=subject)

    def replace_password_hash(self, subject: str, old: str, new: str, /) -> None: ...


class AsyncUsers:
    """A store whose methods are asynchronous."""

    async def find(self, login: str, /) -> User | None:
        return User(subject=login)

    async def get(self, subject: str, /) -> User | None:
        return User(subject=subject)

    async def replace_password_hash(self, subject: str, old: str, new: str, /) -> None: ...


class WrongUsers:
    """A store that answers something else."""

    def find(self, login: str, /) -> str:
        return login

    def get(self, subject: str, /) -> User | None:
        return None

    def replace_password_hash(self, subject: str, old: str, new: str, /) -> None: ...


plain: UserStore = PlainUsers()
asynchronous: UserStore = AsyncUsers()
wrong: UserStore = WrongUsers()  # type: ignore[assignment]
memory: Stores = MemoryStores()
keys: KeyStore = MemoryStores().keys
authorizations: AuthorizationStore = MemoryStores().authorizations


async def authenticate(username: str, password: str) -> User | None:
    return User(subject=username) if password else None


def get_user(subject: str) -> User | None:
    return User(subject=subject)


def issue() -> Response:
    stores = MemoryStores()
    secret = ClientSecret.of("a long enough secret")
    stores.clients.add(Client("web", frozenset({"password"}), secrets=(secret,)))
    config = ServerConfig(issuer="https://id.example.com")
    server = AuthorizationServer(config, stores=stores, secret_key="", users=MemoryUserStore())
    AuthorizationServer(
        config, stores=stores, secret_key="", authenticate=authenticate, get_user=get_user
    )
    assert_type(server.verifier("https://api.example.com"), TokenVerifier)
    return run_sync(server.endpoints[0].handler(Request("POST"), SYNC))


async def protect(token: str, runtime: Runtime) -> Principal:
    verifier = TokenVerifier(
        issuer="https://id.example.com", audience="shop", keys=KeySet.from_jwks({"keys": []})
    )
    assert_type(verifier.verify(token), Principal)
    guard = ResourceGuard(verifier)
    demand = Requirement("items:read", permission="items.delete", fresh=60)
    assert_type(await guard.authenticate([f"Bearer {token}"], runtime, demand), Principal)
    assert_type(await guard.authenticate_if_present([], runtime), Principal | None)
    return verifier.verify(token)
