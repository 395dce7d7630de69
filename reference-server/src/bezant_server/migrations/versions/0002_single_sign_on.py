"""Codes, consents and notices of logouts, and what clients and authorizations have beside them.

New columns have defaults in the database: rows are not rewritten, and processes of the version
before go on writing theirs.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    for column in (
        sa.Column("redirect_uris", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("post_logout_redirect_uris", sa.Text(), nullable=False, server_default="[]"),
        sa.Column("backchannel_logout_uri", sa.Text()),
        sa.Column("first_party", sa.Boolean(), nullable=False, server_default=sa.false()),
        sa.Column("jwks", sa.Text()),
        sa.Column("jwks_uri", sa.Text()),
        sa.Column(
            "id_token_signed_response_alg",
            sa.String(length=32),
            nullable=False,
            server_default="RS256",
        ),
        sa.Column("userinfo_signed_response_alg", sa.String(length=32)),
    ):
        op.add_column("bezant_clients", column)
    op.add_column("bezant_authorizations", sa.Column("session_id", sa.String(length=255)))
    op.add_column(
        "bezant_authorizations", sa.Column("claims", sa.Text(), nullable=False, server_default="")
    )
    op.create_index(
        "ix_bezant_authorizations_session_id",
        "bezant_authorizations",
        ["session_id"],
        sqlite_where=sa.text("session_id IS NOT NULL"),
        postgresql_where=sa.text("session_id IS NOT NULL"),
    )
    op.create_table(
        "bezant_codes",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.Double(), nullable=False),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "digest", name="pk_bezant_codes"),
    )
    op.create_index("ix_bezant_codes_expires_at", "bezant_codes", ["expires_at"])
    op.create_table(
        "bezant_consents",
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("given_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("subject", "client_id", name="pk_bezant_consents"),
    )
    op.create_table(
        "bezant_logouts",
        sa.Column("id", sa.String(length=22), nullable=False),
        sa.Column("client_id", sa.String(length=255), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("session_id", sa.String(length=255), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("attempts", sa.BigInteger(), nullable=False),
        sa.Column("due_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_bezant_logouts"),
    )
    op.create_index("ix_bezant_logouts_due_at_id", "bezant_logouts", ["due_at", "id"])


def downgrade() -> None:
    for table in ("bezant_logouts", "bezant_consents", "bezant_codes"):
        op.drop_table(table)
    op.drop_index("ix_bezant_authorizations_session_id", "bezant_authorizations")
    for column in ("session_id", "claims"):
        op.drop_column("bezant_authorizations", column)
    for column in (
        "redirect_uris",
        "post_logout_redirect_uris",
        "backchannel_logout_uri",
        "first_party",
        "jwks",
        "jwks_uri",
        "id_token_signed_response_alg",
        "userinfo_signed_response_alg",
    ):
        op.drop_column("bezant_clients", column)
