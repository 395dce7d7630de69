"""The adapter of docs/adapters.md is a whole one: it passes the suite that every extension passes,
and serves under a real server.
"""

from __future__ import annotations

import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.validate import validator

import httpx2
import pytest

from bezant import ConfigurationError
from bezant.testing import TokenFactory
from tests.docs.adapter import adapter
from tests.harness import ROUTES, Awaited
from tests.world import PASSWORD, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]


def test_the_whole_contract() -> None:
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"),
            *("-p", "tests.docs.adapter", "--framework=adapter", "tests/contract"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    passed = re.fullmatch(r"(\d+) passed in .*", run.stdout.splitlines()[-1])
    assert passed is not None, "none is skipped"
    assert int(passed[1]) > 50 * len(ROUTES)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output belongs to the test."""


@contextmanager
def served(app: Any) -> Iterator[httpx2.Client]:
    """A client of an application that the standard library serves, and looks at the rules of PEP
    3333 meanwhile.
    """
    with make_server("127.0.0.1", 0, validator(app), WSGIServer, Quiet) as server:
        thread = Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            with httpx2.Client(base_url=f"http://127.0.0.1:{server.server_port}") as http:
                yield http
        finally:
            server.shutdown()
            thread.join()


def hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"hello"]


def test_under_a_real_server() -> None:
    world = make_world()
    bezant = adapter["Bezant"](world.server, resource="https://api.example.com")
    app = bezant.install(bezant.require("items:read", permission="items.delete")(hello))
    form = {"grant_type": "password", "client_id": "spa", "username": "alice"}
    with served(app) as http:
        assert http.post("/oauth/token", data={**form, "password": "wrong"}).status_code == 400
        answer = http.post("/oauth/token", data={**form, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        bearer = {"authorization": f"Bearer {answer.json()['access_token']}"}
        assert http.get("/", headers=bearer).text == "hello"
        refused = http.get("/")
        assert refused.status_code == 401
        assert "oauth-protected-resource" in refused.headers["www-authenticate"]
        assert http.get("/.well-known/oauth-protected-resource").json()["resource"]
        assert http.get("/oauth/token").status_code == 405
        assert http.post("/oauth/token", content=b"x" * 100_000).status_code == 413
        jwks = http.head("/oauth/jwks.json")
        assert (jwks.status_code, jwks.content) == (200, b"")
        assert int(jwks.headers["content-length"]) > 0
    world.server.close()


def test_tokens_of_an_issuer_elsewhere() -> None:
    tokens = TokenFactory()
    bezant = adapter["Bezant"](tokens.verifier(), realm="shop")
    with served(bezant.install(bezant.require("items:read")(hello))) as http:
        for claims, status in (({"scopes": ["items:read"]}, 200), ({}, 403)):
            bearer = {"authorization": f"Bearer {tokens.mint(**claims)}"}
            assert http.get("/", headers=bearer).status_code == status
        assert http.get("/").headers["www-authenticate"] == 'Bearer realm="shop"'


def test_what_it_cannot_serve_is_refused_at_set_up() -> None:
    world = make_world(wrap=lambda name, store: Awaited(store))
    with pytest.raises(ConfigurationError, match=r"stores\.clients: .*'async def'"):
        adapter["Bezant"](world.server)
    world.server.close()
