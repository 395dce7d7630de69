"""Django's users as resource owners: whatever backends, groups and user models a project has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.backends import BaseBackend, ModelBackend
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import PermissionDenied
from django.db import OperationalError, connection
from django.test import RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext

from bezant import ConfigurationError
from bezant.errors import StoreUnavailable
from django_bezant import accounts
from tests.frameworks.django.project import BEZANT

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("db")

PASSWORD = "correct horse battery staple"


def a_user(name: str = "alice", **options: Any) -> Any:
    return get_user_model().objects.create_user(name, password=PASSWORD, **options)


def permission(name: str) -> Permission:
    label, codename = name.split(".")
    return Permission.objects.get(content_type__app_label=label, codename=codename)


class Throttle(BaseBackend):
    """Stands before all others, and says no to some."""

    seen: Any = None

    def authenticate(self, request: Any, username: str = "", password: str = "") -> None:
        Throttle.seen = request
        if username == "locked":
            raise PermissionDenied


class Directory(ModelBackend):
    """Knows permissions that are in no table."""

    def get_all_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        return {"directory.look"}


BACKENDS = [f"{__name__}.Throttle", "django.contrib.auth.backends.ModelBackend"]


@pytest.fixture
def failed() -> Iterator[list[dict[str, Any]]]:
    """What receivers of Django's signal are told."""
    told: list[dict[str, Any]] = []

    def receive(**kwargs: Any) -> None:
        told.append(kwargs)

    user_login_failed.connect(receive)
    yield told
    user_login_failed.disconnect(receive)


class TestAuthenticate:
    def test_the_right_password(self) -> None:
        alice = a_user()
        found = accounts.authenticate("alice", PASSWORD)
        assert found is not None
        assert (found.subject, found.username, found.active) == (str(alice.pk), "alice", True)

    @pytest.mark.parametrize(
        ("name", "password"), [("alice", "wrong"), ("nobody", PASSWORD), ("", "")]
    )
    def test_all_else(self, name: str, password: str, failed: list[dict[str, Any]]) -> None:
        a_user()
        assert accounts.authenticate(name, password) is None
        assert len(failed) == 1
        assert PASSWORD not in str(failed)

    def test_an_account_that_is_disabled(self) -> None:
        a_user(is_active=False)
        assert accounts.authenticate("alice", PASSWORD) is None

    def test_a_backend_that_lets_disabled_ones_in_leaves_it_to_core(self) -> None:
        a_user(is_active=False)
        backend = "django.contrib.auth.backends.AllowAllUsersModelBackend"
        with override_settings(AUTHENTICATION_BACKENDS=[backend]):
            found = accounts.authenticate("alice", PASSWORD)
        assert found is not None
        assert not found.active

    def test_a_backend_may_refuse_before_others_are_asked(
        self, failed: list[dict[str, Any]]
    ) -> None:
        a_user("locked")
        with override_settings(AUTHENTICATION_BACKENDS=BACKENDS):
            assert accounts.authenticate("locked", PASSWORD) is None
        assert len(failed) == 1

    def test_backends_see_the_request(self) -> None:
        a_user()
        request = RequestFactory().post("/oauth/token")
        with override_settings(AUTHENTICATION_BACKENDS=BACKENDS):
            with accounts.handling(request):
                assert accounts.authenticate("alice", PASSWORD)
            assert Throttle.seen is request
            accounts.authenticate("alice", PASSWORD)
            assert Throttle.seen is None

    def test_a_database_that_is_away(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*args: Any, **kwargs: Any) -> None:
            raise OperationalError(f"no answer for {PASSWORD}")

        monkeypatch.setattr(ModelBackend, "authenticate", away)
        with pytest.raises(StoreUnavailable) as caught:
            accounts.authenticate("alice", PASSWORD)
        assert PASSWORD not in str(caught.value)
        assert caught.value.__suppress_context__


