"""For tests of applications that `setup` was called for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from aiohttp import web

from aiohttp_bezant._bezant import BEZANT, Bezant
from bezant import Principal, Runtime

__all__ = ["as_principal"]


@contextmanager
def as_principal(bezant: Bezant | web.Application, principal: Principal | None) -> Iterator[None]:
    """Let all requests come from ``principal``, or from nobody, whatever they carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(app, Principal("alice", scopes=frozenset({"items:read"}))):
            assert (await client.get("/items")).status == 200

    Args:
        bezant: What `setup` returned, or the application that it was given.
        principal: Who asks.
    """

    async def authenticate(authorization: Sequence[str], runtime: Runtime) -> Principal | None:
        return principal

    guard = (bezant if isinstance(bezant, Bezant) else bezant[BEZANT]).guard
    with patch.object(guard, "authenticate_if_present", authenticate):
        yield
