"""Django's users as resource owners, and the other way round.

A user's primary key is the subject, groups are roles, and permissions are named as Django names
them: ``app_label.codename``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from django.conf import settings
from django.contrib import auth
from django.core.exceptions import ObjectDoesNotExist, ValidationError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from bezant import ConfigurationError, User
from django_bezant.stores.database import translating

__all__ = [
    "authenticate",
    "find",
    "get_user",
    "handling",
    "subject_named",
    "user_of",
    "usernames",
]

_request: Final[ContextVar[HttpRequest | None]] = ContextVar("django_bezant.request", default=None)


@contextmanager
def handling(request: HttpRequest) -> Iterator[None]:
    """Give authentication backends the request while a token is asked for.

    Args:
        request: The request to the token endpoint.
    """
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


@sensitive_variables("password")
def authenticate(username: str, password: str) -> User | None:
    """Check a name and a password with the project's authentication backends.

    All of them are asked as by Django's own login, so throttles, directories and further factors
    keep their say: a backend that raises `PermissionDenied` ends it.

    Args:
        username: As typed.
        password: As typed.

    Raises:
        StoreUnavailable: The database cannot answer.
    """
    with translating():
        user = auth.authenticate(_request.get(), username=username, password=password)
        return None if user is None else user_of(user)


def get_user(subject: str) -> User | None:
    """The user with a subject, as of now; None when there is none any more.

    Raises:
        StoreUnavailable: The database cannot answer.
    """
    with translating():
        user = find(subject)
        return None if user is None else user_of(user)


def find(subject: str) -> Any | None:
    """The Django user that a subject names, active or not; one query.

    Args:
        subject: Compared exactly: ``7`` is a user, ``07`` is none.
    """
    try:
        user = auth.get_user_model()._default_manager.get(pk=subject)  # noqa: SLF001 (its name)
    except (ObjectDoesNotExist, ValueError, ValidationError):  # no primary key looks like that
        return None
    return user if str(user.pk) == subject else None


def user_of(user: Any) -> User:
    """A Django user as core sees it, with roles and permissions for tokens.

    Three queries: groups, the user's permissions, those of the groups. Backends that know more
    permissions are asked, too.

    Args:
        user: An instance of the project's user model. One without groups or permissions has none.
    """
    groups = getattr(user, "groups", None)
    roles = groups.order_by("name").values_list("name", flat=True) if groups is not None else ()
    known = getattr(user, "get_all_permissions", None)
    return User(
        subject=str(user.pk),
        username=user.get_username(),
        active=getattr(user, "is_active", True),
        roles=tuple(roles),
        permissions=tuple(sorted(_carried(known()))) if known is not None else (),
        profile=_profile(user),
    )


def _profile(user: Any) -> dict[str, str]:
    """What clients may learn that were given the scopes ``profile`` and ``email``. Django does not
    know whether an address was verified, so nothing is said about it.
    """
    full_name = getattr(user, "get_full_name", None)
    known = {
        "preferred_username": user.get_username(),
        "name": full_name() if full_name is not None else "",
        "given_name": getattr(user, "first_name", ""),
        "family_name": getattr(user, "last_name", ""),
        "email": getattr(user, getattr(user, "EMAIL_FIELD", "email"), ""),
    }
    return {name: value for name, value in known.items() if value}


def _carried(permissions: Iterable[str]) -> Iterable[str]:
    """Those that tokens carry: a superuser has more than fit into one."""
    chosen = getattr(settings, "BEZANT", {}).get("PERMISSIONS")
    if chosen is None:
        return permissions
    if isinstance(chosen, str):
        raise ConfigurationError("BEZANT['PERMISSIONS']", "give a list of names, not one string")
    names = frozenset(chosen)
    return [name for name in permissions if name in names or name.partition(".")[0] in names]


def usernames(subjects: Iterable[str]) -> dict[str, str]:
    """The login names of subjects, for people; one query.

    Args:
        subjects: Those that name no user are left out.
    """
    model = auth.get_user_model()
    keys = {_key(model, subject) for subject in subjects} - {None}
    users = model._default_manager.filter(pk__in=keys)  # noqa: SLF001 (Django's own name for it)
    return {str(user.pk): user.get_username() for user in users}


def subject_named(username: str) -> str | None:
    """The subject of the user with a login name; None when there is none."""
    model = auth.get_user_model()
    named: dict[str, Any] = {str(model.USERNAME_FIELD): username}
    user = model._default_manager.filter(**named).first()  # noqa: SLF001 (as above)
    return None if user is None else str(user.pk)


def _key(model: Any, subject: str) -> Any | None:
    """The primary key that a subject stands for, if any can."""
    try:
        return model._meta.pk.to_python(subject)  # noqa: SLF001 (as above)
    except ValidationError:
        return None
