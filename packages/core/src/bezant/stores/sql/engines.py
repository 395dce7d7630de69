"""Engines with the settings that the stores rely on.

Every connection commits each statement by itself (see `bezant.stores.sql.units`), no error shows a
parameter, and nothing waits longer than a timeout for a connection or for a lock.
"""

from __future__ import annotations

import select
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

from sqlalchemy import (
    URL,
    AsyncAdaptedQueuePool,
    Engine,
    NullPool,
    Pool,
    QueuePool,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import (
    ArgumentError,
    InvalidatePoolError,
    InvalidRequestError,
    NoSuchModuleError,
)

from bezant.errors import ConfigurationError

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine

__all__ = [
    "DatabaseURL",
    "Synchronous",
    "async_engine",
    "autocommitting",
    "parse",
    "sync_engine",
    "writer_engine",
]

E = TypeVar("E")

DatabaseURL: TypeAlias = str | URL
Synchronous: TypeAlias = Literal["FULL", "NORMAL"]

_PREPARED = "bezant_autocommit"

BUSY_TIMEOUT = 0.003
"""Seconds that SQLite itself waits for a lock; the rest of the waiting is
`bezant.stores.sql.patience`."""

SETTING = "database URL"
SYNCHRONOUS_TWIN = {"sqlite+aiosqlite": "sqlite", "postgresql+asyncpg": "postgresql+psycopg"}


def parse(url: DatabaseURL) -> URL:
    """Read a database URL.

    Raises:
        ConfigurationError: It is no URL, or of a database other than SQLite and PostgreSQL. The URL
            itself, which may hold a password, is not repeated.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise ConfigurationError(
            SETTING,
            "write it like sqlite:////var/lib/app/bezant.db "
            "or postgresql://user:password@host/database",
        ) from None
    backend = parsed.get_backend_name()
    if backend not in ("sqlite", "postgresql"):
        raise ConfigurationError(SETTING, f"{backend!r} is not supported; use sqlite or postgresql")
    return parsed


def sync_engine(url: URL, *, timeout: float, pool_size: int, synchronous: Synchronous) -> Engine:
    """An engine for threads; in place of an asynchronous driver its synchronous twin."""
    url = url.set(drivername=SYNCHRONOUS_TWIN.get(url.drivername, url.drivername))
    pool = _pool(url, QueuePool, timeout, pool_size)
    engine = _created(create_engine, url, timeout, **pool)
    _prepare(engine, timeout, synchronous)
    return engine


def writer_engine(url: URL, *, synchronous: Synchronous) -> Engine:
    """An engine for the one connection of a SQLite writer thread."""
    engine = _created(create_engine, url.set(drivername="sqlite"), 0.0, poolclass=NullPool)
    _prepare(engine, 0.0, synchronous)
    return engine


def async_engine(
    url: URL, *, timeout: float, pool_size: int, synchronous: Synchronous
) -> AsyncEngine:
    """An engine for an event loop; ``postgresql://`` without a driver means psycopg."""
    if find_spec("greenlet") is None:
        raise ConfigurationError(
            SETTING, "an asynchronous driver needs greenlet: pip install 'bezant[sql-async]'"
        )
    from sqlalchemy.ext.asyncio import create_async_engine

    pool = _pool(url, AsyncAdaptedQueuePool, timeout, pool_size)
    engine = _created(create_async_engine, url, timeout, **pool)
    _prepare(engine.sync_engine, timeout, synchronous)
    return engine


def autocommitting(engine: Engine) -> Engine:
    """The same engine, committing each statement by itself; those made here do."""
    if _PREPARED in engine.get_execution_options():
        return engine
    return engine.execution_options(isolation_level="AUTOCOMMIT")


def _created(create: Callable[..., E], url: URL, timeout: float, **pool: Any) -> E:
    # What the URL says itself wins.
    arguments = {k: v for k, v in _arguments(url, timeout).items() if k not in url.query}
    try:
        return create(
            url,
            connect_args=arguments,
            execution_options={_PREPARED: True},
            hide_parameters=True,
            isolation_level="AUTOCOMMIT",
            **pool,
        )
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            SETTING, f"{url.drivername} needs the package {missing.name}"
        ) from None
    except (NoSuchModuleError, InvalidRequestError):
        raise ConfigurationError(
            SETTING, f"{url.drivername} is no driver that can be used here"
        ) from None


def _in_memory(url: URL) -> bool:
    return url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:")


def _pool(url: URL, poolclass: type[Pool], timeout: float, size: int) -> dict[str, Any]:
    if _in_memory(url):
        size = 1  # such a database lives in its connection, which all have to share
    return {
        "poolclass": poolclass,
        "pool_size": size,
        "max_overflow": 0,
        "pool_timeout": timeout,
    }


def _arguments(url: URL, timeout: float) -> dict[str, Any]:
    """What each driver is told when it connects."""
    match url.get_driver_name():
        case "aiosqlite":
            return {"timeout": BUSY_TIMEOUT}
        case "pysqlite":
            # The pool lends a connection to one thread at a time.
            return {"timeout": BUSY_TIMEOUT, "check_same_thread": False}
        case "asyncpg":
            return {"timeout": timeout}
        case _:
            milliseconds = str(int(timeout * 1000))
            return {"connect_timeout": max(2, round(timeout)), "tcp_user_timeout": milliseconds}


def _prepare(engine: Engine, timeout: float, synchronous: Synchronous) -> None:
    if engine.dialect.name == "sqlite":
        commands = [f"PRAGMA synchronous = {synchronous}", "PRAGMA foreign_keys = ON"]
        if not _in_memory(engine.url):
            commands.insert(0, "PRAGMA journal_mode = WAL")
    else:
        commands = [f"SET lock_timeout = {int(timeout * 1000)}"]
        event.listen(engine, "checkout", _refuse_dead)

    def set_up(connection: Any, record: object) -> None:
        cursor = connection.cursor()
        try:
            for command in commands:
                cursor.execute(command)
        finally:
            cursor.close()

    event.listen(engine, "connect", set_up)


def _refuse_dead(connection: Any, record: object, proxy: object) -> None:
    """Notice that the server hung up while a connection was idle, without asking it.

    An idle connection has nothing to read, unless the server closed it: after a restart every
    connection of the pool is replaced before a request can fail on it.
    """
    driver = getattr(connection, "driver_connection", connection)
    if hasattr(driver, "is_closed"):
        dead = driver.is_closed()
    else:
        dead = driver.closed or bool(select.select([driver.fileno()], (), (), 0)[0])
    if dead:
        raise InvalidatePoolError
