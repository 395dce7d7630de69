"""The commands: what they do, what they print, and where secrets go."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command, get_commands
from django.core.management import load_command_class as load
from django.test import override_settings

from bezant import Client
from bezant.runtime import SYNC, run_sync
from bezant.stores import Code
from bezant.testing.stores import PUBLIC_KEY
from django_bezant import conf, models
from tests.frameworks.django.databases import sqlite_database
from tests.frameworks.django.project import API, BEZANT, ISSUER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bezant.stores import Authorization

pytestmark = pytest.mark.usefixtures("db")

NAMES = (
    "bezant_client",
    "bezant_inspect",
    "bezant_keys",
    "bezant_logouts",
    "bezant_prune",
    "bezant_sessions",
)
GIVEN = "a secret from standard input"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run a command and give what it prints on standard output."""

    def call(*words: str, stdin: str = "", errors: io.StringIO | None = None) -> str:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        out = io.StringIO()
        call_command(*words, stdout=out, stderr=errors or io.StringIO())
        return out.getvalue()

    return call


def document(text: str) -> Any:
    return json.loads(text)


def stored(client_id: str) -> Client:
    client = conf.server().stores.clients.get(client_id)
    assert client is not None
    return client  # type: ignore[return-value]


def a_session(subject: str = "7", client_id: str = "web") -> Authorization:
    from bezant.refresh_tokens import new_authorization_id
    from bezant.testing.stores import an_authorization

    now = conf.server().clock()
    row = an_authorization(
        id=new_authorization_id(),
        subject=subject,
        client_id=client_id,
        auth_time=now - 7200,
        created_at=now,
        rotated_at=now - 60,
        expires_at=now + 9000,
        idle_expires_at=now + 900,
    )
    conf.server().stores.authorizations.add(row)
    return row


def revoked(row: Authorization) -> bool:
    return models.Authorization.objects.get(pk=row.id).revoked_at is not None


def test_there_are_these() -> None:
    assert sorted(name for name in get_commands() if name.startswith("bezant")) == list(NAMES)
    for name in NAMES:
        assert load("django_bezant", name).help


def test_no_argument_takes_a_secret() -> None:
    for name in NAMES:
        parser = load("django_bezant", name).create_parser("manage.py", name)
        text = parser.format_help()
        assert "--secret " not in text
        assert "--token" not in text


