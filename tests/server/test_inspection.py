"""`bezant token inspect`: explains tokens, and says why they would be refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bezant.grants import Decision
from bezant.keys import Key
from bezant.runtime import SYNC, run_sync
from bezant.signing import encode
from bezant.tokens import Issued, Issuer
from bezant_server.administration import Administration, administration
from bezant_server.inspection import Inspection, inspect
from bezant_server.settings import Settings, load_settings
from tests.server.conftest import Bezant
from tests.server.installation import API, fill


@pytest.fixture
def at(installed: Settings) -> Iterator[Administration]:
    with administration(installed, lambda _: None) as opened:
        fill(opened)
        run_sync(opened.server.prepare(SYNC))
        yield opened


@pytest.fixture
def issued(at: Administration) -> Issued:
    """What a password grant gives."""
    server, client = at.server, at.client("web")
    login: Any = server.login
    user = run_sync(SYNC.call(login.accounts.get, at.directory.user("alice").subject))
    now = server.clock()
    authorization = run_sync(
        server.authorizations.open(
            client, user, client.scopes, client.audience, now=now, address="", runtime=SYNC
        )
    )
    decision = Decision(client, user.subject, client.scopes, client.audience, user, authorization)
    return Issuer(
        server.config, server.keys, server.authorizations.tokens, server.revocations.view
    ).issue(decision, now)


def look(token: str, **options: Any) -> Inspection:
    return inspect(token, load_settings(), **options)


def value(found: Inspection, name: str) -> Any:
    return next(line.value for line in found.claims if line.name == name)


def test_a_good_access_token_is_explained(issued: Issued) -> None:
    found = look(issued.access_token)
    assert (found.kind, found.refused, found.verdict) == ("access token", False, "is good")
    assert value(found, "aud") == API
    assert value(found, "permissions") == ["items.delete"]
    assert all(line.meaning for line in found.claims)
    assert any(API in note for note in found.notes)


def test_an_api_may_be_named(issued: Issued) -> None:
    assert look(issued.access_token, audience=API).refused is False
    found = look(issued.access_token, audience="https://other.example.com")
    assert found.refused and "not meant for this API" in found.verdict


def test_a_revoked_token_is_found_out(issued: Issued, at: Administration) -> None:
    run_sync(at.server.revocations.revoke(SYNC, "token", issued.token_id))
    found = look(issued.access_token)
    assert found.refused and "revoked" in found.verdict


def test_a_changed_token_is_found_out(issued: Issued) -> None:
    head, body, signature = issued.access_token.split(".")
    found = look(f"{head}.{body}.{signature[:-4]}AAAA")
    assert found.refused and "changed" in found.verdict


def test_a_token_of_a_retired_key_is_found_out(issued: Issued, at: Administration) -> None:
    at.retire_key(at.keys()[0].kid)
    assert "no key of this server" in look(issued.access_token).verdict


def forged(issued: Issued, at: Administration, **claims: Any) -> str:
    """A token of the server's own key that says something else."""
    found = look(issued.access_token)
    names = ("iss", "sub", "aud", "exp", "iat", "jti", "client_id")
    document = {name: value(found, name) for name in names} | claims
    return encode(at.server.keys.signing_key(), "at+jwt", document)


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"exp": 1}, "it has expired"),
        ({"iss": "https://id.example.com"}, "another server issued it"),
        ({"iss": "nonsense://["}, "another server issued it"),
        ({"exp": 10**30}, "absurd"),
        ({"sub": 7}, "sub is not a string"),
    ],
)
def test_claims_that_are_refused(
    claims: dict[str, Any], reason: str, issued: Issued, at: Administration
) -> None:
    found = look(forged(issued, at, **claims))
    assert found.refused and reason in found.verdict
    for line in found.claims:
        assert isinstance(line.text, str)


def test_other_kinds_of_jwt_are_told_apart(issued: Issued, at: Administration) -> None:
    token = encode(at.server.keys.signing_key(), "JWT", {"sub": "alice"})
    assert "another kind of token" in look(token).verdict


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "eyJ.eyJ.eyJ", "ÿ.ÿ.ÿ", "e30." * 9])
def test_what_is_no_token(token: str, installed: Settings) -> None:
    found = look(token)
    assert (found.kind, found.refused) == ("unknown", True)


def test_without_a_database_it_says_what_it_did_not_check(issued: Issued) -> None:
    token = issued.access_token
    Path("bezant.db.key").unlink()
    found = look(token)
    assert found.refused is None
    assert "not checked" in found.verdict
    assert found.notes[0].startswith("not checked: there is no database")
    assert look(token, now=9e9).refused
    assert look(str(issued.refresh_token)).refused is None
    assert not Path("bezant.db.key").exists()
    Path("bezant.db").unlink()
    assert look(token).refused is None
    assert not Path("bezant.db").exists()


def test_without_a_database_other_things_are_seen_still() -> None:
    key = Key.generate()
    assert "another kind" in look(encode(key, "JWT", {"sub": "alice"})).verdict
    assert "has no exp" in look(encode(key, "at+jwt", {"sub": "alice"})).verdict


def test_a_refresh_token_is_told_from_its_session(issued: Issued, at: Administration) -> None:
    token = str(issued.refresh_token)
    found = look(token)
    assert (found.kind, found.refused, value(found, "generation")) == ("refresh token", False, 1)
    server, client = at.server, at.client("web")
    for spent in ("used already", "used long ago"):
        session = at.sessions_of(user="alice", limit=1)[0]
        newest = server.authorizations.tokens.mint(session.id, session.generation)
        run_sync(
            server.authorizations.refresh(
                client, newest, now=server.clock(), address="", runtime=SYNC
            )
        )
        found = look(token)
        assert found.refused and spent in found.verdict
    assert look(token, now=9e9).verdict.endswith("its session has ended")
    at.end_sessions([value(found, "sid")])
    assert "session was revoked" in look(token).verdict
    assert look(token[:-1] + "A").refused
    gone = server.authorizations.tokens.mint("A" * 22, 1)
    assert "session is gone" in look(gone).verdict


def test_the_command_reads_standard_input(issued: Issued, bezant: Bezant) -> None:
    done = bezant("token", "inspect", "--json", stdin=issued.access_token + "\n")
    assert done.code == 0
    document = done.json()
    assert (document["refused"], document["claims"]["client_id"]) == (False, "web")
    assert document["meanings"]["aud"]
    shown = bezant("token", "inspect", stdin=issued.access_token)
    assert shown.code == 0 and "is good" in shown.out
    refused = bezant("token", "inspect", "--audience", "x", stdin=issued.access_token)
    assert refused.code == 1 and "would be refused" in refused.out
    assert bezant("token", "inspect", stdin="nonsense").code == 1
    assert bezant("token", "inspect", stdin="").code == 2


def test_a_client_that_acts_for_itself(at: Administration) -> None:
    server, client = at.server, at.client("web")
    decision = Decision(client, client.client_id, client.scopes, client.audience)
    issuer = Issuer(
        server.config, server.keys, server.authorizations.tokens, server.revocations.view
    )
    found = look(issuer.issue(decision, server.clock()).access_token)
    assert found.refused is False
    assert value(found, "sub") == "web"
