"""An issuer on loopback, for tests of resource servers, with switches to break it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeAlias

from bezant.backchannel_logout import LOGOUT_TOKEN_TYPE, logout_claims
from bezant.clients import Client, ClientSecret
from bezant.config import ServerConfig
from bezant.endpoints import Handler
from bezant.http import Request, Response
from bezant.keys import Key
from bezant.runtime import SYNC, Runtime, inline, result, run_sync
from bezant.server import AuthorizationServer
from bezant.signing import encode
from bezant.stores import RevocationKind
from bezant.stores.memory import MemoryStores
from bezant.testing import TokenFactory

__all__ = ["FakeIssuer", "Fault"]

Fault: TypeAlias = Literal[
    "down", "error", "slow", "dripping", "garbage", "empty", "truncated", "huge", "redirect"
]
"""What goes wrong: the connection ends without an answer, 500, no answer as long as this is the
fault, a byte now and then, HTML, nothing, half of it, 100 MB, or a redirect."""

SECRET_KEY: Final = "for-tests-only-and-published-with-this-package"
PIECE: Final = b"x" * 65536


class FakeIssuer:
    """An authorization server in a thread, with stores in memory.

    Example::

        with FakeIssuer(audience="https://api.example.com") as issuer:
            verifier = TokenVerifier.from_issuer(issuer.url, audience=issuer.audience)
            token = issuer.mint(scopes=["items:read"])

    Args:
        audience: Of the tokens.
        clock: Seconds since the epoch.
        config: Further fields of `ServerConfig`.
    """

    client_id: Final = "resource-server"
    """A client that may introspect tokens."""
    client_secret: Final = "resource-server's secret"
    """Its secret."""

    def __init__(
        self,
        audience: str = "https://api.example.com",
        *,
        clock: Callable[[], float] = time.time,
        **config: Any,
    ) -> None:
        self.audience: str = audience
        self.clock: Callable[[], float] = clock
        self.requests: list[str] = []
        """The paths that were asked for, in order."""
        self.answers: dict[str, Response] = {}
        """What is answered at a path in place of the truth."""
        self._faults: dict[str, Fault] = {}
        self._closing = Event()
        self._http = _Server(self)
        self.url: str = f"http://127.0.0.1:{self._http.server_port}"
        """The issuer's URL."""
        resource_server = Client(
            self.client_id,
            frozenset({"client_credentials"}),
            audience=(audience,),
            secrets=(ClientSecret.of(self.client_secret),),
        )
        settings = {"audience": (audience,), "revocation_refresh": 0.05, **config}
        try:
            self.server: AuthorizationServer = AuthorizationServer(
                ServerConfig(issuer=self.url, **settings),
                stores=MemoryStores([resource_server]),
                secret_key=SECRET_KEY,
                clock=clock,
            )
        except BaseException:
            self._http.server_close()
            raise
        run_sync(self.server.prepare(SYNC))
        self._handlers: Mapping[str, Handler] = {
            endpoint.path: endpoint.handler for endpoint in self.server.endpoints
        }
        self._runtime = Runtime(io=inline, wait=result, loop=True, sleep=self._sleep)
        self._thread = Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    # What tests do

    def mint(self, **claims: Any) -> str:
        """A token of this issuer; see `bezant.testing.TokenFactory.mint`."""
        factory = TokenFactory(self.url, self.audience, self.server.keys.signing_key())
        factory.clock.now = self.clock()
        return factory.mint(**{"jti": f"token-{time.monotonic_ns()}", **claims})

    def logout_token(
        self,
        client_id: str,
        *,
        subject: str = "alice",
        session_id: str = "session",
        typ: str = LOGOUT_TOKEN_TYPE,
        key: Key | None = None,
        **claims: Any,
    ) -> str:
        """A logout token of this issuer, for tests of a `bezant.logout_receiver.LogoutReceiver`:
        post it there as ``logout_token``.

        Args:
            client_id: Whom it tells.
            subject: Who was signed in.
            session_id: In which sign-in: ``sid`` of the ID tokens that the client got.
            typ: Of the header.
            key: What signs; the issuer's own by default.
            claims: Added, or in place of others; those given as None are left out.
        """
        good = logout_claims(self.url, client_id, subject, session_id, self.clock())
        given = {name: value for name, value in {**good, **claims}.items() if value is not None}
        return encode(key or self.server.keys.signing_key(), typ, given)

    def rotate(self) -> str:
        """Sign with a new key from now on. Returns its ``kid``."""
        return run_sync(self.server.keys.rotate(SYNC, immediately=True)).kid

    def retire(self, kid: str) -> None:
        """Withdraw a key."""
        run_sync(self.server.keys.retire(SYNC, kid))

    def revoke(self, kind: RevocationKind, value: str) -> None:
        """Revoke what was issued until now to a token id, authorization, subject or client."""
        run_sync(self.server.revocations.revoke(SYNC, kind, value))

    def fail(self, fault: Fault, path: str = "") -> None:
        """Answer wrongly from now on.

        Args:
            fault: How.
            path: Where; by default everywhere.
        """
        self._faults[path] = fault

    def recover(self) -> None:
        """Answer rightly again."""
        self._faults.clear()
        self.answers.clear()

    def count(self, path: str) -> int:
        """How many requests there were for a path."""
        return self.requests.count(path)

    def close(self) -> None:
        """Stop."""
        self._closing.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()
        self.server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # What its threads do

    def answer(self, path: str, request: Request) -> Response:
        """The answer to a request."""
        if path in self.answers:
            return self.answers[path]
        handler = self._handlers.get(path)
        if handler is None:
            return Response(404, (("content-type", "text/html"),), b"<h1>Not Found</h1>")
        return run_sync(handler(request, self._runtime))

    def fault(self, path: str) -> Fault | None:
        """What goes wrong at a path."""
        return self._faults.get(path) or self._faults.get("")

    def pause(self, seconds: float) -> bool:
        """Wait, until the issuer is closed at the latest; whether it was."""
        return self._closing.wait(seconds)

    async def _sleep(self, seconds: float) -> None:
        if self.pause(seconds):
            raise _Closed


