"""A server, two web applications and an API, for a browser: real ports, one process, one clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bezant import TokenVerifier
from bezant.secret_key import SecretKeyRing
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.demo.apis.fastapi import create as create_api
from bezant_server.demo.data import ALICE, APPLICATIONS, AUDIENCE, SCOPES, Person, fill
from bezant_server.demo.relying_party import create as create_application
from bezant_server.demo.run import DemoSettings
from bezant_server.demo.running import Running
from bezant_server.serving import listen, prepare
from tests.server.processes import CHEAP_HASHES

if TYPE_CHECKING:
    from playwright.sync_api import Page
    from starlette.types import ASGIApp

__all__ = ["Clock", "World", "sign_in", "tour", "world"]

HOST = "127.0.0.1"
CHEAP: dict[str, Any] = {
    name.removeprefix("BEZANT_").lower(): int(value) for name, value in CHEAP_HASHES.items()
}


class Clock:
    """The time, which can be put forward."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class World:
    """Where everything is."""

    issuer: str
    shop: str
    notes: str
    clock: Clock
    settings: DemoSettings

    def add_person(self, name: str) -> Person:
        """Somebody with an account."""
        person = Person(name, f"the password of {name}", "")
        with administration(self.settings, lambda _: None) as at:
            at.directory.add_user(
                name,
                name=name.capitalize(),
                password_hash=at.new_password_hash(person.password),
                email=f"{name}@example.com",
                email_verified=True,
            )
        return person


@contextmanager
def world(directory: Path, *, host: str = HOST, **settings: Any) -> Iterator[World]:
    """Everything, for as long as a block lasts.

    Args:
        directory: Where the database is.
        host: What browsers call this machine: cookies are one host's, whatever the port.
        settings: Other settings of the server.
    """
    with ExitStack() as stack:
        sockets = [stack.enter_context(listen(HOST, 0)) for _ in range(4)]
        issuer, shop, notes, api = (
            f"http://{host}:{listening.getsockname()[1]}" for listening in sockets
        )
        urls = {"Shop": shop, "Notes": notes}
        clock = Clock()
        made = DemoSettings(
            database_url=f"sqlite:///{directory / 'bezant.db'}",
            issuer=issuer,
            secret_key=SecretKeyRing.generate(),
            scopes=SCOPES,
            log_level="error",
            shutdown_timeout=1,
            **{**CHEAP, **settings},
        )
        ring = prepare(made, lambda _: None)
        with administration(made, lambda _: None) as at:
            fill(at, urls)
        # Nothing here revokes access tokens, so the API need not follow that.
        verifier = TokenVerifier.from_issuer(
            issuer, audience=AUDIENCE, revocation_bound=None, clock=clock
        )
        apps: list[ASGIApp] = [
            create_app(made, ring, clock=clock),
            *(
                create_application(
                    application,
                    issuer=issuer,
                    url=urls[application.name],
                    api=api,
                    links=urls,
                    clock=clock,
                )
                for application in APPLICATIONS
            ),
            create_api(verifier, f"{issuer}/oauth/token"),
        ]
        for app, listening in zip(apps, sockets, strict=True):
            stack.enter_context(Running(app, listening, made))
        yield World(issuer, shop, notes, clock, made)


def sign_in(page: Page, person: Person, password: str | None = None) -> None:
    """Fill in the form of the sign-in page, and send it."""
    page.get_by_label("User name").fill(person.name)
    page.get_by_label("Password").fill(person.password if password is None else password)
    page.get_by_role("button", name="Sign in", exact=True).click()


def tour(page: Page, where: World, who: Person = ALICE) -> Iterator[str]:
    """Go through all pages of a server that has a provider, as somebody who has not been here.
    Yields a name at each.
    """
    page.goto(where.issuer)
    yield "landing"
    page.goto(where.shop)
    yield "shop, signed out"
    page.get_by_role("link", name="Sign in", exact=True).click()
    yield "sign in"
    sign_in(page, who, "a wrong password")
    page.get_by_role("alert").wait_for()
    yield "sign in, refused"
    sign_in(page, who)
    page.wait_for_url(where.shop + "/")
    yield "shop"
    page.goto(where.shop + "/items")
    yield "shop, items"
    page.goto(where.notes + "/login")
    page.get_by_role("button", name="Allow").wait_for()
    yield "consent"
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(where.notes + "/")
    page.goto(where.shop + "/login?prompt=select_account")
    page.get_by_role("button", name=who.name).wait_for()
    yield "accounts"
    page.goto(where.shop + "/login?max_age=0")
    page.get_by_label("Password").wait_for()
    yield "sign in, again"
    for name in ("", "/password", "/providers", "/sessions", "/applications", "/activity"):
        page.goto(f"{where.issuer}/account{name}")
        page.get_by_role("navigation", name="Your account").wait_for()
        yield f"account{name}".replace("/", ", ")
    page.goto(where.issuer + "/account/password")
    page.get_by_label("Current password").fill("a wrong password")
    page.get_by_label("New password", exact=True).fill("another password")
    page.get_by_label("New password once more").fill("another password")
    page.get_by_role("button", name="Change password").click()
    page.get_by_role("alert").wait_for()
    yield "account, password, refused"
    page.goto(where.issuer + "/account")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("status").wait_for()
    yield "account, saved"
    page.goto(where.issuer + "/inspect")
    yield "inspect"
    page.get_by_label("Token").fill("eyJhbGciOiJub25lIn0.eyJpc3MiOiJub2JvZHkiLCJleHAiOjF9.")
    yield "inspect, token"
    page.get_by_label("Token").fill("this is none")
    yield "inspect, refused"
    page.goto(where.issuer + "/signout")
    yield "sign out"
    page.get_by_role("button", name="Sign out", exact=True).click()
    page.wait_for_url(where.issuer + "/signed-out")
    yield "signed out"
    page.goto(where.issuer + "/login?lang=zh-Hans")
    yield "sign in, Chinese"
    page.goto(where.issuer + "/login?lang=en")
    page.goto(where.issuer + "/oauth/authorize?client_id=nobody")
    yield "error"
    page.goto(where.issuer + "/login?interaction=none")
    yield "error, gone"
    page.goto(where.issuer + "/nowhere")
    yield "error, not found"
