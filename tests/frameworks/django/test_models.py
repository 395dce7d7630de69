"""The tables: migrations that say all, and rows that say nothing secret."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from bezant.testing.stores import NOW
from django_bezant import models
from tests.frameworks.django.databases import LABEL


def test_migrations_say_all() -> None:
    call_command("makemigrations", LABEL, check=True, dry_run=True, verbosity=0)


def test_the_tables_can_be_taken_away(alias: str) -> None:
    """Backwards, too; and made again."""
    call_command("migrate", LABEL, "zero", database=alias, verbosity=0)
    with connections[alias].cursor() as cursor:
        names = connections[alias].introspection.table_names(cursor)
        assert not [name for name in names if name.startswith("bezant")]
    call_command("migrate", LABEL, database=alias, verbosity=0)


def test_postgresql_leaves_room_for_generations(postgres_alias: str) -> None:
    with connections[postgres_alias].cursor() as cursor:
        cursor.execute("SELECT reloptions FROM pg_class WHERE relname = 'bezant_authorization'")
        assert cursor.fetchone() == (["fillfactor=80"],)


def test_names_of_tables_are_not_those_of_the_reference_server() -> None:
    """Both may live in one database."""
    sql = pytest.importorskip("bezant.stores.sql")
    ours = {model._meta.db_table for model in apps.get_app_config(LABEL).get_models()}
    assert ours.isdisjoint(sql.metadata.tables)
    assert all(name.startswith("bezant_") for name in ours)


def test_rows_say_nothing_secret() -> None:
    client = models.Client(client_id="web", secrets=[["sha256$aa$bb", None]])
    key = models.SigningKey(kid="k", sealed=b"sealed", sequence=1, created_at=NOW, activates_at=NOW)
    session = models.Authorization(id="i" * 22, client_id="web", subject="7", address="192.0.2.1")
    assert [str(row) for row in (client, key, session)] == ["web", "k", "7 at web"]
    for row in (client, key, session):
        for text in ("sha256", "sealed", "192.0.2.1"):
            assert text not in repr(row)
