"""The secret key ring: from the settings, or from a file that only its owner can read."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from bezant.errors import ConfigurationError
from bezant.secret_key import SecretKeyRing
from bezant_server.database import sqlite_file
from bezant_server.settings import Settings

__all__ = ["SecretSource", "open_ring", "secret_source"]

SETTING = "BEZANT_SECRET_KEY"
FILE_SETTING = "BEZANT_SECRET_KEY_FILE"


@dataclass(frozen=True, slots=True)
class SecretSource:
    """Where the secrets are."""

    file: Path | None
    """None: in the settings."""
    ours: bool = False
    """Whether the file is made when it is missing, and then has to be nobody else's business."""

    def __str__(self) -> str:
        return str(self.file) if self.file else SETTING


def secret_source(settings: Settings) -> SecretSource:
    """Where the secrets come from.

    Raises:
        ConfigurationError: Nothing says, and only SQLite has a directory for a file of its own.
    """
    if settings.secret_key is not None:
        return SecretSource(None)
    if settings.secret_key_file is not None:
        return SecretSource(settings.secret_key_file)
    database = sqlite_file(settings)
    if database is None:
        raise ConfigurationError(
            SETTING,
            "set it: several nodes may share this database, and all need the same secret; "
            "`openssl rand -base64 32` makes one",
        )
    return SecretSource(database.with_name(database.name + ".key"), ours=True)


def open_ring(settings: Settings, notify: Callable[[str], None]) -> SecretKeyRing:
    """The secret key ring; with SQLite a missing file is made.

    Args:
        settings: Say where it is.
        notify: Told of a file that was made.

    Raises:
        ConfigurationError: There is none, it is too weak, or others can read the file.
    """
    source = secret_source(settings)
    if source.file is None:
        assert settings.secret_key is not None
        return SecretKeyRing.parse(settings.secret_key, setting=SETTING)
    if source.ours and not source.file.exists() and _create(source.file):
        notify(
            f"made the secret key file {source.file}: keep it with the database, and copy both or "
            f"none. {SETTING} replaces it"
        )
    return SecretKeyRing.parse(_read(source), setting=str(source))


def _create(file: Path) -> bool:
    """Make a file with a new secret unless another process was faster: whole, or not there."""
    try:
        with NamedTemporaryFile("w", dir=file.parent, prefix=".bezant-", delete=False) as draft:
            draft.write(SecretKeyRing.generate() + "\n")
            draft.flush()
            os.fsync(draft.fileno())
        try:
            os.link(draft.name, file)
        finally:
            Path(draft.name).unlink()
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigurationError(
            SETTING, f"set it, for {file} cannot be made: {error.strerror}"
        ) from None
    with suppress(OSError):
        _sync_directory(file.parent)
    return True


def _sync_directory(directory: Path) -> None:
    """The name of a new file survives the loss of power only with its directory."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(source: SecretSource) -> str:
    assert source.file is not None
    setting = SETTING if source.ours else FILE_SETTING
    try:
        text = source.file.read_text("utf-8")
        mode = source.file.stat().st_mode
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise ConfigurationError(setting, f"cannot read {source.file}: {reason}") from None
    if source.ours and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            setting, f"others may read {source.file}; do `chmod 600 {source.file}`"
        )
    return text
