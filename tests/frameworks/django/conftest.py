"""The Django project of these tests, and its databases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.frameworks.django.project import configure

configure()

from tests.frameworks.django.databases import (  # noqa: E402 (they need the project)
    emptied,
    postgres_database,
    sqlite_database,
)
from tests.frameworks.django.web import Browser  # noqa: E402
from tests.services import postgres  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bezant.testing import TokenFactory
    from tests.services import Postgres

__all__ = ["postgres"]


@pytest.fixture(scope="session")
def postgres_alias(postgres: Postgres) -> Iterator[str]:
    """A PostgreSQL database with the tables."""
    with postgres_database(postgres.create_database()) as alias:
        yield alias


@pytest.fixture(params=["sqlite", "postgresql"])
def alias(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The alias of a database whose tables are empty."""
    if request.param == "sqlite":
        with sqlite_database(tmp_path / "database") as name:
            yield name
    else:
        yield emptied(request.getfixturevalue("postgres_alias"))


@pytest.fixture
def tokens(bezant_tokens: TokenFactory) -> TokenFactory:
    """Mints what the project takes in `protected`."""
    return bezant_tokens


@pytest.fixture
def protected(tokens: TokenFactory) -> Iterator[None]:
    """A project that takes tokens of a factory."""
    from django.test import override_settings

    with override_settings(BEZANT={"VERIFIER": tokens.verifier(), "SCOPES": {"a": "", "b": ""}}):
        yield


@pytest.fixture(params=["wsgi", "asgi"])
def browser(request: pytest.FixtureRequest) -> Browser:
    """A client of the project, under WSGI and under ASGI."""
    return Browser(request.param)


@pytest.fixture(scope="session")
def tables() -> None:
    """The tables of the project in its own database."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0)


@pytest.fixture
def db(tables: None) -> Iterator[None]:
    """The project's own database, which forgets what the test does, and a server that begins anew.

    All is done in one transaction and on one connection: what races needs `alias`.
    """
    from django.conf import settings
    from django.db import transaction
    from django.test import override_settings

    with override_settings(BEZANT=dict(settings.BEZANT)), transaction.atomic():
        yield
        transaction.set_rollback(True)