class TestClients:
    def test_a_made_secret_is_shown_once_and_good(self, run: Callable[..., str]) -> None:
        words = ("--grant", "client_credentials", "--scope", "a", "--scope", "b", "--scope", "a")
        made = document(run("bezant_client", "add", "web", *words, "--json"))
        assert made["grant_types"] == ["client_credentials"]
        assert made["scopes"] == ["a", "b"]
        assert stored("web").secrets[0].matches(made["client_secret"], 0.0)
        listed = run("bezant_client", "list", "--json")
        assert [client["client_id"] for client in document(listed)] == ["web"]
        assert made["client_secret"] not in listed
        assert "sha256" not in listed
        assert made["client_secret"] not in run("bezant_client", "list")

    def test_a_given_secret_is_not_repeated(self, run: Callable[..., str]) -> None:
        words = ("--grant", "client_credentials", "--secret-stdin")
        assert GIVEN not in run("bezant_client", "add", "web", *words, stdin=f"{GIVEN}\r\n")
        assert stored("web").secrets[0].matches(GIVEN, 0.0)

    def test_a_public_client_has_none(self, run: Callable[..., str]) -> None:
        words = ("--auth-method", "none", "--grant", "password", "--no-introspect", "--name", "App")
        text = run("bezant_client", "add", "spa", *words)
        assert text == "added client spa\n"
        assert stored("spa").public
        assert not stored("spa").introspect
        with pytest.raises(CommandError, match="no secret"):
            run("bezant_client", "rotate-secret", "spa")

    def test_a_client_of_the_authorization_endpoint(self, run: Callable[..., str]) -> None:
        words = (
            *("--grant", "authorization_code", "--scope", "openid", "--first-party"),
            *("--redirect-uri", "https://a.example/cb", "--redirect-uri", "com.example.a:/cb"),
            *("--post-logout-uri", "https://a.example/bye", "--id-token-alg", "ES256"),
            *("--backchannel-logout-uri", "https://a.example/logout", "--userinfo-alg", "EdDSA"),
            *("--auth-method", "private_key_jwt", "--jwks-uri", "https://a.example/keys"),
        )
        made = document(run("bezant_client", "add", "shop", *words, "--json"))
        assert stored("shop") == Client(
            "shop",
            grants=frozenset({"authorization_code"}),
            scopes=("openid",),
            auth_method="private_key_jwt",
            redirect_uris=("https://a.example/cb", "com.example.a:/cb"),
            post_logout_redirect_uris=("https://a.example/bye",),
            backchannel_logout_uri="https://a.example/logout",
            first_party=True,
            jwks_uri="https://a.example/keys",
            id_token_signed_response_alg="ES256",
            userinfo_signed_response_alg="EdDSA",
        )
        assert "client_secret" not in made
        assert made["redirect_uris"] == ["https://a.example/cb", "com.example.a:/cb"]
        assert made["first_party"] is True

    def test_a_client_brings_its_public_keys(self, run: Callable[..., str], tmp_path: Path) -> None:
        file, keys = tmp_path / "keys.json", {"keys": [PUBLIC_KEY]}
        file.write_text(json.dumps(keys))
        words = ("--auth-method", "private_key_jwt", "--jwks")
        run("bezant_client", "add", "shop", *words, str(file))
        assert stored("shop").jwks == keys
        file.write_text("no JSON")
        for absent in (file, tmp_path / "absent.json"):
            with pytest.raises(CommandError, match="holds no JSON"):
                run("bezant_client", "add", "other", *words, str(absent))
        assert models.Client.objects.count() == 1

    def test_the_password_grant_is_warned_of(self, run: Callable[..., str]) -> None:
        errors = io.StringIO()
        run("bezant_client", "add", "web", "--grant", "password", errors=errors)
        assert "RFC 9700" in errors.getvalue()

    @pytest.mark.parametrize(
        ("words", "problem", "code"),
        [
            (("web",), "there is a client 'web' already", 1),
            (("x", "--scope", "a b"), "each scope must be one name", 2),
            (("x", "--access-token-ttl", "99999"), "max_access_token_ttl", 2),
            (("x", "--refresh-retry-window", "61"), "0 to 60", 2),
            (("x", "--refresh-retry-window=61"), "0 to 60", 2),
            (("x", "--secret-stdin"), "no secret on standard input", 2),
            (("x", "--auth-method", "private_key_jwt"), "needs either jwks or jwks_uri", 2),
            (("x", "--grant", "authorization_code"), "needs a redirect URI", 2),
            (("x", "--redirect-uri", "http://a.example/"), "must begin with https://", 2),
            (("x", "--post-logout-uri", "https://a.example/#x"), "has a fragment", 2),
            (("ü",), "ASCII", 2),
        ],
    )
    def test_what_is_refused(
        self, words: tuple[str, ...], problem: str, code: int, run: Callable[..., str]
    ) -> None:
        run("bezant_client", "add", "web")
        with pytest.raises(CommandError, match=problem) as caught:
            run("bezant_client", "add", *words)
        assert caught.value.returncode == code
        assert models.Client.objects.count() == 1

    def test_a_new_secret_beside_the_old(self, run: Callable[..., str]) -> None:
        first = document(run("bezant_client", "add", "web", "--json"))["client_secret"]
        words = ("bezant_client", "rotate-secret", "web", "--json")
        second = document(run(*words, "--overlap", "60"))["client_secret"]
        now = conf.server().clock()
        new, old = stored("web").secrets
        assert new.matches(second, now)
        assert new.expires_at is None
        assert old.matches(first, now)
        assert not old.matches(first, now + 61)
        run(*words, "--overlap", "0", "--secret-stdin", stdin=GIVEN)
        (only,) = stored("web").secrets
        assert only.matches(GIVEN, now)

    def test_disabling_ends_what_it_got(self, run: Callable[..., str]) -> None:
        run("bezant_client", "add", "web")
        row = a_session()
        assert "sessions ended: 1" in run("bezant_client", "disable", "web")
        assert revoked(row)
        assert not stored("web").active
        assert models.Revocation.objects.get(kind="client").value == "web"
        run("bezant_client", "enable", "web")
        assert stored("web").active
        for verb in ("disable", "enable", "rotate-secret"):
            with pytest.raises(CommandError, match="no client 'nobody'; `bezant_client list`"):
                run("bezant_client", verb, "nobody")

    def test_an_empty_list(self, run: Callable[..., str]) -> None:
        assert "bezant_client add" in run("bezant_client", "list")
        assert document(run("bezant_client", "list", "--json")) == []


