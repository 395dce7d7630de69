"""Codes and interactions when two come at once, when something ends meanwhile, and when a store
fails: at each call of a store, one after the other.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from inspect import ismethod
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest

from bezant.errors import InvalidRequest, InvalidToken, StoreUnavailable
from bezant.events import CodeReplayed, TokenIssued
from bezant.runtime import SYNC, run_sync
from tests.api import Api, answer_of, client_refusal, error_page_of
from tests.harness.bare import App
from tests.world import T, World, make_world, quick_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

    from bezant import AuthorizationServer
    from bezant.http import Request, Response

REFUSED = (400, "invalid_grant")


class Between:
    """Counts the calls of all stores, and does something before or after one of them."""

    def __init__(self) -> None:
        self.happened = False
        self._calls = self._at = 0
        self._late = False
        self._act: Callable[[], object] | None = None
        self._result: object = None

    def wrap(self, name: str, store: Any) -> Any:
        return _Wrapped(self, store)

    def during(
        self, flow: Callable[[], T], at: int, late: bool, act: Callable[[], object]
    ) -> tuple[T, Any]:
        """The answer of a flow, and what came of something done at one of its calls."""
        self._calls, self._at, self._late, self._act = 0, at, late, act
        self._result = None
        answer = flow()
        self._at = 0
        return answer, self._result

    def call(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._calls += 1
        now = self._calls == self._at
        if now:
            self._at, self.happened = 0, True  # what is done makes calls of its own
            assert self._act is not None
            if not self._late:
                self._result = self._act()
        result = method(*args, **kwargs)
        if now and self._late:
            self._result = self._act()
        return result


class _Wrapped:
    def __init__(self, between: Between, store: Any) -> None:
        self._between, self._store = between, store

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._store, name)
        if not ismethod(member):
            return member
        return lambda *args, **kwargs: self._between.call(member, *args, **kwargs)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_keys(monkeypatch)


def trials() -> Iterator[tuple[World, Api, Between, int]]:
    """A fresh world for each call that something may happen at, until none is left."""
    for at in range(1, 40):
        between = Between()
        world = make_world(code_flow=True, wrap=between.wrap)
        world.sign_in()
        yield world, Api(App(world.server)), between, at
        world.server.close()
        if not between.happened:  # the flow has ended before it came to that
            assert at > 2
            return
    pytest.fail("a flow that never ends")


def is_active(world: World, token: str) -> bool:
    """As another process has it."""

    async def look(server: Any) -> bool:
        try:
            await server.verifier().averify(token, SYNC)
        except InvalidToken:
            return False
        return True

    return world.elsewhere(look)


def live(world: World) -> int:
    return len(world.stores.authorizations.list_live(world.clock()))


moment = pytest.mark.parametrize("late", [False, True], ids=["before", "after"])


# ---- two at once -----------------------------------------------------------------------------


@moment
@pytest.mark.rfc("6749", "10.5")
def test_t10_two_redeem_at_once_and_nothing_is_left(late: bool) -> None:
    outcomes = set()
    for world, api, between, at in trials():
        code = api.code()
        redeem = partial(api.redeem, code)
        first, second = between.during(redeem, at, late, redeem)
        if second is None:  # they did not meet
            assert first.status == 200
            continue
        good = [answer for answer in (first, second) if answer.status == 200]
        assert len(good) <= 1
        for answer in (first, second):
            assert answer.status == 200 or client_refusal(answer) == REFUSED
        for answer in good:
            assert not is_active(world, answer.json()["access_token"])
            refresh = answer.json()["refresh_token"]
            assert client_refusal(api.refresh(refresh, "portal")) == REFUSED
        assert live(world) == 0
        assert len(world.seen(CodeReplayed)) == 1
        outcomes.add((first.status, second.status))
    # The first one wins, the second one does, or neither.
    assert outcomes == {(200, 400), (400, 200), (400, 400)}


def test_t10_of_32_at_once_one_wins_at_most() -> None:
    world = make_world(code_flow=True)
    world.sign_in()
    api = Api(App(world.server))
    for _ in range(5):
        code, barrier = api.code(), Barrier(32)

        def redeem(code: str = code, barrier: Barrier = barrier) -> Response:
            barrier.wait()
            return api.redeem(code)

        with ThreadPoolExecutor(32) as pool:
            answers = [each.result() for each in [pool.submit(redeem) for _ in range(32)]]
        good = [answer for answer in answers if answer.status == 200]
        assert len(good) <= 1
        refused = [client_refusal(answer) for answer in answers if answer.status != 200]
        assert set(refused) == {REFUSED}
        for answer in good:
            assert not is_active(world, answer.json()["access_token"])
        assert live(world) == 0
    assert len(world.seen(CodeReplayed)) >= 5 * 31
    world.server.close()


@moment
def test_s04_two_tabs_of_one_interaction_get_one_code(late: bool) -> None:
    for world, api, between, at in trials():
        world.sign_out()
        interaction = api.waiting("portal")
        world.sign_in()
        resume = partial(api.resume, interaction)
        answers = [*filter(None, between.during(resume, at, late, resume))]
        given = [answer for answer in answers if answer.status == 303]
        assert len(given) == 1
        assert api.redeem(answer_of(given[0])["code"]).status == 200
        for answer in answers:
            assert answer.status == 303 or error_page_of(answer)[0] == 400


@moment
def test_s04_a_refusal_and_a_code_exclude_each_other(late: bool) -> None:
    for world, api, between, at in trials():
        world.sign_out()
        interaction = api.waiting("portal")
        world.sign_in()
        resume, deny = partial(api.resume, interaction), partial(_deny, world, interaction)
        answer, denied = between.during(resume, at, late, deny)
        assert (answer.status == 303) == (not denied)


def _deny(world: World, interaction: str) -> bool:
    try:
        return answer_of(world.deny(interaction))["error"] == "access_denied"
    except InvalidRequest:
        return False


@moment
def test_a14_a_pushed_request_is_used_once(late: bool) -> None:
    for _, api, between, at in trials():
        uri = api.push("portal").json()["request_uri"]
        query = f"client_id=portal&request_uri={uri}"
        bring = partial(api.get, "/oauth/authorize", query=query)
        answers = [*filter(None, between.during(bring, at, late, bring))]
        given = [answer for answer in answers if answer.status == 303]
        assert len(given) == 1
        for answer in answers:
            assert answer.status == 303 or error_page_of(answer)[0] == 400


# ---- what ends meanwhile ---------------------------------------------------------------------


def _revoke_subject(world: World) -> None:
    world.elsewhere(
        lambda server: server.authorizations.revoke_for_subject(
            "user-alice", now=world.clock(), runtime=SYNC
        )
    )


def _revoke_client(world: World) -> None:
    world.elsewhere(
        lambda server: server.authorizations.revoke_for_client(
            "portal", now=world.clock(), runtime=SYNC
        )
    )


def _end_sign_in(world: World) -> None:
    sign_in = world.browser.sign_in
    assert sign_in is not None
    world.elsewhere(lambda server: server.logouts.end(sign_in, SYNC))


@moment
@pytest.mark.parametrize("end", [_revoke_subject, _revoke_client, _end_sign_in])
def test_t13_t14_what_ends_during_a_redemption_stays_ended(
    end: Callable[[World], None], late: bool
) -> None:
    """Another process does it. Whatever the moment, no session is left that could be refreshed."""
    statuses = set()
    for world, api, between, at in trials():
        code = api.code()
        answer, _ = between.during(partial(api.redeem, code), at, late, partial(end, world))
        if not between.happened:
            assert answer.status == 200
            continue
        statuses.add(answer.status)
        assert live(world) == 0
        if answer.status == 200:
            assert not is_active(world, answer.json()["access_token"])
            refresh = answer.json()["refresh_token"]
            assert client_refusal(api.refresh(refresh, "portal")) == REFUSED
        else:
            assert client_refusal(answer) == REFUSED
    assert 400 in statuses


class Elsewhere:
    """Another process, as an application."""

    def __init__(self, world: World) -> None:
        self._world = world

    def send(self, path: str, request: Request, /) -> Response:
        def answer(server: AuthorizationServer) -> Coroutine[Any, Any, Response]:
            (endpoint,) = [each for each in server.endpoints if each.path == path]
            return endpoint.handler(request, SYNC)

        return self._world.elsewhere(answer)


@moment
@pytest.mark.parametrize("kind", ["subject", "client"])
def test_t13_t14_what_is_redeemed_during_a_revocation_ends_with_it(kind: str, late: bool) -> None:
    """Another process redeems, between the two steps of a revocation."""
    for world, api, between, at in trials():
        code = api.code()
        redeem = partial(Api(Elsewhere(world)).redeem, code)  # type: ignore[arg-type]
        known = world.server.authorizations
        if kind == "subject":
            step = partial(known.revoke_for_subject, "user-alice", now=world.clock(), runtime=SYNC)
        else:
            step = partial(known.revoke_for_client, "portal", now=world.clock(), runtime=SYNC)
        _, answer = between.during(partial(_run, step), at, late, redeem)
        assert live(world) == 0
        if answer is not None and answer.status == 200:
            assert not is_active(world, answer.json()["access_token"])
            refresh = answer.json()["refresh_token"]
            assert client_refusal(api.refresh(refresh, "portal")) == REFUSED


def _run(step: Callable[[], Coroutine[Any, Any, int]]) -> int:
    return run_sync(step())


# ---- what fails ------------------------------------------------------------------------------


def _fail() -> None:
    raise StoreUnavailable("the database is away")


@moment
def test_d01_redeeming(late: bool) -> None:
    for world, api, between, at in trials():
        code = api.code()
        answer, _ = between.during(partial(api.redeem, code), at, late, _fail)
        if answer.status != 200:
            assert client_refusal(answer) == (503, "temporarily_unavailable")
            assert not world.seen(TokenIssued)
        again = api.redeem(code)
        if again.status == 200:
            assert answer.status == 503
            assert live(world) == 1
        else:
            # Nobody knows who has the first answer.
            assert client_refusal(again) == REFUSED
            assert live(world) == 0
        assert api.redeem(api.code()).status == 200


@moment
def test_d01_asking(late: bool) -> None:
    for world, api, between, at in trials():
        world.clock.advance(1)
        world.remember("user-alice", "app", "openid", "items:read")
        answer, _ = between.during(partial(api.authorize, "app"), at, late, _fail)
        assert answer.status == 303 or error_page_of(answer)[0] == 503
        assert (answer.status == 303) == (not between.happened)
        assert "code" in answer_of(api.authorize("app"))


@moment
def test_d01_coming_back(late: bool) -> None:
    for world, api, between, at in trials():
        world.sign_out()
        interaction = api.waiting("portal")
        world.sign_in()
        answer, _ = between.during(partial(api.resume, interaction), at, late, _fail)
        if not between.happened:
            assert "code" in answer_of(answer)
            continue
        assert error_page_of(answer)[0] == 503
        again = api.resume(interaction)
        # Before it was taken it goes on, and afterwards one begins again: a code is given once.
        assert again.status == 303 or error_page_of(again)[0] == 400
