"""Timing of functions: interleaved rounds, medians, ratios inside one round.

A shared machine drifts by tens of per cent in a minute, so nothing is timed in one stretch. Every
round times every candidate once, in an order that changes; a ratio is formed inside each round,
between neighbours in time, and the median of these ratios is reported.
"""

from __future__ import annotations

import random
import statistics
import time
import timeit
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias, TypeVar

Series: TypeAlias = Sequence[float]
"""One value per round."""

T = TypeVar("T")


def median(series: Series) -> float:
    return statistics.median(series)


def ratio(numerator: Series, denominator: Series) -> float:
    """The median over rounds of one candidate's value by another's in the same round."""
    return statistics.median(a / b for a, b in zip(numerator, denominator, strict=True))


def shuffled(items: Iterable[T], round_number: int) -> list[T]:
    """The order of one round: different each time, the same in every run."""
    order = list(items)
    random.Random(round_number).shuffle(order)
    return order


def per_call(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, seconds: float
) -> dict[str, Series]:
    """Seconds of processor time per call of every candidate, one value per round.

    Processor time of this thread, not the clock's: what others do on the core does not count.
    """
    timers = {
        name: timeit.Timer(function, timer=time.thread_time)
        for name, function in candidates.items()
    }
    numbers = {}
    for name, timer in timers.items():
        number, took = timer.autorange()
        numbers[name] = max(1, round(number * seconds / took))
    series: dict[str, list[float]] = {name: [] for name in timers}
    for round_number in range(rounds):
        for name in shuffled(timers, round_number):
            series[name].append(timers[name].timeit(numbers[name]) / numbers[name])
    return dict(series)
