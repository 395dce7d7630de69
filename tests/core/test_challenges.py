"""The test kit's eye for challenges: it reads every form of them, and takes no wrong one."""

from __future__ import annotations

from email.message import Message
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import ResourceGuard
from bezant.errors import BearerError, InsufficientScope, InvalidClient, InvalidToken, MissingToken
from bezant.http import Response, error_response
from bezant.testing import TokenFactory
from bezant.testing.challenges import Challenge, assert_challenge, challenges, parse_challenges

METADATA = "https://api.example.com/.well-known/oauth-protected-resource"


def refused(error: BearerError) -> Response:
    verifier = TokenFactory().verifier()
    return ResourceGuard(verifier, realm="items", resource_metadata=METADATA).refuse(error)


def told(header: str, status: int = 401) -> Response:
    return Response(status, (("www-authenticate", header),), b"")


# ---- reading ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("", []),
        (" , ,", []),
        ("Negotiate", [("Negotiate", {})]),
        ("Bearer ", [("Bearer", {})]),
        ("Negotiate YWJj==", [("Negotiate", {})]),
        ("Negotiate name=", [("Negotiate", {})]),
        ('Bearer realm="api"', [("Bearer", {"realm": "api"})]),
        ("bearer REALM=api", [("bearer", {"realm": "api"})]),
        ('Bearer  realm = "a b" ,\terror="x"', [("Bearer", {"realm": "a b", "error": "x"})]),
        (r'Bearer realm="a \"b\" \\ c, d=\"e"', [("Bearer", {"realm": r'a "b" \ c, d="e'})]),
        (
            'Basic realm="a, b", charset="UTF-8", Bearer realm="c",, error=invalid_token,',
            [
                ("Basic", {"realm": "a, b", "charset": "UTF-8"}),
                ("Bearer", {"realm": "c", "error": "invalid_token"}),
            ],
        ),
        ("Negotiate YWJj, Bearer", [("Negotiate", {}), ("Bearer", {})]),
    ],
)
def test_every_form_of_a_challenge_is_read(
    header: str, found: list[tuple[str, dict[str, str]]]
) -> None:
    assert parse_challenges(header) == tuple(Challenge(*each) for each in found)


@pytest.mark.parametrize(
    "header",
    [
        'realm="api"',
        'Bearer realm="api" error="x"',
        'Bearer realm="api',
        'Bearer realm="api", error=',
        'Bearer realm="api", YWJj==',
        'Bearer realm="a" b',
        'Bearer realm="\u00e4"',
        'Bearer realm="a\n"',
        'Bearer realm="api"\n',
        "Bearer realm=a b",
        "Be@rer",
        'Bearer realm="a", Realm="a"',
    ],
)
def test_a_malformed_header_is_no_challenge(header: str) -> None:
    with pytest.raises(ValueError, match=r"malformed|before any scheme|twice"):
        parse_challenges(header)
    with pytest.raises(AssertionError, match=r"malformed|before any scheme|twice"):
        assert_challenge(told(header), 401)


NAMES = st.from_regex(r"[a-z][a-z0-9_!-]{0,7}", fullmatch=True)
TEXTS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=12)


@given(st.lists(st.tuples(NAMES, st.dictionaries(NAMES, TEXTS, max_size=3)), max_size=3))
def test_what_was_written_is_what_is_read(written: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(text)}" for name, text in parameters.items())
        for scheme, parameters in written
    )
    assert parse_challenges(header) == tuple(Challenge(*each) for each in written)


def test_parameters_that_matter_have_names_of_their_own() -> None:
    (challenge,) = challenges(refused(InsufficientScope("x", scopes=["b", "a"])))
    assert challenge.realm == "items"
    assert challenge.error == "insufficient_scope"
    assert challenge.scopes == {"a", "b"}
    assert challenge.resource_metadata == METADATA
    bare = Challenge("Bearer")
    assert (bare.realm, bare.error, bare.resource_metadata) == (None, None, None)
    assert bare.scopes == frozenset()


