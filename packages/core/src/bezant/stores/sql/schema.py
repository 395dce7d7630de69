"""The tables, for Alembic and for `Database.create_all`.

Only types that every driver hands over as Python values without conversion: times are floating
point seconds since the epoch, lists are JSON text. Everything compared is compared exactly.

Columns that came after the first version have a default in the database, so that processes of the
version before go on while a new one is rolled out.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

__all__ = [
    "Columns",
    "allowances",
    "attempts",
    "authorizations",
    "clients",
    "codes",
    "consents",
    "keys",
    "logouts",
    "metadata",
    "revocations",
]

Columns: TypeAlias = ReadOnlyColumnCollection[str, Column[Any]]
"""The columns of a table."""

metadata: MetaData = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""All tables of Bezant's stores; their names begin with ``bezant_``."""

clients: Table = Table(
    "bezant_clients",
    metadata,
    Column("client_id", String(255), primary_key=True),
    Column("grants", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("auth_method", String(64), nullable=False),
    Column("secrets", Text, nullable=False),  # [[hashed, expires_at], ...], newest first
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("introspect", Boolean, nullable=False),
    Column("access_token_ttl", Integer),
    Column("refresh_retry_window", Integer),
    Column("redirect_uris", Text, nullable=False, server_default="[]"),
    Column("post_logout_redirect_uris", Text, nullable=False, server_default="[]"),
    Column("backchannel_logout_uri", Text),
    Column("first_party", Boolean, nullable=False, server_default=false()),
    Column("jwks", Text),
    Column("jwks_uri", Text),
    Column("id_token_signed_response_alg", String(32), nullable=False, server_default="RS256"),
    Column("userinfo_signed_response_alg", String(32)),
)

authorizations: Table = Table(
    "bezant_authorizations",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("client_id", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("auth_time", Double, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double, nullable=False),
    Column("idle_expires_at", Double, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("rotated_at", Double, nullable=False),
    Column("revoked_at", Double),
    Column("address", Text, nullable=False),
    # From this time on purging looks at the row: its end, as far as was known when it was set. A
    # refresh moves the end and leaves this alone, so that no index changes when a generation does;
    # a purge that finds the row alive sets it anew.
    Column("sweep_at", Double, nullable=False),
    Column("session_id", String(255)),
    Column("claims", Text, nullable=False, server_default=""),
    # The id is random, so one tree holding the row is half the pages to write of an index beside a
    # heap.
    sqlite_with_rowid=False,
    # Room on each page for the next generation of its rows, so that PostgreSQL updates them without
    # touching indexes.
    postgresql_with={"fillfactor": 80},
)
Index(None, authorizations.c.subject, authorizations.c.created_at)
Index(None, authorizations.c.client_id, authorizations.c.created_at)
Index(None, authorizations.c.created_at)
Index(None, authorizations.c.sweep_at)
# Most authorizations are given without a browser, or end without one.
Index(
    None,
    authorizations.c.session_id,
    sqlite_where=authorizations.c.session_id.is_not(None),
    postgresql_where=authorizations.c.session_id.is_not(None),
)

keys: Table = Table(
    "bezant_keys",
    metadata,
    Column("kid", String(255), primary_key=True),
    Column("algorithm", String(32), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("activates_at", Double, nullable=False),
    Column("retired_at", Double),
    UniqueConstraint("sequence"),
)

revocations: Table = Table(
    "bezant_revocations",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("value", String(255), nullable=False),
    Column("issued_before", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("recorded_at", Double, nullable=False, index=True),
    PrimaryKeyConstraint("kind", "value"),
)

attempts: Table = Table(
    "bezant_attempts",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("attempts", BigInteger, nullable=False),
    Column("blocked_until", Double, nullable=False),
    Column("touched_at", Double, nullable=False, index=True),
)

allowances: Table = Table(
    "bezant_allowances",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("credits", BigInteger, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
)

codes: Table = Table(
    "bezant_codes",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("value", Text, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    Column("taken", Boolean, nullable=False),
    PrimaryKeyConstraint("kind", "digest"),
)

consents: Table = Table(
    "bezant_consents",
    metadata,
    Column("subject", String(255), nullable=False),
    Column("client_id", String(255), nullable=False),
    Column("scopes", Text, nullable=False),
    Column("given_at", Double, nullable=False),
    PrimaryKeyConstraint("subject", "client_id"),
)

logouts: Table = Table(
    "bezant_logouts",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("client_id", String(255), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("session_id", String(255), nullable=False),
    Column("created_at", Double, nullable=False),
    Column("attempts", BigInteger, nullable=False),
    Column("due_at", Double, nullable=False),
)
Index(None, logouts.c.due_at, logouts.c.id)
