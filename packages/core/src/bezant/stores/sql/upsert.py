"""``INSERT ... ON CONFLICT``: alike in SQLite and PostgreSQL, kept apart by SQLAlchemy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement

__all__ = ["Insert", "insert_unless_there", "upsert"]

Insert: TypeAlias = sqlite.Insert | postgresql.Insert


def insert_unless_there(table: Table) -> Callable[[Dialect], ClauseElement]:
    """Insert a row unless one with the same unique values is there."""
    return lambda dialect: _insert(dialect, table).on_conflict_do_nothing()


def upsert(
    table: Table, change: Callable[[Insert], ClauseElement]
) -> Callable[[Dialect], ClauseElement]:
    """Insert a row, or do what ``change`` adds to the statement to the one that is there."""
    return lambda dialect: change(_insert(dialect, table))


def _insert(dialect: Dialect, table: Table) -> Any:
    return sqlite.insert(table) if dialect.name == "sqlite" else postgresql.insert(table)
