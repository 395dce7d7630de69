"""The history of the database's tables, shipped with the package."""

from __future__ import annotations

from typing import Final

__all__ = ["HEAD", "REVISIONS", "VERSION_TABLE"]

REVISIONS: Final = ("0001", "0002", "0003", "0004")
"""All revisions, oldest first: known without loading Alembic, which is slow."""

HEAD: Final = REVISIONS[-1]

VERSION_TABLE: Final = "bezant_schema"
"""Where a database says which revision it is at; the database may be shared with other software."""
