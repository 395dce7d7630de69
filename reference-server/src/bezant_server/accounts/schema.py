"""The tables of accounts, as plain as those of core.

Times are seconds since the epoch, and names are compared exactly.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

__all__ = ["history", "metadata", "role_permissions", "roles", "sessions", "user_roles", "users"]

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    }
)

users = Table(
    "bezant_users",
    metadata,
    Column("subject", String(64), primary_key=True),
    Column("username", String(255), nullable=False),
    Column("email", String(255)),
    Column("password_hash", Text),
    Column("active", Boolean, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("email_verified", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("username"),
    UniqueConstraint("email"),
)

roles = Table(
    "bezant_roles",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("created_at", Double, nullable=False),
)

role_permissions = Table(
    "bezant_role_permissions",
    metadata,
    Column("role", ForeignKey(roles.c.name), primary_key=True),
    Column("permission", String(255), primary_key=True),
)

user_roles = Table(
    "bezant_user_roles",
    metadata,
    Column("subject", ForeignKey(users.c.subject), primary_key=True),
    Column("role", ForeignKey(roles.c.name), primary_key=True),
)
Index(None, user_roles.c.role)

sessions = Table(
    "bezant_sessions",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("browser", String(43), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("auth_time", Double, nullable=False),
    Column("rank", BigInteger, nullable=False),
    Column("last_seen", Double, nullable=False),
    Column("amr", Text, nullable=False),
    Column("device", String(100), nullable=False),
    Column("address", String(64), nullable=False),
)
Index(None, sessions.c.browser)
Index(None, sessions.c.subject)
Index(None, sessions.c.auth_time)
Index(None, sessions.c.last_seen)

history = Table(
    "bezant_history",
    metadata,
    Column("id", String(22), primary_key=True),
    Column("subject", String(64), nullable=False),
    Column("at", Double, nullable=False),
    Column("event", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("client_id", String(255), nullable=False),
)
Index(None, history.c.subject, history.c.at)
Index(None, history.c.at)
