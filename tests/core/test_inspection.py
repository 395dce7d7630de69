"""Tokens explained, and why they would be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant.inspection import Inspection, inspect, issuer_of
from bezant.keys import Key
from bezant.runtime import SYNC, run_sync
from bezant.signing import encode
from tests.world import API, ISSUER, PASSWORD

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World


@pytest.fixture
def issued(api: Api) -> dict[str, Any]:
    """What a password grant gives."""
    answer: Any = api.token("web", grant_type="password", username="alice", password=PASSWORD)
    return answer.json()  # type: ignore[no-any-return]


def look(world: World, token: str, **options: Any) -> Inspection:
    given = {"server": world.server, "now": world.clock(), **options}
    return run_sync(inspect(token, SYNC, **given))


def test_a_good_token_is_explained(world: World, issued: dict[str, Any]) -> None:
    found = look(world, issued["access_token"])
    assert (found.kind, found.refused, found.verdict) == ("access token", False, "is good")
    assert found.document()["claims"]["iss"] == ISSUER
    assert found.notes[0].endswith(API)
    assert all(line.text and line.meaning for line in found.claims)
    assert "alice" not in repr(found)
    assert issuer_of(issued["access_token"]) == ISSUER


def test_it_is_refused_where_it_is_not_meant_for(world: World, issued: dict[str, Any]) -> None:
    assert look(world, issued["access_token"], audience=API).refused is False
    other = look(world, issued["access_token"], audience="https://other.example.com")
    assert other.refused
    assert "not meant for this API" in other.verdict
    verifier = world.server.verifier("https://other.example.com")
    assert look(world, issued["access_token"], server=None, verifier=verifier).refused


def test_without_keys_little_can_be_said(world: World, issued: dict[str, Any]) -> None:
    def blind(token: str) -> Inspection:
        return look(world, token, server=None, unchecked="nobody is there")

    found = blind(issued["access_token"])
    assert found.refused is None
    assert found.notes[0] == "not checked: nobody is there"
    world.clock.advance(9999)
    assert "expired" in blind(issued["access_token"]).verdict
    assert blind(issued["refresh_token"]).refused is None
    key = Key.generate()
    assert "another kind" in blind(encode(key, "JWT", {"sub": "alice"})).verdict
    assert "has no exp" in blind(encode(key, "at+jwt", {"sub": "alice"})).verdict


def test_a_refresh_token_is_told_from_its_session(world: World, issued: dict[str, Any]) -> None:
    token = issued["refresh_token"]
    assert look(world, token).verdict == "is good"
    server, web = world.server, world.stores.clients.get("web")
    assert web is not None
    (row,) = world.stores.authorizations.list_live(world.clock())
    for generation, spent in ((1, "used already"), (2, "used long ago")):
        newest = server.authorizations.tokens.mint(row.id, generation)
        run_sync(
            server.authorizations.refresh(web, newest, now=world.clock(), address="", runtime=SYNC)
        )
        assert spent in look(world, token).verdict
    world.stores.authorizations.revoke(row.id, world.clock())
    assert "session was revoked" in look(world, token).verdict
    assert "session is gone" in look(world, server.authorizations.tokens.mint("A" * 22, 1)).verdict
    assert look(world, token[:-1] + "A").refused
    world.clock.advance(10**8)
    assert look(world, token).refused


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c", "eyJ.eyJ.eyJ", "ÿ.ÿ.ÿ", "e30." * 9])
def test_what_is_no_token(world: World, token: str) -> None:
    found = look(world, token)
    assert (found.kind, found.refused) == ("unknown", True)
    assert issuer_of(token) is None


def test_an_issuer_that_is_no_text() -> None:
    assert issuer_of(encode(Key.generate(), "at+jwt", {"iss": 7})) is None
