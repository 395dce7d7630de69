"""Databases for tests, beside the project's own one: an alias each, added while tests run."""

from __future__ import annotations

from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from django.apps import apps
from django.core.management import call_command
from django.db import connections

from django_bezant.models import Client
from tests.frameworks.django.project import SQLITE_OPTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["added", "emptied", "postgres_database", "postgres_settings", "sqlite_database"]

LABEL: str = Client._meta.app_label

_numbers = count(1)


@contextmanager
def added(settings: dict[str, Any], *, migrate: bool = True) -> Iterator[str]:
    """A database under an alias of its own."""
    name = f"added{next(_numbers)}"
    connections.settings[name] = connections.configure_settings({"default": {}, name: settings})[
        name
    ]
    try:
        if migrate:
            call_command("migrate", LABEL, database=name, verbosity=0)
        yield name
    finally:
        connections[name].close()
        del connections[name]
        del connections.settings[name]


@contextmanager
def sqlite_database(file: Path, *, migrate: bool = True, **options: Any) -> Iterator[str]:
    """A SQLite file with the tables of the extension."""
    if migrate and not file.exists():
        file.write_bytes(_migrated())
    with added(_sqlite_settings(file, **options), migrate=False) as name:
        yield name


@cache
def _migrated() -> bytes:
    """A SQLite file with the tables: to copy one takes a hundredth of the time of a migration."""
    with TemporaryDirectory() as directory:
        file = Path(directory, "database")
        with added(_sqlite_settings(file)):
            pass
        return file.read_bytes()


def _sqlite_settings(file: Path, **options: Any) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(file),
        "OPTIONS": SQLITE_OPTIONS | options,
    }


def postgres_settings(url: str, **options: Any) -> dict[str, Any]:
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": parts.username,
        "HOST": parse_qs(parts.query)["host"][0],
        "OPTIONS": options,
    }


@contextmanager
def postgres_database(url: str, **options: Any) -> Iterator[str]:
    """A PostgreSQL database with the tables of the extension."""
    with added(postgres_settings(url, **options)) as name:
        yield name


def emptied(alias: str) -> str:
    """The alias, its tables empty."""
    with connections[alias].cursor() as cursor:
        for model in apps.get_app_config(LABEL).get_models():
            cursor.execute(f'DELETE FROM "{model._meta.db_table}"')
    return alias
