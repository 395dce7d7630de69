"""The first tables."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


def leave_room(apps: Any, schema_editor: Any) -> None:
    """Room on each page for the next generation of its rows, so that PostgreSQL updates them
    without touching indexes.
    """
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE bezant_authorization SET (fillfactor = 80)")


class Migration(migrations.Migration):
    initial: ClassVar[Any] = True
    dependencies: ClassVar[Any] = []
    operations: ClassVar[Any] = [
        migrations.CreateModel(
            name="Client",
            fields=[
                (
                    "client_id",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="client id"
                    ),
                ),
                (
                    "name",
                    models.TextField(
                        blank=True, default="", help_text="For people.", verbose_name="name"
                    ),
                ),
                (
                    "active",
                    models.BooleanField(
                        default=True,
                        help_text=(
                            "A client that is disabled gets no tokens, "
                            "and all that it got has ended."
                        ),
                        verbose_name="active",
                    ),
                ),
                ("grants", models.JSONField(default=list, verbose_name="grants")),
                ("scopes", models.JSONField(default=list, verbose_name="scopes")),
                ("audience", models.JSONField(default=list, verbose_name="audience")),
                (
                    "auth_method",
                    models.CharField(
                        choices=[
                            ("client_secret_basic", "a secret, by HTTP Basic"),
                            ("client_secret_post", "a secret, in the form"),
                            ("none", "none: it cannot keep a secret"),
                        ],
                        default="client_secret_basic",
                        max_length=64,
                        verbose_name="authentication",
                    ),
                ),
                ("secrets", models.JSONField(default=list, editable=False, verbose_name="secrets")),
                (
                    "introspect",
                    models.BooleanField(
                        default=True,
                        help_text="Whether it may ask about tokens meant for its audience.",
                        verbose_name="may introspect",
                    ),
                ),
                (
                    "access_token_ttl",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Seconds; empty means the server's default.",
                        null=True,
                        verbose_name="access token lifetime",
                    ),
                ),
                (
                    "refresh_retry_window",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text=(
                            "Seconds, 0 to 60, in which a lost answer is given again; "
                            "empty means the server's default."
                        ),
                        null=True,
                        verbose_name="refresh retry window",
                    ),
                ),
            ],
            options={
                "verbose_name": "client",
                "verbose_name_plural": "clients",
                "db_table": "bezant_client",
                "ordering": ["client_id"],
                "permissions": [("rotate_client_secret", "Can give clients new secrets")],
            },
        ),
        migrations.CreateModel(
            name="SigningKey",
            fields=[
                (
                    "kid",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="key id"
                    ),
                ),
                ("algorithm", models.CharField(max_length=32, verbose_name="algorithm")),
                ("sequence", models.BigIntegerField(unique=True, verbose_name="sequence")),
                ("sealed", models.BinaryField(verbose_name="sealed key")),
                ("created_at", models.FloatField(verbose_name="created")),
                ("activates_at", models.FloatField(verbose_name="signs from")),
                ("retired_at", models.FloatField(null=True, verbose_name="withdrawn")),
            ],
            options={
                "verbose_name": "signing key",
                "verbose_name_plural": "signing keys",
                "db_table": "bezant_signing_key",
                "ordering": ["sequence"],
                "permissions": [
                    ("rotate_signingkey", "Can make signing keys"),
                    ("retire_signingkey", "Can withdraw signing keys"),
                ],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="Authorization",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=22, primary_key=True, serialize=False, verbose_name="session"
                    ),
                ),
                ("client_id", models.CharField(max_length=255, verbose_name="client")),
                ("subject", models.CharField(max_length=255, verbose_name="user")),
                ("scopes", models.JSONField(verbose_name="scopes")),
                ("audience", models.JSONField(verbose_name="audience")),
                ("auth_time", models.FloatField(verbose_name="signed in")),
                ("created_at", models.FloatField(verbose_name="created")),
                ("expires_at", models.FloatField(verbose_name="ends")),
                ("idle_expires_at", models.FloatField(verbose_name="ends unless refreshed")),
                ("generation", models.BigIntegerField(verbose_name="generation")),
                ("rotated_at", models.FloatField(verbose_name="last used")),
                ("revoked_at", models.FloatField(null=True, verbose_name="revoked")),
                ("address", models.TextField(blank=True, verbose_name="address")),
                ("sweep_at", models.FloatField(editable=False)),
            ],
            options={
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
                "db_table": "bezant_authorization",
                "permissions": [("revoke_authorization", "Can end sessions")],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["subject", "created_at"], name="bezant_auth_subject_idx"),
                    models.Index(fields=["client_id", "created_at"], name="bezant_auth_client_idx"),
                    models.Index(fields=["created_at"], name="bezant_auth_created_idx"),
                    models.Index(fields=["sweep_at"], name="bezant_auth_sweep_idx"),
                ],
            },
        ),
        migrations.CreateModel(
            name="LoginAttempts",
            fields=[
                (
                    "key",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="key"
                    ),
                ),
                ("attempts", models.BigIntegerField(verbose_name="attempts")),
                ("blocked_until", models.FloatField(verbose_name="blocked until")),
                ("touched_at", models.FloatField(verbose_name="last attempt")),
            ],
            options={
                "verbose_name": "login attempts",
                "verbose_name_plural": "login attempts",
                "db_table": "bezant_login_attempts",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["touched_at"], name="bezant_attempts_touched_idx")
                ],
            },
        ),
        migrations.CreateModel(
            name="Revocation",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16, verbose_name="kind")),
                ("value", models.CharField(max_length=255, verbose_name="value")),
                ("issued_before", models.FloatField(verbose_name="issued before")),
                ("expires_at", models.FloatField(verbose_name="forgotten")),
                ("recorded_at", models.FloatField(verbose_name="recorded")),
            ],
            options={
                "verbose_name": "revocation",
                "verbose_name_plural": "revocations",
                "db_table": "bezant_revocation",
                "default_permissions": (),
                "indexes": [
                    models.Index(fields=["expires_at"], name="bezant_revoc_expires_idx"),
                    models.Index(fields=["recorded_at"], name="bezant_revoc_recorded_idx"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "value"), name="bezant_revocation_uniq")
                ],
            },
        ),
        migrations.CreateModel(
            name="TrustedAddress",
            fields=[
                (
                    "key",
                    models.CharField(
                        max_length=255, primary_key=True, serialize=False, verbose_name="key"
                    ),
                ),
                ("credits", models.BigIntegerField(verbose_name="attempts left")),
                ("expires_at", models.FloatField(verbose_name="trusted until")),
            ],
            options={
                "verbose_name": "trusted address",
                "verbose_name_plural": "trusted addresses",
                "db_table": "bezant_trusted_address",
                "default_permissions": (),
                "indexes": [models.Index(fields=["expires_at"], name="bezant_trusted_expires_idx")],
            },
        ),
        migrations.RunPython(
            leave_room, migrations.RunPython.noop, hints={"model_name": "authorization"}
        ),
    ]
