"""Pushed authorization requests (RFC 9126): what a client has said directly counts, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.api import (
    AUTHORIZE,
    PAR,
    answer_of,
    basic,
    client_refusal,
    error_page_of,
    interaction_of,
    is_not_stored,
)
from tests.world import secret_of

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

rfc = pytest.mark.rfc
URN = "urn:ietf:params:oauth:request_uri:"


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


def bring(api: Api, uri: str, client: str = "portal", **more: str) -> Response:
    """The browser comes with the name of a request."""
    return api.get(AUTHORIZE, query=urlencode({"client_id": client, "request_uri": uri, **more}))


@rfc("9126", "2.1")
@rfc("9126", "2.2")
@rfc("9126", "4")
def test_a_pushed_request_counts(api: Api, world: World) -> None:
    pushed = api.push("portal", state="pushed", scope="items:read")
    assert pushed.status == 201
    assert pushed.header("content-type") == "application/json"
    assert is_not_stored(pushed)
    document = pushed.json()
    assert document == {"request_uri": document["request_uri"], "expires_in": 90}
    assert document["request_uri"].startswith(URN)
    assert len(document["request_uri"]) == len(URN) + 43
    world.sign_in()
    sent = answer_of(bring(api, document["request_uri"]))
    assert sent["state"] == "pushed"
    assert api.redeem(sent["code"]).json()["scope"] == "items:read"


@rfc("9126", "4")
def test_a14_what_stands_beside_it_is_not_looked_at(api: Api, world: World) -> None:
    world.sign_in()
    uri = api.push("portal", state="pushed", scope="items:read").json()["request_uri"]
    sent = answer_of(
        bring(
            api,
            uri,
            state="other",
            scope="openid items:write",
            redirect_uri="https://evil.example",
            response_mode="form_post",
            response_type="token",
            code_challenge="B" * 43,
            nonce="other",
        )
    )
    assert sent["state"] == "pushed"
    assert api.redeem(sent["code"]).json()["scope"] == "items:read"


@rfc("9126", "7.3")
@pytest.mark.parametrize(
    "how", ["again", "late", "other-client", "changed", "guessed", "no-client"]
)
def test_a14_a_name_is_good_once_for_one_client_and_a_while(
    api: Api, world: World, how: str
) -> None:
    world.sign_in()
    uri = api.push("portal").json()["request_uri"]
    match how:
        case "again":
            answer_of(bring(api, uri))
            answer = bring(api, uri)
        case "late":
            world.clock.advance(90)
            answer = bring(api, uri)
        case "other-client":
            answer = bring(api, uri, "rival")
        case "changed":
            answer = bring(api, uri[:-1] + ("A" if uri[-1] != "A" else "B"))
        case "guessed":
            answer = bring(api, URN + "x" * 5000)
        case _:
            answer = api.get(AUTHORIZE, query=urlencode({"request_uri": uri}))
    assert error_page_of(answer)[0] == 400
    if how in {"other-client", "changed", "guessed", "no-client"}:
        # Whoever tries it has not used it up.
        assert "code" in answer_of(bring(api, uri))


@rfc("9126", "2")
@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_requests_are_pushed_by_post(api: Api, method: str) -> None:
    assert api.get(PAR, method=method).status == 405


@rfc("9126", "2.1")
@rfc("9126", "2.3")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request_uri": URN + "x"}, "invalid_request"),
        ({"request": "x.y."}, "request_not_supported"),
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"scope": "unknown"}, "invalid_scope"),
        ({"resource": "https://unknown.example"}, "invalid_target"),
        ({"state": ["a", "a"]}, "invalid_request"),
        ({"client_id": "app"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a13_a_bad_request_is_refused_to_the_client(
    api: Api, changes: dict[str, Any], error: str
) -> None:
    assert client_refusal(api.push("portal", **changes)) == (400, error)


@rfc("9126", "2")
@rfc("9126", "2.3")
def test_whoever_pushes_proves_who_they_are(api: Api, world: World) -> None:
    asked = api.asked("portal")
    for headers in [], [basic("portal", "wrong secret")], [basic("app", secret_of("portal"))]:
        answer = api.post(PAR, asked, *headers)
        assert client_refusal(answer)[0] in {400, 401}
    world.change_client("portal", active=False)
    assert client_refusal(api.push("portal")) == (401, "invalid_client")
    # A public client proves nothing, and gets no further than by a plain request.
    answer = api.post(PAR, api.asked("native", scope="items:read"))
    assert answer.status == 201


@rfc("9126", "4")
def test_a01_what_was_proven_when_it_was_pushed_is_proven_again(api: Api, world: World) -> None:
    uri = api.push("portal").json()["request_uri"]
    world.sign_in()
    world.change_client("portal", redirect_uris=("https://moved.example.com/",))
    assert error_page_of(bring(api, uri))[0] == 400


def test_s04_a_pushed_interaction_is_nothing(api: Api, world: World) -> None:
    world.sign_in()
    other = api.waiting("app", state="other")
    world.consent(other, "openid", "items:read")
    uri = api.push("portal", interaction=other, state="mine").json()["request_uri"]
    assert answer_of(bring(api, uri))["state"] == "mine"


def test_a15_nothing_pushed_is_seen_in_an_address(api: Api, world: World) -> None:
    canary = "canary-of-the-request"
    pushed = api.push("app", state=canary, nonce=canary, login_hint=canary)
    uri = pushed.json()["request_uri"]
    answer = bring(api, uri, "app")
    interaction = interaction_of(answer)
    world.sign_in()
    seen = [pushed, answer, api.resume(interaction)]
    text = "".join(f"{each.headers} {each.body!r}" for each in seen)
    assert canary not in text
    assert "set-cookie" not in text
    assert secret_of("app") not in repr(world.stores.codes._rows)
    # By POST, too, it goes on from the store.
    world.consent(interaction, "openid", "items:read")
    assert answer_of(api.resume(interaction))["state"] == canary


def test_the_secret_of_a_client_is_not_kept(api: Api, world: World) -> None:
    world.change_client("portal", auth_method="client_secret_post")
    form = [*api.asked("portal"), ("client_secret", secret_of("portal"))]
    assert api.post(PAR, form).status == 201
    kept = [code.value for code, _ in world.stores.codes._rows.values()]
    assert len(kept) == 1
    assert "s3cret" not in kept[0]


def test_o01_another_origin_may_push(api: Api) -> None:
    """No cookie is looked at: what a client proves is in the request."""
    answer = api.push("portal")
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