class TestKeys:
    def test_the_life_of_keys(self, run: Callable[..., str]) -> None:
        assert "There are no keys" in run("bezant_keys", "list")
        first = document(run("bezant_keys", "rotate", "--now", "--json"))
        second = document(run("bezant_keys", "rotate", "--json"))
        assert (first["state"], second["state"]) == ("active", "next")
        assert first["algorithm"] == "EdDSA"
        run("bezant_keys", "retire", second["kid"])
        states = {
            key["kid"]: key["state"] for key in document(run("bezant_keys", "list", "--json"))
        }
        assert states == {first["kid"]: "active", second["kid"]: "gone"}
        shown = run("bezant_keys", "list")
        assert first["kid"] in shown
        sealed = models.SigningKey.objects.get(pk=first["kid"]).sealed
        assert bytes(sealed).hex() not in shown

    def test_a_key_that_is_not_there(self, run: Callable[..., str]) -> None:
        with pytest.raises(CommandError, match="no key 'x'"):
            run("bezant_keys", "retire", "x")

    @pytest.mark.parametrize("kid", [f"-{'a' * 42}", f"--{'a' * 41}"])
    def test_an_id_may_begin_with_dashes(self, kid: str, run: Callable[..., str]) -> None:
        with pytest.raises(CommandError, match=f"no key '{kid}'"):
            run("bezant_keys", "retire", kid, "--json")


class TestSessions:
    def test_they_are_listed_with_names(self, run: Callable[..., str]) -> None:
        alice = get_user_model().objects.create_user("alice")
        mine, other = a_session(str(alice.pk)), a_session("gone", "app")
        listed = {row["id"]: row for row in document(run("bezant_sessions", "list", "--json"))}
        assert {row["username"] for row in listed.values()} == {"alice", None}
        assert listed[mine.id]["client_id"] == "web"
        shown = run("bezant_sessions", "list", "--user", "alice")
        assert mine.id in shown
        assert "2 hours ago" in shown
        assert other.id not in shown
        assert other.id in run("bezant_sessions", "list", "--client", "app")
        assert other.id in run("bezant_sessions", "list", "--subject", "gone")
        assert len(document(run("bezant_sessions", "list", "--limit", "1", "--json"))) == 1

    def test_they_are_ended_by_id(self, run: Callable[..., str]) -> None:
        rows = [a_session() for _ in range(3)]
        ids = [row.id for row in rows[:2]]
        assert document(run("bezant_sessions", "revoke", *ids, "--json")) == {"sessions_ended": 2}
        assert [revoked(row) for row in rows] == [True, True, False]
        assert models.Revocation.objects.filter(kind="authorization").count() == 2
        with pytest.raises(CommandError, match="1 of these sessions"):
            run("bezant_sessions", "revoke", rows[0].id, rows[2].id)
        assert revoked(rows[2])

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_ids_may_begin_with_dashes(
        self, order: tuple[int, ...], run: Callable[..., str]
    ) -> None:
        ids = ["A" * 22, f"-{'b' * 21}", f"--{'c' * 20}"]
        row = a_session()
        for id_ in ids:
            conf.server().stores.authorizations.add(replace(row, id=id_, subject=f"-{'s' * 30}"))
        assert ids[0] in run("bezant_sessions", "list", "--subject", f"-{'s' * 30}")
        given = [ids[place] for place in order]
        assert run("bezant_sessions", "revoke", *given) == "sessions ended: 3\n"
        assert not revoked(row)

    def test_they_are_ended_for_a_user_or_a_client(self, run: Callable[..., str]) -> None:
        alice = get_user_model().objects.create_user("alice")
        mine, gone, app = a_session(str(alice.pk)), a_session("gone"), a_session("x", "app")
        run("bezant_sessions", "revoke", "--user", "alice")
        assert [revoked(row) for row in (mine, gone, app)] == [True, False, False]
        run("bezant_sessions", "revoke", "--subject", "gone")
        run("bezant_sessions", "revoke", "--client", "app")
        assert revoked(gone)
        assert revoked(app)

    @pytest.mark.parametrize(
        "words", [(), ("A" * 22, "--client", "web"), ("--user", "alice", "--subject", "7")]
    )
    def test_whose_has_to_be_said_once(
        self, words: tuple[str, ...], run: Callable[..., str]
    ) -> None:
        with pytest.raises(CommandError) as caught:
            run("bezant_sessions", "revoke", *words)
        assert caught.value.returncode == 2

    def test_nobody_has_that_name(self, run: Callable[..., str]) -> None:
        for verb in ("list", "revoke"):
            with pytest.raises(CommandError, match="no user 'nobody'"):
                run("bezant_sessions", verb, "--user", "nobody")


