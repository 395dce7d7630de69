"""For tests of applications that use `Bezant`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from starlette.types import Scope

from bezant import Principal
from fastapi_bezant._bezant import Bezant

__all__ = ["as_principal"]


@contextmanager
def as_principal(bezant: Bezant, principal: Principal | None) -> Iterator[None]:
    """Let all requests come from ``principal``, or from nobody, whatever they carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(bezant, Principal("alice", scopes=frozenset({"items:read"}))):
            assert client.get("/items").status_code == 200
    """

    async def authenticate(scope: Scope) -> Principal | None:
        return principal

    with patch.object(bezant, "authenticate", authenticate):
        yield
