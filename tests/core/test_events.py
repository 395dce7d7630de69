"""Events: everybody hears, nobody disturbs, nothing secret is said."""

from __future__ import annotations

import inspect
import logging
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from bezant import events
from bezant.events import (
    AuthorizationRevoked,
    Event,
    Events,
    KeyRetired,
    LoginFailed,
    LoginSucceeded,
    LoginThrottled,
    RefreshReuseDetected,
)

KINDS: list[type[Event]] = [
    kind
    for kind in vars(events).values()
    if inspect.isclass(kind) and issubclass(kind, Event) and kind is not Event
]
VALUES: dict[str, Any] = {
    "str": "value",
    "str | None": "value",
    "float": 1.5,
    "int": 2,
    "bool": True,
    "tuple[str, ...]": ("items:read",),
}

login = LoginSucceeded(at=1.0, subject="alice", address="192.0.2.1")


def sample(kind: type[Event]) -> Event:
    return kind(**{field.name: VALUES[str(field.type)] for field in fields(kind)})


def name_of(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_each_event_is_a_public_frozen_value(kind: type[Event]) -> None:
    assert kind.__name__ in events.__all__
    event = sample(kind)
    assert event == sample(kind)
    with pytest.raises(FrozenInstanceError):
        event.at = 2.0  # type: ignore[misc]
    with pytest.raises(AttributeError):
        event.__dict__  # noqa: B018 - no room for more than its fields


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_l01_no_event_has_room_for_a_secret(kind: type[Event]) -> None:
    names = {field.name for field in fields(kind)}
    forbidden = ("password", "secret", "token", "code", "verifier", "username", "login", "hash")
    for name in names - {"token_id"}:
        assert not any(word in name for word in forbidden), name
    # Nothing but plain values, so that nothing can hide in a repr.
    assert {str(field.type) for field in fields(kind)} <= VALUES.keys()


@pytest.mark.parametrize("kind", KINDS, ids=name_of)
def test_l04_each_event_is_one_line_in_the_log(
    kind: type[Event], caplog: pytest.LogCaptureFixture
) -> None:
    event = sample(kind)
    with caplog.at_level(logging.DEBUG, logger="bezant.events"):
        Events().emit(event)
    [record] = caplog.records
    assert record.name == "bezant.events"
    assert record.event is event  # type: ignore[attr-defined]
    values = [f"{f.name}={getattr(event, f.name)!r}" for f in fields(kind) if f.name != "at"]
    assert record.getMessage().split() == [kind.__name__, *values]


def test_l04_the_level_says_who_should_look(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="bezant.events"):
        for kind in KINDS:
            Events().emit(sample(kind))
    levels = {record.getMessage().split()[0]: record.levelno for record in caplog.records}
    assert levels.keys() == {kind.__name__ for kind in KINDS}
    routine = {name for name, level in levels.items() if level == logging.DEBUG}
    alarming = {name for name, level in levels.items() if level == logging.WARNING}
    assert routine == {"TokenIssued", "TokenRefreshed"}
    assert alarming == {
        "CodeReplayed",
        "RefreshReuseDetected",
        "LoginThrottled",
        "LogoutNoticeFailed",
        "KeyRetired",
    }


def test_l02_what_comes_from_outside_stays_on_its_line(caplog: pytest.LogCaptureFixture) -> None:
    evil = "a\r\nLoginSucceeded subject='root'\x1b[2J\u2028"
    with caplog.at_level(logging.INFO, logger="bezant.events"):
        Events().emit(LoginFailed(at=1.0, subject=None, address=evil, reason=evil))
    text = caplog.records[0].getMessage()
    assert text.isprintable()
    assert len(text.splitlines()) == 1


def test_a_log_that_nobody_reads_costs_nothing(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "fields", None)
    heard: list[Event] = []
    with caplog.at_level(logging.CRITICAL, logger="bezant.events"):
        Events([heard.append]).emit(login)
    assert heard == [login]


# ---- subscribers ---------------------------------------------------------------------------


def test_every_subscriber_hears_every_event_in_order() -> None:
    first: list[Event] = []
    second: list[Event] = []
    hub = Events([first.append])
    revoked = AuthorizationRevoked(at=2.0, client_id="web", subject="alice", authorization_id="a")
    hub.emit(login)

    @hub.subscribe
    def listen(event: Event) -> None:
        second.append(event)

    hub.emit(revoked)
    assert first == [login, revoked]
    assert second == [revoked]
    listen(login)
    assert second == [revoked, login]


def test_two_hubs_do_not_share_subscribers() -> None:
    subscribers: list[Any] = []
    hub, other = Events(subscribers), Events(subscribers)
    heard: list[Event] = []
    hub.subscribe(heard.append)
    other.emit(login)
    assert heard == []
    assert subscribers == []


def test_a_subscriber_that_raises_is_logged_and_disturbs_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard: list[Event] = []

    def broken(event: Event) -> None:
        raise RuntimeError("the mail server is away")

    Events([broken, heard.append, broken]).emit(login)
    assert heard == [login]
    failures = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(failures) == 2
    assert failures[0].getMessage() == "a subscriber failed on LoginSucceeded"
    assert "the mail server is away" in caplog.text


def test_a_subscriber_may_stop_the_process() -> None:
    def interrupt(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Events([interrupt]).emit(login)


def test_events_tell_themselves_apart() -> None:
    reuse = RefreshReuseDetected(
        at=1.0,
        client_id="web",
        subject="alice",
        authorization_id="a",
        generation=3,
        address="192.0.2.1",
    )
    throttled = LoginThrottled(at=1.0, address="192.0.2.1", limit="account", retry_after=4.0)
    retired = KeyRetired(at=1.0, kid="k")
    assert len({reuse, throttled, retired, login}) == 4
