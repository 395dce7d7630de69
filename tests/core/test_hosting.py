"""What an application's pages call, bound to a framework that is none."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from bezant import AuthorizationServer, ConfigurationError, ServerConfig
from bezant.errors import InvalidGrant, StoreUnavailable, TooManyAttempts
from bezant.hosting import AsyncInteractions, AsyncLogouts, SyncInteractions, SyncLogouts
from bezant.http import Request
from bezant.runtime import SYNC, run_sync
from bezant.sign_in import SignIn
from bezant.stores.memory import MemoryStores
from tests.sending import ASK, Post, sending_world
from tests.world import PASSWORD, SECRET_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Response
    from tests.world import World

HERE = "https://api.example.com"


class Faces:
    """Both kinds, called alike."""

    def __init__(self, world: World, *, awaited: bool) -> None:
        def server() -> AuthorizationServer:
            return world.server

        def drive(flow: Any) -> Any:
            return run_sync(flow(SYNC))

        self.interactions: Any
        self.logouts: Any
        if awaited:
            self.interactions = AsyncInteractions(server, SYNC, lambda answer: answer)
            self.logouts = AsyncLogouts(server, SYNC, lambda answer: answer)
        else:
            self.interactions = SyncInteractions(server, drive, lambda answer: answer)
            self.logouts = SyncLogouts(server, drive, lambda answer: answer)

    @staticmethod
    def settled(result: Any) -> Any:
        return run_sync(result) if inspect.iscoroutine(result) else result


@pytest.fixture
def world() -> Iterator[World]:
    made = sending_world(Post())
    made.change_client("shop", scopes=("items:read", "items:write"))
    yield made
    made.server.close()


@pytest.fixture(params=[True, False], ids=["async", "sync"])
def face(request: pytest.FixtureRequest, world: World) -> Faces:
    return Faces(world, awaited=request.param)


def asked(world: World, endpoint: str, query: dict[str, str]) -> Response:
    found = {endpoint.name: endpoint for endpoint in world.server.endpoints}
    request = Request("GET", query=urlencode(query))
    return run_sync(found[endpoint].handler(request, SYNC))


def interaction_of(answer: Response) -> str:
    location = answer.header("location")
    assert location is not None
    return parse_qs(urlsplit(location).query)["interaction"][0]


@pytest.fixture
def waiting(world: World) -> str:
    return interaction_of(asked(world, "authorize", ASK))


@pytest.fixture
def alice(world: World) -> SignIn:
    return SignIn("user-alice", world.clock(), "a-sign-in")


def on(answer: Response) -> str:
    assert answer.status == 303
    location = answer.header("location")
    assert location is not None
    return location


def page(answer: Response, status: int) -> str:
    assert (answer.status, answer.header("content-type")) == (status, "text/html; charset=utf-8")
    assert answer.header("cache-control") == "no-store"
    return answer.body.decode()


def test_both_have_the_same_verbs() -> None:
    for one, other in ((AsyncInteractions, SyncInteractions), (AsyncLogouts, SyncLogouts)):
        verbs = [{v for v in vars(cls) if v[0] != "_"} for cls in (one, other)]
        assert verbs[0] == verbs[1]
        for verb in verbs[0]:
            assert (
                inspect.signature(getattr(one, verb)).parameters.keys()
                == inspect.signature(getattr(other, verb)).parameters.keys()
            )


def test_pages_lead_on(face: Faces, waiting: str, alice: SignIn) -> None:
    found = face.settled(face.interactions.get(waiting))
    assert (found.client.client_id, found.request.scopes) == ("shop", ("items:read", "items:write"))
    resumed = f"{HERE}/oauth/authorize?interaction={waiting}"
    assert on(face.interactions.resume(waiting)) == resumed
    assert on(face.settled(face.interactions.selected(waiting))) == resumed
    given = face.settled(face.interactions.consent(waiting, alice, ["items:read"]))
    assert on(given) == resumed


def test_a_refusal_goes_to_the_client_once(face: Faces, waiting: str, alice: SignIn) -> None:
    answer = face.settled(face.interactions.deny(waiting))
    assert "error=access_denied" in on(answer)
    assert face.settled(face.interactions.get(waiting)) is None
    for late in (
        face.interactions.deny(waiting),
        face.interactions.selected(waiting),
        face.interactions.consent(waiting, alice, ["items:read"]),
    ):
        assert "begin again" in page(face.settled(late), 400)
    assert "has been answered already" in page(face.interactions.gone(), 400)


def test_s04_a_consent_to_more_than_was_asked_is_a_page(
    face: Faces, waiting: str, alice: SignIn
) -> None:
    answer = face.settled(face.interactions.consent(waiting, alice, ["items:read", "admin"]))
    assert "asked for" in page(answer, 400)


def test_a_store_that_is_away_is_a_page(
    face: Faces, world: World, waiting: str, alice: SignIn
) -> None:
    world.take_away("codes")
    for answer in (
        face.interactions.deny(waiting),
        face.interactions.selected(waiting),
        face.interactions.consent(waiting, alice, ["items:read"]),
    ):
        assert "database" not in page(face.settled(answer), 503)
    with pytest.raises(StoreUnavailable):
        face.settled(face.logouts.end(alice))


def test_b01_passwords_are_checked_behind_the_throttle(face: Faces) -> None:
    def enter(name: str, password: str) -> Any:
        given = face.interactions.authenticate(name, password, address="192.0.2.1")
        return face.settled(given)

    assert enter("alice", PASSWORD).subject == "user-alice"
    for _ in range(10):
        with pytest.raises(InvalidGrant, match="the name or the password is wrong"):
            enter("bob", "wrong")
    with pytest.raises(TooManyAttempts):
        enter("bob", PASSWORD)


def test_a_logout(face: Faces, world: World, alice: SignIn) -> None:
    world.change_client("shop", post_logout_redirect_uris=("https://shop.example.com/",))
    query = {"client_id": "shop", "post_logout_redirect_uri": "https://shop.example.com/"}
    waiting = interaction_of(asked(world, "end_session", {**query, "state": "s"}))
    found = face.settled(face.logouts.get(waiting))
    assert found.must_ask(alice)
    assert face.settled(face.logouts.end(alice)) == 0
    answer = face.settled(face.logouts.finish(waiting))
    assert on(answer) == "https://shop.example.com/?state=s"
    assert face.settled(face.logouts.get(waiting)) is None
    assert face.settled(face.logouts.finish(waiting)) is None
    assert "has been answered already" in page(face.logouts.gone(), 400)


def test_a_server_without_accounts_checks_no_password() -> None:
    server = AuthorizationServer(
        ServerConfig(issuer=HERE, audience=(HERE,)), stores=MemoryStores(), secret_key=SECRET_KEY
    )
    interactions: Any = SyncInteractions(
        lambda: server, lambda flow: run_sync(flow(SYNC)), lambda answer: answer
    )
    with pytest.raises(ConfigurationError, match="no accounts"):
        interactions.authenticate("alice", PASSWORD, address="")
    calls: tuple[Callable[[], Any], ...] = (
        lambda: interactions.get("x"),
        lambda: interactions.resume("x"),
    )
    for call in calls:
        with pytest.raises(ConfigurationError, match="InteractionConfig"):
            call()
    server.close()
