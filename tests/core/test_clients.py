"""Clients: their registration, and how they prove who they are."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.clients import Client, ClientSecret, authenticate_client, new_secret
from bezant.errors import ConfigurationError, InvalidClient, InvalidRequest, OAuthError
from bezant.http import Form, Request, error_response, parse_form
from bezant.runtime import run_sync

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW = 1_800_000_000.0
SECRET = "s3cret-of-the-web-client"

web = Client("web", frozenset({"password"}), secrets=(ClientSecret.of(SECRET),))
poster = replace(web, client_id="poster", auth_method="client_secret_post")
spa = Client("spa", frozenset({"password"}), auth_method="none")
gone = replace(web, client_id="gone", active=False)
registered = (web, poster, spa, gone)


def b64(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def basic(client_id: str, secret: str) -> str:
    return "Basic " + b64(f"{quote_plus(client_id)}:{quote_plus(secret)}")


def authenticate(
    *authorization: str, known: Iterable[Client] = registered, now: float = NOW, **form: str
) -> Client:
    headers = tuple(("authorization", value) for value in authorization)
    by_id = {client.client_id: client for client in known}

    async def lookup(client_id: str) -> Client | None:
        return by_id.get(client_id)

    fields = parse_form(urlencode(form).encode())
    return run_sync(
        authenticate_client(Request("POST", headers), Form(fields), lookup, now),
    )


def refusal(*authorization: str, **form: Any) -> OAuthError:
    with pytest.raises(OAuthError) as caught:
        authenticate(*authorization, **form)
    return caught.value


# ---- the three methods ---------------------------------------------------------------------


@pytest.mark.rfc("6749", "2.3.1")
def test_client_secret_basic() -> None:
    assert authenticate(basic("web", SECRET)) is web
    assert authenticate(basic("web", SECRET), client_id="web") is web
    assert authenticate(basic("web", SECRET).replace("Basic", "bAsIc")) is web


@pytest.mark.rfc("6749", "2.3.1")
def test_client_secret_post() -> None:
    assert authenticate(client_id="poster", client_secret=SECRET) is poster


@pytest.mark.rfc("6749", "3.2.1")
def test_a_public_client_names_itself() -> None:
    assert authenticate(client_id="spa") is spa


@pytest.mark.rfc("6749", "2.3.1")
@given(
    st.text([chr(c) for c in range(0x21, 0x7F)], min_size=1, max_size=255),
    st.text(min_size=8, max_size=60).filter(lambda text: "\0" not in text),
)
def test_c04_any_id_and_any_secret_survive_the_header(client_id: str, secret: str) -> None:
    client = replace(web, client_id=client_id, secrets=(ClientSecret.of(secret),))
    assert authenticate(basic(client_id, secret), known=[client]) is client
    wholly = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    assert authenticate(f"Basic {b64(wholly)}", known=[client]) is client
    post = replace(client, auth_method="client_secret_post")
    assert authenticate(client_id=client_id, client_secret=secret, known=[post]) is post


@given(
    st.text([chr(c) for c in range(0x21, 0x7F) if chr(c) not in "%+:"], min_size=1, max_size=255),
    st.text([chr(c) for c in range(0x20, 0x7F) if chr(c) not in "%+"], min_size=8, max_size=60),
)
def test_c04_credentials_that_need_no_encoding_may_come_without(
    client_id: str, secret: str
) -> None:
    """As `curl -u` and most HTTP libraries send them, colons in the secret included."""
    client = replace(web, client_id=client_id, secrets=(ClientSecret.of(secret),))
    assert authenticate(f"Basic {b64(f'{client_id}:{secret}')}", known=[client]) is client


@pytest.mark.rfc("6749", "2.3.1")
def test_c04_both_parts_are_decoded_once() -> None:
    client = replace(web, client_id="a+b", secrets=(ClientSecret.of("100%25 + x:y"),))
    assert authenticate(basic("a+b", "100%25 + x:y"), known=[client]) is client
    assert authenticate("Basic " + b64("a%2Bb:100%2525+%2B+x:y"), known=[client]) is client
    for twice in "a%252Bb:100%2525+%2B+x:y", "a+b:100%2525+%2B+x:y", "a%2Bb:100%25+%2B+x:y":
        assert refusal("Basic " + b64(twice), known=[client]).code == "invalid_client"


@pytest.mark.parametrize(
    "header",
    [
        "Basic",
        "Basic ",
        "Basic web",
        "Basic !!!!",
        "Basic " + b64("web"),
        "Basic " + b64("web" + "x" * 40),
        "Basic " + b64(b"web:\xff\xfe"),
        "Basic " + b64("web:%ff%fe"),
        "Basic " + b64("web:secret\0"),
        "Basic " + b64("web:secret%00"),
        "Basic " + b64(f"web:{SECRET}")[:-3],
        "Basic " + b64(f"web:{SECRET}") + "==",
        "Basic " + b64(f"web:{SECRET}") + " " + b64("x:y"),
        "Basic " + b64(f"web:{SECRET}") + "\t",
        "Basic é",
        "Bearer " + b64(f"web:{SECRET}"),
        "Digest username=web",
        b64(f"web:{SECRET}"),
        "",
    ],
)
def test_c04_a_header_that_cannot_be_read_is_no_authentication(header: str) -> None:
    for form in {}, {"client_id": "spa"}, {"client_id": "poster", "client_secret": SECRET}:
        error = refusal(header, **form)
        assert isinstance(error, InvalidClient)
        assert error.status == 401
        assert SECRET not in f"{error} {error.detail}"


@pytest.mark.parametrize("client_id", ["web", "x" * 9000])
def test_c04_oversized_credentials_are_not_looked_up(client_id: str) -> None:
    for error in (
        refusal(basic(client_id, "x" * 9000)),
        refusal(basic("x" * 2049, SECRET)),
        refusal(client_id=client_id, client_secret="x" * 2049),
    ):
        assert isinstance(error, InvalidClient)
        assert error.detail == "oversized credentials"


@given(st.text() | st.binary().map(lambda raw: f"Basic {b64(raw)}"))
def test_any_header_is_a_client_or_a_clear_error(header: str) -> None:
    assert refusal(header).code in {"invalid_client", "invalid_request"}


# ---- one method, the registered one --------------------------------------------------------


@pytest.mark.rfc("6749", "2.3")
def test_c02_two_methods_at_once_are_refused() -> None:
    for form in {"client_id": "web", "client_secret": SECRET}, {"client_secret": "other"}:
        error = refusal(basic("web", SECRET), **form)
        assert isinstance(error, InvalidRequest)
        assert error.status == 400


@pytest.mark.rfc("6750", "2")
@pytest.mark.rfc("9110", "11.6.2")
def test_h02_two_authorization_headers_are_refused() -> None:
    right = basic("web", SECRET)
    for second in right, basic("poster", SECRET), "Basic Og==", "Bearer x", "":
        assert refusal(right, second).code == "invalid_request"
        assert refusal(second, right).code == "invalid_request"


def test_c09_t07_the_form_cannot_name_another_client() -> None:
    for other in "spa", "poster", "nobody", "WEB":
        error = refusal(basic("web", SECRET), client_id=other)
        assert error.code == "invalid_request"
    assert refusal(f"Basic {b64('web:')}", client_id="spa").code == "invalid_request"


@pytest.mark.rfc("7591", "2")
def test_c03_only_the_registered_method_is_taken() -> None:
    for error in (
        refusal(client_id="web", client_secret=SECRET),
        refusal(basic("poster", SECRET)),
        refusal(client_id="web"),
        refusal(client_id="poster"),
        refusal(f"Basic {b64('web:')}"),
        refusal(basic("spa", SECRET)),
        refusal(client_id="spa", client_secret=SECRET),
    ):
        assert error.code == "invalid_client"


@pytest.mark.rfc("6749", "3.2.1")
@pytest.mark.parametrize("secret", ["", "x", SECRET])
def test_an_empty_id_in_the_header_borrows_none_from_the_form(secret: str) -> None:
    error = refusal(f"Basic {b64(f':{secret}')}", client_id="web")
    assert error.code == "invalid_client"


# ---- Swagger UI ----------------------------------------------------------------------------


@pytest.mark.parametrize("header", ["Basic Og==", "Basic " + b64("spa:")])
def test_swagger_ui_of_a_public_client(header: str) -> None:
    """Its Authorize button always sends a header: `:` when nothing was filled in, or `id:`."""
    assert authenticate(header, client_id="spa") is spa


def test_swagger_ui_names_a_public_client_in_the_header_alone() -> None:
    assert authenticate("Basic " + b64("spa:")) is spa


def test_swagger_ui_of_a_client_that_posts_its_secret() -> None:
    assert authenticate("Basic Og==", client_id="poster", client_secret=SECRET) is poster


def test_no_client_at_all() -> None:
    for error in refusal(), refusal("Basic Og=="), refusal(client_secret=SECRET):
        assert isinstance(error, InvalidClient)
        assert "no client_id" in error.description


# ---- wrong is wrong ------------------------------------------------------------------------


@pytest.mark.rfc("6749", "5.2")
def test_c01_nobody_can_tell_why_a_client_was_refused() -> None:
    errors = [
        refusal(basic("web", "wrong-secret")),
        refusal(basic("web", SECRET + "x")),
        refusal(basic("web", SECRET.upper())),
        refusal(basic("nobody", SECRET)),
        refusal(basic("gone", SECRET)),
        refusal(basic("poster", SECRET)),
        refusal(basic("spa", SECRET)),
        refusal(client_id="nobody", client_secret=SECRET),
        refusal(client_id="nobody"),
        refusal(client_id="web"),
        refusal(basic("web", SECRET), known=[expiring(NOW)]),
    ]
    assert len({error_response(error).body for error in errors}) == 1
    assert {error_response(error).headers for error in errors} == {
        error_response(errors[0]).headers
    }
    assert error_response(errors[0]).status == 401
    assert "www-authenticate" in dict(error_response(errors[0]).headers)
    # The log can tell.
    assert {error.detail.partition(",")[0] for error in errors} == {
        "wrong secret",
        "unknown client",
        "disabled",
        "no secret",
        "used client_secret_basic",
    }


@pytest.mark.parametrize("client_id", ["web", "spa", "nobody"])
def test_c01_one_comparison_whether_the_client_exists_or_not(
    client_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def compare(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr("bezant.clients.hmac.compare_digest", compare)
    assert refusal(basic(client_id, "wrong-secret")).code == "invalid_client"
    assert compared == [(64, 64)]


@pytest.mark.parametrize("near", ["Web", "WEB", "web ", " web", "we", "webb", "\uff57eb"])
def test_c05_ids_are_compared_exactly(near: str) -> None:
    assert refusal(basic(near, SECRET)).code == "invalid_client"
    if near.isascii() and " " not in near:
        other = replace(web, client_id=near, secrets=(ClientSecret.of("another-secret"),))
        assert authenticate(basic(near, "another-secret"), known=[web, other]) is other
        assert refusal(basic(near, SECRET), known=[web, other]).code == "invalid_client"


def test_a_disabled_client_is_refused_even_with_its_secret() -> None:
    assert refusal(basic("gone", SECRET)).detail == "disabled"
    off = replace(spa, active=False)
    assert refusal(client_id="spa", known=[off]).detail == "disabled"


# ---- secrets -------------------------------------------------------------------------------


def expiring(at: float) -> Client:
    return replace(web, secrets=(ClientSecret.of(SECRET, expires_at=at),))


@pytest.mark.parametrize("client", [web, poster])
def test_c10_no_secret_in_clear(client: Client) -> None:
    stored = client.secrets[0]
    assert stored.hashed.startswith("sha256$")
    assert SECRET not in f"{client!r} {stored.hashed}"
    assert repr(stored) == "ClientSecret(expires_at=None)"
    assert "ClientSecret" not in repr(client)
    assert ClientSecret.of(SECRET).hashed != ClientSecret.of(SECRET).hashed


def test_c11_two_secrets_are_good_until_the_old_one_ends() -> None:
    old = ClientSecret.of("the-old-secret", expires_at=NOW + 60)
    client = replace(web, secrets=(ClientSecret.of("the-new-secret"), old))

    def works(secret: str, now: float) -> bool:
        try:
            return authenticate(basic("web", secret), known=[client], now=now) is client
        except InvalidClient:
            return False

    assert works("the-old-secret", NOW)
    assert works("the-old-secret", NOW + 59.9)
    assert not works("the-old-secret", NOW + 60)
    for now in NOW, NOW + 60, NOW + 10**9:
        assert works("the-new-secret", now)
        assert not works("the-newest-secret", now)


@given(st.text(min_size=8, max_size=100), st.text(min_size=8, max_size=100))
def test_a_secret_matches_itself_alone(secret: str, other: str) -> None:
    stored = ClientSecret.of(secret)
    assert stored.matches(secret, NOW)
    assert stored.matches(other, NOW) is (other == secret)


@pytest.mark.parametrize("length", [0, 7, 2049])
def test_a_secret_of_unreasonable_length_is_refused(length: int) -> None:
    with pytest.raises(ConfigurationError, match="client secret"):
        ClientSecret.of("x" * length)


def test_new_secrets_are_long_and_need_no_encoding() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert all(len(secret) == 43 and quote_plus(secret) == secret for secret in made)


# ---- registration --------------------------------------------------------------------------


def register(**fields: Any) -> Client:
    defaults = {
        "client_id": "x",
        "grants": frozenset({"password"}),
        "secrets": (ClientSecret.of(SECRET),),
    }
    return Client(**{**defaults, **fields})


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"client_id": ""}, "1 to 255"),
        ({"client_id": "a b"}, "1 to 255"),
        ({"client_id": "a\n"}, "1 to 255"),
        ({"client_id": "é"}, "1 to 255"),
        ({"client_id": "x" * 256}, "1 to 255"),
        ({"auth_method": "private_key"}, "authentication method"),
        ({"auth_method": "none"}, "no secret"),
        ({"secrets": ()}, "needs a secret"),
        (
            {"auth_method": "none", "secrets": (), "grants": frozenset({"client_credentials"})},
            "client_credentials",
        ),
        ({"grants": frozenset({"refresh_token"})}, "another grant"),
        ({"grants": "password"}, "one string"),
        ({"scopes": "read"}, "one string"),
        ({"audience": "https://api.example.com"}, "one string"),
        ({"scopes": ("items read",)}, "scope"),
        ({"scopes": ("",)}, "scope"),
        ({"scopes": tuple(f"scope-{n:04}" for n in range(205))}, "2048 characters"),
        ({"refresh_retry_window": -1}, "0 to 60"),
        ({"refresh_retry_window": 61}, "0 to 60"),
        ({"access_token_ttl": 0}, "positive"),
    ],
)
def test_a_registration_that_contradicts_itself_is_refused(
    fields: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        register(**fields)
    assert repr(fields.get("client_id", "x")) in caught.value.setting


@pytest.mark.parametrize(
    "fields",
    [
        {"client_id": "x" * 255},
        {"client_id": "https://app.example.com/~x:y"},
        {"grants": frozenset({"password", "refresh_token"})},
        {"grants": frozenset()},
        {"refresh_retry_window": 0},
        {"refresh_retry_window": 60},
        {"access_token_ttl": 1},
        {"scopes": ("items:read", "items:write")},
    ],
)
def test_a_registration_that_makes_sense_is_taken(fields: dict[str, Any]) -> None:
    client = register(**fields)
    assert not client.public
    assert client.active


def test_a_client_without_a_secret_is_public() -> None:
    assert spa.public
    assert not web.public