def test_names_do_not_steer_the_terminal(run: Callable[..., str]) -> None:
    user = get_user_model().objects.create_user("\x1b[2J\u202eevil")
    a_session(str(user.pk))
    shown = run("bezant_sessions", "list")
    assert "\\x1b[2J\\u202eevil" in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown


class TestPrune:
    def test_what_has_ended_is_forgotten(self, run: Callable[..., str]) -> None:
        live, now = a_session(), conf.server().clock()
        long_ago = replace(live, id="B" * 22, expires_at=now - 90_000)
        conf.server().stores.authorizations.add(long_ago)
        conf.server().stores.throttle.earn("k", 1, now - 99_999)
        for digest, ends in (("gone", now - 1), ("kept", now + 900)):
            conf.server().stores.codes.put(Code("code", digest, "{}", ends))
        assert document(run("bezant_prune", "--json")) == {"forgotten": 3}
        assert run("bezant_prune") == "rows forgotten: 0\n"
        assert run("bezant_prune", "-v0") == ""
        assert models.Authorization.objects.get().pk == live.id
        assert models.Code.objects.get().digest == "kept"


class TestInspect:
    @pytest.fixture
    def token(self, run: Callable[..., str]) -> str:
        words = ("--grant", "client_credentials", "--scope", "items:read", "--json")
        secret = document(run("bezant_client", "add", "web", *words))["client_secret"]
        return issued("web", secret)

    def test_a_good_token(self, token: str, run: Callable[..., str]) -> None:
        found = document(run("bezant_inspect", "--json", stdin=token + "\n"))
        assert found["refused"] is False
        assert found["claims"]["iss"] == ISSUER
        shown = run("bezant_inspect", stdin=token)
        assert "is good" in shown
        assert "who issued it" in shown
        assert token not in shown

    def test_for_an_audience(self, token: str, run: Callable[..., str]) -> None:
        assert "is good" in run("bezant_inspect", "--audience", API, stdin=token)
        with pytest.raises(CommandError, match="refused"):
            run("bezant_inspect", "--audience", "https://other.example.com", stdin=token)

    def test_a_revoked_one(self, token: str, run: Callable[..., str]) -> None:
        server = conf.server()
        run_sync(server.revocations.revoke(SYNC, "client", "web"))
        with pytest.raises(CommandError):
            run("bezant_inspect", stdin=token)

    @pytest.mark.parametrize("text", ["", "\n", "nonsense", "a.b.c", "ü"])
    def test_what_is_none(self, text: str, run: Callable[..., str]) -> None:
        with pytest.raises(CommandError) as caught:
            run("bezant_inspect", stdin=text)
        assert caught.value.returncode == (1 if text.strip() else 2)

    def test_a_project_that_issues_none(self, token: str, run: Callable[..., str]) -> None:
        verifier = conf.server().verifier()
        with override_settings(BEZANT={"VERIFIER": verifier}):
            assert "is good" in run("bezant_inspect", stdin=token)
            for name in ("bezant_client", "bezant_keys", "bezant_sessions"):
                with pytest.raises(CommandError, match="SERVER") as caught:
                    run(name, "list")
                assert caught.value.returncode == 2
            with pytest.raises(CommandError, match="SERVER"):
                run("bezant_prune")


def issued(client_id: str, secret: str) -> str:
    """An access token of the project's own token endpoint."""
    from django.test import Client as Browser

    answer = Browser().post(
        "/oauth/token",
        f"grant_type=client_credentials&client_id={client_id}",
        content_type="application/x-www-form-urlencoded",
        headers={"authorization": basic(client_id, secret)},
    )
    assert answer.status_code == 200, answer.content
    return str(answer.json()["access_token"])


def basic(client_id: str, secret: str) -> str:
    from base64 import b64encode

    return f"Basic {b64encode(f'{client_id}:{secret}'.encode()).decode()}"


def test_tables_that_are_missing(tmp_path: Path, run: Callable[..., str]) -> None:
    with (
        sqlite_database(tmp_path / "empty", migrate=False) as alias,
        override_settings(BEZANT={**BEZANT, "USING": alias}),
        pytest.raises(CommandError, match=r"run `manage\.py migrate`"),
    ):
        run("bezant_client", "list")


def test_another_database(tmp_path: Path, run: Callable[..., str]) -> None:
    with (
        sqlite_database(tmp_path / "other") as alias,
        override_settings(BEZANT={**BEZANT, "USING": alias}),
    ):
        run("bezant_client", "add", "web")
        assert models.Client.objects.using(alias).count() == 1
        assert models.Client.objects.count() == 0
