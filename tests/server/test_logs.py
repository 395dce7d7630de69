"""Logs: structured, with the request's id, and without a single secret."""

from __future__ import annotations

import asyncio
import gc
import io
import json
import logging
from collections.abc import Iterator
from types import ModuleType
from typing import Any, Final

import pytest
from starlette.testclient import TestClient

from bezant.clients import Client, ClientSecret
from bezant.events import LoginThrottled
from bezant_server.administration import administration
from bezant_server.app import create_app
from bezant_server.logs import configure_logging
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings

CANARY: Final = "Canary"
"""In every secret of this module, and nowhere else."""

RING: Final = f"{CANARY}-of-the-ring-0123456789-abcdefghij"
PASSWORD: Final = f"{CANARY}-of-alice"
SECRET: Final = f"{CANARY}-of-web"
WRONG: Final = f"{CANARY}-that-is-wrong"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the logs go; afterwards all is as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {
        name: logger.level
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger)
    }
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in logging.root.manager.loggerDict:
        logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))


def installation(**more: Any) -> Settings:
    settings = load_settings(secret_key=RING, **more)
    prepare(settings, lambda _: None)
    with administration(settings, lambda _: None) as at:
        at.directory.add_role("editor", ["items.delete"])
        hashed = at.new_password_hash(PASSWORD)
        at.directory.add_user("alice", password_hash=hashed, roles=["editor"])
        secrets = (ClientSecret.of(SECRET),)
        grants = frozenset({"password", "refresh_token", "client_credentials"})
        at.add_client(Client("web", grants, ("items:read",), secrets=secrets))
        at.add_client(Client("spa", grants - {"client_credentials"}, auth_method="none"))
    return settings


def every_path(client: TestClient) -> list[str]:
    """Use all that can be used, rightly and wrongly. Returns the tokens that were issued."""
    basic, wrong = ("web", SECRET), ("web", WRONG)
    issued = []

    def post(path: str, form: Any = None, auth: Any = basic, **more: Any) -> Any:
        answer = client.post(path, data=form, auth=auth, **more)
        document = answer.json()
        issued.extend(document[n] for n in ("access_token", "refresh_token") if n in document)
        return document

    sign_in = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    first = post("/oauth/token", sign_in)
    second = post("/oauth/token", {**spend(first)})
    third = post("/oauth/token", {**spend(second)})
    post("/oauth/token", {**spend(second), "scope": WRONG})
    post("/oauth/token", spend(first))
    post("/oauth/token", spend(third))
    post("/oauth/token", {**sign_in, "client_id": "spa"}, auth=None)
    post("/oauth/token", {"grant_type": "client_credentials"})
    fourth = post("/oauth/token", sign_in)
    for token in (fourth["access_token"], fourth["refresh_token"], WRONG, "eyJ" + WRONG):
        for path in ("/oauth/introspect", "/oauth/revoke"):
            post(path, {"token": token})
            post(path, {"token": token}, auth=wrong)
            post(path, {"token": token, "client_id": "spa"}, auth=None)
    for form in (
        {**sign_in, "password": WRONG},
        {**sign_in, "username": WRONG},
        {**sign_in, "scope": WRONG},
        {**sign_in, "username": f"{WRONG}\r\n\x1b[31m"},
        {"grant_type": WRONG},
        {"grant_type": "refresh_token", "refresh_token": WRONG},
        {"grant_type": "refresh_token", "refresh_token": f"bzr_{WRONG}"},
        {WRONG: WRONG},
    ):
        post("/oauth/token", form)
        post("/oauth/token", form, auth=wrong)
        # The id of a client is no secret, and is logged when nobody has it.
        post("/oauth/token", form, auth=("nobody", WRONG))
        post("/oauth/token", {**form, "client_id": "nobody", "client_secret": WRONG}, auth=None)
    raw = {"content-type": "application/x-www-form-urlencoded"}
    for body in (f"a={WRONG}&a={WRONG}", f"{WRONG}=%zz", f"a={WRONG}%00", "x" * 70000 + WRONG):
        post("/oauth/token", auth=basic, content=body, headers=raw)
    post("/oauth/token", auth=basic, json={"password": WRONG})
    for header in (f"Bearer {WRONG}", f"Basic {WRONG}", WRONG, f"Basic {WRONG} {WRONG}"):
        post("/oauth/token", sign_in, auth=None, headers={"authorization": header})
    client.get("/oauth/token", params={"password": WRONG})
    client.get("/nowhere", params={"token": WRONG}, headers={"authorization": f"Bearer {WRONG}"})
    client.get("/", headers={"x-request-id": WRONG, "cookie": WRONG})
    assert len(issued) >= 10
    return issued


def spend(tokens: dict[str, Any]) -> dict[str, str]:
    return {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}


def leaks(text: str, issued: list[str]) -> list[str]:
    """The secrets in a text."""
    return [secret for secret in (CANARY, *issued) if secret in text]


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_no_secret_is_logged_at_any_level(
    log_format: str, stream: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = installation(log_level="debug", log_format=log_format, access_log=True)
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))
    with TestClient(app, base_url=settings.public_url()) as client:
        issued = every_path(client)
        written = stream.getvalue()
        out, err = capfd.readouterr()
        assert leaks(written + out + err, issued) == []
        assert leaks(shown_objects(), issued) == []
    for expected in ("TokenIssued", "LoginFailed", "RefreshReuseDetected", "request"):
        assert expected in written


