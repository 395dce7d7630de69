"""Stores in SQLite and PostgreSQL, through SQLAlchemy Core (extra ``bezant[sql]``).

    stores = SQLStores.open("sqlite:////var/lib/app/bezant.db")            # FastAPI, aiohttp
    stores = SQLStores.open("postgresql://app@db/app", sync=True)          # Flask, Django
    stores.database.create_all()

With ``sync=True`` all methods are ``def`` and run in the calling thread; otherwise all are ``async
def``.
"""

from __future__ import annotations

from typing import Generic, Literal, TypeVar, overload

from bezant.stores.sql.authorizations import SQLAuthorizationStore
from bezant.stores.sql.clients import SQLClientStore
from bezant.stores.sql.codes import SQLCodeStore
from bezant.stores.sql.consents import SQLConsentStore
from bezant.stores.sql.database import AsyncDatabase, Database, SyncDatabase
from bezant.stores.sql.engines import DatabaseURL
from bezant.stores.sql.keys import SQLKeyStore
from bezant.stores.sql.logouts import SQLLogoutStore
from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.revocations import SQLRevocationStore
from bezant.stores.sql.schema import metadata
from bezant.stores.sql.throttle import SQLThrottleStore
from bezant.stores.sql.units import one_statement, reads, transaction
from bezant.stores.sql.verbs import Store, Verb

__all__ = [
    "AsyncDatabase",
    "Database",
    "Prepared",
    "SQLAuthorizationStore",
    "SQLClientStore",
    "SQLCodeStore",
    "SQLConsentStore",
    "SQLKeyStore",
    "SQLLogoutStore",
    "SQLRevocationStore",
    "SQLStores",
    "SQLThrottleStore",
    "Store",
    "SyncDatabase",
    "Verb",
    "metadata",
    "one_statement",
    "reads",
    "transaction",
]

D = TypeVar("D", bound=Database)


class SQLStores(Generic[D]):
    """All stores of an authorization server, in one database (`bezant.stores.Stores`).

    Args:
        database: Where the tables are. It may hold other tables, too, and run their units of work.
    """

    def __init__(self, database: D) -> None:
        self.database: D = database
        self.clients: SQLClientStore = SQLClientStore(database)
        self.authorizations: SQLAuthorizationStore = SQLAuthorizationStore(database)
        self.keys: SQLKeyStore = SQLKeyStore(database)
        self.revocations: SQLRevocationStore = SQLRevocationStore(database)
        self.throttle: SQLThrottleStore = SQLThrottleStore(database)
        self.codes: SQLCodeStore = SQLCodeStore(database)
        self.consents: SQLConsentStore = SQLConsentStore(database)
        self.logouts: SQLLogoutStore = SQLLogoutStore(database)

    @overload
    @staticmethod
    def open(url: DatabaseURL, /, *, sync: Literal[True]) -> SQLStores[SyncDatabase]: ...
    @overload
    @staticmethod
    def open(url: DatabaseURL, /, *, sync: Literal[False] = False) -> SQLStores[AsyncDatabase]: ...
    @staticmethod
    def open(
        url: DatabaseURL, /, *, sync: bool = False
    ) -> SQLStores[SyncDatabase] | SQLStores[AsyncDatabase]:
        """The stores at a URL, with the settings that `Database.sync` and `Database.asynchronous`
        begin with.

        Raises:
            ConfigurationError: The URL cannot be used, or its driver is not installed.
        """
        return SQLStores(Database.sync(url)) if sync else SQLStores(Database.asynchronous(url))
