"""Sign-ins in browsers, what happened to accounts, and people's names."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "bezant_sessions",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("browser", sa.String(length=43), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("auth_time", sa.Double(), nullable=False),
        sa.Column("rank", sa.BigInteger(), nullable=False),
        sa.Column("last_seen", sa.Double(), nullable=False),
        sa.Column("amr", sa.Text(), nullable=False),
        sa.Column("device", sa.String(length=100), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bezant_sessions"),
    )
    for column in ("browser", "subject", "auth_time", "last_seen"):
        op.create_index(f"ix_bezant_sessions_{column}", "bezant_sessions", [column])
    op.create_table(
        "bezant_history",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.Column("event", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bezant_history"),
    )
    op.create_index("ix_bezant_history_subject_at", "bezant_history", ["subject", "at"])
    op.create_index("ix_bezant_history_at", "bezant_history", ["at"])
    op.add_column("bezant_users", sa.Column("name", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "bezant_users",
        sa.Column("email_verified", sa.Boolean(), nullable=False, server_default=sa.false()),
    )


def downgrade() -> None:
    for column in ("email_verified", "name"):
        with op.batch_alter_table("bezant_users") as users:
            users.drop_column(column)
    op.drop_table("bezant_history")
    op.drop_table("bezant_sessions")
