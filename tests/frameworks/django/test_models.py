"""The tables: migrations that say all, and rows that say nothing secret."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import connections

from bezant.clients import Client
from bezant.stores import Consent
from bezant.testing.stores import NOW, an_authorization
from django_bezant import models
from django_bezant.stores import django_stores
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


def test_rows_of_the_first_version_outlive_the_way_up_and_down(alias: str) -> None:
    authorization = (
        "INSERT INTO bezant_authorization (id, client_id, subject, scopes, audience, auth_time,"
        " created_at, expires_at, idle_expires_at, generation, rotated_at, address, sweep_at)"
        " VALUES (%s, 'old', '7', '[\"items\"]', '[]', 1, 1, 9, 9, 3, 5, '', 9)"
    )
    client = (
        "INSERT INTO bezant_client (client_id, name, active, grants, scopes, audience,"
        " auth_method, secrets, introspect)"
        " VALUES ('old', '', true, '[\"password\"]', '[]', '[]', 'none', '[]', true)"
    )
    ids = "SELECT id FROM bezant_authorization ORDER BY id"
    call_command("migrate", LABEL, "0001", database=alias, verbosity=0)
    with connections[alias].cursor() as cursor:
        cursor.execute(client)
        cursor.execute(authorization, ["a"])
    call_command("migrate", LABEL, database=alias, verbosity=0)
    with connections[alias].cursor() as cursor:
        cursor.execute(authorization, ["b"])  # a process of the first version goes on
    stores = django_stores(alias)
    assert stores.clients.get("old") == Client(
        "old", grants=frozenset({"password"}), auth_method="none"
    )
    for id_ in ("a", "b"):
        kept = stores.authorizations.get(id_)
        assert kept is not None
        assert (kept.generation, kept.session_id, kept.claims) == (3, None, "")
    stores.authorizations.add(an_authorization(id="c", session_id="browser", claims="{}"))
    stores.consents.put(Consent("7", "old", ("items",), NOW))
    call_command("migrate", LABEL, "0001", database=alias, verbosity=0)
    with connections[alias].cursor() as cursor:
        cursor.execute(ids)
        assert cursor.fetchall() == [("a",), ("b",), ("c",)]
        cursor.execute("SELECT client_id FROM bezant_client")
        assert cursor.fetchall() == [("old",)]
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
    code = models.Code(kind="code", digest="d" * 43, value='{"nonce": "n-1"}')
    rows = (client, key, session, code)
    assert [str(row) for row in rows] == ["web", "k", "7 at web", "code"]
    for row in rows:
        for text in ("sha256", "sealed", "192.0.2.1", "n-1", "ddd"):
            assert text not in repr(row)
