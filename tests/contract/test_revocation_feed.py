"""The revocation feed: what every resource server reads to know what was revoked."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import pytest

from bezant import KeySet
from bezant.revocation import RevocationView, digest
from bezant.revocation_feed import read_feed
from tests.api import FEED, JWKS, METADATA, client_refusal
from tests.jose import parts
from tests.world import ISSUER, configured

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

Learn: TypeAlias = "Callable[[Response], set[str]]"


@pytest.fixture
def learn(api: Api, world: World) -> Callable[[Response], set[str]]:
    """The digests that a resource server learns from an answer."""

    def read(answer: Response) -> set[str]:
        assert answer.status == 200
        assert answer.header("content-type") == "application/jwt"
        view, keys = RevocationView(), KeySet.from_jwks(api.get(JWKS).json())
        read_feed(answer.body.decode("ascii"), view, ISSUER, keys, world.clock(), 0)
        return {name for name, _ in view.entries()}

    return read


def test_it_is_where_the_metadata_say(api: Api) -> None:
    assert api.get(METADATA).json()["revocation_feed_endpoint"] == ISSUER + FEED


def test_it_is_empty_while_nothing_is_revoked(api: Api, learn: Learn) -> None:
    assert learn(api.get(FEED)) == set()


def test_a_revoked_token_is_in_it_by_a_digest(api: Api, world: World, learn: Learn) -> None:
    access, _ = api.tokens()
    token_id = parts(access)[1]["jti"]
    assert api.revoke(access).status == 200
    answer = api.get(FEED)
    assert learn(answer) == {digest("token", token_id)}
    assert token_id.encode() not in answer.body


def test_a_revoked_sign_in_is_in_it(api: Api, learn: Learn) -> None:
    access, refresh = api.tokens()
    assert api.revoke(refresh).status == 200
    assert learn(api.get(FEED)) == {digest("authorization", parts(access)[1]["sid"])}


def test_an_entry_leaves_with_the_last_token_that_it_speaks_of(
    api: Api, world: World, learn: Learn
) -> None:
    assert api.revoke(api.tokens()[0]).status == 200
    life = world.server.config.max_access_token_ttl + world.server.config.leeway
    world.clock.advance(life - 1)
    assert len(learn(api.get(FEED))) == 1
    world.clock.advance(2)
    assert learn(api.get(FEED)) == set()


# ---- ETag ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", ["{}", "W/{}", '"other", {}', '"other" ,W/{}'])
def test_whoever_has_it_gets_304_and_no_content(api: Api, spelling: str) -> None:
    etag = api.get(FEED).header("etag")
    assert etag is not None
    answer = api.get(FEED, ("if-none-match", spelling.format(etag)))
    assert (answer.status, answer.body) == (304, b"")
    assert answer.header("etag") == etag
    assert answer.header("content-type") is None


def test_news_change_the_etag(api: Api, learn: Learn) -> None:
    etag = api.get(FEED).header("etag") or ""
    assert api.revoke(api.tokens()[0]).status == 200
    assert len(learn(api.get(FEED, ("if-none-match", etag)))) == 1


def test_an_old_feed_cannot_be_shown_for_ever(api: Api, world: World, learn: Learn) -> None:
    first = api.get(FEED)
    world.clock.advance(31)
    answer = api.get(FEED, ("if-none-match", first.header("etag") or ""))
    assert answer.status == 200
    assert learn(answer) == set()


def test_the_same_feed_has_the_same_etag_on_every_node(
    api: Api, world: World, learn: Learn
) -> None:
    etag = api.get(FEED).header("etag")
    world.clock.advance(1)  # another signature, the same content
    assert api.get(FEED).header("etag") == etag


# ---- waiting ---------------------------------------------------------------------------------


def test_news_are_not_waited_for(api: Api) -> None:
    assert api.get(FEED, query="wait=30").status == 200


@pytest.mark.parametrize("wait", ["soon", "-1", "1.5", "1e3", "%D9%A3", "1000"])
def test_a_wait_that_is_no_number_of_seconds_is_refused(api: Api, wait: str) -> None:
    assert client_refusal(api.get(FEED, query=f"wait={wait}")) == (400, "invalid_request")


# ---- failures --------------------------------------------------------------------------------


@configured(revocation_max_stale=3600.0)
def test_what_cannot_be_read_is_not_vouched_for(api: Api, world: World) -> None:
    assert api.get(FEED).status == 200
    world.clock.advance(2)
    world.take_away("revocations")
    answer = api.get(FEED)
    assert answer.status == 503
    assert answer.json()["error"] == "temporarily_unavailable"
