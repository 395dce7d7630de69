"""``request.user`` behind an access token."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from bezant import Principal
from django_bezant import conf

if TYPE_CHECKING:
    from django_bezant.backends import BearerBackend

__all__ = ["BearerUser", "attach", "user_of"]


class BearerUser:
    """Whom a token speaks for, where no table of users is asked.

    It has what Django asks of ``request.user``, out of the token alone.

    Args:
        principal: What the access token says; None for nobody.
    """

    is_active: bool = True
    is_staff: bool = False
    is_superuser: bool = False

    def __init__(self, principal: Principal | None) -> None:
        self.principal: Principal | None = principal
        self.pk: str | None = principal.subject if principal is not None else None
        self.id: str | None = self.pk
        self.username: str = self.pk or ""

    @property
    def is_authenticated(self) -> bool:
        return self.principal is not None

    @property
    def is_anonymous(self) -> bool:
        return self.principal is None

    def get_username(self) -> str:
        return self.username

    def get_all_permissions(self, obj: object = None) -> set[str]:
        """The token's permissions; none on single objects, of which it says nothing."""
        return set() if self.principal is None or obj is not None else {*self.principal.permissions}

    def has_perm(self, perm: str, obj: object = None) -> bool:
        return perm in self.get_all_permissions(obj)

    def has_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return self.get_all_permissions(obj).issuperset(perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return any(name.startswith(f"{app_label}.") for name in self.get_all_permissions())

    # The same for `async def` views, and what stands in front of them.

    async def aget_all_permissions(self, obj: object = None) -> set[str]:
        return self.get_all_permissions(obj)

    async def ahas_perm(self, perm: str, obj: object = None) -> bool:
        return self.has_perm(perm, obj)

    async def ahas_perms(self, perm_list: Iterable[str], obj: object = None) -> bool:
        return self.has_perms(perm_list, obj)

    async def ahas_module_perms(self, app_label: str) -> bool:
        return self.has_module_perms(app_label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BearerUser) and self.pk == other.pk

    def __hash__(self) -> int:
        return hash(self.pk)

    def __str__(self) -> str:
        return self.username


def attach(request: HttpRequest, principal: Principal) -> None:
    """Let ``request.user`` and ``request.auser`` be whom a token speaks for, whatever a session
    says. With `BearerBackend` the user is read from the database when it is first looked at.
    """
    backend = conf.site().backend
    if backend is None:
        user: Any = BearerUser(principal)
    else:
        user = SimpleLazyObject(partial(_found, backend, request, principal))
    request.user = user
    request.auser = partial(_awaited, user)


def user_of(request: HttpRequest, principal: Principal) -> Any:
    """The user of a token: from the database with `BearerBackend`, which has None for some."""
    backend = conf.site().backend
    return BearerUser(principal) if backend is None else backend.authenticate(request, principal)


async def _awaited(user: Any) -> Any:
    if isinstance(user, SimpleLazyObject):
        await sync_to_async(bool)(user)  # looks at it, where the ORM may be used
    return user


def _found(backend: BearerBackend, request: HttpRequest, principal: Principal) -> Any:
    from django.contrib.auth.models import AnonymousUser

    return backend.authenticate(request, principal) or AnonymousUser()
