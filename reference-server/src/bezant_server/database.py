"""The database that the settings name."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from bezant.errors import ConfigurationError
from bezant.stores.sql import AsyncDatabase, Database, SyncDatabase
from bezant.stores.sql.engines import parse
from bezant_server.settings import Settings

__all__ = ["SETTING", "described", "open_database", "open_database_for_loop", "sqlite_file"]

SETTING = "BEZANT_DATABASE_URL"

PATIENCE = 10.0
"""Seconds that a command waits for its turn; a server that is busy lets nobody wait that long."""


def database_url(settings: Settings) -> URL:
    """The URL, looked at.

    Raises:
        ConfigurationError: It is malformed, of another database, or of one in memory.
    """
    try:
        url = parse(settings.database_url)
    except ConfigurationError as error:
        raise ConfigurationError(SETTING, error.problem) from None
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ConfigurationError(SETTING, "name a file; a database in memory ends with its process")
    return url


def sqlite_file(settings: Settings) -> Path | None:
    """The file of a SQLite database; None for other databases."""
    url = database_url(settings)
    if url.get_backend_name() != "sqlite":
        return None
    assert url.database is not None
    return Path(url.database.removeprefix("file:"))


def described(settings: Settings) -> str:
    """The database for people: no password."""
    return database_url(settings).render_as_string(hide_password=True)


def open_database(settings: Settings) -> SyncDatabase:
    """For commands: each unit of work in the calling thread.

    Raises:
        ConfigurationError: The URL cannot be used.
    """
    url = _reachable(settings)
    try:
        return Database.sync(url, timeout=PATIENCE)
    except ConfigurationError as error:
        raise ConfigurationError(SETTING, error.problem) from None


def open_database_for_loop(settings: Settings) -> AsyncDatabase:
    """For the server: under its event loop.

    Raises:
        ConfigurationError: The URL cannot be used.
    """
    url = _reachable(settings)
    try:
        return Database.asynchronous(url)
    except ConfigurationError as error:
        raise ConfigurationError(SETTING, error.problem) from None


def _reachable(settings: Settings) -> URL:
    file = sqlite_file(settings)
    if file is not None and not file.absolute().parent.is_dir():
        raise ConfigurationError(SETTING, f"there is no directory {file.absolute().parent}")
    return database_url(settings)
