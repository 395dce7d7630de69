"""Forms, requests and responses: strict in, exact out."""

from __future__ import annotations

import json
from urllib.parse import quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant.errors import (
    InvalidClient,
    InvalidRequest,
    InvalidScope,
    MethodNotAllowed,
    MissingToken,
    PayloadTooLarge,
    TooManyAttempts,
    UnsupportedMediaType,
)
from bezant.http import (
    NO_STORE,
    Form,
    Request,
    Response,
    error_response,
    json_response,
    parse_form,
    printable,
    read_form,
)

FORM = "application/x-www-form-urlencoded"
LIMIT = 65536

texts = st.text().filter(lambda text: "\0" not in text)
pairs = st.lists(st.tuples(texts, texts), max_size=100)


def post(body: bytes, content_type: str | None = FORM) -> Request:
    headers = () if content_type is None else (("content-type", content_type),)
    return Request("POST", headers, body)


# ---- decoding ------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "B")
@given(pairs)
def test_what_is_encoded_is_decoded(fields: list[tuple[str, str]]) -> None:
    assert parse_form(urlencode(fields).encode()) == tuple(fields)


@given(texts)
def test_only_what_has_to_be_is_escaped_by_the_sender(text: str) -> None:
    """Senders differ in what they escape; raw UTF-8 is read too."""
    raw = text
    for character in "%+&=":
        raw = raw.replace(character, f"%{ord(character):02x}")
    for encoded in raw, raw.replace(" ", "+"), quote_plus(text, safe="/:@!$'()*,;"):
        assert parse_form(b"name=" + encoded.encode()) == (("name", text),)


@given(st.binary())
def test_any_body_is_a_form_or_a_clear_error(body: bytes) -> None:
    problem = None
    try:
        read_form(post(body), limit=LIMIT)
    except InvalidRequest as error:
        problem = error
    if problem is not None:
        assert problem.status == 400
        assert_describable(problem.description)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"", ()),
        (b"&&", ()),
        (b"a", (("a", ""),)),
        (b"a=", (("a", ""),)),
        (b"=b", (("", "b"),)),
        (b"a=b=c", (("a", "b=c"),)),
        (b"a=b;c=d", (("a", "b;c=d"),)),
        (b"&a=b&&c=d&", (("a", "b"), ("c", "d"))),
        (b"a=%2B+%2b", (("a", "+ +"),)),
        (b"a=%2525", (("a", "%25"),)),
        (b"%61=%c3%a9", (("a", "é"),)),
        (b"a=\xc3\xa9", (("a", "é"),)),
        (b"a=\xef\xbb\xbfb", (("a", "\ufeffb"),)),
    ],
)
def test_decoding(body: bytes, fields: tuple[tuple[str, str], ...]) -> None:
    assert parse_form(body) == fields


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"a=%", "percent"),
        (b"a=%2", "percent"),
        (b"a=100%&b=c", "percent"),
        (b"a=%zz", "percent"),
        (b"%u0061=b", "percent"),
        (b"a=%ff", "UTF-8"),
        (b"a=\xff", "UTF-8"),
        (b"a=%c3", "UTF-8"),
        (b"a=%c0%af", "UTF-8"),
        (b"a=%ed%a0%80", "UTF-8"),
        ("a=é".encode("latin-1"), "UTF-8"),
        ("a=b".encode("utf-16"), "UTF-8"),
        (b"a=b%00", "NUL"),
        (b"a\0=b", "NUL"),
        (b"&".join([b"a=b"] * 20_000), "100 fields"),
        (b"&" * 100, "100 fields"),
    ],
)
def test_t04_a_broken_form_is_a_clear_error(body: bytes, problem: str) -> None:
    with pytest.raises(InvalidRequest, match=problem) as caught:
        read_form(post(body), limit=LIMIT * 10)
    assert caught.value.status == 400


def test_t04_a_hundred_fields_are_taken() -> None:
    body = "&".join(f"f{n}=v" for n in range(100)).encode()
    assert len(read_form(post(body), limit=LIMIT)) == 100
    with pytest.raises(InvalidRequest):
        read_form(post(body + b"&f100=v"), limit=LIMIT)


