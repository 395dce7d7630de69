"""Who is in the demo. All of it is thrown away with the demo's database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bezant.clients import Client, ClientSecret

if TYPE_CHECKING:
    from bezant_server.administration import Administration

__all__ = [
    "ALICE",
    "APPLICATIONS",
    "AUDIENCE",
    "BOB",
    "CAROL",
    "DOCS_CLIENT",
    "KIOSK",
    "ROBOT",
    "SCOPES",
    "WEB",
    "Application",
    "Person",
    "fill",
]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a name and a password: a user, or a client with its secret."""

    name: str
    password: str
    about: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Application:
    """A web application that people sign in to by the server."""

    name: str
    client_id: str
    secret: str
    api: str
    """The framework of the API that it calls."""
    first_party: bool
    """Whether it belongs to whoever runs the server."""
    about: str


ALICE: Final = Person("alice", "alice-in-wonderland", "may read, write and delete", ("editor",))
BOB: Final = Person("bob", "bob-the-builder", "may read and write", ("viewer",))
WEB: Final = Person("web", "web-demo-secret", "signs users in, refreshes")
ROBOT: Final = Person("robot", "robot-demo-secret", "acts for itself, no user")
DOCS_CLIENT: Final = "docs"
CAROL: Final = Person("carol", "carol-of-the-bells", "has her account at the Flask API's issuer")
KIOSK: Final = "kiosk"
AUDIENCE: Final = "https://items.example.com"
"""What all four APIs are called in tokens."""

APPLICATIONS: Final = (
    Application("Shop", "shop", "shop-demo-secret", "FastAPI", True, "ours: people are not asked"),
    Application(
        "Notes", "notes", "notes-demo-secret", "Flask", False, "not ours: people are asked"
    ),
)

ROLES: Final = {"editor": ("items.delete",), "viewer": ()}
SCOPES: Final = {"items:read": "See the items", "items:write": "Change the items"}


def fill(at: Administration, applications: Mapping[str, str]) -> None:
    """Put everybody into an empty database.

    Args:
        at: The database.
        applications: Where the web applications are, by name.
    """
    for role, permissions in ROLES.items():
        at.directory.add_role(role, permissions)
    for user in (ALICE, BOB):
        hashed = at.new_password_hash(user.password)
        at.directory.add_user(
            user.name,
            password_hash=hashed,
            name=user.name.capitalize(),
            email=f"{user.name}@example.com",
            email_verified=True,
            roles=user.roles,
        )
    scopes = tuple(SCOPES)
    signs_in = frozenset({"password", "refresh_token"})
    for client in (
        Client(
            WEB.name,
            grants=signs_in,
            scopes=scopes,
            audience=(AUDIENCE,),
            secrets=(ClientSecret.of(WEB.password),),
        ),
        Client(
            ROBOT.name,
            grants=frozenset({"client_credentials"}),
            scopes=("items:read",),
            audience=(AUDIENCE,),
            secrets=(ClientSecret.of(ROBOT.password),),
        ),
        Client(
            DOCS_CLIENT, grants=signs_in, scopes=scopes, audience=(AUDIENCE,), auth_method="none"
        ),
        *(_client(application, applications[application.name]) for application in APPLICATIONS),
    ):
        at.add_client(client)


def _client(application: Application, url: str) -> Client:
    return Client(
        application.client_id,
        name=application.name,
        grants=frozenset({"authorization_code"}),
        scopes=("openid", "profile", "email", "items:read"),
        audience=(AUDIENCE,),
        secrets=(ClientSecret.of(application.secret),),
        first_party=application.first_party,
        redirect_uris=(f"{url}/callback",),
        post_logout_redirect_uris=(f"{url}/signed-out",),
        backchannel_logout_uri=f"{url}/backchannel-logout",
    )
