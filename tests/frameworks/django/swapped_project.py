"""A project whose users are a model of its own; `tests.frameworks.django.test_accounts` runs it."""

from __future__ import annotations

import tempfile

import django
from django.conf import settings
from django.core.management import call_command

from tests.frameworks.django import project

PASSWORD = "correct horse battery staple"


def configure(directory: str) -> None:
    own = {
        "INSTALLED_APPS": [
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "tests.frameworks.django.swapped",
            "django_bezant",
        ],
        "AUTH_USER_MODEL": "swapped.Member",
        "MIDDLEWARE": [],
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": f"{directory}/members.sqlite3",
            }
        },
    }
    given = {name: getattr(project, name) for name in dir(project) if name.isupper()}
    settings.configure(**{**given, **own})
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)


def check() -> None:
    from django_bezant import accounts, conf
    from tests.frameworks.django.swapped.models import Member

    member = Member.objects.create_user("alice@example.com", PASSWORD)
    found = accounts.authenticate("alice@example.com", PASSWORD)
    assert found is not None
    assert found.subject == str(member.pk)
    assert (found.username, found.active) == ("alice@example.com", True)
    assert (found.roles, found.permissions) == ((), ())
    assert accounts.get_user(found.subject) == found
    for subject in (found.subject.upper(), found.subject.replace("-", ""), "7", ""):
        assert accounts.get_user(subject) is None
    assert accounts.usernames([found.subject, "7"]) == {found.subject: "alice@example.com"}
    assert accounts.subject_named("alice@example.com") == found.subject
    assert conf.server().login is not None
    print("fine")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        configure(directory)
        check()
