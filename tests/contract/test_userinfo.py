"""UserInfo over HTTP: what a client learns of whoever signed in, and who learns nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant.runtime import SYNC
from tests.api import FORM, bearer, challenge, is_not_stored
from tests.jose import parts
from tests.world import ISSUER

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

USERINFO = "/oauth/userinfo"
PROFILE = {
    "name": "Alice Archer",
    "email": "alice@example.com",
    "email_verified": True,
    "address": {"locality": "Ghent", "country": "BE"},
}


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


@pytest.fixture
def signed_in(world: World) -> None:
    world.change_user("user-alice", profile=PROFILE)
    world.sign_in()


def tokens(api: Api, **request: Any) -> dict[str, Any]:
    document: dict[str, Any] = api.redeem(api.code(**request)).json()
    return document


def refused(answer: Response) -> tuple[int, str | None]:
    """The status and the error of a refusal."""
    assert is_not_stored(answer)
    parameters = challenge(answer)
    assert parameters["realm"] == "userinfo"
    return answer.status, parameters.get("error")


@pytest.mark.openid("oidcc-userinfo-get")
@pytest.mark.openid("oidcc-userinfo-post-header")
@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_claims_of_the_scopes_that_were_given(api: Api, method: str) -> None:
    token = tokens(api, scope="openid email")["access_token"]
    answer = api.get(USERINFO, token=token, method=method)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert is_not_stored(answer)
    assert answer.json() == {
        "sub": "user-alice",
        "email": "alice@example.com",
        "email_verified": True,
    }


@pytest.mark.openid("oidcc-userinfo-post-header")
@pytest.mark.usefixtures("signed_in")
def test_a_form_may_be_posted_with_it(api: Api) -> None:
    token = tokens(api)["access_token"]
    assert api.post(USERINFO, [("x", "y")], bearer(token)).json() == {"sub": "user-alice"}


@pytest.mark.openid("oidcc-claims-essential")
@pytest.mark.usefixtures("signed_in")
def test_a_claim_that_is_asked_for_by_name(api: Api) -> None:
    asked = '{"userinfo": {"name": {"essential": true}}}'
    document = tokens(api, claims=asked)
    assert document["scope"] == "openid items:read profile"
    answer = api.get(USERINFO, token=document["access_token"])
    assert answer.json() == {"sub": "user-alice", "name": "Alice Archer"}


@pytest.mark.usefixtures("signed_in")
def test_a_client_may_have_it_signed(api: Api, world: World) -> None:
    world.change_client("portal", userinfo_signed_response_alg="RS256")
    answer = api.get(USERINFO, token=tokens(api)["access_token"])
    assert answer.header("content-type") == "application/jwt"
    assert is_not_stored(answer)
    header, claims, _ = parts(answer.body.decode())
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert claims == {"sub": "user-alice", "iss": ISSUER, "aud": "portal"}


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.openid("oidcc-userinfo-post-body")
@pytest.mark.usefixtures("signed_in")
def test_i08_whoever_has_no_good_token_learns_nothing(api: Api) -> None:
    given = tokens(api)
    token = given["access_token"]
    assert refused(api.get(USERINFO)) == (401, None)
    # Neither in the URL nor in a form.
    assert refused(api.get(USERINFO, query=f"access_token={token}")) == (401, None)
    assert refused(api.post(USERINFO, [("access_token", token)])) == (401, None)
    for bad in (given["id_token"], given["refresh_token"], token + "x", "junk"):
        assert refused(api.get(USERINFO, token=bad)) == (401, "invalid_token")
    narrow = tokens(api, scope="items:read")["access_token"]
    assert refused(api.get(USERINFO, token=narrow)) == (403, "insufficient_scope")
    twice = api.get(USERINFO, bearer(token), bearer(token))
    assert refused(twice) == (400, "invalid_request")


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("what", ["user", "client", "session"])
def test_what_has_ended_is_not_spoken_of(api: Api, world: World, what: str) -> None:
    token = tokens(api)["access_token"]
    if what == "user":
        world.change_user("user-alice", active=False)
    elif what == "client":
        world.change_client("portal", active=False)
    else:
        session = world.sign_in()
        world.elsewhere(lambda server: _end(server, session))
    assert refused(api.get(USERINFO, token=token)) == (401, "invalid_token")


async def _end(server: Any, session: Any) -> None:
    await server.logouts.end(session, SYNC)


@pytest.mark.usefixtures("signed_in")
def test_o01_any_page_that_has_a_token_may_ask(api: Api) -> None:
    token = tokens(api)["access_token"]
    answer = api.get(USERINFO, ("origin", "https://spa.example.com"), token=token)
    assert answer.header("access-control-allow-origin") == "*"
    assert answer.header("access-control-allow-credentials") is None
    preflight = api.get(USERINFO, ("origin", "https://spa.example.com"), method="OPTIONS")
    assert preflight.status == 204
    assert "authorization" in (preflight.header("access-control-allow-headers") or "")


@pytest.mark.rfc("9110", "15.5.6")
def test_other_methods(api: Api) -> None:
    answer = api.get(USERINFO, FORM, method="DELETE")
    assert answer.status == 405
    assert answer.header("allow") == "GET, POST"