class _Closed(BaseException):
    """The issuer was closed under a request that waits, which core is not to take for a failure."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, issuer: FakeIssuer) -> None:
        self.issuer = issuer
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever hangs up early is no failure of the test's."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _handle(self) -> None:
        issuer = self.server.issuer
        path, _, query = self.path.partition("?")
        issuer.requests.append(path)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = tuple((name.lower(), value) for name, value in self.headers.items())
        request = Request(self.command, headers, body, query=query, address="127.0.0.1")
        try:
            answer = issuer.answer(path, request)
        except _Closed:
            self.close_connection = True
            return
        while (fault := issuer.fault(path)) == "slow" and not issuer.pause(0.02):
            pass
        if fault is None:
            self._send(answer)
        else:
            self.close_connection = True
            self._break(fault, answer)

    do_GET = do_POST = _handle  # noqa: N815 (so the standard library calls them)

    def _send(self, answer: Response, length: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            self.send_header(name, value)
        if answer.status != 304:
            self.send_header("content-length", str(len(answer.body) if length is None else length))
        self.end_headers()
        self.wfile.write(answer.body)

    def _break(self, fault: Fault, answer: Response) -> None:
        issuer, html = self.server.issuer, (("content-type", "text/html"),)
        match fault:
            case "down" | "slow":  # no answer, or none in time
                pass
            case "error":
                self._send(Response(500, html, b"<h1>Internal Server Error</h1>"))
            case "dripping":
                self.send_response(200)
                self.end_headers()
                while not issuer.pause(0.05):
                    self.wfile.write(b" ")
            case "garbage":
                self._send(Response(200, html, b"<!doctype html><p>Please sign in"))
            case "empty":
                self._send(Response(200, answer.headers, b""))
            case "truncated":
                half = answer.body[: len(answer.body) // 2]
                self._send(Response(200, answer.headers, half), len(answer.body))
            case "huge":
                self._send(Response(200, answer.headers, b""), 100 * 1024 * 1024)
                for _ in range(1600):
                    self.wfile.write(PIECE)
            case "redirect":
                # To itself: who follows it goes round in circles.
                self._send(Response(302, (("location", issuer.url + self.path),), b""))

    def log_message(self, *_: Any) -> None:
        """Nothing: a test's output belongs to the test."""
