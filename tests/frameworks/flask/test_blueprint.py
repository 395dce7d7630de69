"""The endpoints of a server as a blueprint: where they are, what reaches them."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest
from flask import Blueprint, Flask
from flask.cli import FlaskGroup
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import WSGIRequestHandler
from werkzeug.serving import make_server as make_http_server
from werkzeug.test import Client

from bezant import AuthorizationServer, ConfigurationError
from bezant.http import Request
from bezant.testing import TokenFactory
from flask_bezant import Bezant, current_principal, require
from tests.frameworks.flask.calls import HERE, LOGIN, get, sign_in
from tests.harness.wsgi import WSGIClient, environ_of
from tests.world import make_server, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

METADATA = "/.well-known/oauth-authorization-server"


def serving(server: AuthorizationServer, prefix: str | None = None, **options: Any) -> Flask:
    bezant = Bezant(server)
    app = Flask(__name__)
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint(), url_prefix=prefix, **options)
    return app


def check_discovery(app: Any, issuer: str, *, strip: str = "") -> None:
    """Follow a client from the issuer's URL to tokens and keys, through a proxy if need be."""
    http = Client(app)
    metadata = http.get(METADATA + issuer.removeprefix(HERE)).get_json()
    assert metadata["issuer"] == issuer
    paths = {
        name: metadata[name].removeprefix(HERE).removeprefix(strip)
        for name in ("jwks_uri", "token_endpoint")
    }
    assert http.get(paths["jwks_uri"]).get_json()["keys"]
    assert http.post(paths["token_endpoint"], data=LOGIN).status_code == 200


# ---- ready out of the box ----


def test_many_at_once_find_a_new_server_ready() -> None:
    app = serving(make_server())
    app.get("/me")(require()(lambda: current_principal.subject))
    with ThreadPoolExecutor(8) as pool:
        issued = list(pool.map(lambda _: sign_in(app), range(8)))
        assert {a.text for a in pool.map(lambda t: get(app, "/me", t), issued)} == {"user-alice"}


def test_the_blueprint_alone_is_enough_to_issue() -> None:
    app = Flask(__name__)
    app.register_blueprint(Bezant().blueprint(make_server()))
    assert sign_in(app)


# ---- where they are ----


def test_at_the_origin() -> None:
    check_discovery(serving(make_server()), HERE)


def test_a_prefix_moves_all_but_the_well_known_documents() -> None:
    issuer = HERE + "/auth"
    app = serving(make_server(issuer), "/auth")
    check_discovery(app, issuer)
    rules = {rule.rule for rule in app.url_map.iter_rules()}
    assert {"/auth/oauth/token", f"{METADATA}/auth"} <= rules
    assert f"/auth{METADATA}/auth" not in rules


def test_under_another_endpoint_prefix() -> None:
    app = serving(make_server(endpoint_prefix="/auth"))
    assert sign_in(app, "/auth/token")
    check_discovery(app, HERE)


def test_behind_a_proxy_that_takes_the_path_away() -> None:
    issuer = HERE + "/auth"
    check_discovery(serving(make_server(issuer)), issuer, strip="/auth")


def test_in_an_application_below_another() -> None:
    issuer = HERE + "/auth"
    server = make_server(issuer)
    outer = Flask(__name__)
    outer.register_blueprint(Bezant().well_known_blueprint(server))
    check_discovery(DispatcherMiddleware(outer, {"/auth": serving(server)}), issuer)


def test_in_a_blueprint_in_a_blueprint() -> None:
    issuer = HERE + "/v1/auth"
    outer = Blueprint("outer", __name__, url_prefix="/v1")
    outer.register_blueprint(Bezant(make_server(issuer)).blueprint(), url_prefix="/auth")
    app = Flask(__name__)
    app.register_blueprint(outer)
    check_discovery(app, issuer)


@pytest.mark.parametrize(
    ("issuer", "prefix", "match"),
    [
        (HERE, "/auth", "token endpoint at /oauth/token, but it is at /auth/oauth/token"),
        (HERE + "/id", "/auth", "token endpoint at /id/oauth/token"),
        (HERE + "/id", "/<tenant>", "token endpoint at /id/oauth/token"),
    ],
)
def test_a_prefix_that_the_issuer_does_not_know_is_refused(
    issuer: str, prefix: str, match: str
) -> None:
    with pytest.raises(ConfigurationError, match=match):
        serving(make_server(issuer), prefix)