def a_message(*values: str) -> Message:
    message = Message()
    for value in values:
        message["WWW-Authenticate"] = value
    return message


BOTH = ("Negotiate", 'Bearer realm="api"')


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(Response(401, tuple(("www-authenticate", v) for v in BOTH), b""), id="pairs"),
        pytest.param(
            SimpleNamespace(status_code=401, headers={"WWW-Authenticate": ", ".join(BOTH)}),
            id="mapping",
        ),
        pytest.param(
            SimpleNamespace(
                status="401 UNAUTHORIZED", status_code=401, headers=a_message(*BOTH), json=None
            ),
            id="multimap",
        ),
        pytest.param(SimpleNamespace(status=401, headers=a_message(*BOTH)), id="status-alone"),
    ],
)
def test_answers_of_any_client_are_taken(response: Any) -> None:
    assert [challenge.scheme for challenge in challenges(response)] == ["Negotiate", "Bearer"]
    assert assert_challenge(response, 401).realm == "api"
    assert assert_challenge(response, 401, scheme="negotiate").parameters == {}


# ---- comparing -------------------------------------------------------------------------------


def test_a_refusal_as_it_should_be() -> None:
    assert_challenge(refused(MissingToken()), 401)
    answer = refused(InvalidToken("the token has expired"))
    challenge = assert_challenge(
        answer, 401, error="invalid_token", realm="items", resource_metadata=METADATA
    )
    assert challenge.parameters["error_description"] == "the token has expired"
    short = refused(InsufficientScope("x", scopes=["a", "b"]))
    for scope in ("a b", "b a", ["b", "a"], {"a", "b"}, iter(["a", "b"])):
        assert_challenge(short, 403, error="insufficient_scope", scope=scope)
    assert_challenge(error_response(InvalidClient()), 401, scheme="Basic", realm="oauth")


GOOD = {"error": "insufficient_scope", "scope": "a b"}


@pytest.mark.parametrize(
    ("status", "wanted", "message"),
    [
        (401, GOOD, "^status 403, not 401 in Bearer realm="),
        (403, {**GOOD, "error": "invalid_token"}, "^error 'insufficient_scope', not 'invalid_tok"),
        (403, {"scope": "a b"}, "^error 'insufficient_scope', not absent in"),
        (403, {**GOOD, "scope": "a"}, "^scope 'a b', not 'a' in"),
        (403, {**GOOD, "scope": "a b c"}, "^scope 'a b', not 'a b c' in"),
        (403, {"error": "insufficient_scope"}, "^scope 'a b', not absent in"),
        (403, {**GOOD, "realm": "api"}, "^realm 'items', not 'api' in"),
        (403, {**GOOD, "resource_metadata": "https://x"}, f"^resource_metadata '{METADATA}', not"),
        (403, {**GOOD, "scheme": "DPoP"}, "^no challenges of the scheme DPoP, not one in"),
        (400, {"realm": "api"}, "^status .*; error .*; scope .*; realm .* in Bearer"),
    ],
)
def test_whatever_differs_is_told(status: int, wanted: dict[str, Any], message: str) -> None:
    answer = refused(InsufficientScope("x", scopes=["a", "b"]))
    assert_challenge(answer, 403, **GOOD)
    with pytest.raises(AssertionError, match=message):
        assert_challenge(answer, status, **wanted)


def test_an_error_where_there_must_be_one() -> None:
    with pytest.raises(AssertionError, match=r"^error absent, not 'invalid_token' in"):
        assert_challenge(refused(MissingToken()), 401, error="invalid_token")


def test_an_answer_that_refuses_nothing() -> None:
    fine = Response(200, (), b"{}")
    with pytest.raises(
        AssertionError, match=r"^status 200, not 401; no challenges .*; no WWW-Authenticate$"
    ):
        assert_challenge(fine, 401)


def test_two_challenges_of_one_scheme_are_one_too_many() -> None:
    with pytest.raises(AssertionError, match="2 challenges of the scheme Bearer, not one"):
        assert_challenge(told('Bearer realm="a", Bearer realm="b"'), 401)
