"""Token endpoints which Bezant's is measured against: how each is found, started, and seeded.

A peer that cannot be had raises `Missing` with the reason, and the report names it among those
left out; nothing ever stands in for it.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from bench.load import HOST
from bench.servers import StartError

AUDIENCE = "https://api.example.com"
SCOPE = "items:read"
CLIENT = "web"
SECRET = "bench-secret-0123456789-0123456789"
USERS = tuple(f"user{number}" for number in range(8))
PASSWORD = "correct horse battery staple"


class Missing(Exception):
    """The peer is not installed, or does not start here; the message says why."""


@dataclass
class TokenServer:
    """A running token endpoint, ready to be put under load."""

    port: int
    path: str
    headers: Mapping[str, str]
    """What authenticates the client."""

    fields: Mapping[str, str] = field(default_factory=lambda: {"scope": SCOPE})
    """Form fields beside the grant's own."""

    refresh_tokens: list[str] = field(default_factory=list)
    """Unused refresh tokens, each the head of a chain of its own."""

    service_headers: Mapping[str, str] | None = None
    """What authenticates the client of client_credentials, where that has to be another one."""

    password: bool = True
    """Whether it has the password grant, for `USERS` with `PASSWORD`."""

    def take_refresh_tokens(self, number: int) -> list[str]:
        """Fresh chains: from those the server was started with, or by logging in."""
        while self.password and len(self.refresh_tokens) < number:
            user = USERS[len(self.refresh_tokens) % len(USERS)]
            grant = {
                "grant_type": "password",
                "username": user,
                "password": PASSWORD,
                **self.fields,
            }
            self.refresh_tokens.append(self.ask(grant)["refresh_token"])
        taken, self.refresh_tokens = self.refresh_tokens[:number], self.refresh_tokens[number:]
        return taken

    def ask(self, fields: Mapping[str, str], *, service: bool = False) -> dict[str, Any]:
        """One token request; anything but success is an error of the set-up."""
        client = (service and self.service_headers) or self.headers
        headers = {**client, "Content-Type": "application/x-www-form-urlencoded"}
        status, body = exchange(self.port, "POST", self.path, urlencode(fields), headers)
        if status != 200:
            raise RuntimeError(f"{self.path} answered {status}: {body[:300]}")
        answer: dict[str, Any] = json.loads(body)
        return answer


@dataclass(frozen=True)
class Peer:
    """A token endpoint to compare with."""

    name: str
    durability: str
    start: Callable[[contextlib.ExitStack, Path, int], TokenServer]
    """Start it in a directory, ready for so many chains; the stack ends it. May raise `Missing`."""


def exchange(
    port: int, method: str, path: str, body: str, headers: Mapping[str, str]
) -> tuple[int, str]:
    """One request on a connection of its own; raises `StartError` when nothing answers."""
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=30)) as connection:
        try:
            connection.request(method, path, body, dict(headers))
            response = connection.getresponse()
            return response.status, response.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise StartError(f"it listened, but did not answer {method} {path}: {error}") from error


def need(*modules: str) -> None:
    """Raise `Missing` unless the modules can be imported."""
    absent = [module for module in modules if importlib.util.find_spec(module) is None]
    if absent:
        raise Missing(f"not installed: {', '.join(absent)}")


def all_peers() -> Sequence[Peer]:
    """In the order of the report."""
    from bench.peers import glewlwyd, oidc_provider, wsgi

    return (*oidc_provider.PEERS, glewlwyd.PEER, *wsgi.PEERS)
