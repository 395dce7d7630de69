"""One behaviour suite, many frameworks.

A harness is one module with a class `App`: it builds an application of its framework that serves an
authorization server's endpoints and `ROUTES`, or `ROUTES` alone for the tokens of a verifier, with
the endpoint of a receiver of logouts if it is given one, and sends it requests. A new framework is
one such module and one line in `HARNESSES`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from inspect import ismethod
from typing import TYPE_CHECKING, Any, Final, Protocol

from bezant import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bezant import AuthorizationServer, Principal, Verifier
    from bezant.http import Request, Response
    from bezant.logout_receiver import LogoutReceiver
    from tests.harness.at_once import Answered, Asked, Told


class App(Protocol):
    """An application of some framework, and a client for it."""

    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None: ...

    def send(self, path: str, request: Request, /) -> Response:
        """What the application answers. Header names are in lower case."""

    def send_all(self, requests: Asked, /, told: Told = ...) -> Answered:
        """What it answers to requests that are made at once, and when; each answer is told as it
        comes.
        """

    def close(self) -> None: ...


# ---- what every application protects ---------------------------------------------------------


@dataclass(frozen=True)
class Route:
    """A resource, as ``require`` is told of it. ``optional``: nobody may ask, too."""

    scopes: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    optional: bool = False

    @property
    def requirement(self) -> Requirement:
        return Requirement(*self.scopes, **self.options)


ROUTES: Final[Mapping[str, Route]] = {
    "/whoami": Route(),
    "/read": Route(("items:read",)),
    "/write": Route(("items:read", "items:write")),
    "/either": Route(options={"any_of": ["items:write", "reports"]}),
    "/delete": Route(("items:write",), {"permission": ["items.delete", "items.publish"]}),
    "/edit": Route(options={"role": "editor"}),
    "/recent": Route(options={"fresh": 60}),
    "/public": Route(optional=True),
}


def show(principal: Principal | None) -> bytes:
    """The body that every route answers with, as JSON: what the application knows of the caller."""
    if principal is None:
        return b"null"
    document = {
        "subject": principal.subject,
        "client_id": principal.client_id,
        "scopes": sorted(principal.scopes),
        "roles": sorted(principal.roles),
        "permissions": sorted(principal.permissions),
        "is_client": principal.is_client,
    }
    return json.dumps(document).encode()


# ---- stores of either kind -------------------------------------------------------------------


class Blocking:
    """A store whose plain methods may block."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not ismethod(member):
            return member

        def method(*args: Any, **kwargs: Any) -> Any:
            return member(*args, **kwargs)

        return method


class Awaited(Blocking):
    """A store whose methods are ``async def`` and do wait."""

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not ismethod(member):
            return member

        async def method(*args: Any, **kwargs: Any) -> Any:
            await asyncio.sleep(0)
            return member(*args, **kwargs)

        return method


# ---- the registry ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Harness:
    """How to run the suite in one framework."""

    needs: str
    """The module that must be importable."""
    stores: Mapping[str, Callable[[Any], Any]]
    """The kinds of stores to run with."""


HARNESSES: Final[Mapping[str, Harness]] = {
    "bare": Harness("bezant", {"": lambda store: store}),
    "fastapi": Harness("fastapi_bezant", {"def": Blocking, "async-def": Awaited}),
    "aiohttp": Harness("aiohttp_bezant", {"def": Blocking, "async-def": Awaited}),
    "flask": Harness("flask_bezant", {"def": Blocking}),
    "django_wsgi": Harness("django_bezant", {"def": Blocking}),
    "django_asgi": Harness("django_bezant", {"def": Blocking, "async-def": Awaited}),
}


def available(name: str) -> bool:
    return find_spec(HARNESSES[name].needs) is not None


def load(name: str) -> type[App]:
    """The `App` of a harness."""
    return import_module(f"tests.harness.{name}").App
