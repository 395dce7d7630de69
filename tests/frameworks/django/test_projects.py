"""Whole projects in processes of their own: one without databases and contrib applications, one
with a user model of its own that issues tokens out of its database.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent

BARE = """
import asyncio, sys
from types import ModuleType
import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path
from bezant.testing import TokenFactory

tokens = TokenFactory()
urls = ModuleType("urls")
settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django_bezant"],
    MIDDLEWARE=["django_bezant.middleware.BearerMiddleware"],
    ROOT_URLCONF=urls,
    SECRET_KEY="x" * 50,
    BEZANT={"VERIFIER": tokens.verifier(), "RESOURCE": "https://api.example.com"},
)
django.setup()
from django_bezant.decorators import require

@require("a")
def plain(request):
    return HttpResponse(f"{request.user} {request.principal.subject}")

@require("a")
async def awaited(request):
    return HttpResponse(f"{await request.auser()} {request.principal.subject}")

urls.urlpatterns = [
    path("", include("django_bezant.urls")), path("plain", plain), path("awaited", awaited),
]
headers = {"authorization": f"Bearer {tokens.mint(scopes=['a'])}"}
for place in "/plain", "/awaited":
    for answer in (
        Client().get(place, headers=headers),
        asyncio.run(AsyncClient().get(place, headers=headers)),
    ):
        assert answer.content == b"alice alice", answer.content
    assert Client().get(place).status_code == 401
assert Client().get("/.well-known/oauth-protected-resource").json()["resource"]
call_command("check")
assert "django.contrib.auth.models" not in sys.modules
assert "django.contrib.contenttypes.models" not in sys.modules
print("done")
"""

SWAPPED = """
import asyncio
from types import ModuleType
from urllib.parse import urlencode
import django
from django.conf import settings
from django.core.management import call_command
from django.http import HttpResponse
from django.test import AsyncClient, Client
from django.urls import include, path

urls = ModuleType("urls")
settings.configure(
    ALLOWED_HOSTS=["*"],
    AUTH_USER_MODEL="swapped.Member",
    AUTHENTICATION_BACKENDS=[
        "django.contrib.auth.backends.ModelBackend", "django_bezant.backends.BearerBackend",
    ],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FILE}},
    INSTALLED_APPS=[
        "django.contrib.auth", "django.contrib.contenttypes", "django_bezant",
        "tests.frameworks.django.swapped",
    ],
    MIDDLEWARE=["django_bezant.middleware.BearerMiddleware"],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF=urls,
    SECRET_KEY="x" * 50,
    BEZANT={
        "ISSUER": "https://id.example.com",
        "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "SCOPES": {"a": "A"},
        "SERVER": {"algorithm": "EdDSA"},
    },
)
django.setup()
from django.contrib.auth import get_user_model
from django_bezant.conf import server
from django_bezant.decorators import require
from bezant import Client as OAuthClient

call_command("migrate", verbosity=0, run_syncdb=True)
Member = get_user_model()
ann = Member.objects.create_user("ann@example.com", "wonderland")
server().stores.clients.add(
    OAuthClient("spa", frozenset({"password", "refresh_token"}), ("a",), auth_method="none")
)

@require("a")
def plain(request):
    assert isinstance(request.user, Member)
    return HttpResponse(request.user.email)

@require("a")
async def awaited(request):
    return HttpResponse((await request.auser()).email)

urls.urlpatterns = [
    path("", include("django_bezant.urls")), path("plain", plain), path("awaited", awaited),
]
call_command("check")
FORM = "application/x-www-form-urlencoded"
form = urlencode({
    "grant_type": "password", "client_id": "spa", "username": "ann@example.com",
    "password": "wonderland",
})
async def apost():
    return await AsyncClient().post("/oauth/token", form, content_type=FORM)

for answer in Client().post("/oauth/token", form, content_type=FORM), asyncio.run(apost()):
    assert answer.status_code == 200, answer.content
    headers = {"authorization": "Bearer " + answer.json()["access_token"]}
    for place in "/plain", "/awaited":
        assert Client().get(place, headers=headers).content == b"ann@example.com"
        assert asyncio.run(AsyncClient().get(place, headers=headers)).content == b"ann@example.com"
print("done")
"""


@pytest.mark.parametrize("script", [BARE, SWAPPED], ids=["bare", "swapped-user-model"])
def test_project(script: str, tmp_path: Path) -> None:
    script = script.replace("FILE", repr(str(tmp_path / "database")))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={"PYTHONPATH": ":".join(sys.path)},
        timeout=120,
        check=False,
    )
    assert done.stdout.endswith("done\n"), done.stderr[-3000:]