def shown_objects() -> str:
    """What the objects of our own say of themselves, as a traceback or a debugger would have it."""
    gc.collect()
    ours = [
        thing
        for thing in gc.get_objects()
        if str(type(thing).__module__).split(".")[0]
        in {"bezant", "bezant_server", "fastapi_bezant"}
        and not isinstance(thing, type | ModuleType)
    ]
    assert len(ours) > 50
    return "\n".join(repr(thing) for thing in ours)


def test_a_failure_does_not_tell_what_it_was_given(stream: io.StringIO) -> None:
    settings = installation(log_level="debug")
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))
    server = app.server

    async def fail(*given: Any) -> Any:
        bearer = "Bearer eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
        refresh_token = "bzr_AZ0ahVdeadbeefdeadbeefdeadbeefdeadbeef"
        url = f"postgresql://bezant:{CANARY}@db/bezant"
        raise RuntimeError(f"a library says {bearer}, {refresh_token}, {url}")

    server.stores.authorizations.__dict__["add"] = fail
    with TestClient(app, base_url=settings.public_url()) as client:
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        answer = client.post("/oauth/token", data=form, auth=("web", SECRET))
    assert answer.status_code == 500
    written = stream.getvalue()
    assert "RuntimeError" in written and "Traceback" in written
    assert leaks(written, ["eyJ", "bzr_"]) == []


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_belongs_to_its_request(stream: io.StringIO) -> None:
    settings = installation(access_log=True, log_format="json")
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))
    with TestClient(app, base_url=settings.public_url()) as client:
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        answer = client.post("/oauth/token?secret=canary", data=form, auth=("web", SECRET))
    assert answer.status_code == 200
    request_id = answer.headers["x-request-id"]
    of_request = [line for line in lines(stream) if line.get("request_id") == request_id]
    assert [line["event"] for line in of_request] == ["LoginSucceeded", "request"]
    assert of_request[0]["address"] == "testclient"
    access = of_request[1]
    assert (access["method"], access["path"], access["status"]) == ("POST", "/oauth/token", 200)
    assert access["milliseconds"] > 0


def test_what_comes_from_outside_stays_in_its_line(stream: io.StringIO) -> None:
    settings = installation(log_format="console")
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))
    evil = "x\r\n2026 [error] forged\x1b[2J" + "y" * 100_000
    with TestClient(app, base_url=settings.public_url()) as client:
        before = stream.getvalue().count("\n")
        client.post("/oauth/token", data={"grant_type": "password", "client_id": evil[:2000]})
    written = stream.getvalue()
    assert written.count("\n") == before + 1
    assert "\x1b" not in written and "\r" not in written
    assert max(map(len, written.splitlines())) < 1000


def test_the_daily_business_is_quiet_and_the_rest_is_not(stream: io.StringIO) -> None:
    settings = installation(log_format="json")
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))
    with TestClient(app, base_url=settings.public_url()) as client:
        every_path(client)
    app.server.events.emit(
        LoginThrottled(at=0, address="192.0.2.1", limit="account", retry_after=1)
    )
    levels = {(line["event"], line["level"]) for line in lines(stream)}
    assert not {"TokenIssued", "TokenRefreshed"} & {event for event, _ in levels}
    assert {
        ("LoginSucceeded", "info"),
        ("LoginFailed", "info"),
        ("ClientAuthenticationFailed", "info"),
        ("AuthorizationRevoked", "info"),
        ("RefreshReuseDetected", "warning"),
        ("LoginThrottled", "warning"),
    } <= levels


def test_drivers_never_log_below_info(stream: io.StringIO) -> None:
    configure_logging(load_settings(log_level="debug"), stream)
    for name in ("sqlalchemy.engine", "aiosqlite", "asyncpg", "psycopg", "redis", "httpx2"):
        assert not logging.getLogger(name).isEnabledFor(logging.DEBUG)
    assert logging.getLogger("bezant.login").isEnabledFor(logging.DEBUG)


def test_requests_at_the_same_time_keep_their_ids_apart(stream: io.StringIO) -> None:
    settings = installation(log_format="json", access_log=True)
    configure_logging(settings, stream)
    app = create_app(settings, prepare(settings, lambda _: None))

    async def call(number: int) -> tuple[str, str]:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request"}

        async def send(message: Any) -> None:
            await asyncio.sleep(0)
            sent.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": f"/{number}",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
            "client": ("192.0.2.1", 1),
        }
        await app(scope, receive, send)
        return f"/{number}", dict(sent[0]["headers"])[b"x-request-id"].decode()

    async def all_at_once() -> list[tuple[str, str]]:
        return await asyncio.gather(*map(call, range(50)))

    answered = asyncio.run(all_at_once())
    logged = [(line["path"], line["request_id"]) for line in lines(stream) if "path" in line]
    assert sorted(logged) == sorted(answered)
