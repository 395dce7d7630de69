"""An authorization server put together from settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from bezant.errors import ConfigurationError, OAuthError
from bezant.events import Event
from bezant.http import Request, Response
from bezant.interactions import InteractionConfig
from bezant.logouts import Logouts
from bezant.passwords import PasswordHasher
from bezant.runtime import SYNC, Runtime
from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant.stores import (
    AuthorizationStore,
    ClientStore,
    CodeStore,
    ConsentStore,
    KeyStore,
    LogoutStore,
    RevocationStore,
    Stores,
    ThrottleStore,
)
from bezant.stores.sql import Database, SQLStores
from bezant_server.accounts import AccountStore
from bezant_server.accounts.authorizations import AccountAuthorizationStore
from bezant_server.accounts.session_store import SessionStore
from bezant_server.sessions import Sessions
from bezant_server.settings import Settings

__all__ = ["assemble", "browser_sessions", "hasher", "logouts_of"]


def assemble(
    settings: Settings,
    database: Database,
    ring: SecretKeyRing,
    *,
    throttle: ThrottleStore | None = None,
    subscribers: Iterable[Callable[[Event], None]] = (),
    sessions: Sessions | None = None,
    error_page: Callable[[OAuthError, Request], Response] | None = None,
    clock: Callable[[], float] = time.time,
) -> AuthorizationServer:
    """The authorization server.

    Args:
        settings: How it behaves.
        database: Where everything is.
        ring: The secret key ring.
        throttle: Where login attempts are counted; in the database by default.
        subscribers: Told of every event.
        sessions: Who is signed in in browsers; commands need none.
        error_page: Shows a person what no client may be told of.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    issuer = settings.public_url()
    sessions = sessions or browser_sessions(settings, database, SYNC, clock)
    standard = SQLStores(database)
    stores: Stores = _Stores(
        clients=standard.clients,
        authorizations=AccountAuthorizationStore(database),
        keys=standard.keys,
        revocations=standard.revocations,
        throttle=standard.throttle if throttle is None else throttle,
        codes=standard.codes,
        consents=standard.consents,
        logouts=standard.logouts,
    )
    return AuthorizationServer(
        settings.server_config(issuer),
        stores=stores,
        secret_key=ring,
        users=AccountStore(database),
        hasher=hasher(settings),
        interaction=_interaction(settings, issuer, sessions, error_page),
        subscribers=subscribers,
        clock=clock,
    )


def browser_sessions(
    settings: Settings,
    database: Database,
    runtime: Runtime,
    clock: Callable[[], float] = time.time,
) -> Sessions:
    """Who is signed in in browsers.

    Args:
        settings: Lifetimes.
        database: Where the sign-ins are.
        runtime: How to call it.
        clock: Seconds since the epoch.
    """
    return Sessions(
        SessionStore(database),
        secure=settings.public_url().startswith("https://"),
        idle_ttl=settings.session_idle_ttl,
        ttl=settings.session_ttl,
        runtime=runtime,
        clock=clock,
    )


def _interaction(
    settings: Settings,
    issuer: str,
    sessions: Sessions,
    error_page: Callable[[OAuthError, Request], Response] | None,
) -> InteractionConfig | None:
    """The pages (`bezant_server.pages`); None where browsers cannot sign in: nobody but this server
    could check an ID token that is signed with a secret.
    """
    if settings.algorithm == "HS256":
        return None
    path = urlsplit(issuer).path
    return InteractionConfig(
        login_url=f"{path}/login",
        consent_url=f"{path}/consent",
        select_account_url=f"{path}/accounts",
        logout_url=f"{path}/signout",
        sign_in=sessions.sign_in,
        error_page=error_page,
    )


def logouts_of(server: AuthorizationServer) -> Logouts | None:
    """What ends with a sign-in; None where browsers cannot sign in."""
    return None if server.logout_sender is None else server.logouts


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
class _Stores:
    """Stores of more than one kind (`bezant.stores.Stores`)."""

    clients: ClientStore
    authorizations: AuthorizationStore
    keys: KeyStore
    revocations: RevocationStore
    throttle: ThrottleStore
    codes: CodeStore
    consents: ConsentStore
    logouts: LogoutStore
