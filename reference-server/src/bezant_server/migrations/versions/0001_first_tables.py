"""The tables of the first version."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "bezant_allowances",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("credits", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_bezant_allowances"),
    )
    op.create_index("ix_bezant_allowances_expires_at", "bezant_allowances", ["expires_at"])
    op.create_table(
        "bezant_attempts",
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("blocked_until", sa.Double(), nullable=False),
        sa.Column("touched_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_bezant_attempts"),
    )
    op.create_index("ix_bezant_attempts_touched_at", "bezant_attempts", ["touched_at"])
    op.create_table(
        "bezant_authorizations",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("auth_time", sa.Double(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("idle_expires_at", sa.Double(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("rotated_at", sa.Double(), nullable=False),
        sa.Column("revoked_at", sa.Double()),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("sweep_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bezant_authorizations"),
        postgresql_with={"fillfactor": 80},
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_bezant_authorizations_client_id_created_at",
        "bezant_authorizations",
        ["client_id", "created_at"],
    )
    op.create_index("ix_bezant_authorizations_created_at", "bezant_authorizations", ["created_at"])
    op.create_index(
        "ix_bezant_authorizations_subject_created_at",
        "bezant_authorizations",
        ["subject", "created_at"],
    )
    op.create_index("ix_bezant_authorizations_sweep_at", "bezant_authorizations", ["sweep_at"])
    op.create_table(
        "bezant_clients",
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("grants", sa.Text(), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("auth_method", sa.String(length=64), nullable=False),
        sa.Column("secrets", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("introspect", sa.Boolean(), nullable=False),
        sa.Column("access_token_ttl", sa.Integer()),
        sa.Column("refresh_retry_window", sa.Integer()),
        sa.PrimaryKeyConstraint("client_id", name="pk_bezant_clients"),
    )
    op.create_table(
        "bezant_keys",
        sa.Column("kid", sa.String(length=255), nullable=False),
        sa.Column("algorithm", sa.String(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("activates_at", sa.Double(), nullable=False),
        sa.Column("retired_at", sa.Double()),
        sa.PrimaryKeyConstraint("kid", name="pk_bezant_keys"),
        sa.UniqueConstraint("sequence", name="uq_bezant_keys_sequence"),
    )
    op.create_table(
        "bezant_revocations",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("value", sa.String(length=255), nullable=False),
        sa.Column("issued_before", sa.Double(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("recorded_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "value", name="pk_bezant_revocations"),
    )
    op.create_index("ix_bezant_revocations_expires_at", "bezant_revocations", ["expires_at"])
    op.create_index("ix_bezant_revocations_recorded_at", "bezant_revocations", ["recorded_at"])
    op.create_table(
        "bezant_roles",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_bezant_roles"),
    )
    op.create_table(
        "bezant_users",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("username", sa.String(length=255), nullable=False),
        sa.Column("email", sa.String(length=255)),
        sa.Column("password_hash", sa.Text()),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subject", name="pk_bezant_users"),
        sa.UniqueConstraint("email", name="uq_bezant_users_email"),
        sa.UniqueConstraint("username", name="uq_bezant_users_username"),
    )
    op.create_table(
        "bezant_role_permissions",
        sa.Column("role", sa.String(length=100), nullable=False),
        sa.Column("permission", sa.String(length=255), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["bezant_roles.name"], name="fk_bezant_role_permissions_role_bezant_roles"
        ),
        sa.PrimaryKeyConstraint("role", "permission", name="pk_bezant_role_permissions"),
    )
    op.create_table(
        "bezant_user_roles",
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(
            ["role"], ["bezant_roles.name"], name="fk_bezant_user_roles_role_bezant_roles"
        ),
        sa.ForeignKeyConstraint(
            ["subject"], ["bezant_users.subject"], name="fk_bezant_user_roles_subject_bezant_users"
        ),
        sa.PrimaryKeyConstraint("subject", "role", name="pk_bezant_user_roles"),
    )
    op.create_index("ix_bezant_user_roles_role", "bezant_user_roles", ["role"])


def downgrade() -> None:
    for table in (
        "bezant_user_roles",
        "bezant_role_permissions",
        "bezant_users",
        "bezant_roles",
        "bezant_revocations",
        "bezant_keys",
        "bezant_clients",
        "bezant_authorizations",
        "bezant_attempts",
        "bezant_allowances",
    ):
        op.drop_table(table)
