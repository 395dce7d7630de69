"""The authorization endpoint: what it takes from a browser, where it sends it, and where never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

import pytest

from bezant.events import TokenRefreshed
from tests.api import (
    AUTHORIZE,
    CHALLENGE,
    answer_of,
    error_of,
    error_page_of,
    form_of,
    interaction_of,
    page_of,
)
from tests.jose import parts
from tests.world import (
    API,
    CALLBACK,
    CONSENT_PAGE,
    ISSUER,
    LOGIN_PAGE,
    LOOPBACK,
    NATIVE,
    OTHER_API,
    configured,
)

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

rfc = pytest.mark.rfc


@pytest.fixture
def config() -> dict[str, Any]:
    return {"code_flow": True}


# ---- the whole way ---------------------------------------------------------------------------


@rfc("6749", "4.1")
@rfc("6749", "4.1.1")
@rfc("6749", "4.1.2")
@rfc("6749", "4.1.3")
@rfc("6749", "4.1.4")
@rfc("9207", "2")
@pytest.mark.openid("oidcc-server")
def test_a09_login_consent_and_back_with_a_code(api: Api, world: World) -> None:
    answer = api.authorize()
    assert page_of(answer) == LOGIN_PAGE
    interaction = interaction_of(answer)
    world.sign_in()
    assert page_of(api.resume(interaction)) == CONSENT_PAGE
    assert interaction_of(api.resume(interaction)) == interaction
    back = world.consent(interaction, "openid", "items:read")
    assert back == f"{ISSUER}{AUTHORIZE}?interaction={interaction}"
    sent = answer_of(api.resume(interaction))
    assert sent == {"code": sent["code"], "state": "state-1"}
    assert len(sent["code"]) == 43

    tokens = api.redeem(sent["code"], "app")
    assert tokens.status == 200
    assert tokens.json()["scope"] == "openid items:read"
    assert api.get("/read", token=tokens.json()["access_token"]).status == 200
    # Who has consented is not asked again.
    assert answer_of(api.authorize()).keys() == {"code", "state"}


@rfc("6749", "3.1")
@rfc("9700", "4.12")
@pytest.mark.openid("oidcc-ensure-post-request-succeeds")
def test_a_request_by_post_is_kept_and_goes_on_by_get(api: Api, world: World) -> None:
    """A browser sends no SameSite=Lax cookie with a POST from elsewhere: nobody seems to be signed
    in then, who is with the GET that follows.
    """
    answer = api.post(AUTHORIZE, api.asked("portal"), query="ignored=1&client_id=app")
    location = answer.header("location") or ""
    interaction = interaction_of(answer)
    assert location == f"{ISSUER}{AUTHORIZE}?interaction={interaction}"
    world.sign_in()
    assert answer_of(api.resume(interaction)).keys() == {"code", "state"}


def test_a_post_goes_on_with_prompt_none_too(api: Api) -> None:
    answer = api.post(AUTHORIZE, api.asked(prompt="none"))
    interaction = interaction_of(answer)
    assert error_of(api.resume(interaction)) == "login_required"
    # Once.
    assert error_page_of(api.resume(interaction))[0] == 400


@rfc("6749", "3.1")
@pytest.mark.openid("oidcc-alternate-happy-flow")
@pytest.mark.openid("oidcc-ensure-request-with-unknown-parameter-succeeds")
@pytest.mark.openid("oidcc-display-page")
@pytest.mark.openid("oidcc-display-popup")
@pytest.mark.openid("oidcc-ui-locales")
@pytest.mark.openid("oidcc-claims-locales")
@pytest.mark.openid("oidcc-ensure-request-with-acr-values-succeeds")
@pytest.mark.openid("oidcc-ensure-request-with-valid-pkce-succeeds")
@pytest.mark.openid("oidcc-login-hint")
@pytest.mark.parametrize(
    "more",
    [
        {"extra": "foobar"},
        {"display": "page"},
        {"display": "popup"},
        {"ui_locales": "se zh-CN"},
        {"claims_locales": "se"},
        {"acr_values": "1 2"},
        {"login_hint": "bob@example.com"},
        {"nonce": "n" * 1024, "state": "s" * 1024},
        {"state": None, "nonce": None},
        {"prompt": "", "max_age": "", "claims": "", "resource": ""},
        {"scope": "items:read  openid".replace("  ", " ")},
        {"registration": "{}"},
    ],
    ids="-".join,
)
def test_a05_what_is_optional_or_unknown_disturbs_nothing(
    api: Api, world: World, more: dict[str, Any]
) -> None:
    world.sign_in()
    query = api.asked("portal", **more)
    answer = api.get(AUTHORIZE, query=urlencode(query[::-1]))
    assert answer_of(answer).keys() == {"code"} | ({"state"} if more.get("state", "s") else set())


# ---- nothing goes anywhere before the client and its address are proven ----------------------


@rfc("6749", "3.1.2.4")
@rfc("9700", "4.11.2")
@pytest.mark.openid("oidcc-ensure-registered-redirect-uri")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": None},
        {"client_id": ""},
        {"client_id": "nobody"},
        {"client_id": "APP"},
        {"client_id": "app "},
        {"client_id": "closed"},
        {"client_id": "machine"},  # which has no address at all
        {"client_id": "x" * 5000},
        {"client_id": "app\r\nlocation: https://evil.example"},
        {"client_id": "\u5ba2\u6237"},
        {"redirect_uri": None},
        {"redirect_uri": ""},
        {"redirect_uri": "https://evil.example.com/"},
        {"redirect_uri": CALLBACK + "/bye"},  # for after a logout only
        {"redirect_uri": LOOPBACK},  # another client's
    ],
    ids=lambda changes: ascii(changes)[:60],
)
def test_a01_no_redirect_to_anybody_unproven(
    api: Api, world: World, method: str, changes: dict[str, Any]
) -> None:
    world.sign_in()
    if method == "GET":
        answer = api.authorize(**changes)
    else:
        answer = api.post(AUTHORIZE, api.asked(**changes))
    status, text = error_page_of(answer)
    assert status == 400
    assert "application" in text
    assert "evil" not in text


@rfc("6749", "3.1.2.2")
@rfc("9700", "2.1")
@pytest.mark.parametrize(
    "uri",
    [
        CALLBACK + "/",
        CALLBACK + "/../callback",
        CALLBACK + "/..;/callback",
        CALLBACK + "/%2e%2e/callback",
        CALLBACK + "?",
        CALLBACK + "?a=b",
        CALLBACK + "#",
        CALLBACK + "#x",
        CALLBACK + "%00",
        CALLBACK + "%0d%0alocation:%20https://evil.example",
        CALLBACK + "\r\nlocation: https://evil.example",
        CALLBACK + "\t",
        CALLBACK + " ",
        " " + CALLBACK,
        CALLBACK + "\x00",
        CALLBACK.upper(),
        CALLBACK.replace("https://app", "HTTPS://app"),
        CALLBACK.replace("https", "http"),
        CALLBACK.replace("app.example.com", "APP.example.com"),
        CALLBACK.replace("app.example.com", "app.example.com:443"),
        CALLBACK.replace("app.example.com", "app.example.com."),
        CALLBACK.replace("app.example.com", "app.example.com@evil.example"),
        CALLBACK.replace("app.example.com", "app.example.com@@evil.example"),
        CALLBACK.replace("app.example.com", "evil.example\\@app.example.com"),
        CALLBACK.replace("app.example.com", "app.example.com\\.evil.example"),
        CALLBACK.replace("app.example.com", "app.example.com.evil.example"),
        CALLBACK.replace("app.example.com", "\u0430pp.example.com"),
        CALLBACK.replace("app.example.com", "app\uff0eexample.com"),
        CALLBACK.replace("app.example.com", "[" + ":" * 39 + "]"),
        CALLBACK.replace("https://", "https:/"),
        CALLBACK.replace("https://", "//"),
        CALLBACK + "x" * 3000,
        "javascript:alert(1)",
        "data:text/html,x",
    ],
    ids=lambda uri: ascii(uri)[1:50],
)
def test_a02_addresses_are_compared_as_strings(api: Api, world: World, uri: str) -> None:
    world.sign_in()
    assert error_page_of(api.authorize("portal", redirect_uri=uri))[0] == 400


@rfc("8252", "7.3")
@rfc("8252", "7.1")
@pytest.mark.parametrize(
    "uri",
    [
        LOOPBACK,
        "http://127.0.0.1:1/callback",
        "http://127.0.0.1:51004/callback",
        "http://127.0.0.1:65535/callback",
        "http://[::1]/callback",
        "http://[::1]:61023/callback",
        NATIVE,
        CALLBACK,
        CALLBACK + "?tenant=1",
    ],
)
def test_a03_native_applications_choose_their_port(api: Api, world: World, uri: str) -> None:
    world.sign_in()
    world.remember("user-alice", "native", "items:read")
    answer = api.authorize("native", scope="items:read", redirect_uri=uri)
    code = answer_of(answer, uri)["code"]
    # It is bound to the port that it was sent to.
    other = LOOPBACK.replace("/callback", ":9/callback")
    assert api.redeem(code, "native", redirect_uri=other).status == 400


@rfc("8252", "7.3")
@rfc("8252", "8.3")
@pytest.mark.parametrize(
    "uri",
    [
        "http://localhost/callback",
        "http://localhost:5000/callback",
        "http://localhost.evil.example/callback",
        "http://127.0.0.1@evil.example/callback",
        "http://127.0.0.1:80@evil.example/callback",
        "http://127.0.0.1.evil.example/callback",
        "http://127.0.0.1:5000/",
        "http://127.0.0.1:5000/callback/x",
        "http://127.0.0.1:5000/callback?x=1",
        "http://127.0.0.1:/callback",
        "http://127.0.0.1:65536/callback",
        "http://127.0.0.1:99999/callback",
        "http://127.0.0.1:-1/callback",
        "http://127.0.0.1:80:80/callback",
        "http://127.0.0.1:\u0661/callback",
        "http://127.1/callback",
        "http://2130706433/callback",
        "http://127.0.0.2/callback",
        "http://[::1%25eth0]:5000/callback",
        "http://[0:0:0:0:0:0:0:1]/callback",
        "http://[::ffff:127.0.0.1]/callback",
        "https://127.0.0.1:5000/callback",
        CALLBACK.replace(".com", ".com:5000"),
        "com.example.app:/callback/x",
        "com.example.app://callback",
    ],
)
def test_a03_but_nothing_else(api: Api, uri: str) -> None:
    answer = api.authorize("native", scope="items:read", redirect_uri=uri)
    assert error_page_of(answer)[0] == 400


@rfc("6749", "3.1.2.3")
def test_a04_of_several_addresses_one_must_be_named(api: Api) -> None:
    """And of a single one, too: OpenID Connect wants it named, and the grant compares it."""
    for client in "native", "app":
        status, text = error_page_of(api.authorize(client, redirect_uri=None))
        assert (status, "redirect_uri" in text) == (400, True)


@rfc("6749", "3.1")
@pytest.mark.parametrize("same", [True, False], ids=["same", "different"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["client_id", "redirect_uri", "scope", "state", "prompt", "extra"])
def test_a05_no_parameter_comes_twice(api: Api, name: str, method: str, same: bool) -> None:
    pairs = [*api.asked(prompt="none", extra="x")]
    pairs.append((name, dict(pairs)[name] if same else "other"))
    if method == "GET":
        answer = api.get(AUTHORIZE, query=urlencode(pairs))
    else:
        answer = api.post(AUTHORIZE, pairs)
    status, text = error_page_of(answer)
    assert (status, "repeated" in text) == (400, True)


@rfc("9700", "4.11.2")
@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "unknown"},
        {"response_type": "token"},
        {"code_challenge": None},
        {"request": "x.y."},
        {"prompt": "none"},
        {"response_mode": "form_post"},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a08_an_error_does_not_travel_where_a_code_may_not(api: Api, wrong: dict[str, str]) -> None:
    answer = api.authorize(redirect_uri="https://evil.example/", **wrong)
    assert error_page_of(answer)[0] == 400
    assert b"evil" not in answer.body


# ---- errors for the client -------------------------------------------------------------------


@rfc("6749", "4.1.2.1")
@rfc("9207", "2")
@pytest.mark.openid("oidcc-response-type-missing")
@pytest.mark.parametrize(
    ("client", "changes", "error"),
    [
        ("app", {"response_type": None}, "invalid_request"),
        ("app", {"response_type": "token"}, "unsupported_response_type"),
        ("app", {"response_type": "id_token"}, "unsupported_response_type"),
        ("app", {"response_type": "code id_token"}, "unsupported_response_type"),
        ("app", {"response_type": "code token"}, "unsupported_response_type"),
        ("app", {"response_type": "CODE"}, "unsupported_response_type"),
        ("app", {"response_type": "none"}, "unsupported_response_type"),
        ("app", {"response_mode": "fragment"}, "invalid_request"),
        ("app", {"response_mode": "web_message"}, "invalid_request"),
        ("app", {"response_mode": "query.jwt"}, "invalid_request"),
        ("no-code", {"scope": "items:read"}, "unauthorized_client"),
    ],
)
def test_a06_a09_what_is_not_offered_is_refused_to_the_client(
    api: Api, world: World, client: str, changes: dict[str, Any], error: str
) -> None:
    world.sign_in()
    answer = api.authorize(client, **changes)
    assert error_of(answer) == error
    assert answer_of(answer)["state"] == "state-1"


@rfc("7636", "4.3")
@rfc("7636", "4.4.1")
@rfc("9700", "2.1.1")
@pytest.mark.parametrize("client", ["portal", "native"])
@pytest.mark.parametrize(
    ("challenge", "method"),
    [
        (None, None),
        (None, "S256"),
        ("", "S256"),
        (CHALLENGE, None),  # which means plain
        (CHALLENGE, ""),
        (CHALLENGE, "plain"),
        (CHALLENGE, "s256"),
        (CHALLENGE, "S512"),
        (CHALLENGE[:-1], "S256"),
        (CHALLENGE + "A", "S256"),
        (CHALLENGE + "=", "S256"),
        ("a" * 129, "S256"),
        (CHALLENGE[:-1] + "+", "S256"),
        (CHALLENGE[:-1] + "\u00e9", "S256"),
        (CHALLENGE[:-1] + "\n", "S256"),
        (CHALLENGE + "\n", "S256"),
    ],
)
def test_a07_no_code_without_a_proof_key(
    api: Api, world: World, client: str, challenge: str | None, method: str | None
) -> None:
    world.sign_in()
    answer = api.authorize(
        client, scope="items:read", code_challenge=challenge, code_challenge_method=method
    )
    assert error_of(answer) == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid unknown"}, "invalid_scope"),
        ({"scope": "items:read  items:write"}, "invalid_scope"),
        ({"scope": 'items:"read'}, "invalid_scope"),
        ({"scope": "x" * 3000}, "invalid_scope"),
        ({"scope": "items:read\r\nset-cookie: a=b"}, "invalid_scope"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "create"}, "invalid_request"),
        ({"prompt": "NONE"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"max_age": "1.5"}, "invalid_request"),
        ({"max_age": "\u0661"}, "invalid_request"),
        ({"max_age": "9" * 5000}, "invalid_request"),
        ({"nonce": "n" * 1025}, "invalid_request"),
        ({"login_hint": "l" * 1025}, "invalid_request"),
        ({"acr_values": "a" * 1025}, "invalid_request"),
        ({"ui_locales": "u" * 1025}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": '{"id_token": 1}'}, "invalid_request"),
        ({"claims": '{"userinfo": {"name": "x"}}'}, "invalid_request"),
        ({"claims": '{"id_token": {}, "id_token": {}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"sub": {"value": 1}}}'}, "invalid_request"),
        ({"claims": '{"id_token": {"sub": {"values": ["a", "b"]}}}'}, "invalid_request"),
        (
            {"claims": '{"id_token": {"acr": {"essential": true, "values": "1"}}}'},
            "invalid_request",
        ),
        ({"claims": '{"userinfo": {"x": ' + "[" * 600 + "]" * 600 + "}}"}, "invalid_request"),
        ({"claims": '{"userinfo": {"' + "x" * 4096 + '": null}}'}, "invalid_request"),
        ({"id_token_hint": "x"}, "invalid_request"),
        ({"resource": "https://unknown.example.com"}, "invalid_target"),
    ],
    ids=lambda value: ascii(value)[:40] if isinstance(value, dict) else "",
)
def test_a16_a19_what_is_malformed_is_refused_to_the_client(
    api: Api, world: World, changes: dict[str, Any], error: str
) -> None:
    world.sign_in()
    assert error_of(api.authorize("portal", **changes)) == error


@rfc("6749", "3.3")
def test_a19_no_openid_for_whom_it_is_not_registered(api: Api, world: World) -> None:
    world.sign_in()
    world.remember("user-alice", "native", "items:read", "items:write")
    assert error_of(api.authorize("native", scope="openid items:read")) == "invalid_scope"
    code = answer_of(api.authorize("native", scope=None, nonce="n"))["code"]
    tokens = api.redeem(code, "native").json()
    assert "id_token" not in tokens
    assert tokens["scope"] == "items:read items:write"


def test_a_state_too_long_is_refused_and_not_sent_around(api: Api) -> None:
    answer = answer_of(api.authorize(state="s" * 1025))
    assert answer["error"] == "invalid_request"
    assert "state" not in answer


@pytest.mark.openid("oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported")
@pytest.mark.openid("oidcc-ensure-request-object-with-redirect-uri")
@pytest.mark.openid("oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"request": "eyJhbGciOiJub25lIn0.e30."}, "request_not_supported"),
        ({"request": "x"}, "request_not_supported"),
        ({"request_uri": "https://app.example.com/request.jwt"}, "request_uri_not_supported"),
        ({"request_uri": "http://169.254.169.254/"}, "request_uri_not_supported"),
        ({"request_uri": "http://127.0.0.1:1/"}, "request_uri_not_supported"),
        ({"request_uri": "file:///etc/passwd"}, "request_uri_not_supported"),
        ({"request_uri": "urn:example:other"}, "request_uri_not_supported"),
    ],
    ids=lambda value: next(iter(value.values()))[:30] if isinstance(value, dict) else "",
)
def test_a13_request_objects_are_neither_read_nor_fetched(
    api: Api, world: World, changes: dict[str, str], error: str
) -> None:
    world.sign_in()
    assert error_of(api.authorize("portal", **changes)) == error


# ---- how an answer travels -------------------------------------------------------------------


@pytest.mark.parametrize(
    "state",
    [
        "a b&c=d#e?f/g%h+i",
        "\r\nset-cookie: a=b\r\n\r\n<script>alert(1)</script>",
        "\u72b6\u6001 \U0001f511",
        "%0d%0a",
        "'\"><img src=x>",
    ],
    ids=ascii,
)
def test_a18_state_comes_back_as_it_was_and_splits_nothing(
    api: Api, world: World, state: str
) -> None:
    world.sign_in()
    good = api.authorize("portal", state=state)
    assert answer_of(good)["state"] == state
    bad = api.authorize("portal", state=state, response_type="token")
    assert answer_of(bad)["state"] == state
    assert not {"set-cookie"} & {name for name, _ in (*good.headers, *bad.headers)}


@rfc("6749", "3.1.2")
def test_the_query_of_an_address_stays(api: Api, world: World) -> None:
    world.sign_in()
    world.remember("user-alice", "native", "items:read")
    for uri in CALLBACK + "?tenant=1", NATIVE:
        answer = api.authorize("native", scope="items:read", redirect_uri=uri)
        location = answer.header("location") or ""
        assert location.startswith(uri + ("&" if "?" in uri else "?") + "code=")
        assert "#" not in location


@rfc("9207", "2")
@rfc("9700", "4.16")
@pytest.mark.openid("oidcc-server, response_mode=form_post")
def test_a09_a18_an_answer_by_form(api: Api, world: World) -> None:
    evil = '"><script>alert(1)</script>\r\n&amp;\u72b6'
    changes = {"response_mode": "form_post", "state": evil}
    action, sent = form_of(api.authorize("portal", **changes, prompt="none"))
    assert (action, sent["error"], sent["iss"]) == (CALLBACK, "login_required", ISSUER)
    assert sent["state"] == evil
    world.sign_in()
    answer = api.authorize("portal", **changes)
    action, sent = form_of(answer)
    assert (action, sent.keys()) == (CALLBACK, {"code", "state", "iss"})
    assert sent["state"] == evil
    assert b"alert" not in answer.body.replace(b"&lt;script&gt;alert(1)&lt;/script&gt;", b"")
    assert api.redeem(sent["code"]).status == 200
    # An error about the way itself goes the usual one.
    assert error_of(api.authorize("portal", response_mode="form-post")) == "invalid_request"


def test_a18_an_address_in_a_form_is_escaped(api: Api, world: World) -> None:
    odd = "https://app.example.com/'a&b=c'?x=1&y=(2)"
    world.change_client("portal", redirect_uris=(odd,))
    world.sign_in()
    answer = api.authorize("portal", redirect_uri=odd, response_mode="form_post")
    assert form_of(answer)[0] == odd
    assert b"'a&" not in answer.body


@configured(code_flow=True, issuer=f"{ISSUER}/tenant", endpoint_prefix="")
@rfc("9207", "2")
@rfc("9207", "2.4")
def test_a09_iss_is_the_issuer_to_the_letter(api: Api, world: World) -> None:
    query = urlencode(api.asked("portal", prompt="none"))
    refused = api.get("/authorize", ("host", "evil.example"), query=query)
    assert answer_of(refused, issuer=f"{ISSUER}/tenant")["error"] == "login_required"
    posted = api.post("/authorize", api.asked("portal"), ("x-forwarded-host", "evil.example"))
    assert (posted.header("location") or "").startswith(f"{ISSUER}/tenant/authorize?interaction=")
    world.sign_in()
    given = api.get("/authorize", query=urlencode(api.asked("portal")))
    assert "code" in answer_of(given, issuer=f"{ISSUER}/tenant")


# ---- methods, origins, limits ----------------------------------------------------------------


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"])
def test_other_methods_use_nothing_up(api: Api, world: World, method: str) -> None:
    interaction = api.waiting("portal")
    world.sign_in()
    answer = api.get(AUTHORIZE, method=method, query=f"interaction={interaction}")
    assert answer.status == 405
    assert answer.header("allow") == "GET, POST"
    assert answer.header("location") is None
    assert "code" in answer_of(api.resume(interaction))


@rfc("9700", "2.6")
@pytest.mark.parametrize("origin", ["https://app.example.com", "null"])
def test_o01_no_other_origin_reads_what_the_browser_is_told(
    api: Api, world: World, origin: str
) -> None:
    world.sign_in()
    asked = [
        api.get(AUTHORIZE, ("origin", origin), query=urlencode(api.asked("portal"))),
        api.get(AUTHORIZE, ("origin", origin), query="client_id=x"),
        api.post(AUTHORIZE, api.asked("portal"), ("origin", origin)),
        api.get(
            AUTHORIZE,
            ("origin", origin),
            ("access-control-request-method", "GET"),
            method="OPTIONS",
        ),
    ]
    for answer in asked:
        assert not [name for name, _ in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("&".join(["x=1"] * 101), id="many"),
        pytest.param("state=%zz", id="escape"),
        pytest.param("state=%ff", id="utf-8"),
        pytest.param("state=%00", id="nul"),
    ],
)
def test_t04_a_query_beyond_the_limits_is_refused(api: Api, query: str) -> None:
    query = urlencode(api.asked(state=None)) + "&" + query
    assert error_page_of(api.get(AUTHORIZE, query=query))[0] == 400


def test_t04_a_query_may_have_8000_characters(api: Api) -> None:
    query = urlencode(api.asked(extra=""))
    longest = query + "x" * (8000 - len(query))
    assert page_of(api.get(AUTHORIZE, query=longest)) == LOGIN_PAGE
    status, text = error_page_of(api.get(AUTHORIZE, query=longest + "x"))
    assert (status, "too long" in text) == (400, True)


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"x" * 70_000, "application/x-www-form-urlencoded", 413),
        (b"{}", "application/json", 415),
        (b"state=%zz", "application/x-www-form-urlencoded", 400),
    ],
)
def test_t04_a_form_beyond_the_limits_is_refused(
    api: Api, body: bytes, content_type: str, status: int
) -> None:
    answer = api.post(AUTHORIZE, body, content_type=content_type)
    assert error_page_of(answer)[0] == status


@rfc("9700", "4.16")
def test_s05_l03_a_failure_is_a_page_that_says_nothing(api: Api, world: World) -> None:
    world.take_away("clients")
    answer = api.authorize()
    assert error_page_of(answer)[0] == 503
    assert answer.header("retry-after") == "1"
    world.bring_back("clients")
    world.take_away("clients", RuntimeError("select * from clients"))
    answer = api.authorize()
    assert error_page_of(answer)[0] == 500
    assert b"select" not in answer.body


# ---- resources -------------------------------------------------------------------------------


def audience_of(response: Response) -> Any:
    assert response.status == 200
    return parts(response.json()["access_token"])[1]["aud"]


@rfc("8707", "2")
@rfc("8707", "2.1")
@rfc("8707", "2.2")
def test_a_token_is_for_the_resources_that_were_asked_for(api: Api, world: World) -> None:
    world.sign_in()
    world.remember("user-alice", "app", "openid", "items:read")

    def code(*resources: str) -> str:
        return api.code("app", resource=list(resources) or None)

    assert audience_of(api.redeem(code(), "app")) == [API, OTHER_API]
    assert audience_of(api.redeem(code(OTHER_API), "app")) == OTHER_API
    assert audience_of(api.redeem(code(OTHER_API, API, API), "app")) == [OTHER_API, API]
    assert audience_of(api.redeem(code(OTHER_API, API), "app", resource=[API])) == API
    wider = api.redeem(code(API), "app", resource=[OTHER_API])
    assert wider.json()["error"] == "invalid_target"
    for resource in "https://api.example.com/", quote(API), "https://unknown.example.com":
        answer = api.authorize("app", resource=[API, resource])
        assert error_of(answer) == "invalid_target"


@rfc("8707", "2.2")
def test_a_refreshed_token_is_for_fewer_resources_or_the_same(api: Api, world: World) -> None:
    world.sign_in()
    world.remember("user-alice", "app", "openid", "items:read")
    refresh = api.redeem(api.code("app"), "app").json()["refresh_token"]
    narrow = api.refresh(refresh, "app", resource=OTHER_API)
    assert audience_of(narrow) == OTHER_API
    refresh = narrow.json()["refresh_token"]
    wrong = api.refresh(refresh, "app", resource="https://unknown.example.com")
    assert wrong.json()["error"] == "invalid_target"
    # A wrong resource costs nothing, and narrowing is for once.
    assert len(world.seen(TokenRefreshed)) == 1
    assert audience_of(api.refresh(refresh, "app")) == [API, OTHER_API]


@rfc("8707", "2.2")
def test_other_grants_know_resources_too(api: Api) -> None:
    assert audience_of(api.token("machine", "client_credentials", resource=API)) == API
    assert audience_of(api.login(resource=API)) == API
    for answer in (
        api.token("machine", "client_credentials", resource=OTHER_API),
        api.login(resource=OTHER_API),
    ):
        assert (answer.status, answer.json()["error"]) == (400, "invalid_target")


def test_the_location_is_whole(api: Api, world: World) -> None:
    """Nothing but the parameters of the answer is added."""
    world.sign_in()
    location = urlsplit(api.authorize("portal").header("location") or "")
    assert location._replace(query="").geturl() == CALLBACK
    names = [pair.partition("=")[0] for pair in location.query.split("&")]
    assert names == ["code", "iss", "state"]
