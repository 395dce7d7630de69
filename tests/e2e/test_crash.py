"""kill -9 in the middle of a thousand refreshes: no session is lost, none is forked.

A client that saw no answer cannot know whether its refresh token was spent. It sends the same one
again within the retry window and gets the one successor, whichever it was.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from threading import Event, Lock
from typing import Any

import httpx2
import pytest

from bezant_server.administration import administration
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.server.installation import PASSWORD, SECRET, furnish
from tests.server.processes import Served, serving

SESSIONS = 20
REFRESHES = 50
KILLS_AFTER = (300, 700)
"""Refreshes that were answered when the server is killed."""


class Traffic:
    """Clients that refresh one after the other, whatever happens to the server."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answered = 0
        self.unanswered = 0
        self.successors: dict[str, set[str]] = {}
        """Refresh tokens that were got for each one that was sent."""
        self._lock = Lock()
        self._milestones = {count: Event() for count in KILLS_AFTER}
        self.failed = Event()

    def wait_for(self, count: int) -> None:
        """Wait until so many refreshes were answered."""
        while not self._milestones[count].wait(0.05):
            assert not self.failed.is_set()

    def session(self, token: str) -> str:
        """One client's life. Returns its last refresh token."""
        with httpx2.Client(base_url=self.url, trust_env=False, timeout=30) as http:
            try:
                for _ in range(REFRESHES):
                    token = self._refresh(http, token)
            except BaseException:
                self.failed.set()
                raise
        return token

    def _refresh(self, http: httpx2.Client, token: str) -> str:
        form = {"grant_type": "refresh_token", "refresh_token": token}
        while not self.failed.is_set():
            try:
                answer = http.post("/oauth/token", data=form, auth=("web", SECRET))
            except httpx2.TransportError as error:
                if not isinstance(error, httpx2.ConnectError):
                    self.unanswered += 1
                self.failed.wait(0.05)  # until the server is back
                continue
            assert answer.status_code == 200, answer.text
            successor: str = answer.json()["refresh_token"]
            with self._lock:
                self.successors.setdefault(token, set()).add(successor)
                self.answered += 1
                if self.answered in self._milestones:
                    self._milestones[self.answered].set()
            return successor
        raise AssertionError("another client failed")


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Settings]:
    """A database with alice and the client web."""
    url = f"sqlite:///{tmp_path}/bezant.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    made = load_settings(database_url=url, secret_key="0123456789abcdef0123456789abcdef")
    prepare(made, lambda _: None)
    furnish(made)
    return made


def test_kill_9_in_the_middle_of_1000_refreshes(settings: Settings, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {
        "BEZANT_DATABASE_URL": settings.database_url,
        "BEZANT_SECRET_KEY": str(settings.secret_key),
        # On a busy machine a server may need long to be back.
        "BEZANT_REFRESH_RETRY_WINDOW": "60",
    }
    with ExitStack() as stack, ThreadPoolExecutor(SESSIONS) as pool:

        def start() -> Served:
            return stack.enter_context(serving("--port", str(port), cwd=tmp_path, env=env))

        served = start()
        traffic = Traffic(served.url)
        first = [sign_in(served) for _ in range(SESSIONS)]
        clients = [pool.submit(traffic.session, token) for token in first]
        for count in KILLS_AFTER:
            traffic.wait_for(count)
            served.kill()
            served = start()
        last = [client.result() for client in clients]

        assert traffic.answered == SESSIONS * REFRESHES
        assert traffic.unanswered, "the server was killed while it was answering"
        assert all(len(successors) == 1 for successors in traffic.successors.values())
        with administration(settings, lambda _: None) as at:
            sessions = at.sessions_of(user="alice", client="web")
        assert len(sessions) == SESSIONS, "none is lost"
        generations = {session.generation for session in sessions}
        assert generations == {REFRESHES + 1}, "none is forked: each refresh was one step"
        assert all(is_active(served, token) for token in last)


def sign_in(served: Served) -> str:
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    with served.http() as http:
        document: Any = http.post("/oauth/token", data=form, auth=("web", SECRET)).json()
    return str(document["refresh_token"])


def is_active(served: Served, token: str) -> bool:
    with served.http() as http:
        answer = http.post("/oauth/introspect", data={"token": token}, auth=("web", SECRET))
    return answer.json()["active"] is True