@pytest.mark.parametrize("size", [LIMIT + 1, 3 * 2**20])
def test_t04_a_body_over_the_limit_is_refused_before_it_is_looked_at(size: int) -> None:
    with pytest.raises(PayloadTooLarge, match="65536") as caught:
        read_form(post(b"%" * size), limit=LIMIT)
    assert caught.value.status == 413


def test_a_body_of_exactly_the_limit_is_taken() -> None:
    assert read_form(post(b"a=" + b"b" * (LIMIT - 2)), limit=LIMIT)["a"] == "b" * (LIMIT - 2)


# ---- the content type ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "content_type",
    [
        FORM,
        f"{FORM};charset=UTF-8",
        f"{FORM} ; charset=utf8",
        f'{FORM}; charset="utf-8"',
        f"{FORM}; foo=bar; charset=utf-8",
        "Application/X-WWW-Form-URLEncoded",
    ],
)
def test_a_form_by_any_spelling(content_type: str) -> None:
    assert read_form(post(b"a=b", content_type), limit=LIMIT) == {"a": "b"}


@pytest.mark.rfc("6749", "3.2")
@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "multipart/form-data; boundary=x",
        "text/plain",
        f"{FORM}2",
        f"text/plain, {FORM}",
        f"{FORM}; charset=latin-1",
        f"{FORM}; foo=bar; charset=utf-16",
    ],
)
def test_t01_anything_but_a_form_in_utf8_is_refused(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        read_form(post(b"a=b", content_type), limit=LIMIT)
    assert caught.value.status == 415


def test_t01_two_content_types_are_refused() -> None:
    request = Request("POST", (("content-type", FORM), ("content-type", FORM)), b"a=b")
    with pytest.raises(UnsupportedMediaType):
        read_form(request, limit=LIMIT)


def test_t01_the_query_is_not_the_form() -> None:
    request = Request("POST", (("content-type", FORM),), b"a=b", query="grant_type=password")
    assert dict(read_form(request, limit=LIMIT)) == {"a": "b"}


# ---- parameters ----------------------------------------------------------------------------


@pytest.mark.rfc("6749", "3.2")
@pytest.mark.parametrize(
    "body",
    [
        b"scope=a&scope=a",
        b"scope=a&scope=b",
        b"scope=&scope=",
        b"scope=&scope=a",
        b"scope&x=y&scope",
        b"scope=a&sc%6fpe=b",
        b"=a&=b",
    ],
)
def test_t02_a_repeated_parameter_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest, match="repeated"):
        read_form(post(body), limit=LIMIT)


@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=20), st.data())
def test_t02_wherever_the_repetition_is(fields: list[tuple[str, str]], data: st.DataObject) -> None:
    name, value = data.draw(st.sampled_from(fields))
    place = data.draw(st.integers(0, len(fields)))
    fields.insert(place, (name, data.draw(st.sampled_from([value, "", "other"]))))
    with pytest.raises(InvalidRequest) as caught:
        Form(tuple(fields))
    assert_describable(caught.value.description)


@pytest.mark.rfc("8707", "2")
def test_t02_resource_alone_may_be_repeated() -> None:
    form = read_form(post(b"resource=b&scope=s&resource=a&resource=&resource=b"), limit=LIMIT)
    assert form.all("resource") == ("b", "a", "b")
    assert form.all("scope") == ("s",)
    assert form.all("state") == ()
    assert form.pairs() == (("resource", "b"), ("scope", "s"), ("resource", "a"), ("resource", "b"))
    assert form["resource"] == "b"
    assert "resource=" not in repr(form)


def test_t02_array_syntax_is_another_parameter() -> None:
    form = read_form(post(b"scope=a&scope[]=b&scope%5B%5D.0=c&Scope=d"), limit=LIMIT)
    assert form["scope"] == "a"


@pytest.mark.rfc("6749", "3.2")
def test_t03_an_empty_value_counts_as_absent() -> None:
    form = read_form(post(b"scope=&state&username=alice"), limit=LIMIT)
    assert dict(form) == {"username": "alice"}
    assert form.get("scope") is None
    assert "state" not in form
    assert len(form) == 1


def test_t03_no_value_is_trimmed() -> None:
    form = read_form(post(b"password=+a++&username=%09bob%0a"), limit=LIMIT)
    assert form["password"] == " a  "
    assert form["username"] == "\tbob\n"


