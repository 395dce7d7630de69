"""The commands: what they do, what they print, how they end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bezant.clients import Client
from bezant.runtime import SYNC, run_sync
from bezant.testing.stores import PUBLIC_KEY
from bezant_server.administration import Administration, administration
from bezant_server.migrations import HEAD
from bezant_server.settings import Settings
from tests.server.conftest import Bezant

PASSWORD = "correct horse battery staple"
SECRET = "a secret of the client web"


@pytest.fixture
def at(installed: Settings) -> Iterator[Administration]:
    """The same database, looked at from the other side."""
    with administration(installed, lambda _: None) as opened:
        yield opened


@pytest.fixture
def alice(at: Administration, bezant: Bezant) -> Any:
    """A user with a session at the client web."""
    assert bezant("role", "add", "editor", "--permission", "items.delete").code == 0
    done = bezant(
        *("user", "add", "alice", "--email", "alice@example.com", "--role", "editor"),
        "--password-stdin",
        stdin=PASSWORD + "\n",
    )
    assert done.code == 0, done.err
    done = bezant(
        *("client", "add", "web", "--secret-stdin", "--grant", "password"),
        *("--grant", "refresh_token", "--scope", "items:read", "--scope", "items:write"),
        *("--audience", "https://api.example.com"),
        stdin=SECRET + "\n",
    )
    assert done.code == 0, done.err
    return at.directory.user("alice")


def open_session(at: Administration) -> Any:
    """What a password grant leaves in the database."""
    server = at.server
    user = run_sync(SYNC.call(server.login.accounts.get, at.directory.user("alice").subject))  # type: ignore[union-attr]
    client = at.client("web")
    return run_sync(
        server.authorizations.open(
            client,
            user,  # type: ignore[arg-type]
            client.scopes,
            client.audience,
            now=server.clock(),
            address="192.0.2.1",
            runtime=SYNC,
        )
    )


def signs_in(at: Administration, password: str) -> bool:
    user = run_sync(at.server.login.accounts.check("alice", password, SYNC))  # type: ignore[union-attr]
    return user is not None and user.active


# Users


def test_a_user_signs_in_with_the_password_from_standard_input(
    alice: Any, at: Administration
) -> None:
    assert signs_in(at, PASSWORD)
    assert not signs_in(at, PASSWORD + "\n")
    assert (alice.email, alice.roles, alice.active) == ("alice@example.com", ("editor",), True)


@pytest.mark.parametrize(
    ("line", "password"),
    [
        (" spaces stay \n", " spaces stay "),
        ("two lines\nonly one\n", "two lines"),
        ("windows too\r\n", "windows too"),
        ("no newline", "no newline"),
        ("pässwörter\n", "pässwörter"),
    ],
)
def test_one_line_is_read_and_one_newline_taken_away(
    line: str, password: str, at: Administration, bezant: Bezant
) -> None:
    assert bezant("user", "add", "alice", "--password-stdin", stdin=line).code == 0
    assert signs_in(at, password)


def test_users_are_listed(alice: Any, bezant: Bezant) -> None:
    listed = bezant("user", "list", "--json").json()
    assert listed == [
        {
            "subject": alice.subject,
            "username": "alice",
            "name": "",
            "email": "alice@example.com",
            "email_verified": False,
            "active": True,
            "roles": ["editor"],
            "created_at": listed[0]["created_at"],
        }
    ]
    shown = bezant("user", "list").out
    assert "alice@example.com" in shown and "editor" in shown


def test_what_is_known_of_a_user_is_said_and_changed(at: Administration, bezant: Bezant) -> None:
    add = ("user", "add", "bob", "--name", "  Bob   Builder ", "--password-stdin", "--json")
    refused = bezant(*add, "--email-verified", stdin=PASSWORD)
    assert refused.code == 1 and "no e-mail address" in refused.err
    more = ("--email", "Bob@example.com", "--email-verified")
    added = bezant(*add, *more, stdin=PASSWORD).json()
    assert (added["name"], added["email"], added["email_verified"]) == (
        "Bob Builder",
        "bob@example.com",
        True,
    )
    changed = bezant("user", "change", "bob", "--email", "b@example.com", "--json").json()
    assert (changed["name"], changed["email_verified"]) == ("Bob Builder", False)
    changed = bezant("user", "change", "bob", "--email-verified", "--name", "B", "--json").json()
    assert (changed["name"], changed["email"], changed["email_verified"]) == (
        "B",
        "b@example.com",
        True,
    )
    assert not bezant("user", "change", "bob", "--email-unverified", "--json").json()[
        "email_verified"
    ]
    bezant("user", "add", "carol", "--password-stdin", stdin=PASSWORD)
    refused = bezant("user", "change", "carol", "--email-verified")
    assert refused.code == 1 and "no e-mail address" in refused.err
    refused = bezant("user", "change", "carol", "--email", "b@example.com")
    assert refused.code == 1 and "already" in refused.err


def test_a_new_password_ends_every_session(alice: Any, at: Administration, bezant: Bezant) -> None:
    open_session(at)
    done = bezant(
        "user", "set-password", "alice", "--password-stdin", "--json", stdin="new password"
    )
    assert done.json()["sessions_ended"] == 1
    assert signs_in(at, "new password") and not signs_in(at, PASSWORD)
    assert subject_is_revoked(at, alice.subject)


def test_a_disabled_user_neither_signs_in_nor_has_sessions(
    alice: Any, at: Administration, bezant: Bezant
) -> None:
    open_session(at)
    done = bezant("user", "disable", "alice", "--json")
    assert (done.json()["active"], done.json()["sessions_ended"]) == (False, 1)
    assert not signs_in(at, PASSWORD)
    assert subject_is_revoked(at, alice.subject)
    assert bezant("user", "enable", "alice", "--json").json()["active"] is True
    assert signs_in(at, PASSWORD)


def test_roles_are_granted_and_revoked(alice: Any, at: Administration, bezant: Bezant) -> None:
    assert bezant("role", "add", "auditor").code == 0
    done = bezant("user", "grant-role", "alice", "auditor", "--json")
    assert done.json()["roles"] == ["auditor", "editor"]
    assert not subject_is_revoked(at, alice.subject)
    assert "had the role already" in bezant("user", "grant-role", "alice", "auditor").out
    session = open_session(at)
    done = bezant("user", "revoke-role", "alice", "editor", "--json")
    assert done.json()["roles"] == ["auditor"]
    assert subject_is_revoked(at, alice.subject), "tokens that carry the role are refused"
    assert at.session(session.id).revoked_at is None, "the session goes on"  # type: ignore[union-attr]
    assert "did not have the role" in bezant("user", "revoke-role", "alice", "editor").out


def subject_is_revoked(at: Administration, subject: str) -> bool:
    server = at.server
    found = run_sync(SYNC.call(server.revocations.store.since, 0.0, server.clock()))
    return ("subject", subject) in [(entry.kind, entry.value) for entry in found]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["user", "add", "alice"], 1, "there is a user with this name already"),
        (["user", "add", "bob", "--email", "alice@example.com"], 1, "e-mail address already"),
        (["user", "add", "bob", "--role", "boss"], 1, "there is no role 'boss'"),
        (["user", "add", " bob"], 1, "no spaces at its ends"),
        (["user", "set-password", "bob"], 1, "there is no user 'bob'"),
    ],
)
def test_what_cannot_be_done_is_told(
    arguments: list[str], code: int, said: str, alice: Any, bezant: Bezant
) -> None:
    done = bezant(*arguments, "--password-stdin", stdin=PASSWORD)
    assert done.code == code
    assert said in done.err and done.err.count("\n") == 1
    assert done.out == ""


@pytest.mark.parametrize("verb", ["disable", "enable"])
def test_unknown_users_are_told(verb: str, installed: Settings, bezant: Bezant) -> None:
    done = bezant("user", verb, "nobody")
    assert (done.code, done.err) == (
        1,
        "bezant: there is no user 'nobody'; `bezant user list` shows them\n",
    )


@pytest.mark.parametrize(("stdin", "code"), [("", 2), ("\n", 2), ("short", 1), ("x" * 1025, 1)])
def test_passwords_that_cannot_be(
    stdin: str, code: int, installed: Settings, bezant: Bezant
) -> None:
    done = bezant("user", "add", "alice", "--password-stdin", stdin=stdin)
    assert done.code == code
    assert "password" in done.err


def test_without_a_terminal_or_standard_input_nothing_is_guessed(
    installed: Settings, bezant: Bezant
) -> None:
    done = bezant("user", "add", "alice", stdin=PASSWORD)
    assert done.code == 2
    assert "--password-stdin" in done.err


@pytest.mark.parametrize(
    ("typed", "code"),
    [([PASSWORD, PASSWORD], 0), ([PASSWORD, "another one"], 2), (["", ""], 2)],
)
def test_on_a_terminal_it_is_asked_for_twice(
    typed: list[str],
    code: int,
    installed: Settings,
    bezant: Bezant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = iter(typed)
    monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
    monkeypatch.setattr("bezant_server.cli.options.sys", FakeSys())
    assert bezant("user", "add", "alice").code == code


class FakeSys:
    """A module `sys` with a terminal."""

    class stdin:  # noqa: N801
        isatty = staticmethod(lambda: True)


# Roles


def test_roles_are_added_extended_listed_and_removed(installed: Settings, bezant: Bezant) -> None:
    done = bezant("role", "add", "editor", "--permission", "items.delete", "--json")
    assert done.json() == {
        "name": "editor",
        "permissions": ["items.delete"],
        "users": 0,
        "added": True,
    }
    done = bezant("role", "add", "editor", "--permission", "items.write", "--json")
    assert (done.json()["added"], done.json()["permissions"]) == (
        False,
        ["items.delete", "items.write"],
    )
    assert "items.delete" in bezant("role", "list").out
    done = bezant("role", "remove", "editor", "--permission", "items.delete", "--json")
    assert done.json()["permissions"] == ["items.write"]
    assert bezant("role", "remove", "editor", "--json").json() == {
        "name": "editor",
        "removed": True,
    }
    assert bezant("role", "list", "--json").json() == []
    assert "There are no roles" in bezant("role", "list").out
    assert bezant("role", "add", "two words").code == 1


# Clients


def test_a_client_is_what_was_asked_for(alice: Any, at: Administration) -> None:
    client = at.client("web")
    assert client.grants == {"password", "refresh_token"}
    assert client.scopes == ("items:read", "items:write")
    assert client.audience == ("https://api.example.com",)
    assert client.auth_method == "client_secret_basic"
    assert client.secrets[0].matches(SECRET, 0)


def test_every_option_of_a_client_counts(at: Administration, bezant: Bezant) -> None:
    done = bezant(
        *("client", "add", "machine", "--grant", "client_credentials", "--name", "A machine"),
        *("--auth-method", "client_secret_post", "--access-token-ttl", "120"),
        *("--refresh-retry-window", "5", "--no-introspect", "--json"),
    )
    secret = done.json()["client_secret"]
    client = at.client("machine")
    assert client == Client(
        "machine",
        grants=frozenset({"client_credentials"}),
        auth_method="client_secret_post",
        secrets=client.secrets,
        name="A machine",
        introspect=False,
        access_token_ttl=120,
        refresh_retry_window=5,
    )
    assert client.secrets[0].matches(secret, 0)
    assert "client_secret" not in bezant("client", "list", "--json").json()[0]
    assert secret not in bezant("client", "list").out


def test_a_client_of_the_authorization_endpoint(at: Administration, bezant: Bezant) -> None:
    told = bezant(
        *("client", "add", "shop", "--grant", "authorization_code", "--grant", "refresh_token"),
        *("--redirect-uri", "https://shop.example.com/cb"),
        *("--redirect-uri", "com.example.shop:/cb"),
        *("--redirect-uri", "https://shop.example.com/cb"),
        *("--post-logout-uri", "https://shop.example.com/bye", "--first-party"),
        *("--post-logout-uri", "https://shop.example.com/"),
        *("--backchannel-logout-uri", "https://shop.example.com/logout", "--json"),
        *("--auth-method", "private_key_jwt", "--jwks-uri", "https://shop.example.com/keys"),
        *("--id-token-alg", "ES256", "--userinfo-alg", "EdDSA", "--scope", "openid"),
    ).json()
    assert at.client("shop") == Client(
        "shop",
        grants=frozenset({"authorization_code", "refresh_token"}),
        scopes=("openid",),
        auth_method="private_key_jwt",
        redirect_uris=("https://shop.example.com/cb", "com.example.shop:/cb"),
        post_logout_redirect_uris=("https://shop.example.com/bye", "https://shop.example.com/"),
        backchannel_logout_uri="https://shop.example.com/logout",
        first_party=True,
        jwks_uri="https://shop.example.com/keys",
        id_token_signed_response_alg="ES256",
        userinfo_signed_response_alg="EdDSA",
    )
    assert "client_secret" not in told
    assert told["redirect_uris"] == ["https://shop.example.com/cb", "com.example.shop:/cb"]
    assert told["post_logout_redirect_uris"][1] == "https://shop.example.com/"
    assert told["backchannel_logout_uri"] == "https://shop.example.com/logout"
    assert told["first_party"] is True
    assert (told["jwks"], told["jwks_uri"]) == (None, "https://shop.example.com/keys")
    assert told["id_token_signed_response_alg"] == "ES256"
    assert told["userinfo_signed_response_alg"] == "EdDSA"
    assert bezant("client", "rotate-secret", "shop").code == 1


def test_a_client_brings_its_public_keys(at: Administration, bezant: Bezant) -> None:
    keys = {"keys": [{**PUBLIC_KEY, "kid": "one"}]}
    Path("keys.json").write_text(json.dumps(keys))
    words = ("--grant", "client_credentials", "--auth-method", "private_key_jwt")
    told = bezant("client", "add", "machine", *words, "--jwks", "keys.json", "--json").json()
    assert told["jwks"] == keys
    assert at.client("machine").jwks == keys
    assert at.client("machine").secrets == ()


def test_a_client_brings_no_private_key(alice: Any, at: Administration, bezant: Bezant) -> None:
    private = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
    Path("keys.json").write_text(json.dumps({"keys": [{**PUBLIC_KEY, "d": private}]}))
    Path("words.json").write_text("no JSON")
    words = ("--grant", "client_credentials", "--auth-method", "private_key_jwt")
    for file in ("keys.json", "words.json", "absent.json"):
        done = bezant("client", "add", "machine", *words, "--jwks", file)
        assert done.code == 2
        assert private not in done.out + done.err
    assert [client.client_id for client in at.clients()] == ["web"]


def test_a_secret_that_is_made_is_shown_once_and_one_that_is_read_never(
    at: Administration, bezant: Bezant
) -> None:
    made = bezant("client", "add", "one", "--grant", "client_credentials")
    shown = made.out.split("secret, shown this once: ")[1].strip()
    assert at.client("one").secrets[0].matches(shown, 0)
    read = bezant("client", "add", "two", "--secret-stdin", stdin=SECRET)
    assert SECRET not in read.out + read.err
    assert "client_secret" not in bezant("client", "add", "three", "--public", "--json").json()


def test_the_password_grant_comes_with_a_warning(installed: Settings, bezant: Bezant) -> None:
    done = bezant("client", "add", "web", "--grant", "password", "--json")
    assert "RFC 9700" in done.err
    assert done.json()["client_id"] == "web"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["web", "--grant", "password"], 1, "there is a client 'web' already"),
        (["x", "--public", "--grant", "client_credentials"], 2, "RFC 6749 section 4.4"),
        (["x", "--grant", "refresh_token"], 2, "needs another grant"),
        (["x", "--grant", "implicit"], 2, "implicit"),
        (["x", "--public", "--secret-stdin"], 2, "no secret"),
        (["x", "--public", "--auth-method", "client_secret_post"], 2, "no secret"),
        (["x", "--auth-method", "none"], 2, "none"),
        (["x", "--auth-method", "private_key_jwt", "--secret-stdin"], 2, "no secret to read"),
        (["x", "--auth-method", "private_key_jwt"], 2, "needs either jwks or jwks_uri"),
        (["x", "--grant", "authorization_code"], 2, "needs a redirect URI"),
        (["x", "--redirect-uri", "http://example.com/"], 2, "must begin with https://"),
        (["x", "--redirect-uri", "javascript:alert(1)"], 2, "of redirect_uris"),
        (["x", "--post-logout-uri", "https://a.example/#x"], 2, "has a fragment"),
        (["x", "--backchannel-logout-uri", "ftp://a.example/"], 2, "backchannel_logout_uri"),
        (["x", "--jwks-uri", "http://a.example/keys"], 2, "jwks_uri must begin with https://"),
        (["x", "--id-token-alg", "none"], 2, "must be one of RS256, ES256, EdDSA"),
        (["x", "--userinfo-alg", "HS256"], 2, "userinfo_signed_response_alg must be one of"),
        (["x", "--scope", "two words"], 2, "each scope"),
        (["x", "--access-token-ttl", "86400"], 2, "BEZANT_MAX_ACCESS_TOKEN_TTL"),
        (["x", "--refresh-retry-window", "61"], 2, "0 to 60"),
        (["x", "--secret", "visible to all"], 2, "No such option"),
        (["spa ce"], 2, "without spaces"),
    ],
)
def test_registrations_that_make_no_sense(
    arguments: list[str], code: int, said: str, alice: Any, bezant: Bezant
) -> None:
    done = bezant("client", "add", *arguments)
    assert done.code == code
    assert said in " ".join(done.err.replace("│", " ").split())
    assert done.out == ""


@pytest.mark.parametrize("stdin", ["", "short"])
def test_a_client_needs_a_secret_worth_the_name(
    stdin: str, installed: Settings, bezant: Bezant
) -> None:
    done = bezant("client", "add", "web", "--secret-stdin", stdin=stdin)
    assert done.code == 2
    assert "secret" in done.err


def test_two_secrets_are_good_while_one_is_rotated(
    alice: Any, at: Administration, bezant: Bezant
) -> None:
    now = at.server.clock()
    second = bezant("client", "rotate-secret", "web", "--json").json()["client_secret"]
    secrets = at.client("web").secrets
    assert [s.matches(second, now) for s in secrets] == [True, False]
    assert [s.matches(SECRET, now) for s in secrets] == [False, True]
    assert not any(s.matches(SECRET, now + 86460) for s in secrets)
    done = bezant(
        "client", "rotate-secret", "web", "--secret-stdin", "--overlap", "0", stdin="after the leak"
    )
    assert done.code == 0
    secrets = at.client("web").secrets
    assert [s.matches("after the leak", now) for s in secrets] == [True]


def test_a_public_client_has_no_secret_to_rotate(installed: Settings, bezant: Bezant) -> None:
    bezant("client", "add", "spa", "--public")
    assert bezant("client", "rotate-secret", "spa").code == 1


def test_a_disabled_client_loses_its_sessions(
    alice: Any, at: Administration, bezant: Bezant
) -> None:
    session = open_session(at)
    done = bezant("client", "disable", "web", "--json")
    assert (done.json()["active"], done.json()["sessions_ended"]) == (False, 1)
    assert at.client("web").active is False
    assert at.session(session.id).revoked_at is not None  # type: ignore[union-attr]
    assert bezant("client", "enable", "web", "--json").json()["active"] is True
    assert bezant("client", "disable", "nobody").code == 1


# Keys


def test_keys_are_made_rotated_and_retired(at: Administration, bezant: Bezant) -> None:
    assert bezant("keys", "list", "--json").json() == []
    assert "There are no keys" in bezant("keys", "list").out
    first = bezant("keys", "rotate", "--now", "--json").json()
    assert (first["state"], first["algorithm"]) == ("active", "ES256")
    second = bezant("keys", "rotate", "--json").json()
    assert second["state"] == "next"
    other = bezant("keys", "rotate", "--now", "--algorithm", "EdDSA", "--json").json()
    assert other["algorithm"] == "EdDSA"
    listed = bezant("keys", "list", "--json").json()
    states = {key["kid"]: key["state"] for key in listed}
    made = [states[key["kid"]] for key in (first, second, other)]
    assert made == ["active", "next", "active"]
    # All that the server signs with is rotated, ID tokens included, unless one is named.
    algorithms = [key["algorithm"] for key in listed]
    assert sorted(algorithms) == [*["ES256"] * 2, *["EdDSA"] * 3, *["RS256"] * 2]
    assert first["kid"][:20] in bezant("keys", "list").out
    assert bezant("keys", "retire", first["kid"]).code == 0
    states = {key["kid"]: key["state"] for key in bezant("keys", "list", "--json").json()}
    assert states[first["kid"]] == "gone"
    assert list(states.values()).count("active") == 3, "an active key is replaced first"
    assert bezant("keys", "retire", first["kid"]).code == 1
    assert bezant("keys", "retire", "-begins-with-a-dash").code == 1
    assert bezant("keys", "rotate", "--algorithm", "HS256").code == 2


# Sessions


def test_sessions_are_listed_and_revoked(alice: Any, at: Administration, bezant: Bezant) -> None:
    sessions = [open_session(at) for _ in range(3)]
    listed = bezant("sessions", "list", "--json").json()
    assert {entry["id"] for entry in listed} == {session.id for session in sessions}
    assert {(e["username"], e["client_id"], e["address"]) for e in listed} == {
        ("alice", "web", "192.0.2.1")
    }
    assert len(bezant("sessions", "list", "--limit", "2", "--json").json()) == 2
    assert (
        len(bezant("sessions", "list", "--user", "alice", "--client", "web", "--json").json()) == 3
    )
    assert sessions[0].id in bezant("sessions", "list").out
    assert bezant("sessions", "revoke", sessions[0].id, "--json").json() == {"sessions_ended": 1}
    done = bezant("sessions", "revoke", sessions[0].id)
    assert done.code == 1
    assert "did not exist or had ended" in done.err
    assert bezant("sessions", "revoke", "--user", "alice", "--json").json() == {"sessions_ended": 2}
    assert bezant("sessions", "revoke", "--client", "web", "--json").json() == {"sessions_ended": 0}
    assert bezant("sessions", "list", "--json").json() == []
    assert "no live sessions" in bezant("sessions", "list").out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["revoke"], 2),
        (["revoke", "one", "--user", "alice"], 2),
        (["revoke", "-an-id-may-begin-so"], 1),
        (["revoke", "--user", "nobody"], 1),
        (["list", "--client", "nobody"], 1),
    ],
)
def test_sessions_that_cannot_be_meant(
    arguments: list[str], code: int, installed: Settings, bezant: Bezant
) -> None:
    assert bezant("sessions", *arguments).code == code


# Databases


READERS: list[list[str]] = [
    ["user", "list"],
    ["role", "list"],
    ["client", "list"],
    ["keys", "list"],
    ["sessions", "list"],
]


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_without_a_database_nothing_is_made_but_an_advice(
    arguments: list[str], bezant: Bezant
) -> None:
    done = bezant(*arguments)
    assert (done.code, done.out) == (1, "")
    assert "`bezant db upgrade`" in done.err
    assert list(Path().iterdir()) == []


def test_without_tables_the_same_advice(bezant: Bezant) -> None:
    Path("bezant.db").touch(0o600)
    done = bezant("user", "list")
    assert done.code == 1
    assert "has no tables yet; run `bezant db upgrade`" in done.err


def test_the_tables_are_made_and_checked(bezant: Bezant) -> None:
    assert bezant("db", "check").code == 1
    assert list(Path().iterdir()) == []
    assert bezant("db", "upgrade", "--json").json() == {"revision": HEAD, "changed": True}
    assert bezant("db", "upgrade", "--json").json() == {"revision": HEAD, "changed": False}
    assert bezant("db", "check", "--json").json() == {
        "ok": True,
        "state": "current",
        "expected": HEAD,
        "differences": [],
    }
    assert bezant("db", "check").code == 0


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("mysql://db/bezant", 2, "BEZANT_DATABASE_URL: 'mysql' is not supported"),
        ("nonsense", 2, "BEZANT_DATABASE_URL: write it like"),
        ("sqlite://", 2, "BEZANT_DATABASE_URL: name a file"),
        ("sqlite:////nowhere/at/all.db", 2, "BEZANT_DATABASE_URL: "),
        ("postgresql://canary:canary@127.0.0.1:1/x", 1, "the database cannot answer"),
    ],
)
def test_databases_that_cannot_be_used(
    url: str, code: int, said: str, bezant: Bezant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_DATABASE_URL", url)
    done = bezant("db", "upgrade")
    assert done.code == code
    assert said in done.err and done.err.count("\n") == 1
    assert "canary" not in done.err


def test_keys_of_another_secret_are_told(
    installed: Settings, bezant: Bezant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bezant("keys", "rotate").code == 0
    monkeypatch.setenv("BEZANT_SECRET_KEY", "another-secret-0123456789abcdef-xyz")
    done = bezant("keys", "list")
    assert done.code == 1
    assert "sealed with another secret key" in done.err


@pytest.mark.parametrize(
    ("arguments", "variable", "value", "said"),
    [
        ([], "BEZANT_ISSUER", "http://id.example.com", "BEZANT_ISSUER: use https"),
        (["--host", "0.0.0.0"], "BEZANT_PORT", "0", "BEZANT_ISSUER: say under which"),
        (["--host", "127.0.0.1.invalid"], "BEZANT_ISSUER", "https://x.example", "BEZANT_HOST"),
        ([], "BEZANT_SECRET_KEY", "canary", "BEZANT_SECRET_KEY: each secret needs"),
        ([], "BEZANT_ACCESS_TOKEN_TTL", "-1", "BEZANT_ACCESS_TOKEN_TTL: must be greater than 0"),
        ([], "BEZANT_REDIS_URL", "nonsense://:canary@x", "BEZANT_REDIS_URL: write it like"),
        ([], "BEZANT_PASSWORD_LANES", "0", "BEZANT_PASSWORD_MEMORY_KIB, _ITERATIONS, _LANES: "),
    ],
)
def test_a_start_that_cannot_be_is_refused_in_one_line(
    arguments: list[str],
    variable: str,
    value: str,
    said: str,
    bezant: Bezant,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, value)
    done = bezant("serve", "--port", "0", *arguments)
    assert done.code == 2
    assert said in done.err.splitlines()[-1]
    assert "canary" not in done.err
    assert done.out == ""


# All of them


def commands(prefix: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command there is."""
    from typer.main import get_command

    from bezant_server.cli import app

    todo: list[tuple[tuple[str, ...], Any]] = [((), get_command(app))]
    while todo:
        path, command = todo.pop()
        children = getattr(command, "commands", None)
        if children:
            todo += [((*path, name), child) for name, child in children.items()]
        else:
            yield path


