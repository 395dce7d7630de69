"""The table of identities: who is whom, as people at other providers."""

from __future__ import annotations

from sqlalchemy import Column, Double, Index, MetaData, PrimaryKeyConstraint, String, Table

from bezant_server.accounts import metadata as accounts_metadata

__all__ = ["LONGEST_ISSUER", "identities", "metadata"]

LONGEST_ISSUER = 255
"""Characters of an issuer."""

metadata = MetaData(naming_convention=accounts_metadata.naming_convention)

identities = Table(
    "bezant_identities",
    metadata,
    Column("issuer", String(LONGEST_ISSUER), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("account", String(64), nullable=False),
    Column("label", String(255), nullable=False),
    Column("linked_at", Double, nullable=False),
    Column("used_at", Double, nullable=False),
    PrimaryKeyConstraint("issuer", "subject"),
)
Index(None, identities.c.account)
