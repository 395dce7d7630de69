"""Each request goes to two applications: the one under test, and core driven by hand.

Their answers must be the same to the byte, and so must what they have told their subscribers.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

import pytest

from bezant.logout_sender import LogoutSender
from bezant.testing import FrozenClock
from tests.api import Api
from tests.harness import HARNESSES, load
from tests.harness.bare import App as Bare
from tests.jose import parts
from tests.world import T, World, make_world, quick_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Request, Response
    from tests.harness import App

# What HTTP servers add on their own.
TRANSPORT = {"content-length", "date", "server"}
RANDOM = {"ES256", "PS256"}
_SIGNATURE = re.compile(rb"(eyJ[\w-]+\.[\w-]+)\.[\w-]+")


def _mirrored(method: Callable[..., T]) -> Callable[..., T]:
    @wraps(method)
    def both(world: Both, *args: Any, **kwargs: Any) -> T:
        assert world.reference is not None
        method(world.reference, *args, **kwargs)
        return method(world, *args, **kwargs)

    return both


@dataclass
class Both(World):
    """A world and its twin: what happens to one happens to the other."""

    reference: World | None = None

    change_user = _mirrored(World.change_user)
    remove_user = _mirrored(World.remove_user)
    change_client = _mirrored(World.change_client)
    sign_in = _mirrored(World.sign_in)
    sign_out = _mirrored(World.sign_out)
    remember = _mirrored(World.remember)
    withdraw = _mirrored(World.withdraw)
    take_away = _mirrored(World.take_away)
    bring_back = _mirrored(World.bring_back)
    elsewhere = _mirrored(World.elsewhere)


class Compared:
    """An `App` that asks another one the same."""

    def __init__(self, app: App, reference: App, dice: random.Random) -> None:
        self._app = app
        self._reference = reference
        self._dice = dice
        self._requests = 0

    def send(self, path: str, request: Request, /) -> Response:
        self._requests += 1
        answers = []
        for app in (self._app, self._reference):
            self._dice.seed(self._requests)
            answers.append(app.send(path, request))
        ours, reference = answers
        assert ours.status == reference.status
        assert _comparable(ours.body) == _comparable(reference.body)
        assert headers_of(ours) == headers_of(reference)
        return ours

    def close(self) -> None:
        self._app.close()
        self._reference.close()


def _comparable(body: bytes) -> bytes:
    """A body less the signatures that are others each time."""

    def unsigned(token: re.Match[bytes]) -> bytes:
        return token[1] if parts(token[0].decode())[0]["alg"] in RANDOM else token[0]

    return _SIGNATURE.sub(unsigned, body)


def headers_of(response: Response) -> list[tuple[str, str]]:
    return sorted(pair for pair in response.headers if pair[0] not in TRANSPORT)


@pytest.fixture(autouse=True)
def nothing_beside_the_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients are told of logouts when a test says so, for the twin tells nobody."""

    async def run(*_: Any) -> None: ...

    monkeypatch.setattr(LogoutSender, "run", run)
    monkeypatch.setattr(LogoutSender, "start", lambda *_: None)


@pytest.fixture
def dice(monkeypatch: pytest.MonkeyPatch) -> random.Random:
    """Chance that can be repeated: the same ids, keys and references in both worlds."""
    made = random.Random()
    monkeypatch.setattr("bezant.tokens.token_bytes", made.randbytes)
    monkeypatch.setattr("bezant.codes.token_bytes", made.randbytes)
    monkeypatch.setattr("bezant.refresh_tokens.token_bytes", made.randbytes)
    monkeypatch.setattr(
        "bezant.endpoints.handling.secrets.token_hex", lambda size: made.randbytes(size).hex()
    )
    quick_keys(monkeypatch)
    return made


@pytest.fixture
def world(config: dict[str, Any], harness: tuple[str, str], dice: random.Random) -> Both:
    framework, kind = harness
    wrap = HARNESSES[framework].stores[kind]
    clock = FrozenClock()
    reference = make_world(clock=clock, **config)
    made = make_world(clock=clock, wrap=lambda name, store: wrap(store), **config)
    return Both(**{**vars(made), "reference": reference})


@pytest.fixture
def api(world: Both, harness: tuple[str, str], dice: random.Random) -> Iterator[Api]:
    assert world.reference is not None
    app = Compared(load(harness[0])(world.server), Bare(world.reference.server), dice)
    yield Api(app)
    app.close()
    assert world.events == world.reference.events
