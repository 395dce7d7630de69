"""No secret leaves by a side door: not in a log, an event, a repr, a message or a traceback."""

from __future__ import annotations

import logging
import traceback
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, quote_plus

import pytest

from bezant import ClientSecret, ResourceGuard, SecretKeyRing, User
from bezant.events import (
    AuthorizationRevoked,
    ClientAuthenticationFailed,
    LoginFailed,
    LoginSucceeded,
    LoginThrottled,
    RefreshReuseDetected,
    TokenIssued,
    TokenRefreshed,
    TokenRejected,
    TokenRevoked,
)
from bezant.http import Request
from bezant.runtime import SYNC, run_sync
from tests.api import (
    AUTHORIZE,
    INTROSPECT,
    REVOKE,
    TOKEN,
    VERIFIER,
    Api,
    answer_of,
    basic,
    bearer,
    form_of,
    interaction_of,
)
from tests.harness.bare import App
from tests.world import SECRET_KEY, confidential, hasher, make_world, quick_keys

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bezant.http import Response
    from tests.world import World

CANARY = "canary"
PASSWORD = f"{CANARY}-password-7"
WRONG_PASSWORD = f"{CANARY}-wrong-password"
NOBODY = f"{CANARY}-typed-into-the-name-field"
CLIENT_SECRET = f"{CANARY}-client-secret-%+7"


