"""A store fails at each call of each flow, before or after it has done its work.

The answer is then 503 or as if nothing had happened, never half of it, and whoever asks again gets
what is right.
"""

from __future__ import annotations

from inspect import ismethod
from typing import TYPE_CHECKING, Any

import pytest

from bezant.errors import StoreUnavailable
from bezant.events import RefreshReuseDetected, TokenIssued
from tests.api import Api, client_refusal, refusal
from tests.harness.bare import App
from tests.world import World, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Response


class Faults:
    """Counts the calls of all stores and lets one of them fail.

    Args:
        late: Fail after the work is done, as when an answer is lost.
    """

    def __init__(self, *, late: bool) -> None:
        self.late = late
        self.calls: list[str] = []
        self.at: int | None = None

    def wrap(self, name: str, store: Any) -> Any:
        return _Wrapped(self, name, store)

    def call(self, name: str, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls.append(name)
        fails = len(self.calls) == self.at
        if fails and not self.late:
            raise StoreUnavailable(name)
        result = method(*args, **kwargs)
        if fails:
            raise StoreUnavailable(name)
        return result

    def arm(self, at: int | None) -> None:
        self.calls, self.at = [], at


class _Wrapped:
    def __init__(self, faults: Faults, name: str, store: Any) -> None:
        self._faults, self._name, self._store = faults, name, store

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not ismethod(member):
            return member

        def method(*args: Any, **kwargs: Any) -> Any:
            return self._faults.call(f"{self._name}.{name}", member, *args, **kwargs)

        return method


def trials(late: bool) -> Iterator[tuple[int, World, Api, Faults]]:
    """Fresh worlds, for the first call to fail, the second, and so on, until none is left."""
    for at in range(1, 40):
        faults = Faults(late=late)
        world = make_world(wrap=faults.wrap)
        yield at, world, Api(App(world.server)), faults
        world.server.close()
        if len(faults.calls) < at:  # the flow ended before anything failed
            assert at > 2
            return
    pytest.fail("a flow that never ends")


def away(answer: Response) -> bool:
    """Whether an answer says 503, as it should; else it must be fine."""
    if answer.status == 200:
        return False
    assert refusal(answer) == (503, "temporarily_unavailable")
    assert answer.header("retry-after")
    return True


lost = pytest.mark.parametrize("late", [False, True], ids=["refused", "answer-lost"])


def attempt(faults: Faults, at: int, ask: Callable[[], Response]) -> Response:
    """Ask with the fault armed; leave the count of calls behind."""
    faults.arm(at)
    answer = ask()
    faults.at = None
    return answer


@lost
@pytest.mark.parametrize("flow", ["password", "client_credentials"])
def test_d01_issuing(late: bool, flow: str) -> None:
    for at, world, api, faults in trials(late):

        def ask(api: Api = api) -> Response:
            return api.login() if flow == "password" else api.token("machine", flow)

        failed = away(attempt(faults, at, ask))
        assert len(world.seen(TokenIssued)) == (not failed)
        calls = len(faults.calls)
        assert ask().status == 200
        del faults.calls[calls:]


@lost
def test_d01_r14_refreshing(late: bool) -> None:
    for at, world, api, faults in trials(late):
        access, refresh = api.tokens()
        attempt(faults, at, lambda api=api, refresh=refresh: api.refresh(refresh))
        calls = len(faults.calls)
        # The client that saw no answer asks again, and is one generation further, no more.
        again = api.refresh(refresh)
        assert again.status == 200
        session, generation = world.server.authorizations.tokens.read(again.json()["refresh_token"])
        assert generation == 2
        assert world.stores.authorizations.get(session).generation == 2
        assert api.get("/whoami", token=access).status == 200
        assert not world.seen(RefreshReuseDetected)
        del faults.calls[calls:]


@lost
@pytest.mark.parametrize("what", ["refresh", "access"])
def test_d01_i06_revoking(late: bool, what: str) -> None:
    for at, _, api, faults in trials(late):
        access, refresh = api.tokens()
        token = refresh if what == "refresh" else access
        failed = away(attempt(faults, at, lambda api=api, token=token: api.revoke(token)))
        calls = len(faults.calls)
        if failed:
            assert api.revoke(token).status == 200
        assert api.get("/whoami", token=access).status == 401
        assert not api.is_active(access)
        assert api.refresh(refresh).status == (400 if what == "refresh" else 200)
        del faults.calls[calls:]


@lost
def test_d01_r02_detecting_reuse(late: bool) -> None:
    for at, world, api, faults in trials(late):
        access, first = api.tokens()
        newer = api.refresh(first).json()
        world.clock.advance(11)
        answer = attempt(faults, at, lambda api=api, first=first: api.refresh(first))
        calls = len(faults.calls)
        if answer.status == 503:
            assert client_refusal(api.refresh(first)) == (400, "invalid_grant")
        else:
            assert client_refusal(answer) == (400, "invalid_grant")
        assert api.refresh(newer["refresh_token"]).status == 400
        for token in access, newer["access_token"]:
            assert api.get("/whoami", token=token).status == 401
        if not late:
            assert len(world.seen(RefreshReuseDetected)) == 1
        del faults.calls[calls:]


@lost
def test_d01_r11_ending_a_disabled_user(late: bool) -> None:
    for at, world, api, faults in trials(late):
        access, refresh = api.tokens()
        world.change_user("user-alice", active=False)
        attempt(faults, at, lambda api=api, refresh=refresh: api.refresh(refresh))
        calls = len(faults.calls)
        assert client_refusal(api.refresh(refresh)) == (400, "invalid_grant")
        assert api.get("/whoami", token=access).status == 401
        del faults.calls[calls:]


@lost
def test_d01_introspecting_and_protecting(late: bool) -> None:
    for at, world, api, faults in trials(late):
        access, refresh = api.tokens()
        api.revoke(refresh)
        other = api.tokens()[0]
        world.clock.advance(10)

        def ask(api: Api = api, access: str = access, other: str = other) -> None:
            for token, good in (access, False), (other, True):
                answer = api.introspect(token)
                assert away(answer) or answer.json()["active"] is good
                answer = api.get("/whoami", token=token)
                assert answer.status in {503, 200 if good else 401}

        faults.arm(at)
        ask()
