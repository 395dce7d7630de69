"""Who asks: client authentication, the same at every endpoint that wants it."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from bezant import ClientSecret
from bezant.events import ClientAuthenticationFailed
from tests.api import INTROSPECT, REVOKE, TOKEN, basic, bearer, client_refusal
from tests.world import PASSWORD, secret_of

if TYPE_CHECKING:
    from tests.api import Api
    from tests.world import World

LOGIN = [("grant_type", "password"), ("username", "alice"), ("password", PASSWORD), ("token", "x")]

everywhere = pytest.mark.parametrize("path", [TOKEN, REVOKE, INTROSPECT])


def raw_basic(credentials: bytes) -> tuple[str, str]:
    return "authorization", f"Basic {b64encode(credentials).decode()}"


def in_body(client_id: str, secret: str | None = None) -> list[tuple[str, str]]:
    return [("client_id", client_id), *([("client_secret", secret)] if secret is not None else [])]


@pytest.mark.rfc("6749", "2.3.1")
@pytest.mark.rfc("6749", "5.2")
@everywhere
@pytest.mark.parametrize(
    ("header", "form"),
    [
        pytest.param(basic("web", "wrong"), [], id="wrong-secret"),
        pytest.param(basic("web", secret_of("web") + "x"), [], id="longer-secret"),
        pytest.param(basic("web", secret_of("web")[:-1]), [], id="shorter-secret"),
        pytest.param(basic("nobody", secret_of("web")), [], id="unknown-client"),
        pytest.param(basic("WEB", secret_of("web")), [], id="id-in-other-case"),
        pytest.param(basic("web ", secret_of("web")), [], id="space-behind-id"),
        pytest.param(basic("closed", secret_of("closed")), [], id="disabled-client"),
        pytest.param(basic("mobile", secret_of("mobile")), [], id="basic-registered-for-post"),
        pytest.param(None, in_body("web", secret_of("web")), id="post-registered-for-basic"),
        pytest.param(None, in_body("web"), id="no-secret"),
        pytest.param(None, in_body("web", ""), id="empty-secret"),
        pytest.param(basic("web", ""), [], id="empty-secret-in-header"),
        pytest.param(None, in_body("spa", "a secret"), id="public-client-with-a-secret"),
        pytest.param(basic("spa", "a secret"), [], id="public-client-with-a-secret-in-header"),
        pytest.param(basic("wéb", "sécret"), [], id="not-ascii"),
    ],
)
def test_c01_c03_c05_what_proves_no_client_is_refused_alike(
    api: Api,
    world: World,
    path: str,
    header: tuple[str, str] | None,
    form: list[tuple[str, str]],
) -> None:
    answer = api.post(path, [*LOGIN, *form], *([header] if header else []))
    assert client_refusal(answer) == (401, "invalid_client")
    assert answer.json()["error_description"] == "client authentication failed"
    (event,) = world.seen(ClientAuthenticationFailed)
    assert event.client_id


@pytest.mark.rfc("6749", "2.3.1")
@everywhere
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(None, id="nothing"),
        pytest.param(raw_basic(b""), id="empty"),
        pytest.param(raw_basic(b":"), id="swagger-default"),
        pytest.param(raw_basic(b":secret"), id="no-id"),
        pytest.param(raw_basic(b"web"), id="no-colon"),
        pytest.param(raw_basic(b"web:\xff"), id="not-utf-8"),
        pytest.param(raw_basic(b"web:%ff"), id="not-utf-8-escaped"),
        pytest.param(raw_basic(b"web:a\0b"), id="nul"),
        pytest.param(raw_basic(b"web:%00"), id="nul-escaped"),
        pytest.param(("authorization", "Basic ***"), id="not-base64"),
        pytest.param(("authorization", "Basic d2Vi=OnM"), id="padding-inside"),
        pytest.param(("authorization", "Basic"), id="no-credentials"),
        pytest.param(("authorization", "Digest username=web"), id="digest"),
        pytest.param(bearer("eyJh.eyJp.c2ln"), id="bearer"),
        pytest.param(("authorization", ""), id="blank-header"),
        pytest.param(basic("web", "x" * 9000), id="oversized-secret"),
        pytest.param(basic("x" * 9000, "a secret"), id="oversized-id"),
    ],
)
def test_c04_unreadable_credentials_are_refused(
    api: Api, path: str, header: tuple[str, str] | None
) -> None:
    answer = api.post(path, LOGIN, *([header] if header else []))
    assert client_refusal(answer) == (401, "invalid_client")


@pytest.mark.rfc("6749", "2.3")
@everywhere
@pytest.mark.parametrize("secret", [secret_of("web"), "wrong"], ids=["same-secret", "other-secret"])
def test_c02_two_methods_at_once_are_refused(api: Api, path: str, secret: str) -> None:
    form = [*LOGIN, *in_body("web", secret)]
    answer = api.post(path, form, basic("web", secret_of("web")))
    assert client_refusal(answer) == (400, "invalid_request")


@everywhere
def test_h02_two_authorization_headers_are_refused(api: Api, path: str) -> None:
    header = basic("web", secret_of("web"))
    assert client_refusal(api.post(path, LOGIN, header, header)) == (400, "invalid_request")


@pytest.mark.rfc("6749", "3.2.1")
@everywhere
def test_t07_the_id_in_the_body_must_be_the_one_in_the_header(api: Api, path: str) -> None:
    header = basic("web", secret_of("web"))
    other = api.post(path, [*LOGIN, ("client_id", "spa")], header)
    assert client_refusal(other) == (400, "invalid_request")
    assert api.post(path, [*LOGIN, ("client_id", "web")], header).status == 200


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC"])
@pytest.mark.rfc("9110", "11.1")
def test_the_scheme_is_taken_in_any_case(api: Api, scheme: str) -> None:
    name, value = basic("web", secret_of("web"))
    assert api.post(TOKEN, LOGIN, (name, value.replace("Basic", scheme))).status == 200


@pytest.mark.rfc("6749", "2.3.1")
def test_c04_the_parts_of_basic_are_form_encoded_once(api: Api, world: World) -> None:
    secret = "a:b%2Bc+d é/=&"
    world.change_client("web", secrets=(ClientSecret.of(secret),))
    assert api.post(TOKEN, LOGIN, basic("web", secret)).status == 200
    decoded_twice = api.post(TOKEN, LOGIN, basic("web", secret.replace("%2B", "+")))
    assert client_refusal(decoded_twice) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("client", "header"),
    [
        pytest.param(in_body("spa"), raw_basic(b":"), id="both-empty"),
        pytest.param([], raw_basic(b"spa:"), id="id-alone"),
        pytest.param(in_body("mobile", secret_of("mobile")), raw_basic(b":"), id="beside-a-secret"),
    ],
)
def test_basic_without_a_secret_counts_as_no_authentication(
    api: Api, client: list[tuple[str, str]], header: tuple[str, str]
) -> None:
    """Swagger UI sends such headers when its form is left empty."""
    assert api.post(TOKEN, [*LOGIN, *client], header).status == 200


def test_c11_two_secrets_live_side_by_side_while_one_replaces_the_other(
    api: Api, world: World
) -> None:
    new, old = "the new secret", secret_of("web")
    world.change_client(
        "web",
        secrets=(ClientSecret.of(new), ClientSecret.of(old, expires_at=world.clock() + 3600)),
    )
    assert api.post(TOKEN, LOGIN, basic("web", new)).status == 200
    assert api.post(TOKEN, LOGIN, basic("web", old)).status == 200
    world.clock.advance(3600)
    assert api.post(TOKEN, LOGIN, basic("web", new)).status == 200
    assert api.post(TOKEN, LOGIN, basic("web", old)).status == 401


def test_a_client_that_is_disabled_is_refused_at_once(api: Api, world: World) -> None:
    assert api.login().status == 200
    world.change_client("web", active=False)
    assert client_refusal(api.login()) == (401, "invalid_client")


@pytest.mark.rfc("7662", "2.1")
@pytest.mark.rfc("7662", "2.3")
@pytest.mark.parametrize("client", ["spa", "blind"], ids=["public", "not-allowed"])
def test_i01_not_every_client_may_introspect(api: Api, client: str) -> None:
    assert client_refusal(api.introspect("x", client)) == (401, "invalid_client")