class TestGetUser:
    def test_the_present_state(self) -> None:
        alice = a_user()
        get_user_model().objects.filter(pk=alice.pk).update(is_active=False)
        found = accounts.get_user(str(alice.pk))
        assert found is not None
        assert not found.active

    def test_none_but_the_exact_subject(self) -> None:
        alice = a_user()
        for subject in (f"0{alice.pk}", f" {alice.pk}", f"{alice.pk}.0", "x", "", "9" * 40, "-1"):
            assert accounts.get_user(subject) is None
            assert accounts.find(subject) is None

    def test_names_for_people(self) -> None:
        alice, bob = a_user(), a_user("bob")
        assert accounts.usernames([str(alice.pk), str(bob.pk), "99999", "machine"]) == {
            str(alice.pk): "alice",
            str(bob.pk): "bob",
        }
        assert accounts.subject_named("bob") == str(bob.pk)
        assert accounts.subject_named("nobody") is None


class TestRolesAndPermissions:
    @pytest.fixture
    def editor(self) -> Any:
        alice = a_user()
        for name, held in (("writers", "auth.add_group"), ("editors", "auth.change_group")):
            group = Group.objects.create(name=name)
            group.permissions.add(permission(held))
            alice.groups.add(group)
        alice.user_permissions.add(permission("auth.view_group"))
        return alice

    def test_groups_and_permissions(self, editor: Any) -> None:
        found = accounts.get_user(str(editor.pk))
        assert found is not None
        assert found.roles == ("editors", "writers")
        assert found.permissions == ("auth.add_group", "auth.change_group", "auth.view_group")

    def test_as_many_queries_for_many_groups_as_for_one(self, editor: Any) -> None:
        for number in range(20):
            group = Group.objects.create(name=f"group {number}")
            group.permissions.add(permission("auth.delete_group"))
            editor.groups.add(group)
        with CaptureQueriesContext(connection) as captured:
            accounts.get_user(str(editor.pk))
        assert len(captured) == 4  # the user, the groups, its permissions, theirs

    def test_an_account_that_is_disabled_may_nothing(self, editor: Any) -> None:
        editor.is_active = False
        assert accounts.user_of(editor).permissions == ()

    def test_a_superuser_may_all(self) -> None:
        root = get_user_model().objects.create_superuser("root", password=PASSWORD)
        assert "django_bezant.revoke_authorization" in accounts.user_of(root).permissions
        assert len(accounts.user_of(root).permissions) == Permission.objects.count()

    def test_what_other_backends_allow(self) -> None:
        with override_settings(AUTHENTICATION_BACKENDS=[f"{__name__}.Directory"]):
            assert accounts.user_of(a_user()).permissions == ("directory.look",)

    def test_tokens_may_carry_fewer(self, editor: Any) -> None:
        with override_settings(BEZANT={**BEZANT, "PERMISSIONS": ["auth.view_group", "sessions"]}):
            assert accounts.user_of(editor).permissions == ("auth.view_group",)
        with override_settings(BEZANT={**BEZANT, "PERMISSIONS": ["auth"]}):
            assert len(accounts.user_of(editor).permissions) == 3
        with (
            override_settings(BEZANT={**BEZANT, "PERMISSIONS": "auth"}),
            pytest.raises(ConfigurationError, match="PERMISSIONS"),
        ):
            accounts.user_of(editor)


def test_a_swapped_user_model() -> None:
    """A model of the project's own: UUIDs for keys, an address for a name, no permissions."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.frameworks.django.swapped_project"],
        capture_output=True,
        cwd=Path(__file__).parents[3],
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "fine\n"


def test_what_clients_may_learn_of_a_user() -> None:
    alice = a_user(first_name="Alice", last_name="Liddell", email="alice@example.com")
    assert accounts.user_of(alice).profile == {
        "preferred_username": "alice",
        "name": "Alice Liddell",
        "given_name": "Alice",
        "family_name": "Liddell",
        "email": "alice@example.com",
    }
    assert accounts.user_of(a_user("bob")).profile == {"preferred_username": "bob"}
