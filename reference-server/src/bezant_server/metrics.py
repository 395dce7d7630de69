"""Counters for Prometheus. Labels are of fixed sets: no user, no client, no path as it was sent.

With several workers each writes its counts to files in a directory they share, and whichever is
asked adds them up. The directory must be in `PROMETHEUS_MULTIPROC_DIR` before this module is
loaded; `bezant serve` sees to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from bezant.events import (
    Event,
    LoginFailed,
    LoginSucceeded,
    LoginThrottled,
    TokenIssued,
    TokenRefreshed,
)

__all__ = ["CONTENT_TYPE", "MULTIPROCESS_VARIABLE", "Metrics"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MULTIPROCESS_VARIABLE: Final = "PROMETHEUS_MULTIPROC_DIR"

_BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_LOGINS: Final = {LoginSucceeded: "succeeded", LoginFailed: "failed", LoginThrottled: "throttled"}


class Metrics:
    """The counters of one process.

    Args:
        endpoints: Names of endpoints that are told apart; everything else is `other`.
        grant_types: What tokens may be issued for.
    """

    def __init__(self, endpoints: Iterable[str], grant_types: Iterable[str]) -> None:
        self._shared = MULTIPROCESS_VARIABLE in os.environ
        registry = self._registry = CollectorRegistry()
        if self._shared:
            MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        else:
            ProcessCollector(registry=registry)
        own = None if self._shared else registry
        counter = partial(Counter, registry=own)

        seconds = Histogram(
            "bezant_http_request_seconds",
            "Time to answer a request.",
            ["endpoint"],
            buckets=_BUCKETS,
            registry=own,
        )
        self._seconds = dict(_children(seconds, [*endpoints, "other"]))
        self._requests = counter(
            "bezant_http_requests", "Requests answered.", ["endpoint", "status"]
        )
        self._answers: dict[tuple[str, int], Any] = {}
        issued = counter("bezant_tokens_issued", "Access tokens issued.", ["grant_type"])
        self._issued = dict(_children(issued, grant_types))
        refreshed = counter(
            "bezant_refreshes", "Refreshes; retried: a lost answer was given again.", ["outcome"]
        )
        self._refreshed = dict(_children(refreshed, ["rotated", "retried"]))
        logins = counter("bezant_logins", "Attempts to sign in.", ["outcome"])
        self._logins = dict(_children(logins, _LOGINS.values()))
        self._events = counter("bezant_events", "Other events, by their names.", ["event"])

    def count_event(self, event: Event) -> None:
        """Count what core tells."""
        kind = type(event)
        if isinstance(event, TokenIssued):
            self._issued[event.grant_type].inc()
        elif isinstance(event, TokenRefreshed):
            self._refreshed["retried" if event.retried else "rotated"].inc()
        elif kind in _LOGINS:
            self._logins[_LOGINS[kind]].inc()
        else:
            self._events.labels(kind.__name__).inc()

    def count_request(self, endpoint: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._seconds[endpoint].observe(seconds)
        answers = self._answers.get((endpoint, status))
        if answers is None:
            answers = self._requests.labels(endpoint, str(status))
            self._answers[endpoint, status] = answers
        answers.inc()

    def exposition(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self._registry)


def _children(metric: Any, labels: Iterable[str]) -> Iterable[tuple[str, Any]]:
    """One child per label, looked up once."""
    child: Callable[[str], Any] = metric.labels
    return [(label, child(label)) for label in dict.fromkeys(labels)]
