"""A small authorization server on django-oauth-toolkit: opaque tokens, unhashed client secrets.

Its default, a client secret hashed like a password, would cost a PBKDF2 run at every request.
"""

from __future__ import annotations

import os
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.urls import path

from bench.peers import CLIENT, PASSWORD, SCOPE, SECRET, USERS

urlpatterns: list[Any] = []


def application() -> Any:
    """The app, its tables and its users."""
    settings.configure(
        SECRET_KEY="only for the benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": os.environ["BENCH_DATABASE"],
                "CONN_MAX_AGE": None,
                "OPTIONS": {
                    "timeout": 30,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
                },
            }
        },
        OAUTH2_PROVIDER={
            "SCOPES": {SCOPE: "Read items"},
            "ACCESS_TOKEN_EXPIRE_SECONDS": 600,
            "ROTATE_REFRESH_TOKEN": True,
        },
    )
    django.setup()
    call_command("migrate", verbosity=0)
    _fill()

    from oauth2_provider.views import TokenView

    urlpatterns.append(path("token", TokenView.as_view()))
    return get_wsgi_application()


def _fill() -> None:
    from django.contrib.auth.hashers import make_password
    from django.contrib.auth.models import User
    from oauth2_provider.models import get_application_model

    hashed = make_password(PASSWORD)
    User.objects.bulk_create(User(username=name, password=hashed) for name in USERS)
    client = get_application_model()
    for client_id, grant in (
        (CLIENT, client.GRANT_PASSWORD),
        ("service", client.GRANT_CLIENT_CREDENTIALS),
    ):
        client.objects.create(
            client_id=client_id,
            client_secret=SECRET,
            hash_client_secret=False,
            client_type=client.CLIENT_CONFIDENTIAL,
            authorization_grant_type=grant,
        )
