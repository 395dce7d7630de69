"""For tests of projects that use Bezant."""

from __future__ import annotations

from contextlib import AbstractContextManager

from bezant import Principal
from bezant.testing import acting_as
from django_bezant import conf

__all__ = ["as_principal"]


def as_principal(principal: Principal | None) -> AbstractContextManager[None]:
    """Let all requests come from ``principal``, or from nobody, whatever they carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(Principal("1", scopes=frozenset({"items:read"}))):
            assert client.get("/items").status_code == 200
    """
    return acting_as(conf.site().guard, principal)
