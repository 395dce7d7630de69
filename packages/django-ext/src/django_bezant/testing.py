"""For tests of projects that use Bezant."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from bezant import Principal
from django_bezant import conf

__all__ = ["as_principal"]


@contextmanager
def as_principal(principal: Principal | None) -> Iterator[None]:
    """Let all requests come from ``principal``, or from nobody, whatever they carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(Principal("1", scopes=frozenset({"items:read"}))):
            assert client.get("/items").status_code == 200
    """

    async def authenticate(*_: Any) -> Principal | None:
        return principal

    with patch.object(conf.site().guard, "authenticate_if_present", authenticate):
        yield
