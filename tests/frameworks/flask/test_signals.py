"""Core's events as a signal."""

from __future__ import annotations

import gc
import runpy
import weakref
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from bezant.events import Event, KeyRotated, LoginSucceeded, TokenIssued, TokenRejected
from bezant.runtime import SYNC, run_sync
from flask_bezant import Bezant, require, security_event
from tests.frameworks.flask.calls import LOGIN, get, sign_in
from tests.world import make_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant import AuthorizationServer
    from bezant.testing import TokenFactory

SNIPPETS = Path(__file__).parents[3] / "docs" / "snippets"


def serving(server: AuthorizationServer) -> Flask:
    bezant = Bezant(server)
    app = Flask(__name__)
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint())
    app.get("/")(require()(lambda: ""))
    return app


@contextmanager
def heard(*senders: Flask) -> Iterator[list[tuple[Flask, Event]]]:
    """What was sent, and by whom."""
    seen: list[tuple[Flask, Event]] = []

    def hear(sender: Flask, event: Event) -> None:
        seen.append((sender, event))

    for sender in senders:
        security_event.connect(hear, sender)
    yield seen


def test_a_sign_in_and_a_bad_token_are_told() -> None:
    app = serving(make_server())
    with heard(app) as seen:
        sign_in(app)
        get(app, "/", "bad")
    assert [type(event) for _, event in seen] == [
        KeyRotated,
        LoginSucceeded,
        TokenIssued,
        TokenRejected,
    ]
    assert seen[2][1].client_id == "spa"  # type: ignore[attr-defined]


def test_of_two_applications_with_one_server_the_one_at_work_tells() -> None:
    server = make_server()
    first, second = serving(server), serving(server)
    with heard(first, second) as seen:
        sign_in(second)
        assert {sender for sender, _ in seen} == {second}
        seen.clear()
        run_sync(server.keys.rotate(SYNC))  # in a script, outside both
        assert [sender for sender, _ in seen] == [first, second]


def test_a_receiver_that_fails_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Nor the others: one of them may be an alarm."""
    app = serving(make_server())
    receivers = [Fails() for _ in range(3)]
    with heard(app) as seen:
        for receiver in receivers:
            security_event.connect(receiver.fail, app)
        assert sign_in(app)
    assert len(seen) == 3
    assert [receiver.called for receiver in receivers] == [3, 3, 3]
    assert caplog.text.count("a receiver failed on TokenIssued") == 3


class Fails:
    called = 0

    def fail(self, sender: Flask, event: Event) -> None:
        self.called += 1
        raise ValueError("broken")


def test_a_receiver_may_be_async() -> None:
    app = serving(make_server())
    seen = []

    async def hear(sender: Flask, event: Event) -> None:
        seen.append(event)

    with security_event.connected_to(hear, app):
        sign_in(app)
    assert len(seen) == 3


def test_the_signal_can_be_muted() -> None:
    app = serving(make_server())
    with heard(app) as seen, security_event.muted():
        sign_in(app)
    assert seen == []


def test_an_application_that_only_verifies_tells_too(tokens: TokenFactory) -> None:
    app = Flask(__name__)
    Bezant(tokens.verifier()).init_app(app)
    app.get("/")(require()(lambda: ""))
    with heard(app) as seen:
        get(app, "/", "bad")
    assert [type(event) for _, event in seen] == [TokenRejected]


def test_a_blueprint_tells_of_its_server_whoever_is_protected(tokens: TokenFactory) -> None:
    server, app, bezant = make_server(), Flask(__name__), Bezant()
    app.register_blueprint(bezant.blueprint(server))
    app.register_blueprint(bezant.well_known_blueprint(server))
    bezant.init_app(app, tokens.verifier())
    with heard(app) as seen:
        sign_in(app)
    assert [type(event) for _, event in seen] == [KeyRotated, LoginSucceeded, TokenIssued]


def test_a_server_does_not_hold_on_to_applications() -> None:
    server = make_server()
    gone = weakref.ref(serving(server))
    gc.collect()
    assert gone() is None
    run_sync(server.prepare(SYNC))


def test_the_alarm_of_the_quickstart(caplog: pytest.LogCaptureFixture) -> None:
    alarm = runpy.run_path(str(SNIPPETS / "flask_signals.py"))["alarm"]
    app = serving(make_server())
    http = app.test_client()
    first = http.post("/oauth/token", data=LOGIN).get_json()["refresh_token"]
    form = {"grant_type": "refresh_token", "client_id": "spa"}
    token = first
    for _ in range(2):
        answer = http.post("/oauth/token", data={**form, "refresh_token": token})
        token = answer.get_json()["refresh_token"]
    assert "stolen" not in caplog.text
    http.post("/oauth/token", data={**form, "refresh_token": first})
    assert "a stolen refresh token of user-alice was used" in caplog.text
    assert alarm
