"""Work beside the requests: rounds, who waits for them, and how it ends."""

from __future__ import annotations

import threading
import time
from concurrent.futures import CancelledError
from contextlib import suppress

import pytest

from bezant.background import Background


def test_rounds_follow_one_another() -> None:
    done = threading.Event()
    rounds = []

    def work() -> float:
        rounds.append(time.monotonic())
        if len(rounds) == 3:
            done.set()
        return 0.05

    background = Background("test", work)
    background.start()
    background.start()
    assert done.wait(5)
    background.close()
    count = len(rounds)
    assert rounds[2] - rounds[0] >= 0.1
    time.sleep(0.15)
    assert len(rounds) == count


def test_all_who_ask_meanwhile_share_a_round() -> None:
    going, may_end, rounds = threading.Event(), threading.Event(), []

    def work() -> float:
        rounds.append(1)
        going.set()
        assert may_end.wait(5)
        return 3600

    background = Background("test", work)
    first = background.round()
    assert going.wait(5)
    others = [background.round() for _ in range(10)]
    others[0].cancel()
    may_end.set()
    for future in (first, *others[1:]):
        future.result(5)
    assert len(rounds) == 1
    background.round().result(5)  # the pause of an hour is not waited for
    assert len(rounds) == 2
    background.close()


def test_who_is_hurried_does_another_round_after_this_one() -> None:
    going, may_end, rounds = threading.Event(), threading.Event(), []
    again = threading.Event()

    def work() -> float:
        rounds.append(1)
        if len(rounds) == 2:
            again.set()
        going.set()
        assert may_end.wait(5)
        return 3600

    background = Background("test", work)
    background.hurry()  # nothing runs, and nothing is begun
    background.start()
    assert going.wait(5)
    background.hurry()  # what it is about came too late for this round
    may_end.set()
    assert again.wait(5)
    background.close()
    background.hurry()
    assert len(rounds) == 2


def test_a_round_that_fails_is_logged_and_not_the_last(caplog: pytest.LogCaptureFixture) -> None:
    rounds = []

    def work() -> float:
        rounds.append(1)
        if len(rounds) == 1:
            raise RuntimeError("a defect")
        return 3600

    background = Background("test", work)
    background.round().result(5)
    background.round().result(5)
    assert len(rounds) == 2
    assert "test failed on a round" in caplog.text
    background.close()


def test_whoever_waits_when_it_ends_is_told() -> None:
    started = threading.Event()

    def work() -> float:
        started.set()
        return 3600

    background = Background("test", work)
    background.start()
    assert started.wait(5)
    background.close()
    later = background.round()  # which starts it again
    later.result(5)
    background.close()


def test_a_thread_that_is_closed_while_someone_waits_lets_go() -> None:
    going, may_end = threading.Event(), threading.Event()

    def work() -> float:
        going.set()
        may_end.wait(5)
        return 3600

    background = Background("test", work)
    waiting = background.round()
    assert going.wait(5)
    background.close(timeout=0)
    may_end.set()
    with suppress(CancelledError):
        waiting.result(5)