class Watch:
    """Sees all requests, remembers the secrets in them, and looks for those everywhere else."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.app = App(world.server)
        self.secrets = {PASSWORD, WRONG_PASSWORD, NOBODY, CLIENT_SECRET, SECRET_KEY}
        self.seen: list[Any] = []

    def send(self, path: str, request: Request, /) -> Response:
        self.seen += [repr(request), str(request)]
        if path in {TOKEN, REVOKE, INTROSPECT}:
            form = parse_qsl(request.body.decode("latin-1"))
            self.secrets.update(value for name, value in form if name in {"token", "refresh_token"})
        self.secrets.update(value.partition(" ")[2] for value in request.header("authorization"))
        answer = self.app.send(path, request)
        self.seen += [repr(answer), str(answer)]
        if answer.status == 200 and path == TOKEN:
            issued = answer.json()
            self.secrets |= {issued["access_token"], issued.get("refresh_token", NOBODY)}
        else:
            self.seen += [answer.body.decode(), repr(answer.headers)]
        return answer

    def leaks(self, *places: Any) -> list[tuple[str, str]]:
        text = "\n".join(str(place) for place in (*self.seen, *places))
        spelled = {
            form
            for secret in self.secrets
            for form in (secret, quote(secret), quote_plus(secret), repr(secret)[1:-1])
        }
        # Of a token any part is one too many.
        parts = {part for secret in spelled for part in secret.split(".") if len(part) >= 16}
        return [
            (part, text[max(0, text.find(part) - 80) :][:160]) for part in parts if part in text
        ]


@pytest.fixture
def watch() -> Iterator[Watch]:
    grants = ("password", "refresh_token", "client_credentials")
    client = confidential("canary", *grants)
    client = replace(client, secrets=(ClientSecret.of(CLIENT_SECRET),))
    world = make_world(more_clients=[client])
    world.users.add(
        User("user-canary", "canary-login", hasher.hash(PASSWORD), claims={"email": f"{CANARY}@x"})
    )
    yield Watch(world)
    world.server.close()


def story(api: Api, world: World) -> None:
    """Everything that can happen, good and bad."""
    own = basic("canary", CLIENT_SECRET)

    def ask(path: str, *headers: tuple[str, str], **form: str) -> Response:
        return api.post(path, form.items(), *(headers or [own]))

    def login(password: str = PASSWORD, username: str = "canary-login") -> Response:
        return ask(TOKEN, grant_type="password", username=username, password=password)

    first = login().json()
    access, refresh = first["access_token"], first["refresh_token"]
    api.get("/whoami", token=access)
    api.get("/delete", token=access)
    api.get("/public", token=access)
    second = ask(TOKEN, grant_type="refresh_token", refresh_token=refresh).json()
    ask(INTROSPECT, token=second["refresh_token"])
    ask(INTROSPECT, token=access)
    ask(TOKEN, grant_type="client_credentials")
    # Mistakes and attacks.
    login(WRONG_PASSWORD)
    login(PASSWORD, NOBODY)
    login(PASSWORD + "\0")
    login("canary" * 10_000)
    login(username="\r\ncanary-forged-log-line \x1b[31m")
    ask(TOKEN, basic("canary", CLIENT_SECRET + "x"), grant_type="client_credentials")
    ask(TOKEN, ("authorization", "Basic " + CLIENT_SECRET), grant_type="password")
    ask(TOKEN, bearer(access), grant_type="password")
    ask(TOKEN, own, client_secret=CLIENT_SECRET, grant_type="password")
    ask(TOKEN, grant_type="refresh_token", refresh_token=refresh + "x")
    ask(TOKEN, grant_type="refresh_token", refresh_token=refresh, scope="too-much")
    ask(TOKEN, grant_type="password", username="canary-login", password=PASSWORD, scope="too-much")
    api.post(TOKEN, f"password={PASSWORD}&password={PASSWORD}".encode(), own)
    api.post(TOKEN, f"password={PASSWORD}%".encode(), own)
    api.post(TOKEN, b"{" + PASSWORD.encode() + b"}", own, content_type="application/json")
    for token in access + "x", access[:-3] + "AAA", f"x.{access}", "canary-" * 4000, refresh:
        api.get("/whoami", token=token)
        api.get("/public", token=token)
    api.get("/whoami", bearer(access), bearer(access))
    api.get("/whoami", ("authorization", f"Bearer {access} {access}"))
    # A store that fails with a message of its own, and one that is away.
    world.take_away("authorizations", RuntimeError("somewhere in here"))
    login()
    ask(TOKEN, grant_type="refresh_token", refresh_token=second["refresh_token"])
    world.take_away("authorizations")
    ask(REVOKE, token=refresh)
    world.bring_back("authorizations")
    # Guessing, reuse, the end.
    for _ in range(65):
        login(WRONG_PASSWORD)
    world.clock.advance(400)
    ask(TOKEN, grant_type="refresh_token", refresh_token=refresh)
    third = login().json()
    ask(REVOKE, token=third["access_token"])
    api.get("/whoami", token=third["access_token"])
    ask(REVOKE, token=third["refresh_token"])
    ask(TOKEN, grant_type="refresh_token", refresh_token=third["refresh_token"])


def test_l01_l02_no_secret_in_logs_events_and_answers(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        story(Api(watch), watch.world)
    assert len(caplog.records) > 40
    assert len(watch.secrets) >= 20
    formatter = logging.Formatter("%(name)s %(message)s")
    logged = [formatter.format(record) for record in caplog.records]
    extras = [repr(vars(record)) for record in caplog.records]
    events = watch.world.events
    assert watch.leaks(*logged, *extras, *events, *map(repr, events)) == []
    # What the attacker typed begins no line of its own.
    assert not [
        line for entry in logged for line in entry.splitlines() if line.startswith("canary")
    ]
    assert "\x1b" not in "".join(logged)


def test_d06_c10_no_secret_in_what_is_kept(watch: Watch) -> None:
    """A dump of all stores holds nothing that can be used."""
    story(Api(watch), watch.world)
    stores = watch.world.stores
    rows = [
        *stores.clients._clients.values(),
        *stores.authorizations._rows.values(),
        *stores.keys._keys.values(),
        *stores.revocations._rows.values(),
        *stores.throttle._counters.items(),
    ]
    kept = [
        *rows,
        *(getattr(row, name, "") for row in rows for name in ("secrets", "sealed")),
        *(
            secret.hashed
            for client in stores.clients._clients.values()
            for secret in client.secrets
        ),
        *(user.password_hash for user in watch.world.users._users.values()),
    ]
    assert watch.leaks(*kept) == []


def test_l01_no_secret_in_any_repr(watch: Watch) -> None:
    api, world = Api(watch), watch.world
    story(api, world)
    server = world.server
    guard = ResourceGuard(server.verifier())
    access = api.post(
        TOKEN,
        {"grant_type": "client_credentials"}.items(),
        basic("canary", CLIENT_SECRET),
    ).json()["access_token"]
    principal = run_sync(guard.authenticate([f"Bearer {access}"], SYNC))
    client = world.stores.clients.get("canary")
    objects = [
        server,
        server.config,
        server.keys,
        server.keys.signing_key(),
        server.keys.published(),
        server.authorizations.tokens,
        server.hasher,
        server.login,
        *server.endpoints,
        *server.grants,
        guard,
        guard.verifier,
        principal,
        client,
        *client.secrets,
        world.users.find("canary-login"),
        *world.stores.authorizations._rows.values(),
        *world.stores.keys.load(),
        SecretKeyRing(SECRET_KEY),
    ]
    assert watch.leaks(*map(repr, objects), *map(str, objects)) == []
    assert f"{CANARY}@x" not in "".join(map(repr, objects))  # personal data


def test_l01_no_secret_in_a_traceback(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    api, world = Api(watch), watch.world
    printed: list[str] = []
    genuine = logging.Logger.exception

    def exception(logger: logging.Logger, *args: Any, **kwargs: Any) -> None:
        printed.append(traceback.format_exc())
        genuine(logger, *args, **kwargs)

    monkeypatch.setattr(logging.Logger, "exception", exception)
    story(api, world)
    assert len(printed) >= 2
    assert watch.leaks(*printed) == []


def test_l04_everything_that_matters_is_an_event(watch: Watch) -> None:
    story(Api(watch), watch.world)
    kinds = {type(event) for event in watch.world.events}
    assert kinds >= {
        TokenIssued,
        TokenRefreshed,
        RefreshReuseDetected,
        LoginSucceeded,
        LoginFailed,
        LoginThrottled,
        ClientAuthenticationFailed,
        TokenRevoked,
        AuthorizationRevoked,
        TokenRejected,
    }
    for event in watch.world.events:
        assert event.at >= 1_800_000_000
        if hasattr(event, "client_id"):
            assert event.client_id in {"canary", ""} or isinstance(
                event, ClientAuthenticationFailed
            )


def test_l01_a_name_typed_wrong_is_not_written_down(watch: Watch) -> None:
    """It may be a password in the wrong field."""
    Api(watch).post(
        TOKEN,
        [("grant_type", "password"), ("username", PASSWORD), ("password", "x")],
        basic("canary", CLIENT_SECRET),
    )
    (failed,) = watch.world.seen(LoginFailed)
    assert failed.subject is None
    assert PASSWORD not in repr(failed)


# ---- signing in in a browser -----------------------------------------------------------------


def browser_story(api: Api, world: World) -> set[str]:
    """Everything that can happen between a browser, a client and the server. Returns what is
    secret, or personal.
    """
    hidden = {"state": f"{CANARY}-state", "nonce": f"{CANARY}-nonce", "login_hint": f"{CANARY}@x"}
    # Requests that are refused, to a client and to a person.
    for wrong in {"scope": "too-much"}, {"client_id": CANARY}, {"redirect_uri": CANARY}:
        api.authorize(**{**hidden, **wrong})
    api.authorize(id_token_hint=f"{CANARY}.hint.token", **hidden)
    api.authorize(claims=f'{{"{CANARY}', **hidden)
    api.post(AUTHORIZE, f"client_id=app&state={CANARY}%".encode())
    uri = api.push("app", **hidden).json()["request_uri"]
    api.push("app", code_challenge=None, **hidden)
    interaction = api.waiting("app", **hidden)
    denied = interaction_of(api.post(AUTHORIZE, api.asked("app", **hidden)))
    world.deny(denied)
    api.resume(denied)
    world.sign_in()
    api.resume(interaction)
    world.consent(interaction, "openid", "items:read")
    codes = [
        answer_of(api.resume(interaction))["code"],
        answer_of(api.get(AUTHORIZE, query=f"client_id=app&request_uri={uri}"))["code"],
        form_of(api.authorize("app", response_mode="form_post", **hidden))[1]["code"],
        api.code("app", **hidden),
    ]
    api.get(AUTHORIZE, query=f"client_id=app&request_uri={uri}")
    issued = api.redeem(codes[0], "app").json()
    api.redeem(codes[0], "app")
    api.redeem(codes[1], "rival")
    api.redeem(codes[1], "app", code_verifier="w" * 43)
    api.redeem(codes[2], "app", redirect_uri="https://evil.example/")
    world.take_away("users", RuntimeError("somewhere in here"))
    api.redeem(codes[3], "app")
    world.take_away("codes")
    api.redeem(codes[3], "app")
    api.authorize("app", **hidden)
    api.resume(interaction)
    for name in "users", "codes":
        world.bring_back(name)
    tokens = {issued[name] for name in ("access_token", "refresh_token", "id_token")}
    names = {uri.rpartition(":")[2], interaction, denied}
    return {*codes, *tokens, *names, *hidden.values(), VERIFIER, "w" * 43, CANARY}


def test_l01_a15_nothing_of_a_sign_in_is_written_down(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_keys(monkeypatch)
    world = make_world(code_flow=True)
    printed: list[str] = []
    genuine = logging.Logger.exception

    def exception(logger: logging.Logger, *args: Any, **kwargs: Any) -> None:
        printed.append(traceback.format_exc())
        genuine(logger, *args, **kwargs)

    monkeypatch.setattr(logging.Logger, "exception", exception)
    with caplog.at_level(logging.DEBUG):
        secrets = browser_story(Api(App(world.server)), world)
    assert len(caplog.records) >= 10
    assert len(printed) == 1
    server = world.server
    places = [
        *(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records),
        *printed,
        *map(repr, world.events),
        *map(repr, world.stores.authorizations._rows.values()),
        *map(repr, world.stores.codes._rows.values()),
        *map(repr, (server, server.interactions, server.codes, *server.grants, *server.endpoints)),
    ]
    text = "\n".join(places)
    assert [secret for secret in secrets if secret in text] == []


def test_d06_a_dump_of_what_waits_holds_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_keys(monkeypatch)
    world = make_world(code_flow=True)
    api = Api(App(world.server))
    secrets = browser_story(api, world)
    rows = repr([(code, code.value) for code, _ in world.stores.codes._rows.values()])
    assert f"{CANARY}-nonce" in rows  # what a client said is kept, while it waits
    usable = {secret for secret in secrets if CANARY not in secret}
    assert len(usable) >= 10
    assert [secret for secret in usable if secret in rows] == []
