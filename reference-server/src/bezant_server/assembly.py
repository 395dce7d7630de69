"""An authorization server put together from settings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bezant.errors import ConfigurationError
from bezant.events import Event
from bezant.passwords import PasswordHasher
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.stores import (
    AuthorizationStore,
    ClientStore,
    KeyStore,
    RevocationStore,
    Stores,
    ThrottleStore,
)
from bezant.stores.sql import Database, SQLStores
from bezant_server.accounts import AccountStore
from bezant_server.settings import Settings

__all__ = ["assemble", "hasher"]


def assemble(
    settings: Settings,
    database: Database,
    ring: SecretKeyRing,
    *,
    throttle: ThrottleStore | None = None,
    subscribers: Iterable[Callable[[Event], None]] = (),
) -> AuthorizationServer:
    """The authorization server.

    Args:
        settings: How it behaves.
        database: Where everything is.
        ring: The secret key ring.
        throttle: Where login attempts are counted; in the database by default.
        subscribers: Told of every event.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    stores: Stores = SQLStores(database)
    if throttle is not None:
        stores = _Mixed(
            clients=stores.clients,
            authorizations=stores.authorizations,
            keys=stores.keys,
            revocations=stores.revocations,
            throttle=throttle,
        )
    return AuthorizationServer(
        settings.server_config(settings.public_url()),
        stores=stores,
        secret_key=ring,
        users=AccountStore(database),
        hasher=hasher(settings),
        subscribers=subscribers,
    )


def hasher(settings: Settings) -> PasswordHasher:
    """Hashes passwords at the cost that is set.

    Raises:
        ConfigurationError: Argon2id does not take these parameters.
    """
    try:
        return PasswordHasher(
            memory_kib=settings.password_memory_kib,
            iterations=settings.password_iterations,
            lanes=settings.password_lanes,
        )
    except ConfigurationError as error:
        raise ConfigurationError(
            "BEZANT_PASSWORD_MEMORY_KIB, _ITERATIONS, _LANES", error.problem
        ) from None


@dataclass(frozen=True)
class _Mixed:
    """Stores of more than one kind (`bezant.stores.Stores`)."""

    clients: ClientStore
    authorizations: AuthorizationStore
    keys: KeyStore
    revocations: RevocationStore
    throttle: ThrottleStore