@pytest.mark.parametrize("path", sorted(commands()), ids=" ".join)
def test_every_command_has_help_and_json(path: tuple[str, ...], bezant: Bezant) -> None:
    done = bezant(*path, "--help")
    assert done.code == 0
    assert "--json" in done.out


@pytest.mark.parametrize("arguments", READERS, ids=" ".join)
def test_json_is_all_there_is_on_standard_output(
    arguments: list[str], alice: Any, at: Administration, bezant: Bezant
) -> None:
    open_session(at)
    bezant("keys", "rotate", "--now", "--algorithm", "ES256")
    document = bezant(*arguments, "--json").json()
    assert len(document) == 1


@pytest.mark.parametrize("arguments", [["nonsense"], ["user", "nonsense"], ["user", "add"]])
def test_wrong_use_is_2(arguments: list[str], bezant: Bezant) -> None:
    done = bezant(*arguments)
    assert (done.code, done.out) == (2, "")
    assert "Usage" in done.err


def test_the_version(bezant: Bezant) -> None:
    assert bezant("--version").out.startswith("bezant 0.")


def test_mistakes_in_the_software_are_not_dressed_up(
    installed: Settings, bezant: Bezant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("bezant_server.accounts.Directory.users", fail)
    with pytest.raises(RuntimeError, match="a bug"):
        bezant("user", "list")
