"""A server that has clients to tell of logouts, and what it sends them."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bezant import Client
from bezant.http import Response
from bezant.interactions import InteractionConfig
from bezant.stores import LogoutNotice
from tests.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Callable

    from bezant.fetch import Fetch
    from bezant.sign_in import SignInCallable

TOLD = "https://shop.example.com/backchannel-logout"


@dataclass
class Post:
    """Takes what is sent (`bezant.fetch.Fetch`)."""

    sent: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    status: int = 200
    arrived: threading.Event = field(default_factory=threading.Event)

    def __call__(self, method: str, url: str, **_: Any) -> Response:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self.threads.append(threading.current_thread().name)
        else:
            self.threads.append("an event loop is blocked")
        self.sent.append(f"{method} {url}")
        self.arrived.set()
        return Response(self.status, (), b"")

    def arrives(self) -> bool:
        """Wait for something, at most ten seconds."""
        found = self.arrived.wait(10)
        self.arrived.clear()
        return found


def sending_world(
    post: Fetch,
    wrap: Callable[[str, Any], Any] = lambda _, store: store,
    sign_in: SignInCallable = lambda _: None,
) -> World:
    """A server with the client ``shop``, which wants to be told."""
    shop = Client(
        "shop",
        frozenset({"authorization_code"}),
        auth_method="none",
        redirect_uris=("https://shop.example.com/callback",),
        backchannel_logout_uri=TOLD,
        id_token_signed_response_alg="EdDSA",
    )
    pages = InteractionConfig(
        login_url="/login", consent_url="/consent", logout_url="/out", sign_in=sign_in
    )
    return make_world(
        wrap=wrap,
        more_clients=[shop],
        server={"interaction": pages, "fetch": post},
        issuer="https://api.example.com",
    )


ASK = {
    "client_id": "shop",
    "redirect_uri": "https://shop.example.com/callback",
    "response_type": "code",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}
"""An authorization request of the shop."""


def queue(world: World, *names: str) -> None:
    """Sign-ins have ended, which the client is to be told."""
    now = world.clock()
    world.stores.logouts.add(
        [LogoutNotice(name, "shop", "1", name, created_at=now, due_at=now) for name in names]
    )
