"""Endpoints are data: an adapter loops over them, so a new one appears in every framework at
once.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeAlias

from bezant.http import Request, Response
from bezant.runtime import Runtime

__all__ = ["Endpoint", "Handler"]

Handler: TypeAlias = Callable[[Request, Runtime], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. An adapter sends it requests of every method; what it does not take is answered
    405 in core.
    """

    name: str
    """``token``, ``jwks``, ..."""
    methods: tuple[str, ...]
    """What it takes, for documentation."""
    path: str
    """Where it is, from the root of the application that serves the issuer's URL."""
    handler: Handler
    """Answers a request. It never raises: every error is an answer."""
    well_known: bool = False
    """Whether the path is one of ``/.well-known/``, which a prefix of the application must not move
    (RFC 8615)."""
    max_body: int = 0
    """Bytes of a body that it looks at. An adapter reads one more, so that the excess is seen."""
    summary: str = ""
    """One line for API documentation."""