def test_two_servers_in_one_application() -> None:
    issuers = [HERE + "/red", HERE + "/blue"]
    app, bezant = Flask(__name__), Bezant()
    for issuer in issuers:
        path = issuer.removeprefix(HERE)
        blueprint = bezant.blueprint(make_server(issuer), name=path[1:])
        app.register_blueprint(blueprint, url_prefix=path)
    for issuer in issuers:
        check_discovery(app, issuer)


def test_a_verifier_issues_nothing(tokens: TokenFactory) -> None:
    bezant = Bezant(tokens.verifier())
    app = Flask(__name__)
    bezant.init_app(app)
    for blueprint in (bezant.blueprint(), bezant.well_known_blueprint()):
        with pytest.raises(ConfigurationError, match="give an AuthorizationServer"):
            app.register_blueprint(blueprint)


def test_the_routes_can_be_listed() -> None:
    app = serving(make_server())
    listed = app.test_cli_runner().invoke(FlaskGroup(create_app=lambda: app), ["routes"])
    assert "/oauth/token" in listed.output


# ---- what reaches core ----


def test_every_method_reaches_core() -> None:
    http = serving(make_server()).test_client()
    for method in ("GET", "PUT", "DELETE", "PATCH", "TRACE", "BREW"):
        answer = http.open("/oauth/token", method=method)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
        assert answer.get_json()["error"] == "invalid_request"
    preflight = http.options("/oauth/token")
    assert preflight.status_code == 204
    assert "content-length" not in preflight.headers
    assert "content-type" not in preflight.headers
    whole, head = http.get(METADATA), http.head(METADATA)
    assert head.data == b""
    assert head.headers == whole.headers


def test_the_limit_of_the_application_does_not_answer_for_core() -> None:
    app = serving(make_server(max_body_size=1000))
    app.config["MAX_CONTENT_LENGTH"] = 10
    assert sign_in(app)
    answer = app.test_client().post("/oauth/token", data={**LOGIN, "more": "x" * 1000})
    assert (answer.status_code, answer.get_json()["error"]) == (413, "invalid_request")


@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_is_read_no_further_than_needed(terminated: bool) -> None:
    app = serving(make_server(max_body_size=1000))
    read = []

    class Endless:
        def read(self, size: int) -> bytes:
            read.append(min(size, 300))
            return b"x" * read[-1]

        def readinto(self, buffer: Any) -> int:
            buffer[:] = self.read(len(buffer)).ljust(len(buffer), b"x")
            return len(buffer)

    form = ("content-type", "application/x-www-form-urlencoded")
    environ = environ_of("/oauth/token", Request("POST", (form,)))
    environ |= {"wsgi.input": Endless(), "CONTENT_LENGTH": "1000000"}
    if terminated:  # as servers do that take chunked bodies
        del environ["CONTENT_LENGTH"]
        environ["wsgi.input_terminated"] = True
    started: list[Any] = []
    app(environ, lambda status, headers: started.append(status))  # type: ignore[arg-type]
    assert started == ["413 REQUEST ENTITY TOO LARGE"]
    assert sum(read) <= 1001


