"""The settings of the Django project that tests run in; one per process, as Django wants it.

`configure` makes them the process's settings. The database is a SQLite file that ends with the
process; tests that need another one add an alias of their own.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_DIRECTORY = Path(tempfile.mkdtemp(prefix="bezant-django-"))
atexit.register(shutil.rmtree, _DIRECTORY, ignore_errors=True)

ISSUER = "https://id.example.com"
API = "https://api.example.com"

SQLITE_OPTIONS: dict[str, Any] = {
    "timeout": 30,
    "transaction_mode": "IMMEDIATE",
    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL",
}

SECRET_KEY = "a-key-that-protects-nothing-but-tests-0123456789"
DEBUG = False
USE_TZ = True
ALLOWED_HOSTS = ["*"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
ROOT_URLCONF = "tests.frameworks.django.urls"
STATIC_URL = "/static/"
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.sessions",
    *(["rest_framework"] if find_spec("rest_framework") else []),  # an extra
    "django_bezant",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # fast; tests only
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(_DIRECTORY / "default.sqlite3"),
        "OPTIONS": SQLITE_OPTIONS,
    }
}
BEZANT: dict[str, Any] = {
    "ISSUER": ISSUER,
    "AUDIENCE": API,
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "SCOPES": {"items:read": "read items", "items:write": "change items"},
    "SERVER": {"algorithm": "EdDSA", "client_cache_ttl": 0},
}


def configure() -> None:
    """Make this the project of the process, unless it has one."""
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", __name__)
    django.setup()
