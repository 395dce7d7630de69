"""The token endpoint: what it takes, what it gives, and how it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from bezant.events import LoginFailed, LoginSucceeded, TokenIssued
from tests.api import INTROSPECT, REVOKE, TOKEN, basic, client_refusal, is_not_stored
from tests.jose import parts, thumbprint
from tests.world import API, ISSUER, PASSWORD, configured, secret_of

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

WEB = basic("web", secret_of("web"))
LOGIN = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD)]

takes_forms = pytest.mark.parametrize("path", [TOKEN, REVOKE, INTROSPECT])


# ---- requests --------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "3.2")
@pytest.mark.rfc("9110", "15.5.6")
@takes_forms
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE"])
def test_t01_only_post_is_taken(api: Api, path: str, method: str) -> None:
    answer = api.post(path, LOGIN, WEB, method=method)
    assert (answer.status, answer.header("allow")) == (405, "POST")
    assert is_not_stored(answer)


@pytest.mark.rfc("6749", "3.2")
@takes_forms
@pytest.mark.parametrize(
    "content_type",
    [
        pytest.param("application/json", id="json"),
        pytest.param("multipart/form-data; boundary=x", id="multipart"),
        pytest.param("text/plain", id="text"),
        pytest.param("application/x-www-form-urlencoded; charset=utf-16", id="utf-16"),
        pytest.param("", id="empty"),
        pytest.param(None, id="none"),
    ],
)
def test_t01_only_forms_in_utf_8_are_taken(api: Api, path: str, content_type: str | None) -> None:
    answer = api.post(path, LOGIN, WEB, content_type=content_type)
    assert client_refusal(answer) == (415, "invalid_request")


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded;charset=UTF-8",
        'Application/X-WWW-Form-Urlencoded; charset="utf-8"',
    ],
)
def test_a_content_type_may_be_spelled_out(api: Api, content_type: str) -> None:
    assert api.post(TOKEN, LOGIN, WEB, content_type=content_type).status == 200


@pytest.mark.rfc("6749", "2.3.1")
@pytest.mark.rfc("6749", "3.2")
def test_t01_the_query_is_no_part_of_the_form(api: Api) -> None:
    alone = api.post(TOKEN, [], query=urlencode([*LOGIN, ("client_id", "spa")]))
    assert client_refusal(alone) == (401, "invalid_client")
    beside = api.post(TOKEN, LOGIN, WEB, query="grant_type=client_credentials&scope=nothing")
    assert beside.status == 200


@pytest.mark.rfc("6749", "3.2")
@takes_forms
@pytest.mark.parametrize("name", ["grant_type", "token", "client_id", "scope", "made-up"])
@pytest.mark.parametrize("second", ["same", "other"])
def test_t02_a_repeated_parameter_is_refused(api: Api, path: str, name: str, second: str) -> None:
    form = [pair for pair in LOGIN if pair[0] != name]
    answer = api.post(path, [*form, (name, "same"), (name, second)], WEB)
    assert client_refusal(answer) == (400, "invalid_request")
    # A name that means nothing may be a piece of a password that was not escaped.
    assert (name in answer.json()["error_description"]) == (name != "made-up")


@takes_forms
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"a=" + b"x" * 65535, 413, id="65537-bytes"),
        pytest.param(b"&".join(b"f%d=1" % n for n in range(101)), 400, id="101-fields"),
        pytest.param(b"a=%", 400, id="cut-escape"),
        pytest.param(b"a=%zz", 400, id="bad-escape"),
        pytest.param(b"a=%ff", 400, id="bad-utf-8-escaped"),
        pytest.param(b"a=\xff", 400, id="bad-utf-8"),
        pytest.param(b"a=%ed%a0%80", 400, id="surrogate"),
        pytest.param(b"a=%00", 400, id="nul"),
        pytest.param(b"%00=a", 400, id="nul-in-name"),
    ],
)
def test_t04_a_broken_form_is_refused(api: Api, path: str, body: bytes, status: int) -> None:
    assert client_refusal(api.post(path, body, WEB)) == (status, "invalid_request")


def test_the_largest_form_is_taken(api: Api) -> None:
    body = urlencode(LOGIN).encode() + b"&padding="
    assert api.post(TOKEN, body + b"x" * (65536 - len(body)), WEB).status == 200


@pytest.mark.rfc("6749", "3.2")
def test_t03_unknown_parameters_and_empty_values_are_ignored(api: Api) -> None:
    extra = [
        ("audience", "x"),
        ("resource", ""),
        ("scope[]", "nothing"),
        ("scope", ""),
        ("client_secret", ""),
    ]
    answer = api.post(TOKEN, [*LOGIN, *extra], WEB)
    assert answer.status == 200
    assert answer.json()["scope"] == "items:read items:write"


# ---- grants ----------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "5.2")
@pytest.mark.parametrize(
    ("client", "form", "status", "code"),
    [
        pytest.param("web", {}, 400, "invalid_request", id="no-grant-type"),
        pytest.param("web", {"grant_type": ""}, 400, "invalid_request", id="empty-grant-type"),
        pytest.param(
            "web", {"grant_type[]": "password"}, 400, "invalid_request", id="array-grant-type"
        ),
        *(
            pytest.param("web", {"grant_type": name}, 400, "unsupported_grant_type", id=id_)
            for id_, name in {
                "unknown-grant": "urn:example:magic",
                "code-grant": "authorization_code",
                "grant-with-space": " password",
                "grant-in-capitals": "PASSWORD",
                "grant-not-ascii": "pässword\r\n",
            }.items()
        ),
        *(
            pytest.param(
                client, {"grant_type": name}, 400, "unauthorized_client", id=f"{client}-{name}"
            )
            for client, name in [
                ("machine", "password"),
                ("machine", "refresh_token"),
                ("web", "client_credentials"),
                ("kiosk", "refresh_token"),
                ("api", "password"),
            ]
        ),
        pytest.param(
            "web", {"grant_type": "refresh_token"}, 400, "invalid_request", id="no-refresh-token"
        ),
        pytest.param(
            "web",
            {"grant_type": "password", "password": "x"},
            400,
            "invalid_request",
            id="no-username",
        ),
        pytest.param(
            "web",
            {"grant_type": "password", "username": "alice", "password": ""},
            400,
            "invalid_request",
            id="empty-password",
        ),
    ],
)
def test_t06_a_request_for_the_wrong_grant_is_refused(
    api: Api, world: World, client: str, form: dict[str, str], status: int, code: str
) -> None:
    assert client_refusal(api.ask(client, TOKEN, **form)) == (status, code)
    assert not world.seen(TokenIssued)


@pytest.mark.rfc("6749", "4.3.3")
@pytest.mark.rfc("6749", "5.1")
@pytest.mark.parametrize("client", ["web", "mobile", "spa"])
def test_o02_a_password_becomes_tokens(api: Api, world: World, client: str) -> None:
    answer = api.login(client)
    document = answer.json()
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert is_not_stored(answer)
    assert document.keys() == {
        *("access_token", "token_type", "expires_in", "scope", "refresh_token")
    }
    assert document["token_type"] == "Bearer"
    assert document["expires_in"] == 600
    assert document["scope"] == "items:read items:write"
    assert api.get("/whoami", token=document["access_token"]).json() == {
        "subject": "user-alice",
        "client_id": client,
        "scopes": ["items:read", "items:write"],
        "roles": ["editor"],
        "permissions": ["items.delete", "items.publish"],
        "is_client": False,
    }
    assert [event.subject for event in world.seen(LoginSucceeded)] == ["user-alice"]
    (issued,) = world.seen(TokenIssued)
    assert (issued.client_id, issued.grant_type) == (client, "password")


@pytest.mark.rfc("9068", "2.1")
@pytest.mark.rfc("9068", "2.2")
@pytest.mark.rfc("9068", "2.2.1")
@pytest.mark.rfc("9068", "2.2.3.1")
@pytest.mark.rfc("7638", "3")
def test_an_access_token_says_what_rfc_9068_asks(api: Api, world: World) -> None:
    header, claims, _ = parts(api.tokens()[0])
    (jwk,) = api.get("/oauth/jwks.json").json()["keys"]
    assert header == {"alg": "EdDSA", "kid": thumbprint(jwk), "typ": "at+jwt"}
    now = int(world.clock())
    (issued,) = world.seen(TokenIssued)
    assert claims == {
        "iss": ISSUER,
        "sub": "user-alice",
        "aud": API,
        "exp": now + 600,
        "iat": now,
        "jti": issued.token_id,
        "client_id": "web",
        "scope": "items:read items:write",
        "auth_time": now,
        "sid": issued.authorization_id,
        "roles": ["editor"],
        "permissions": ["items.delete", "items.publish"],
    }


@pytest.mark.rfc("6749", "4.4.3")
@pytest.mark.rfc("9068", "2.2")
def test_a_client_gets_a_token_of_its_own_and_no_refresh_token(api: Api) -> None:
    document = api.token("machine", "client_credentials").json()
    assert document.keys() == {"access_token", "token_type", "expires_in", "scope"}
    _, claims, _ = parts(document["access_token"])
    assert claims["sub"] == claims["client_id"] == "machine"
    assert claims.keys().isdisjoint({"auth_time", "sid", "roles", "permissions"})
    assert api.get("/whoami", token=document["access_token"]).json()["is_client"]


@pytest.mark.rfc("6749", "1.5")
def test_a_client_without_the_refresh_grant_gets_no_refresh_token(api: Api) -> None:
    assert "refresh_token" not in api.login("kiosk").json()


@pytest.mark.rfc("6749", "4.3.2")
@pytest.mark.rfc("6749", "10.10")
@pytest.mark.parametrize(
    ("username", "password"),
    [
        pytest.param("alice", "wrong", id="wrong-password"),
        pytest.param("alice", f"{PASSWORD} ", id="space-behind"),
        pytest.param("alice", f" {PASSWORD}", id="space-before"),
        pytest.param("alice", PASSWORD.title(), id="other-case"),
        pytest.param("alice", "x" * 1025, id="oversized-password"),
        pytest.param("Alice", PASSWORD, id="name-in-other-case"),
        pytest.param("alice ", PASSWORD, id="space-behind-name"),
        pytest.param("alice' OR ''='", PASSWORD, id="sql"),
        pytest.param("x" * 10_000, PASSWORD, id="oversized-name"),
        pytest.param("\U0001f600", PASSWORD, id="emoji"),
        pytest.param("mallory", PASSWORD, id="unknown-name"),
        pytest.param("carol", PASSWORD, id="disabled"),
        pytest.param("dave", PASSWORD, id="no-password"),
    ],
)
def test_t03_t05_b04_d04_all_bad_logins_look_alike(
    api: Api, world: World, username: str, password: str
) -> None:
    answer = api.login(username=username, password=password)
    assert client_refusal(answer) == (400, "invalid_grant")
    assert answer.json()["error_description"] == "the name or the password is wrong"
    (event,) = world.seen(LoginFailed)
    assert event.subject in {None, "user-carol"}


@pytest.mark.rfc("9700", "4.15")
def test_j32_a_user_whose_subject_is_a_clients_id_cannot_sign_in_there(api: Api) -> None:
    assert client_refusal(api.login("web", "web")) == (400, "invalid_grant")


@pytest.mark.rfc("6749", "3.2.1")
@pytest.mark.parametrize("grant_type", ["password", "refresh_token", "client_credentials"])
def test_t07_a_client_cannot_act_for_another(api: Api, grant_type: str) -> None:
    form = {"username": "alice", "password": PASSWORD, "refresh_token": api.tokens("spa")[1]}
    answer = api.token("web", grant_type, client_id="spa", **form)
    assert client_refusal(answer) == (400, "invalid_request")


# ---- scopes ----------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.parametrize("grant", ["password", "client_credentials"])
@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("items:read admin", id="unknown"),
        pytest.param("items", id="prefix"),
        pytest.param("ITEMS:READ", id="other-case"),
        pytest.param("items:read  items:read", id="two-spaces"),
        pytest.param(" items:read", id="leading-space"),
        pytest.param("items:read\titems:read", id="tab"),
        pytest.param('"items:read"', id="quotes"),
        pytest.param("items:réad", id="not-ascii"),
        pytest.param("x" * 10_000, id="oversized"),
    ],
)
def test_t08_a_scope_that_cannot_be_given_is_refused(api: Api, grant: str, scope: str) -> None:
    answer = (
        api.login(scope=scope) if grant == "password" else api.token("machine", grant, scope=scope)
    )
    assert client_refusal(answer) == (400, "invalid_scope")


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.rfc("6749", "5.1")
@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("items:read", "items:read"),
        ("items:write items:read", "items:write items:read"),
        ("items:read items:read", "items:read"),
        (None, "items:read items:write"),
    ],
)
def test_the_answer_says_which_scopes_were_given(api: Api, asked: str | None, given: str) -> None:
    document = api.login(scope=asked).json()
    assert document["scope"] == given
    assert parts(document["access_token"])[1]["scope"] == given


# ---- lifetimes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("config", "client_ttl", "life"),
    [
        ({"access_token_ttl": 120}, None, 120),
        ({}, 60, 60),
        ({}, 7200, 3600),
    ],
    ids=["server", "client", "never-above-the-maximum"],
)
def test_how_long_an_access_token_lives(
    api: Api, world: World, client_ttl: int | None, life: int, config: dict[str, Any]
) -> None:
    world.change_client("web", access_token_ttl=client_ttl)
    document = api.login().json()
    assert document["expires_in"] == life
    world.clock.advance(life + 9.9)
    assert api.get("/whoami", token=document["access_token"]).status == 200
    world.clock.advance(0.1)
    assert api.get("/whoami", token=document["access_token"]).status == 401


@configured(audience=("https://a.example.com", "https://b.example.com"))
@pytest.mark.rfc("9068", "2.2")
def test_an_access_token_may_be_for_several_resource_servers(api: Api, world: World) -> None:
    world.change_client("machine", audience=())
    token = api.token("machine", "client_credentials").json()["access_token"]
    assert parts(token)[1]["aud"] == ["https://a.example.com", "https://b.example.com"]
    assert api.get("/whoami", token=token).status == 200
