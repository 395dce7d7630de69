"""For tests of applications that use `Bezant`."""

from __future__ import annotations

from contextlib import AbstractContextManager

from flask import Flask

from bezant import Principal
from bezant.testing import acting_as
from flask_bezant._state import state_of

__all__ = ["as_principal"]


def as_principal(app: Flask, principal: Principal | None) -> AbstractContextManager[None]:
    """Let all requests to an application come from ``principal``, or from nobody, whatever they
    carry.

    Scopes, permissions and roles are still demanded of it.

    Example::

        with as_principal(app, Principal("alice", scopes=frozenset({"items:read"}))):
            assert app.test_client().get("/items").status_code == 200
    """
    return acting_as(state_of(app).guard, principal)
