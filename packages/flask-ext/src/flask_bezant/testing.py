"""For tests of applications that use `Bezant`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest.mock import patch

from flask import Flask

from bezant import Principal
from bezant.runtime import Runtime
from flask_bezant._state import state_of

__all__ = ["as_principal"]


@contextmanager
def as_principal(app: Flask, principal: Principal | None) -> Iterator[None]:
    """Let all requests to an application come from ``principal``, or from nobody, whatever they
    carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(app, Principal("alice", scopes=frozenset({"items:read"}))):
            assert app.test_client().get("/items").status_code == 200
    """

    async def authenticate(authorization: Sequence[str], runtime: Runtime) -> Principal | None:
        return principal

    with patch.object(state_of(app).guard, "authenticate_if_present", authenticate):
        yield
