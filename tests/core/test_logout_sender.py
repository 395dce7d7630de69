"""Telling clients of logouts beside the requests: rounds, failures, and how they end."""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from bezant import ConfigurationError, Runtime
from bezant.background import Background
from bezant.logout_sender import PAUSE, STEP
from bezant.runtime import SYNC, run_sync
from tests.sending import TOLD, Post, queue, sending_world
from tests.world import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant.logout_sender import LogoutSender
    from tests.world import World


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def world(post: Post) -> Iterator[World]:
    made = sending_world(post)
    yield made
    made.server.close()


@pytest.fixture
def sender(world: World) -> LogoutSender:
    found = world.server.logout_sender
    assert found is not None
    return found


class Naps:
    """Sleep that takes no time, and ends the task when it has lasted.

    Args:
        most: Seconds until then.
    """

    def __init__(self, most: float = STEP) -> None:
        self.taken: list[float] = []
        self._most = most

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)
        if sum(self.taken) >= self._most:
            raise asyncio.CancelledError


def looping(naps: Naps) -> Runtime:
    return Runtime(io=asyncio.to_thread, wait=asyncio.wrap_future, loop=True, sleep=naps)


async def run(sender: LogoutSender) -> list[float]:
    naps = Naps()
    with pytest.raises(asyncio.CancelledError):
        await sender.run(looping(naps))
    return naps.taken


def test_a_server_without_pages_has_none() -> None:
    server = make_server()
    assert server.logout_sender is None
    server.close()


async def test_as_long_as_there_is_something_it_goes_on(
    world: World, sender: LogoutSender, post: Post
) -> None:
    queue(world, *map(str, range(25)))
    *naps, last = await run(sender)
    assert len(naps) > 1
    assert (set(naps), last) == ({0.0}, STEP)
    assert post.sent == [f"POST {TOLD}"] * 25
    assert "an event loop is blocked" not in post.threads


async def test_what_fails_is_tried_later(world: World, sender: LogoutSender, post: Post) -> None:
    post.status = 500
    queue(world, "a")
    assert await run(sender) == [0.0, STEP]
    assert len(post.sent) == 1
    post.status = 200
    world.clock.advance(5)
    assert await run(sender) == [0.0, STEP]
    assert len(post.sent) == 2
    world.clock.advance(86400)
    await run(sender)
    assert len(post.sent) == 2


async def test_a_queue_that_is_away_ends_nothing(
    world: World, sender: LogoutSender, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    queue(world, "a")
    world.take_away("logouts")
    assert await run(sender) == [STEP]
    world.take_away("logouts", RuntimeError("nobody foresaw this"))
    assert await run(sender) == [STEP]
    assert "told of logouts later: the database is away" in caplog.text
    assert "nobody foresaw this" in caplog.text
    world.bring_back("logouts")
    await run(sender)
    assert len(post.sent) == 1


async def test_an_empty_queue_is_looked_at_after_a_pause(
    world: World, sender: LogoutSender, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks: list[float] = []
    naps = Naps(most=3 * PAUSE)
    claim = world.stores.logouts.claim

    def counted(*args: Any) -> Any:
        looks.append(sum(naps.taken))
        return claim(*args)

    monkeypatch.setattr(world.stores.logouts, "claim", counted)
    with pytest.raises(asyncio.CancelledError):
        await sender.run(looping(naps))
    assert looks == [0.0, PAUSE, 2 * PAUSE]


async def test_what_is_queued_in_this_process_waits_for_no_pause(
    world: World, sender: LogoutSender, post: Post
) -> None:
    naps = Naps(most=PAUSE)

    async def sleep(seconds: float) -> None:
        if not naps.taken:
            queue(world, "a")
            sender.hurry()
        await naps(seconds)

    runtime = Runtime(io=asyncio.to_thread, wait=asyncio.wrap_future, loop=True, sleep=sleep)
    with pytest.raises(asyncio.CancelledError):
        await sender.run(runtime)
    assert post.sent == [f"POST {TOLD}"]
    assert naps.taken[:2] == [STEP, 0.0]


async def test_one_task_in_a_process_is_enough(world: World, sender: LogoutSender) -> None:
    going = asyncio.Event()

    async def sleep(_: float) -> None:
        going.set()
        await asyncio.Event().wait()

    runtime = Runtime(io=asyncio.to_thread, wait=asyncio.wrap_future, loop=True, sleep=sleep)
    first = asyncio.create_task(sender.run(runtime))
    await going.wait()
    await sender.run(runtime)  # which has nothing to do
    first.cancel()
    await asyncio.wait([first])
    assert await run(sender) == [STEP]


async def test_without_a_loop_there_is_no_task(sender: LogoutSender) -> None:
    with pytest.raises(ConfigurationError, match=r"start\(\)"):
        await sender.run(SYNC)


def test_a_thread_sends_until_the_server_is_closed(
    world: World, sender: LogoutSender, post: Post
) -> None:
    around: list[str] = []

    @contextmanager
    def surrounding() -> Iterator[None]:
        around.append("in")
        yield
        around.append("out")

    queue(world, "a")
    sender.start(surrounding)
    sender.start(surrounding)
    assert post.arrives()
    world.server.close()
    assert post.threads == ["bezant-logouts"]
    assert around.count("in") == around.count("out") > 0
    queue(world, "b")
    assert sender.drain() == 1


def test_a_thread_that_pauses_is_hurried(world: World, sender: LogoutSender, post: Post) -> None:
    sender.hurry()  # nothing sends yet, and nothing begins to
    assert sender._thread._thread is None
    sender.start()
    sender._thread.round().result(5)
    begun = time.monotonic()
    queue(world, "a")
    sender.hurry()
    assert post.arrives()
    assert time.monotonic() - begun < PAUSE / 2


def test_a_process_that_a_fork_made_starts_its_own(
    world: World, sender: LogoutSender, post: Post
) -> None:
    sender.start()
    thread: Background = sender._thread
    before: Any = thread._thread
    thread.after_fork()
    queue(world, "a")
    sender.start()
    assert post.arrives()
    assert thread._thread is not before


def test_all_that_is_due_at_once(world: World, sender: LogoutSender, post: Post) -> None:
    queue(world, *map(str, range(45)))
    assert sender.drain() == 45
    assert sender.drain() == 0
    assert len(post.sent) == 45


def test_a_process_that_has_answered_nothing_has_keys_to_sign_with(post: Post) -> None:
    world = sending_world(post)
    queue(world, "a")
    assert run_sync(world.server.logouts.notices.deliver(SYNC)) == 1
    assert post.sent == [f"POST {TOLD}"]
    world.server.close()
