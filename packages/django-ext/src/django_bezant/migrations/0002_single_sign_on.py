"""Codes, consents and notices of logouts, and what clients and sessions have beside them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies: ClassVar[Any] = [
        ("django_bezant", "0001_initial"),
    ]

    operations: ClassVar[Any] = [
        migrations.CreateModel(
            name="Code",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=16, verbose_name="kind")),
                ("digest", models.CharField(max_length=64, verbose_name="digest")),
                ("value", models.TextField(editable=False, verbose_name="value")),
                ("expires_at", models.FloatField(verbose_name="expires")),
                ("taken", models.BooleanField(verbose_name="taken")),
            ],
            options={
                "verbose_name": "code",
                "verbose_name_plural": "codes",
                "db_table": "bezant_code",
                "default_permissions": (),
            },
        ),
        migrations.CreateModel(
            name="Consent",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("subject", models.CharField(max_length=255, verbose_name="user")),
                ("client_id", models.CharField(max_length=255, verbose_name="client")),
                ("scopes", models.JSONField(verbose_name="scopes")),
                ("given_at", models.FloatField(verbose_name="given")),
            ],
            options={
                "verbose_name": "consent",
                "verbose_name_plural": "consents",
                "db_table": "bezant_consent",
                "default_permissions": ("view", "delete"),
            },
        ),
        migrations.CreateModel(
            name="LogoutNotice",
            fields=[
                (
                    "id",
                    models.CharField(
                        max_length=22, primary_key=True, serialize=False, verbose_name="notice"
                    ),
                ),
                ("client_id", models.CharField(max_length=255, verbose_name="client")),
                ("subject", models.CharField(max_length=255, verbose_name="user")),
                ("session_id", models.CharField(max_length=255, verbose_name="sign-in")),
                ("created_at", models.FloatField(verbose_name="created")),
                ("attempts", models.BigIntegerField(verbose_name="attempts")),
                ("due_at", models.FloatField(verbose_name="tried next")),
            ],
            options={
                "verbose_name": "logout notice",
                "verbose_name_plural": "logout notices",
                "db_table": "bezant_logout_notice",
                "default_permissions": (),
            },
        ),
        migrations.AddField(
            model_name="authorization",
            name="claims",
            field=models.TextField(
                blank=True, db_default="", default="", editable=False, verbose_name="claims"
            ),
        ),
        migrations.AddField(
            model_name="authorization",
            name="session_id",
            field=models.CharField(blank=True, max_length=255, null=True, verbose_name="sign-in"),
        ),
        migrations.AddField(
            model_name="client",
            name="backchannel_logout_uri",
            field=models.CharField(
                blank=True,
                help_text="Where it is told of logouts.",
                max_length=2048,
                null=True,
                verbose_name="back-channel logout URI",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="first_party",
            field=models.BooleanField(
                default=False,
                help_text="Whether it is yours: users are not asked for consent.",
                verbose_name="first party",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="id_token_signed_response_alg",
            field=models.CharField(
                choices=[("RS256", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")],
                default="RS256",
                max_length=32,
                verbose_name="ID tokens signed with",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="jwks",
            field=models.JSONField(
                blank=True,
                help_text="A JWK Set, for a client with a key of its own.",
                null=True,
                verbose_name="public keys",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="jwks_uri",
            field=models.CharField(
                blank=True,
                help_text="Where it publishes them instead.",
                max_length=2048,
                null=True,
                verbose_name="URI of public keys",
            ),
        ),
        migrations.AddField(
            model_name="client",
            name="post_logout_redirect_uris",
            field=models.JSONField(default=list, verbose_name="post-logout redirect URIs"),
        ),
        migrations.AddField(
            model_name="client",
            name="redirect_uris",
            field=models.JSONField(default=list, verbose_name="redirect URIs"),
        ),
        migrations.AddField(
            model_name="client",
            name="userinfo_signed_response_alg",
            field=models.CharField(
                blank=True,
                choices=[("RS256", "RS256"), ("ES256", "ES256"), ("EdDSA", "EdDSA")],
                help_text="Empty means plain JSON.",
                max_length=32,
                null=True,
                verbose_name="UserInfo signed with",
            ),
        ),
        migrations.AlterField(
            model_name="client",
            name="auth_method",
            field=models.CharField(
                choices=[
                    ("client_secret_basic", "a secret, by HTTP Basic"),
                    ("client_secret_post", "a secret, in the form"),
                    ("private_key_jwt", "a key of its own"),
                    ("none", "none: it cannot keep a secret"),
                ],
                default="client_secret_basic",
                max_length=64,
                verbose_name="authentication",
            ),
        ),
        migrations.AddIndex(
            model_name="authorization",
            index=models.Index(
                condition=models.Q(session_id__isnull=False),
                fields=["session_id"],
                name="bezant_auth_session_idx",
            ),
        ),
        migrations.AddIndex(
            model_name="code",
            index=models.Index(fields=["expires_at"], name="bezant_code_expires_idx"),
        ),
        migrations.AddConstraint(
            model_name="code",
            constraint=models.UniqueConstraint(fields=("kind", "digest"), name="bezant_code_uniq"),
        ),
        migrations.AddConstraint(
            model_name="consent",
            constraint=models.UniqueConstraint(
                fields=("subject", "client_id"), name="bezant_consent_uniq"
            ),
        ),
        migrations.AddIndex(
            model_name="logoutnotice",
            index=models.Index(fields=["due_at", "id"], name="bezant_logout_due_idx"),
        ),
    ]
