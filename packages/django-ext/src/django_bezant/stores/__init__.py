"""Stores in the project's own database, through Django (`bezant.stores.Stores`).

All methods are ``def`` and run in the calling thread on its connection, so they take part in a
transaction that is open there: what a view records while `ATOMIC_REQUESTS` is on ends with the
view's transaction. The views of `django_bezant.urls` are therefore never atomic. A project whose
own views end sessions and may fail afterwards gives the stores a second alias of the same database.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.db import router

from django_bezant.models import Authorization
from django_bezant.stores.authorizations import DjangoAuthorizationStore
from django_bezant.stores.clients import DjangoClientStore
from django_bezant.stores.codes import DjangoCodeStore
from django_bezant.stores.consents import DjangoConsentStore
from django_bezant.stores.database import Database
from django_bezant.stores.keys import DjangoKeyStore
from django_bezant.stores.logouts import DjangoLogoutStore
from django_bezant.stores.revocations import DjangoRevocationStore
from django_bezant.stores.throttle import DjangoThrottleStore

__all__ = [
    "DjangoAuthorizationStore",
    "DjangoClientStore",
    "DjangoCodeStore",
    "DjangoConsentStore",
    "DjangoKeyStore",
    "DjangoLogoutStore",
    "DjangoRevocationStore",
    "DjangoStores",
    "DjangoThrottleStore",
    "django_stores",
]


@dataclass(frozen=True)
class DjangoStores:
    """All stores of an authorization server, in one database."""

    using: str
    """The database's alias."""
    clients: DjangoClientStore
    authorizations: DjangoAuthorizationStore
    keys: DjangoKeyStore
    revocations: DjangoRevocationStore
    throttle: DjangoThrottleStore
    codes: DjangoCodeStore
    consents: DjangoConsentStore
    logouts: DjangoLogoutStore


def django_stores(using: str | None = None) -> DjangoStores:
    """The stores in one of the project's databases.

    Reads go there, too: a replica that lags behind would bring revoked sessions back to life.

    Args:
        using: Its alias; by default where the project's routers write these models.

    Raises:
        ConfigurationError: There is no such alias, or it is neither SQLite nor PostgreSQL.
    """
    alias = router.db_for_write(Authorization) if using is None else using
    database = Database(alias)
    return DjangoStores(
        using=alias,
        clients=DjangoClientStore(database),
        authorizations=DjangoAuthorizationStore(database),
        keys=DjangoKeyStore(database),
        revocations=DjangoRevocationStore(database),
        throttle=DjangoThrottleStore(database),
        codes=DjangoCodeStore(database),
        consents=DjangoConsentStore(database),
        logouts=DjangoLogoutStore(database),
    )
