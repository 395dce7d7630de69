"""The code of the page about djangorestframework-simplejwt, with tokens that it makes itself."""

from __future__ import annotations

import runpy
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.frameworks.django.project import configure

configure()

from django.conf import settings  # noqa: E402 (settings come first)
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password  # noqa: E402
from django.contrib.auth.models import Permission, User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import transaction  # noqa: E402
from django.test import Client as Http  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.utils.module_loading import import_string  # noqa: E402
from rest_framework.views import APIView  # noqa: E402
from rest_framework_simplejwt.tokens import RefreshToken, SlidingToken  # noqa: E402

from bezant import Client  # noqa: E402
from bezant import User as Owner  # noqa: E402
from bezant.runtime import SYNC, run_sync  # noqa: E402
from bezant.stores.memory import MemoryUserStore  # noqa: E402
from django_bezant import conf  # noqa: E402
from django_bezant.stores import django_stores  # noqa: E402
from tests.api import Api  # noqa: E402
from tests.frameworks.django.web import urlconf  # noqa: E402
from tests.harness.bare import App  # noqa: E402
from tests.world import SECRET_KEY, make_world  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

SNIPPETS = Path(__file__).parents[2] / "docs" / "snippets"
PASSWORD = "wonderland"


def snippet(name: str) -> dict[str, Any]:
    return runpy.run_path(str(SNIPPETS / f"simplejwt_{name}.py"))


class Project:
    """The project of the page, with alice, who signed in before."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        monkeypatch.setenv("BEZANT_SECRET_KEY", SECRET_KEY)
        tokens: Any = ModuleType("shop.tokens")
        monkeypatch.setitem(sys.modules, "shop", ModuleType("shop"))
        monkeypatch.setitem(sys.modules, "shop.tokens", tokens)
        tokens.legacy = snippet("tokens")["legacy"]
        self.alice = User.objects.create_user("alice", password=PASSWORD)
        self.alice.user_permissions.add(Permission.objects.get(codename="add_user"))
        self.old = RefreshToken.for_user(self.alice)
        grants = frozenset({"password", "refresh_token"})
        scopes = ("items:read", "items:write")
        django_stores().clients.add(Client("web", grants, scopes, auth_method="none"))
        self.http = Http()

    def settings(self, ends: timedelta = timedelta(days=30)) -> Any:
        """The page's settings and routes, with the end of the cut-over so long from now."""
        end = datetime.now(UTC) + ends
        self._monkeypatch.setenv("CUT_OVER_ENDS", end.isoformat())
        said = snippet("settings")
        assert set(said["INSTALLED_APPS"]) <= {*settings.INSTALLED_APPS, "rest_framework"}
        # REST framework reads its setting once, when it is imported.
        classes = map(import_string, said["REST_FRAMEWORK"]["DEFAULT_AUTHENTICATION_CLASSES"])
        self._monkeypatch.setattr(APIView, "authentication_classes", tuple(classes))
        urls = urlconf(*snippet("urls")["urlpatterns"])
        return override_settings(
            BEZANT=said["BEZANT"],
            AUTHENTICATION_BACKENDS=said["AUTHENTICATION_BACKENDS"],
            ROOT_URLCONF=urls,
        )

    def items(self, token: object) -> Any:
        return self.http.get("/items", headers={"authorization": f"Bearer {token}"})

    def renew(self, refresh: object) -> Any:
        return self.http.post("/api/token/refresh/", {"refresh": str(refresh)})

    def sign_in(self) -> Any:
        form = urlencode(
            {
                "grant_type": "password",
                "client_id": "web",
                "username": "alice",
                "password": PASSWORD,
            }
        )
        answer = self.http.post("/oauth/token", form, "application/x-www-form-urlencoded")
        assert answer.status_code == 200, answer.content
        return answer.json()


@pytest.fixture
def project(monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    call_command("migrate", verbosity=0)
    with transaction.atomic():
        yield Project(monkeypatch)
        transaction.set_rollback(True)


def is_refused(answer: Any) -> bool:
    challenge: str = answer.headers["www-authenticate"]
    return answer.status_code == 401 and 'error="invalid_token"' in challenge


def test_the_cut_over(project: Project) -> None:
    with project.settings():
        # Old sessions go on, and their refresh tokens open nothing.
        assert project.items(project.old.access_token).json() == ["items for alice"]
        assert project.items(project.renew(project.old).json()["access"]).status_code == 200
        for token in (project.old, SlidingToken.for_user(project.alice)):
            assert is_refused(project.items(token))
        # New ones begin, with the same passwords.
        new = project.sign_in()
        assert project.items(new["access_token"]).json() == ["items for alice"]
        for token in (new["access_token"], new["refresh_token"]):
            assert project.renew(token).status_code == 401
        # Disabled, revoked.
        User.objects.update(is_active=False)
        assert is_refused(project.items(project.old.access_token))
        User.objects.update(is_active=True)
        assert project.items(project.old.access_token).status_code == 200
        revocations = conf.server().revocations
        run_sync(revocations.revoke(SYNC, "subject", str(project.alice.pk)))
        assert is_refused(project.items(project.old.access_token))

    with project.settings(ends=timedelta(seconds=-1)):
        # When it is over, new tokens are good, and no old one is.
        assert is_refused(project.items(RefreshToken.for_user(project.alice).access_token))
        assert project.items(project.sign_in()["access_token"]).status_code == 200


def test_an_old_token_is_worth_what_the_database_says(project: Project) -> None:
    with project.settings():
        legacy = snippet("tokens")["legacy"]()
        who = legacy.verify(str(project.old.access_token), datetime.now(UTC).timestamp())
        assert (who.subject, who.permissions) == (str(project.alice.pk), frozenset())
        admitted = legacy.admit(who)
    assert admitted.scopes == {"items:read", "items:write"}
    assert admitted.permissions == {"auth.add_user"}


@pytest.mark.parametrize("hasher", ["pbkdf2_sha256", "pbkdf2_sha1", "scrypt", "bcrypt_sha256"])
def test_hashes_of_django_are_brought_up_to_date_where_accounts_move(
    monkeypatch: pytest.MonkeyPatch, hasher: str
) -> None:
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", 1000)
    names = ("PBKDF2", "PBKDF2SHA1", "Scrypt", "BCryptSHA256")
    hashers = [f"django.contrib.auth.hashers.{name}PasswordHasher" for name in names]
    with override_settings(PASSWORD_HASHERS=hashers):
        hashed = make_password(PASSWORD, hasher=hasher)
    users = MemoryUserStore([Owner("7", "alice", hashed)])
    world = make_world(server={"users": users})
    api = Api(App(world.server))
    assert api.login(password="wrong").status == 400
    assert api.login(password=PASSWORD).status == 200
    moved = users.get("7")
    assert moved is not None
    assert moved.password_hash != hashed
    assert not world.server.hasher.needs_rehash(moved.password_hash or "")
    assert api.login(password=PASSWORD).status == 200
    world.server.close()
