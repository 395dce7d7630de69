"""The authentication backend that finds the users of access tokens."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend
from django.http import HttpRequest

from bezant import Principal

__all__ = ["BearerBackend"]


class BearerBackend(BaseBackend):
    """Makes ``request.user`` the user in the database whom the token's subject names.

    Put it among ``AUTHENTICATION_BACKENDS``, beside those with which people sign in. To find users
    in another way, override `find` in a subclass.

    Permissions: a user found here has those in the token, beside those that other backends give.
    """

    def authenticate(
        self, request: HttpRequest | None, principal: Principal | None = None, **_: Any
    ) -> Any | None:
        """The user of a verified token; None for a client that acts for itself, and for users that
        are unknown or disabled.
        """
        if principal is None or principal.is_client:
            return None
        user = self.find(principal)
        if user is None or not getattr(user, "is_active", True):
            return None
        user.principal = principal
        return user

    def find(self, principal: Principal) -> Any | None:
        """The user whom a subject names: by primary key, as in tokens that Django issued."""
        from django_bezant.accounts import find

        return find(principal.subject)

    def get_user_permissions(self, user_obj: Any, obj: Any = None) -> set[str]:
        """The permissions in the token, for a user that came with one."""
        principal = getattr(user_obj, "principal", None)
        return set() if principal is None or obj is not None else set(principal.permissions)
