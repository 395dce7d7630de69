"""For tests of applications that `setup` was called for."""

from __future__ import annotations

from contextlib import AbstractContextManager

from aiohttp import web

from aiohttp_bezant._bezant import BEZANT, Bezant
from bezant import Principal
from bezant.testing import acting_as

__all__ = ["as_principal"]


def as_principal(
    bezant: Bezant | web.Application, principal: Principal | None
) -> AbstractContextManager[None]:
    """Let all requests come from ``principal``, or from nobody, whatever they carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(app, Principal("alice", scopes=frozenset({"items:read"}))):
            assert (await client.get("/items")).status == 200

    Args:
        bezant: What `setup` returned, or the application that it was given.
        principal: Who asks.
    """
    return acting_as((bezant if isinstance(bezant, Bezant) else bezant[BEZANT]).guard, principal)
