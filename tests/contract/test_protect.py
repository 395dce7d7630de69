"""Protected resources: who comes in, and what the others are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from bezant import Key
from bezant.events import TokenRejected
from bezant.testing import TokenFactory, fixed_key
from tests.api import bearer, challenge, refusal
from tests.jose import parts, segment
from tests.world import API, ISSUER

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

REALM = {"realm": "api"}


@pytest.fixture
def factory(world: World) -> TokenFactory:
    """Mints what the server would sign."""
    return TokenFactory(ISSUER, API, fixed_key("EdDSA"), world.clock)


# ---- credentials -----------------------------------------------------------------------------


@pytest.mark.rfc("6750", "3")
@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([], id="nothing"),
        pytest.param([("authorization", "Basic d2ViOng=")], id="basic"),
        pytest.param([("authorization", "Bearer\ttoken")], id="tab-for-space"),
        pytest.param([("authorization", "Token x")], id="other-scheme"),
        pytest.param([("authorization", "")], id="blank"),
        pytest.param([("x-authorization", "Bearer x"), ("x-user", "alice")], id="other-headers"),
    ],
)
def test_h03_h06_without_credentials_the_challenge_has_no_error(
    api: Api, headers: list[tuple[str, str]]
) -> None:
    answer = api.get("/whoami", *headers)
    assert refusal(answer) == (401, "")
    assert challenge(answer) == REALM


@pytest.mark.rfc("6750", "2.2")
@pytest.mark.rfc("6750", "2.3")
@pytest.mark.rfc("6750", "5.3")
def test_a_token_is_taken_from_the_header_alone(api: Api) -> None:
    token = api.tokens()[0]
    assert refusal(api.get("/whoami", query=f"access_token={token}")) == (401, "")
    cookie = api.get("/whoami", ("cookie", f"access_token={token}"))
    assert refusal(cookie) == (401, "")


@pytest.mark.rfc("6750", "2.1")
@pytest.mark.rfc("9110", "11.1")
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_taken_in_any_case(api: Api, scheme: str) -> None:
    assert api.get("/whoami", ("authorization", f"{scheme} {api.tokens()[0]}")).status == 200


@pytest.mark.rfc("6750", "2")
@pytest.mark.rfc("6750", "2.1")
@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda token: ["Bearer"], id="no-token"),
        pytest.param(lambda token: ["Bearer "], id="blank-token"),
        pytest.param(lambda token: [f"Bearer  {token}"], id="two-spaces"),
        pytest.param(lambda token: [f"Bearer {token} "], id="trailing-space"),
        pytest.param(lambda token: [f"Bearer \t{token}"], id="tab"),
        pytest.param(lambda token: [f"Bearer {token} {token}"], id="two-tokens"),
        pytest.param(lambda token: [f"Bearer {token},Bearer {token}"], id="list"),
        pytest.param(lambda token: [f"Bearer {token}"] * 2, id="two-headers"),
        pytest.param(lambda token: [f"Bearer {token}", "Basic d2ViOng="], id="two-schemes"),
        pytest.param(lambda token: ["Basic d2ViOng=", f"bearer {token}"], id="hidden-behind"),
        pytest.param(lambda token: ['Digest username="x"', f"Bearer {token}"], id="behind-a-list"),
    ],
)
def test_h02_h06_malformed_credentials_are_a_bad_request(api: Api, spoil: Any) -> None:
    headers = [("authorization", value) for value in spoil(api.tokens()[0])]
    answer = api.get("/whoami", *headers)
    assert refusal(answer) == (400, "invalid_request")
    assert challenge(answer)["error"] == "invalid_request"


# ---- tokens ----------------------------------------------------------------------------------

stranger = Key.generate("EdDSA")

BAD_TOKENS = {
    "no-jwt": lambda good: "x",
    "base64-of-nothing": lambda good: "..",
    "not-ascii": lambda good: good.mint() + "é",
    "oversized": lambda good: good.mint(padding="x" * 16384),
    "other-key": lambda good: good.mint(key=stranger),
    "changed-claims": lambda good: _swap(good.mint(), 1, segment({"sub": "root"})),
    "alg-none": lambda good: _swap(good.mint(), 0, segment({"alg": "none", "typ": "at+jwt"})),
    "id-token": lambda good: good.mint(typ="JWT"),
    "other-issuer": lambda good: good.mint(iss="https://evil.example.com"),
    "other-audience": lambda good: good.mint(aud="https://other.example.com"),
    "no-expiry": lambda good: good.mint(exp=None),
    "not-yet": lambda good: good.mint(nbf=int(good.clock()) + 3600),
    "subject-a-number": lambda good: good.mint(sub=7),
    "scope-a-list": lambda good: good.mint(scope=["items:read"]),
}


def _swap(token: str, place: int, new: str) -> str:
    pieces = token.split(".")
    pieces[place] = new
    return ".".join(pieces)


@pytest.mark.rfc("6750", "3.1")
@pytest.mark.rfc("9068", "4")
@pytest.mark.parametrize("spoil", BAD_TOKENS.values(), ids=BAD_TOKENS)
@pytest.mark.parametrize("path", ["/whoami", "/public"])
def test_j34_a_bad_token_is_refused_without_a_word_why(
    api: Api, world: World, factory: TokenFactory, path: str, spoil: Any
) -> None:
    token = spoil(factory)
    answer = api.get(path, token=token)
    assert refusal(answer) == (401, "invalid_token")
    assert challenge(answer) == {
        **REALM,
        "error": "invalid_token",
        "error_description": "the access token is not valid here",
    }
    assert len(world.seen(TokenRejected)) == 1


@pytest.mark.rfc("6750", "3.1")
def test_an_expired_token_is_told_apart(api: Api, world: World, factory: TokenFactory) -> None:
    """What a good signature covers is no secret, and a client learns what to do."""
    token = factory.mint(expires_in=60)
    world.clock.advance(69)
    assert api.get("/whoami", token=token).status == 200
    world.clock.advance(1)
    for _ in range(2):
        answer = api.get("/whoami", token=token)
        assert refusal(answer) == (401, "invalid_token")
        assert "expired" in challenge(answer)["error_description"]


def test_a_refresh_token_opens_nothing(api: Api) -> None:
    assert refusal(api.get("/whoami", token=api.tokens()[1])) == (401, "invalid_token")


# ---- demands ---------------------------------------------------------------------------------


@pytest.mark.rfc("6750", "3")
@pytest.mark.rfc("6750", "3.1")
@pytest.mark.parametrize(
    ("path", "claims", "scope"),
    [
        pytest.param("/read", {"scopes": []}, "items:read", id="none"),
        pytest.param("/read", {"scope": None}, "items:read", id="no-claim"),
        pytest.param("/read", {"scopes": ["items"]}, "items:read", id="prefix"),
        pytest.param("/read", {"scopes": ["items:read:all"]}, "items:read", id="longer"),
        pytest.param("/read", {"scopes": ["ITEMS:READ"]}, "items:read", id="other-case"),
        pytest.param(
            "/write", {"scopes": ["items:write"]}, "items:read items:write", id="one-of-two"
        ),
        pytest.param("/either", {"scopes": ["items:read"]}, "items:write reports", id="neither"),
        pytest.param("/delete", {"scopes": ["items:write"]}, None, id="no-permission"),
        pytest.param(
            "/delete",
            {"scopes": ["items:write"], "permissions": ["items.delete"]},
            None,
            id="one-permission-of-two",
        ),
        pytest.param(
            "/delete",
            {"permissions": ["items.delete", "items.publish"]},
            "items:write",
            id="permission-without-scope",
        ),
        pytest.param("/edit", {"roles": ["reader"]}, None, id="other-role"),
        pytest.param(
            "/edit", {"scopes": ["editor"], "permissions": ["editor"]}, None, id="no-role"
        ),
    ],
)
def test_j31_a_good_token_that_does_not_reach_far_enough(
    api: Api, factory: TokenFactory, path: str, claims: dict[str, Any], scope: str | None
) -> None:
    answer = api.get(path, token=factory.mint(**claims))
    assert refusal(answer) == (403, "insufficient_scope")
    told = challenge(answer)
    assert told.pop("error_description") == answer.json()["error_description"]
    assert told == {
        **REALM,
        "error": "insufficient_scope",
        **({"scope": scope} if scope is not None else {}),
    }


@pytest.mark.rfc("9068", "2.2.3.1")
@pytest.mark.parametrize(
    ("path", "claims"),
    [
        ("/read", {"scopes": ["items:read"]}),
        ("/read", {"scopes": ["x", "items:read", "y"]}),
        ("/write", {"scopes": ["items:write", "items:read"]}),
        ("/either", {"scopes": ["items:write"]}),
        ("/either", {"scopes": ["reports"]}),
        (
            "/delete",
            {"scopes": ["items:write"], "permissions": ["items.publish", "items.delete"]},
        ),
        ("/edit", {"roles": ["reader", "editor"]}),
    ],
)
def test_a_token_that_reaches_far_enough(
    api: Api, factory: TokenFactory, path: str, claims: dict[str, Any]
) -> None:
    answer = api.get(path, token=factory.mint(**claims))
    assert answer.status == 200
    assert answer.json()["subject"] == "alice"


@pytest.mark.rfc("9470", "3")
def test_a_sign_in_may_be_too_long_ago(api: Api, world: World) -> None:
    access, refresh = api.tokens()
    world.clock.advance(60)
    assert api.get("/recent", token=access).status == 200
    world.clock.advance(1)
    renewed = api.refresh(refresh).json()["access_token"]
    for token in access, renewed:  # renewing is no sign-in
        answer = api.get("/recent", token=token)
        assert refusal(answer) == (401, "insufficient_user_authentication")
        told = challenge(answer)
        assert (told["error"], told["max_age"]) == ("insufficient_user_authentication", "60")
    assert api.get("/recent", token=api.tokens()[0]).status == 200


@pytest.mark.rfc("9470", "3")
@pytest.mark.parametrize("auth_time", [None, "now", True, 0, 1e300])
def test_a_sign_in_must_be_known(api: Api, factory: TokenFactory, auth_time: Any) -> None:
    token = factory.mint(auth_time=auth_time)
    assert refusal(api.get("/recent", token=token)) == (401, "insufficient_user_authentication")


def test_nobody_may_ask_where_authentication_is_optional(api: Api) -> None:
    anonymous = api.get("/public")
    assert (anonymous.status, anonymous.json()) == (200, None)
    assert api.get("/public", token=api.tokens()[0]).json()["subject"] == "user-alice"
    malformed = api.get("/public", bearer("a b"))
    assert refusal(malformed) == (400, "invalid_request")


@pytest.mark.rfc("9068", "2.2")
def test_a_token_of_several_audiences_names_us(api: Api, factory: TokenFactory) -> None:
    token = factory.mint(aud=["https://other.example.com", API])
    assert api.get("/whoami", token=token).status == 200


# ---- revocation ------------------------------------------------------------------------------


def test_a_second_request_does_not_verify_again_but_sees_a_revocation(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    verified = []
    genuine = Key.verify

    def verify(key: Key, message: bytes, signature: bytes) -> bool:
        verified.append(message)
        return genuine(key, message, signature)

    token = api.tokens()[0]
    monkeypatch.setattr(Key, "verify", verify)
    assert [api.get("/whoami", token=token).status for _ in range(3)] == [200] * 3
    assert len(verified) == 2  # here, and in the reference
    api.revoke(token)
    assert api.get("/whoami", token=token).status == 401
    # A token that differs in one letter is another token.
    header, claims, signature = token.split(".")
    assert parts(token)
    assert api.get("/whoami", token=f"{header}.{claims}.{signature[::-1]}").status == 401
