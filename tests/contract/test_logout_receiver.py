"""Being told of logouts elsewhere (OpenID Connect Back-Channel Logout, a client's side)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from bezant import Client, ConfigurationError
from bezant.interactions import InteractionConfig
from bezant.logout_receiver import LogoutReceiver
from bezant.runtime import SYNC, run_sync
from bezant.stores import LogoutNotice
from bezant.testing import TokenFactory
from tests.api import Api, is_not_stored, refusal
from tests.harness import HARNESSES, load
from tests.world import ISSUER, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Response
    from tests.world import World

    Made = Callable[[Any], "Shop"]

PLACE = "/backchannel-logout"


@pytest.fixture
def issuer() -> Iterator[World]:
    """Where people sign in, and out."""
    pages = InteractionConfig(login_url="/login", consent_url="/consent", sign_in=lambda _: None)
    world = make_world(server={"interaction": pages})
    run_sync(world.server.prepare(SYNC))
    yield world
    world.server.close()


class Shop:
    """A client of that issuer, in some framework."""

    def __init__(self, issuer: World, framework: str, on_logout: Any) -> None:
        self._issuer = issuer
        receiver = LogoutReceiver(
            ISSUER, "shop", keys=issuer.server.keys, on_logout=on_logout, clock=issuer.clock
        )
        self.api = Api(load(framework)(TokenFactory().verifier(), receiver))

    def token(self, client_id: str = "shop") -> str:
        client = Client(
            client_id,
            frozenset({"authorization_code"}),
            auth_method="none",
            redirect_uris=("https://shop.example.com/callback",),
            id_token_signed_response_alg="EdDSA",
        )
        now = self._issuer.clock()
        notice = LogoutNotice("1", client_id, "user-alice", "a-sign-in", created_at=now)
        return self._issuer.server.logouts.notices.logout_token(client, notice)

    def tell(self, token: str) -> Response:
        return self.api.post(PLACE, [("logout_token", token)])


@pytest.fixture
def make(issuer: World, framework: str) -> Iterator[Made]:
    """Makes the client, given what it does when it is told."""
    made = []

    def make(on_logout: Any) -> Shop:
        made.append(Shop(issuer, framework, on_logout))
        return made[-1]

    yield make
    for shop in made:
        shop.api.app.close()


def test_s10_who_is_to_be_signed_out(make: Made) -> None:
    told: list[Any] = []
    shop = make(lambda *who: told.append(who))
    answer = shop.tell(shop.token())
    assert (answer.status, answer.body) == (200, b"")
    assert is_not_stored(answer)
    assert told == [("user-alice", "a-sign-in")]


def test_s10_what_is_no_logout_token_for_it(make: Made) -> None:
    told: list[Any] = []
    shop = make(lambda *who: told.append(who))
    again = shop.token()
    shop.tell(again)
    for token in (again, shop.token("another"), shop.token()[:-9] + "AAAAAAAAA", "x", ""):
        assert refusal(shop.tell(token)) == (400, "invalid_request")
    assert len(told) == 1


def test_only_by_post(make: Made) -> None:
    answer = make(lambda *_: None).api.get(PLACE)
    assert answer.status == 405
    assert answer.header("allow") == "POST"


def test_an_application_that_cannot_end_a_session_says_so(make: Made) -> None:
    def on_logout(*_: Any) -> None:
        raise RuntimeError("the sessions are away")

    shop = make(on_logout)
    assert refusal(shop.tell(shop.token())) == (500, "server_error")


def test_what_awaits(make: Made, framework: str) -> None:
    told: list[Any] = []

    async def on_logout(*who: Any) -> None:
        await asyncio.sleep(0)
        told.append(who)

    if "async-def" not in HARNESSES[framework].stores and framework != "django_wsgi":
        with pytest.raises(ConfigurationError, match=r"on_logout.*'async def'"):
            make(on_logout)
        return
    shop = make(on_logout)
    assert shop.tell(shop.token()).status == 200
    assert told == [("user-alice", "a-sign-in")]