@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_that_breaks_off_is_the_fault_of_the_client(terminated: bool) -> None:
    """And what came of it is not acted upon: the end of it may have been a scope."""
    app = serving(make_server())
    form = ("content-type", "application/x-www-form-urlencoded")
    environ = environ_of("/oauth/token", Request("POST", (form,), urlencode(LOGIN).encode()))
    environ["CONTENT_LENGTH"] = "1000"
    environ["wsgi.input_terminated"] = terminated
    answers: list[Any] = []
    body = b"".join(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers == ["400 BAD REQUEST"]
    assert json.loads(body)["error"] == "invalid_request"


def test_what_a_server_says_of_a_broken_body_is_not_repeated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = serving(make_server())

    class Broken:
        def read(self, size: int) -> bytes:
            raise ValueError("invalid chunk size: b'password=s3cret'")

    form = ("content-type", "application/x-www-form-urlencoded")
    environ = environ_of("/oauth/token", Request("POST", (form,)))
    del environ["CONTENT_LENGTH"]
    environ |= {"wsgi.input": Broken(), "wsgi.input_terminated": True}
    answers: list[Any] = []
    with caplog.at_level(logging.DEBUG):
        body = b"".join(app(environ, lambda status, headers: answers.append(status)))  # type: ignore[arg-type]
    assert answers == ["400 BAD REQUEST"]
    assert "ValueError" in caplog.text
    assert b"s3cret" not in body
    assert "s3cret" not in caplog.text


def test_extensions_can_name_the_endpoints() -> None:
    """As those for rate limits and CSRF do, to leave a view out."""
    app = serving(make_server())
    names = {f"{view.__module__}.{view.__name__}" for view in app.view_functions.values()}
    assert "flask_bezant._http.token" in names


def test_a_body_without_a_length_is_none() -> None:
    app = serving(make_server())
    form = ("content-type", "application/x-www-form-urlencoded")
    environ = environ_of("/oauth/token", Request("POST", (form,), urlencode(LOGIN).encode()))
    del environ["CONTENT_LENGTH"]
    started: list[Any] = []
    app(environ, lambda status, headers: started.append(status))  # type: ignore[arg-type]
    assert started == ["401 UNAUTHORIZED"]  # no client is named


@pytest.mark.parametrize(
    ("proxies", "address"), [(0, "192.0.2.1"), (1, "198.51.100.7"), (2, "203.0.113.9")]
)
def test_the_address_is_what_trusted_proxies_say(proxies: int, address: str) -> None:
    world = make_world(issuer=HERE)
    app: Any = serving(world.server).wsgi_app
    if proxies:
        app = ProxyFix(app, x_for=proxies)
    headers = (
        ("content-type", "application/x-www-form-urlencoded"),
        ("x-forwarded-for", "203.0.113.9, 198.51.100.7"),
    )
    body = urlencode(LOGIN).encode()
    answer = WSGIClient(app).send(
        "/oauth/token", Request("POST", headers, body, address="192.0.2.1")
    )
    assert answer.status == 200
    assert {event.address for event in world.events if hasattr(event, "address")} == {address}


def test_the_address_of_the_peer_may_be_unknown() -> None:
    """As behind a Unix socket."""
    app = serving(make_server())
    assert Client(app).post("/oauth/token", data=LOGIN, environ_overrides={"REMOTE_ADDR": ""})
    environ = environ_of("/oauth/token", Request("POST"))
    del environ["REMOTE_ADDR"]
    started: list[Any] = []
    app(environ, lambda status, headers: started.append(status))  # type: ignore[arg-type]
    assert started == ["415 UNSUPPORTED MEDIA TYPE"]


# ---- a server with threads ----


class Quiet(WSGIRequestHandler):
    """Says nothing, and takes chunked bodies."""

    protocol_version = "HTTP/1.1"

    def log(self, *args: Any) -> None: ...


@contextmanager
def listening(app: Flask) -> Iterator[int]:
    """The port at which a threaded server serves an application."""
    server = make_http_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_chunked_bodies_arrive() -> None:
    with listening(serving(make_server(max_body_size=1000))) as port:

        def post(body: bytes) -> int:
            http = HTTPConnection("127.0.0.1", port, timeout=30)
            headers = {"content-type": "application/x-www-form-urlencoded", "connection": "close"}
            chunks = (body[at : at + 10] for at in range(0, len(body), 10))
            http.request("POST", "/oauth/token", chunks, headers, encode_chunked=True)
            status = http.getresponse().status
            http.close()
            return status

        assert post(urlencode(LOGIN).encode()) == 200
        assert post(b"x" * 1001) == 413


def test_two_authorization_headers_are_refused_on_the_wire() -> None:
    app = serving(make_server())
    app.get("/")(require()(lambda: current_principal.subject))
    token = sign_in(app)
    with listening(app) as port:
        for values, status in (([token], 200), ([token, token], 400), ([token, "bad"], 400)):
            http = HTTPConnection("127.0.0.1", port, timeout=30)
            http.putrequest("GET", "/")
            for value in values:
                http.putheader("Authorization", f"Bearer {value}")
            http.endheaders()
            assert http.getresponse().status == status
            http.close()


def test_threads_of_a_server_never_mix_principals(tokens: TokenFactory) -> None:
    app = Flask(__name__)
    Bezant(tokens.verifier()).init_app(app)
    app.get("/")(require()(lambda: current_principal.subject))
    with listening(app) as port:

        def ask(number: int) -> None:
            http = HTTPConnection("127.0.0.1", port, timeout=30)
            for turn in range(5):
                name = f"user-{number}-{turn}"
                token = tokens.mint(subject=name)
                http.request("GET", "/", headers={"authorization": f"Bearer {token}"})
                assert http.getresponse().read().decode() == name
            http.close()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(ask, range(24)))
