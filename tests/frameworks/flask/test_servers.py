"""Behind gunicorn, with threads and with gevent's greenlets."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from bezant.testing.issuer import FakeIssuer
from tests.frameworks.flask.calls import LOGIN
from tests.frameworks.flask.served import AT_ONCE
from tests.running import eventually
from tests.sending import TOLD
from tests.world import API

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[3]
PATIENCE = 60.0
"""Seconds for a start or an end, on the slowest machine."""
FORM = {"content-type": "application/x-www-form-urlencoded"}

WORKERS = {
    "gthread": ["--worker-class=gthread", f"--threads={AT_ONCE}"],
    "gthread-preload": ["--worker-class=gthread", f"--threads={AT_ONCE}", "--preload"],
    "gevent": ["--worker-class=gevent"],
    "gevent-preload": ["--worker-class=gevent", "--config=tests/frameworks/flask/patched.py"],
}


class Served:
    """A server that runs, and what it has written."""

    def __init__(self, port: int, process: subprocess.Popen[bytes], log: Path) -> None:
        self.port, self.process, self._log = port, process, log

    @property
    def log(self) -> str:
        return self._log.read_text()

    def ask(
        self, path: str, token: str | None = None, form: dict[str, str] | None = None
    ) -> tuple[int, str]:
        """The status of an answer, and its text."""
        http = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        if form is None:
            http.request("GET", path, headers=headers)
        else:
            http.request("POST", path, urlencode(form), {**FORM, **headers})
        answer = http.getresponse()
        text = answer.read().decode()
        http.close()
        return answer.status, text

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


@contextmanager
def serving(issuer: FakeIssuer, options: list[str], folder: Path) -> Iterator[Served]:
    """A server with one worker process."""
    log = folder / "log"
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener, log.open("wb") as file:
        port, handle = listener.getsockname()[1], listener.fileno()
        application = "tests.frameworks.flask.served:create_app()"
        process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", *options, f"--bind=fd://{handle}", application],
            cwd=ROOT,
            env={
                **os.environ,
                "FLASK_BEZANT_ISSUER": issuer.url,
                "FLASK_BEZANT_AUDIENCE": API,
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            },
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            pass_fds=[handle],
        )
    served = Served(port, process, log)
    try:
        yield served
    finally:
        process.kill()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer(API) as made:
        yield made


@pytest.fixture(scope="module", params=WORKERS.values(), ids=WORKERS)
def options(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


@pytest.fixture(scope="module")
def served(
    options: list[str], issuer: FakeIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Served]:
    with serving(issuer, options, tmp_path_factory.mktemp("served")) as made:
        yield made


def test_requests_at_once_never_mix_principals(
    options: list[str], issuer: FakeIssuer, tmp_path: Path
) -> None:
    """From the very first ones, which wait together for the issuer's keys, until it is stopped; and
    nothing secret has been written by then.
    """
    tokens: list[str] = []

    def ask(number: int) -> None:
        for turn in range(5):
            name = f"user-{number}-{turn}"
            token = issuer.mint(subject=name, scopes=["items:read"])
            tokens.append(token)
            assert served.ask("/together", token) == (200, f"{name} {name}")

    with serving(issuer, options, tmp_path) as served:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(ask, range(AT_ONCE)))
        assert served.ask("/me")[0] == 401
        assert served.ask("/me", tokens[0][:-8] + "AAAAAAAA")[0] == 401
        assert served.ask("/oauth/token", form=LOGIN)[0] == 200
        assert served.stop() == 0
    assert "Traceback" not in served.log
    signatures = {token.rpartition(".")[2][:-8] for token in tokens}
    assert not [secret for secret in (*signatures, LOGIN["password"]) if secret in served.log]


def test_tokens_are_issued_to_many_at_once(served: Served) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda _: served.ask("/oauth/token", form=LOGIN), range(32)))
    assert {status for status, _ in answers} == {200}
    assert len({text for _, text in answers}) == 32
    # Hashing steps back by itself; where its threads are greenlets, the process must not.
    assert served.ask("/priority") == (200, str(os.nice(0)))


def test_a_revocation_elsewhere_arrives_within_the_bound(
    served: Served, issuer: FakeIssuer
) -> None:
    token, other = issuer.mint(jti=f"doomed-{served.port}"), issuer.mint(subject="bob")
    assert served.ask("/me", token) == (200, "alice")
    begun = time.monotonic()
    issuer.revoke("token", f"doomed-{served.port}")
    while served.ask("/me", token)[0] == 200:
        assert time.monotonic() - begun < 5
    assert served.ask("/me", token)[0] == 401
    assert served.ask("/me", other) == (200, "bob")


def test_clients_are_told_of_logouts_by_the_process_that_answers(served: Served) -> None:
    status, process = served.ask("/process")
    assert status == 200
    told = f"told {TOLD} in {process}\n"
    assert eventually(lambda: told in served.log, within=PATIENCE)
    assert served.log.count("told ") == 1


def test_a_body_that_breaks_off_is_the_fault_of_the_client(served: Served) -> None:
    head = "POST /oauth/token HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: "
    head += FORM["content-type"]
    for broken in (
        "Transfer-Encoding: chunked\r\n\r\n5\r\ngrant\r\nnonsense\r\n",
        "Content-Length: 100\r\n\r\ngrant_type=password",
    ):
        with socket.create_connection(("127.0.0.1", served.port), timeout=PATIENCE) as client:
            client.sendall(f"{head}\r\n{broken}".encode())
            client.shutdown(socket.SHUT_WR)
            answer = client.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400"), answer
        assert b'"error":"invalid_request"' in answer
