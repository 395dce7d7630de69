"""``flask bezant``: keys, clients, sessions and tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask

from bezant import AuthorizationServer, ServerConfig
from bezant.errors import StoreUnavailable
from bezant.stores.memory import MemoryUserStore
from bezant.stores.sql import SQLStores
from bezant.testing import FrozenClock, TokenFactory
from flask_bezant import Bezant, current_principal, require, security_event
from tests.frameworks.flask.calls import HERE, LOGIN, get, sign_in
from tests.world import SECRET_KEY, clients, hasher, make_server, people

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Shop:
    """An application with its server in a database, and its commands."""

    def __init__(self, path: Path) -> None:
        self.clock = FrozenClock()
        self.stores = SQLStores.open(f"sqlite:///{path}", sync=True)
        self.stores.database.create_all()
        for client in clients():
            self.stores.clients.add(client)
        self.server = AuthorizationServer(
            ServerConfig(issuer=HERE, audience=("https://api.example.com",), client_cache_ttl=0),
            stores=self.stores,
            secret_key=SECRET_KEY,
            users=MemoryUserStore(people()),
            hasher=hasher,
            clock=self.clock,
        )
        bezant = Bezant(self.server)
        self.app = Flask(__name__)
        bezant.init_app(self.app)
        self.app.register_blueprint(bezant.blueprint())
        self.app.get("/")(require()(lambda: current_principal.subject))

    def run(self, *args: str, exit_code: int = 0, **options: Any) -> str:
        result = self.app.test_cli_runner().invoke(args=["bezant", *args], **options)
        assert result.exit_code == exit_code, result.output
        return result.output

    def token_status(self, client_id: str, secret: str) -> int:
        form = {"grant_type": "client_credentials"}
        answer = self.app.test_client().post("/oauth/token", data=form, auth=(client_id, secret))
        return answer.status_code

    def close(self) -> None:
        self.server.close()
        self.stores.database.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path / "shop.db")
    yield made
    made.close()


def column(output: str) -> list[str]:
    return [line.split()[0] for line in output.splitlines()[1:]]


def test_keys(shop: Shop) -> None:
    token = sign_in(shop.app)
    [first] = column(shop.run("keys", "list"))
    assert "signs from" in shop.run("keys", "rotate")
    assert re.findall("active|next", shop.run("keys", "list")) == ["active", "next"]
    shop.run("keys", "retire", "--", first)
    assert get(shop.app, "/", token).status_code == 401
    assert "no key" in shop.run("keys", "retire", "unknown", exit_code=1)
    newest = shop.run("keys", "rotate", "--now").split()[1]
    assert shop.server.keys.signing_key().kid == newest


def test_clients(shop: Shop) -> None:
    options = ["--grant", "client_credentials", "--scope", "reports"]
    secret = shop.run("clients", "add", "robot", *options).split()[-1]
    assert "robot" in column(shop.run("clients", "list"))
    assert secret not in shop.run("clients", "list")
    assert shop.token_status("robot", secret) == 200
    assert "already" in shop.run("clients", "add", "robot", *options, exit_code=1)
    assert shop.token_status("robot", secret) == 200

    second = shop.run("clients", "rotate-secret", "robot", "--overlap", "60").split()[-1]
    assert [shop.token_status("robot", s) for s in (secret, second)] == [200, 200]
    third = shop.run("clients", "rotate-secret", "robot").split()[-1]
    assert [shop.token_status("robot", s) for s in (secret, second, third)] == [401, 200, 200]
    fourth = shop.run("clients", "rotate-secret", "robot", "--overlap", "0").split()[-1]
    assert [shop.token_status("robot", s) for s in (third, fourth)] == [401, 200]

    assert "ended: 0" in shop.run("clients", "disable", "robot")
    assert shop.token_status("robot", fourth) == 401
    assert "no client" in shop.run("clients", "disable", "nobody", exit_code=1)


def test_a_client_for_browsers(shop: Shop) -> None:
    uris = ("--redirect-uri", "https://a.example/cb", "--redirect-uri", "https://b.example/cb")
    more = ("--post-logout-uri", "https://a.example/", "--first-party")
    told = ("--backchannel-logout-uri", "https://a.example/told")
    shop.run("clients", "add", "site", "--grant", "authorization_code", *uris, *more, *told)
    site = shop.stores.clients.get("site")
    assert site.redirect_uris == ("https://a.example/cb", "https://b.example/cb")
    assert site.post_logout_redirect_uris == ("https://a.example/",)
    assert site.backchannel_logout_uri == "https://a.example/told"
    assert site.first_party

    keys = ("--auth-method", "private_key_jwt", "--jwks-uri", "https://a.example/jwks")
    assert "secret" not in shop.run("clients", "add", "robot", "--grant", "password", *keys)
    assert shop.stores.clients.get("robot").jwks_uri == "https://a.example/jwks"


def test_an_old_secret_ends(shop: Shop) -> None:
    secret = shop.run("clients", "add", "robot", "--grant", "client_credentials").split()[-1]
    shop.run("clients", "rotate-secret", "robot", "--overlap", "60")
    shop.clock.advance(59)
    assert shop.token_status("robot", secret) == 200
    shop.clock.advance(1)
    assert shop.token_status("robot", secret) == 401


def test_a_public_client_has_no_secret(shop: Shop) -> None:
    output = shop.run("clients", "add", "app", "--grant", "password", "--auth-method", "none")
    assert "secret" not in output
    assert "public" in shop.run("clients", "rotate-secret", "app", exit_code=1)


def test_a_client_that_contradicts_itself_is_refused_in_one_line(shop: Shop) -> None:
    output = shop.run("clients", "add", "two words", exit_code=1)
    assert output.startswith("Error: client 'two words': ")


def test_sessions(shop: Shop) -> None:
    first, second = sign_in(shop.app), sign_in(shop.app)
    ids = column(shop.run("sessions", "list", "--subject", "user-alice"))
    assert len(ids) == 2
    assert column(shop.run("sessions", "list", "--client", "web")) == []
    mine = shop.server.verifier().verify(first).session_id
    assert mine in ids
    shop.run("sessions", "revoke", "--", mine)
    statuses = [get(shop.app, "/", token).status_code for token in (first, second)]
    assert statuses == [401, 200]
    assert "1 did not exist" in shop.run("sessions", "revoke", "--", mine, exit_code=1)
    assert "ended: 1" in shop.run("sessions", "revoke", "--subject", "user-alice")
    assert get(shop.app, "/", second).status_code == 401
    assert "ended: 0" in shop.run("sessions", "revoke", "--client", "spa")
    for args in ([], ["one", "--client", "spa"]):
        shop.run("sessions", "revoke", *args, exit_code=2)


def test_the_sessions_of_a_disabled_client_end(shop: Shop) -> None:
    token = sign_in(shop.app)
    assert "ended: 1" in shop.run("clients", "disable", "spa")
    assert get(shop.app, "/", token).status_code == 401
    assert shop.app.test_client().post("/oauth/token", data=LOGIN).status_code == 401


def test_what_is_in_a_token_is_said_and_the_token_is_not(shop: Shop) -> None:
    token = sign_in(shop.app)
    output = shop.run("token", "inspect", input=token + "\n")
    assert re.search("sub +user-alice +whom it speaks for", output)
    assert "is good\n" in output
    assert token not in output
    shop.run("sessions", "revoke", "--subject", "user-alice")
    output = shop.run("token", "inspect", input=token, exit_code=1)
    assert "would be refused: it has been revoked" in output
    for text in ("", "x", "a.b.c", "e30.W10.x", "\xe9.\xe9.\xe9"):
        assert "would be refused" in shop.run("token", "inspect", input=text, exit_code=1)


def test_nothing_in_a_token_steers_the_terminal(shop: Shop) -> None:
    """It is looked at before anybody knows whose it is."""
    steering = "\x1b]0;owned\x07\r\n\u202e"
    token = TokenFactory().mint(subject=steering, **{steering: [steering], "aud": [steering, 7]})
    output = shop.run("token", "inspect", input=token, exit_code=1)
    assert "\\x1b]0;owned\\x07\\r\\n\\u202e" in output
    assert not set("\x1b\x07\r\u202e") & set(output)


def test_what_is_in_a_refresh_token(shop: Shop) -> None:
    answer = shop.app.test_client().post("/oauth/token", data=LOGIN)
    token = answer.get_json()["refresh_token"]
    output = shop.run("token", "inspect", input=token)
    assert output.startswith("refresh token\n")
    assert "is good" in output
    assert token not in output


def test_an_application_that_only_verifies() -> None:
    tokens, app = TokenFactory(), Flask(__name__)
    Bezant(tokens.verifier()).init_app(app)
    run = app.test_cli_runner().invoke
    for args in (["keys", "list"], ["clients", "list"], ["sessions", "list"]):
        result = run(args=["bezant", *args])
        assert (result.exit_code, "issues no tokens" in result.output) == (1, True)
    assert "is good" in run(args=["bezant", "token", "inspect"], input=tokens.mint()).output
    others = TokenFactory(audience="https://other.example.com").mint()
    refused = run(args=["bezant", "token", "inspect"], input=others)
    assert "would be refused: it is not meant for this API" in refused.output


def test_a_store_that_cannot_is_named() -> None:
    bezant, app = Bezant(make_server()), Flask(__name__)
    bezant.init_app(app)

    class ReadOnly:
        def get(self, client_id: str) -> None: ...

    object.__setattr__(app.extensions["bezant"].server.stores, "clients", ReadOnly())
    result = app.test_cli_runner().invoke(args=["bezant", "clients", "list"])
    assert result.exit_code == 1
    assert "stores.clients: ReadOnly has no add()" in result.output


def test_commands_send_signals(shop: Shop) -> None:
    seen = []
    with security_event.connected_to(lambda sender, event: seen.append(event), shop.app):
        shop.run("keys", "rotate")
    assert [type(event).__name__ for event in seen] == ["KeyRotated"]


def test_a_database_that_is_away_is_told_in_one_line(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*args: object) -> None:
        raise StoreUnavailable("the database is away")

    monkeypatch.setattr(shop.stores.authorizations, "list_live", away)
    assert shop.run("sessions", "list", exit_code=1) == "Error: the database is away\n"
