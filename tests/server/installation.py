"""A database with people and clients in it, and what they know."""

from __future__ import annotations

from typing import Final

from bezant.clients import Client, ClientSecret
from bezant_server.administration import Administration, administration
from bezant_server.settings import Settings

__all__ = ["API", "PASSWORD", "SECRET", "fill", "furnish"]

API: Final = "https://api.example.com"
PASSWORD: Final = "correct horse battery staple"
SECRET: Final = "a secret of the client web"

SCOPES: Final = ("items:read", "items:write")
GRANTS: Final = frozenset({"password", "refresh_token", "client_credentials"})


def fill(at: Administration) -> None:
    """Alice, an editor, and the client web."""
    at.directory.add_role("editor", ["items.delete"])
    hashed = at.new_password_hash(PASSWORD)
    at.directory.add_user("alice", password_hash=hashed, roles=["editor"])
    secrets = (ClientSecret.of(SECRET),)
    at.add_client(Client("web", GRANTS, SCOPES, (API,), secrets=secrets))


def furnish(settings: Settings) -> None:
    """The same, where no command is open."""
    with administration(settings, lambda _: None) as at:
        fill(at)
