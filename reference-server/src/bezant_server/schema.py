"""The state of the database's tables, and bringing them up to date.

Looking is one cheap query, done by every command. Only a change loads Alembic.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from enum import Enum
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from sqlalchemy import Connection, MetaData, inspect, text

from bezant.errors import ConfigurationError, Refused
from bezant.stores.sql import Database
from bezant.stores.sql import metadata as core_metadata
from bezant.stores.sql.units import reads
from bezant_server.accounts import metadata as accounts_metadata
from bezant_server.database import SETTING as DATABASE_SETTING
from bezant_server.database import database_url, sqlite_file
from bezant_server.federation.schema import metadata as federation_metadata
from bezant_server.migrations import HEAD, REVISIONS, VERSION_TABLE
from bezant_server.settings import Settings

__all__ = [
    "METADATA",
    "Schema",
    "differences",
    "is_ours",
    "migrate",
    "read_schema",
    "require_current",
]

METADATA: Final[Sequence[MetaData]] = (core_metadata, accounts_metadata, federation_metadata)

PATIENCE: Final = 60.0
"""Seconds to wait while another process migrates."""

# Any number will do, as long as nobody else uses it: "bezant" in ASCII.
ADVISORY_LOCK: Final = int.from_bytes(b"bezant")


class Schema(Enum):
    """How the tables stand to this version of the software."""

    CURRENT = "up to date"
    EMPTY = "has no tables yet"
    BEHIND = "is behind this version"
    AHEAD = "was migrated by a newer version"


@reads
def read_schema(connection: Connection) -> Schema:
    """How the tables stand."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return Schema.EMPTY
    revision = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608
    if revision is None:
        return Schema.EMPTY
    if revision == HEAD:
        return Schema.CURRENT
    return Schema.BEHIND if revision in REVISIONS else Schema.AHEAD


def require_current(schema: Schema) -> None:
    """Refuse to go on with other tables than expected.

    Raises:
        Refused: Says what to do.
    """
    if schema is Schema.AHEAD:
        raise Refused(f"the database {schema.value}; install that version")
    if schema is not Schema.CURRENT:
        raise Refused(f"the database {schema.value}; run `bezant db upgrade`")


def migrate(settings: Settings, revision: str = HEAD) -> bool:
    """Bring the tables to a revision, all or nothing. Of several processes at once one does it.

    Returns:
        Whether there was anything to do.

    Raises:
        Refused: The database was migrated by a newer version.
        StoreUnavailable: It cannot answer, or another process has been migrating for too long.
    """
    _make_file(settings)
    database = Database.sync(database_url(settings), timeout=PATIENCE, pool_size=1)
    try:
        if revision == HEAD and database.run(read_schema) is Schema.CURRENT:
            return False
        import_module("alembic.command")  # slow: not while others wait for the transaction
        return database.run(_migrate, revision)
    finally:
        database.close()


def _make_file(settings: Settings) -> None:
    """Make a SQLite database that nobody else can read; what SQLite puts beside it is like it.

    It appears ready: several processes that turn an empty file into one at once would be in each
    other's way.
    """
    file = sqlite_file(settings)
    if file is None or file.exists():
        return
    try:
        with TemporaryDirectory(prefix=".bezant-", dir=file.absolute().parent) as directory:
            draft = Path(directory) / "draft"
            draft.touch(0o600)
            with closing(sqlite3.connect(draft)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
            with suppress(FileExistsError):  # another process was faster
                os.link(draft, file)
    except OSError as error:
        raise ConfigurationError(
            DATABASE_SETTING, f"cannot make {file}: {error.strerror}"
        ) from None


def _migrate(connection: Connection, revision: str) -> bool:
    from alembic import command
    from alembic.config import Config

    if connection.dialect.name == "postgresql":
        # Waits for whoever migrates now; on SQLite the transaction that surrounds this does.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
    schema = read_schema(connection)
    if schema is Schema.AHEAD:
        require_current(schema)
    if revision == HEAD and schema is Schema.CURRENT:
        return False
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", "bezant_server:migrations")
    config.set_main_option("path_separator", "os")
    go = command.upgrade if _is_later(revision, schema) else command.downgrade
    go(config, revision)
    return True


def _is_later(revision: str, schema: Schema) -> bool:
    return revision == HEAD or schema is Schema.EMPTY


def differences(connection: Connection) -> list[str]:
    """What the tables lack or have too much compared with what this version expects, in words."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    options = {"include_object": is_ours, "compare_type": True, "version_table": VERSION_TABLE}
    context = MigrationContext.configure(connection, opts=options)
    metadata: Any = METADATA  # one or several, whatever its annotation says
    return [_in_words(change) for change in compare_metadata(context, metadata)]


def is_ours(item: Any, name: str | None, kind: str, reflected: bool, compare_to: Any) -> bool:
    """Whether Alembic should look at a thing: the database may hold tables of other software."""
    return kind != "table" or (str(name).startswith("bezant_") and name != VERSION_TABLE)


def _in_words(change: Any) -> str:
    if isinstance(change, list):  # changes of one column
        return "; ".join(_in_words(part) for part in change)
    verb, *details = change
    names = [str(getattr(detail, "name", detail)) for detail in details if detail is not None]
    return f"{verb.replace('_', ' ')} {' '.join(names)}"