def test_t05_a_form_leaves_normal_forms_alone() -> None:
    form = read_form(post("a=caf\u00e9&b=cafe\u0301".encode()), limit=LIMIT)
    assert form["a"] != form["b"]


def test_a_parameter_that_must_be_there() -> None:
    form = read_form(post(b"username=alice&password="), limit=LIMIT)
    assert form.require("username") == "alice"
    for name in "password", "grant_type":
        with pytest.raises(InvalidRequest, match=name):
            form.require(name)


# ---- headers -------------------------------------------------------------------------------


def test_h02_every_value_of_a_header_is_visible_in_order() -> None:
    request = Request("GET", (("authorization", "b"), ("x", "y"), ("authorization", "a")))
    assert request.header("authorization") == ["b", "a"]
    assert request.header("cookie") == []


def test_l01_no_repr_shows_what_was_sent() -> None:
    request = Request("POST", (("authorization", "Basic canary"),), b"password=canary", "canary")
    form = Form((("password", "canary"),))
    response = json_response(200, {"access_token": "canary"})
    for value in request, form, response:
        assert "canary" not in f"{value!r} {value}"
    assert repr(request) == "<Request POST>"
    assert repr(response) == "<Response 200>"
    assert repr(form) == "<Form ['password']>"


# ---- answers -------------------------------------------------------------------------------


@pytest.mark.rfc("6749", "5.1")
def test_an_answer_is_json_and_not_to_be_stored() -> None:
    response = json_response(200, {"access_token": "é", "expires_in": 600})
    assert response.header("content-type") == "application/json"
    assert response.header("cache-control") == "no-store"
    assert response.header("pragma") == "no-cache"
    assert response.header("x-none") is None
    assert response.body == b'{"access_token":"\\u00e9","expires_in":600}'
    assert response.json() == {"access_token": "é", "expires_in": 600}


def test_an_answer_may_be_cached_when_its_headers_say_so() -> None:
    response = json_response(200, {}, (("cache-control", "max-age=300"),))
    assert response.headers == (
        ("content-type", "application/json"),
        ("cache-control", "max-age=300"),
    )


@pytest.mark.rfc("6749", "5.2")
def test_an_error_becomes_an_answer() -> None:
    response = error_response(InvalidScope("not allowed here: x", detail="canary"))
    assert response.status == 400
    assert response.json() == {
        "error": "invalid_scope",
        "error_description": "not allowed here: x",
    }
    assert set(NO_STORE) < set(response.headers)
    assert b"canary" not in response.body


@pytest.mark.rfc("6749", "5.2")
def test_c01_a_failed_client_authentication_challenges_for_basic() -> None:
    response = error_response(InvalidClient(detail="unknown client"))
    assert response.status == 401
    assert (response.header("www-authenticate") or "").startswith('Basic realm="')
    assert response.json() == {
        "error": "invalid_client",
        "error_description": "client authentication failed",
    }


def test_headers_of_an_error_are_added_to_the_usual_ones() -> None:
    assert error_response(TooManyAttempts(30)).header("retry-after") == "30"
    assert error_response(MethodNotAllowed(["POST", "GET"])).header("allow") == "GET, POST"


@pytest.mark.rfc("6750", "3.1")
def test_a_request_without_credentials_is_answered_without_an_error_code() -> None:
    assert "error" not in error_response(MissingToken()).json()


def test_an_error_without_description_sends_none() -> None:
    assert error_response(InvalidRequest()).json() == {"error": "invalid_request"}


def test_a_response_is_a_value() -> None:
    assert Response(200, (), b"{}") == Response(200, (), b"{}")
    assert json.loads(Response(200, (), b"[1]").body) == [1]


# ---- error_description ---------------------------------------------------------------------


def assert_describable(text: str) -> None:
    """RFC 6749 section 5.2: what error_description may hold."""
    assert all(" " <= c <= "~" and c not in '"\\' for c in text), text


@pytest.mark.rfc("6749", "5.2")
@given(st.text())
def test_what_is_quoted_in_a_description_fits_it(text: str) -> None:
    assert_describable(printable(text))
    assert len(printable(text)) <= 40


def test_l02_what_is_quoted_is_cut_and_harmless() -> None:
    assert printable('a"b\\c\r\n\x1b[31mé') == "a?b?c???[31m?"
    assert printable("x" * 2**20) == "x" * 40
