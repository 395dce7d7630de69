"""The tree of errors: what a client sees, and what it does not."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

from bezant import errors
from bezant.errors import (
    AccessDenied,
    AccountSelectionRequired,
    BearerError,
    BezantError,
    ConfigurationError,
    ConsentRequired,
    InsufficientAuthentication,
    InsufficientScope,
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidRequestURI,
    InvalidScope,
    InvalidTarget,
    InvalidToken,
    KeyUnavailable,
    LoginRequired,
    MalformedCredentials,
    MethodNotAllowed,
    MissingToken,
    OAuthError,
    PayloadTooLarge,
    RequestNotSupported,
    RequestURINotSupported,
    ServerError,
    StoreUnavailable,
    SuspendedError,
    TemporarilyUnavailable,
    TooManyAttempts,
    UnauthorizedClient,
    UnknownKey,
    UnmetAuthenticationRequirements,
    UnsupportedGrantType,
    UnsupportedMediaType,
    UnsupportedResponseType,
    UnsupportedTokenType,
)

rfc = pytest.mark.rfc
CANARY = "canary-secret"

ANSWERS = [
    pytest.param(InvalidRequest("x"), 400, "invalid_request", marks=rfc("6749", "5.2")),
    pytest.param(InvalidClient("x"), 401, "invalid_client", marks=rfc("6749", "5.2")),
    pytest.param(InvalidGrant("x"), 400, "invalid_grant", marks=rfc("6749", "5.2")),
    pytest.param(UnauthorizedClient("x"), 400, "unauthorized_client", marks=rfc("6749", "5.2")),
    pytest.param(
        UnsupportedGrantType("x"), 400, "unsupported_grant_type", marks=rfc("6749", "5.2")
    ),
    pytest.param(InvalidScope("x"), 400, "invalid_scope", marks=rfc("6749", "5.2")),
    pytest.param(
        UnsupportedTokenType("x"), 400, "unsupported_token_type", marks=rfc("7009", "2.2.1")
    ),
    pytest.param(InvalidTarget("x"), 400, "invalid_target", marks=rfc("8707", "2")),
    pytest.param(AccessDenied("x"), 400, "access_denied", marks=rfc("6749", "4.1.2.1")),
    pytest.param(
        UnsupportedResponseType("x"),
        400,
        "unsupported_response_type",
        marks=rfc("6749", "4.1.2.1"),
    ),
    pytest.param(LoginRequired("x"), 400, "login_required"),
    pytest.param(AccountSelectionRequired("x"), 400, "account_selection_required"),
    pytest.param(ConsentRequired("x"), 400, "consent_required"),
    pytest.param(RequestNotSupported("x"), 400, "request_not_supported"),
    pytest.param(RequestURINotSupported("x"), 400, "request_uri_not_supported"),
    pytest.param(InvalidRequestURI("x"), 400, "invalid_request_uri"),
    pytest.param(UnmetAuthenticationRequirements("x"), 400, "unmet_authentication_requirements"),
    pytest.param(UnsupportedMediaType("x"), 415, "invalid_request", marks=rfc("9110", "15.5.16")),
    pytest.param(MethodNotAllowed(["POST"]), 405, "invalid_request", marks=rfc("9110", "15.5.6")),
    pytest.param(PayloadTooLarge("x"), 413, "invalid_request", marks=rfc("9110", "15.5.14")),
    pytest.param(TooManyAttempts(1), 429, "invalid_grant", marks=rfc("6585", "4")),
    pytest.param(ServerError("ref"), 500, "server_error"),
    pytest.param(TemporarilyUnavailable(), 503, "temporarily_unavailable"),
    pytest.param(MissingToken(), 401, "", marks=rfc("6750", "3.1")),
    pytest.param(MalformedCredentials("x"), 400, "invalid_request", marks=rfc("6750", "3.1")),
    pytest.param(InvalidToken("x"), 401, "invalid_token", marks=rfc("6750", "3.1")),
    pytest.param(UnknownKey("x"), 401, "invalid_token"),
    pytest.param(InsufficientScope("x"), 403, "insufficient_scope", marks=rfc("6750", "3.1")),
    pytest.param(
        InsufficientAuthentication(60),
        401,
        "insufficient_user_authentication",
        marks=rfc("9470", "3"),
    ),
]


def name_of(error: object) -> str | None:
    return type(error).__name__ if isinstance(error, BaseException) else None


@pytest.mark.parametrize(("error", "status", "code"), ANSWERS, ids=name_of)
def test_each_answer_has_its_code_and_status(error: OAuthError, status: int, code: str) -> None:
    assert (error.status, error.code) == (status, code)
    assert isinstance(error, OAuthError)


def test_every_answer_is_in_the_table() -> None:
    def leaves(kind: type[BezantError]) -> set[type[BezantError]]:
        return {kind}.union(*(leaves(below) for below in kind.__subclasses__()))

    tested = {type(answer.values[0]) for answer in ANSWERS}
    assert leaves(OAuthError) - tested == {OAuthError, BearerError}


@pytest.mark.rfc("6749", "5.2")
@pytest.mark.parametrize("error", [answer.values[0] for answer in ANSWERS], ids=name_of)
def test_each_description_is_printable_ascii(error: OAuthError) -> None:
    assert all(" " <= c <= "~" and c not in '"\\' for c in error.description)
    assert error.description
    for name, value in error.headers:
        assert name == name.lower()
        assert value.isascii()
        assert value.isprintable()


# ---- the tree is as its docstring says -----------------------------------------------------


def documented() -> dict[str, tuple[str, str]]:
    """Each class in the module's docstring: its parent there, and its line."""
    found: dict[str, tuple[str, str]] = {}
    above: list[tuple[int, str]] = []
    for line in (inspect.getdoc(errors) or "").splitlines():
        if match := re.match(r"( {4,})([A-Z]\w+)(.*)", line):
            indent, name = len(match[1]), match[2]
            above = [(depth, parent) for depth, parent in above if depth < indent]
            found[name] = (above[-1][1] if above else "Exception", match[3])
            above.append((indent, name))
    return found


def test_the_docstring_shows_the_whole_tree() -> None:
    classes = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, BaseException)
    }
    assert {name: kind.__bases__[0].__name__ for name, kind in classes.items()} == {
        name: parent for name, (parent, _) in documented().items()
    }
    assert sorted(errors.__all__) == sorted(classes)


def test_the_docstring_states_each_status() -> None:
    for error, status, _ in (answer.values for answer in ANSWERS):
        assert f" {status}" in documented()[type(error).__name__][1]


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("issuer", "use https"),
        SuspendedError("flow"),
        StoreUnavailable("down"),
        KeyUnavailable("none"),
    ],
    ids=name_of,
)
def test_what_is_no_answer_of_the_protocol_is_no_oauth_error(error: BezantError) -> None:
    assert not isinstance(error, OAuthError)
    assert isinstance(error, BezantError)


# ---- what the outside sees -----------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [InvalidRequest, InvalidClient, InvalidGrant, InvalidScope, InvalidToken]
)
def test_l01_detail_is_for_logs_only(kind: type[OAuthError]) -> None:
    error = kind("public", detail=CANARY)
    assert error.detail == CANARY
    assert CANARY not in f"{error} {error!r} {error.args} {error.description} {error.headers}"


def test_a_configuration_error_names_the_setting_and_what_to_do() -> None:
    error = ConfigurationError("BEZANT_ISSUER", "use https")
    assert str(error) == "BEZANT_ISSUER: use https"
    assert (error.setting, error.problem) == ("BEZANT_ISSUER", "use https")


def test_an_error_without_description_says_its_code() -> None:
    assert str(InvalidGrant()) == "invalid_grant"
    assert InvalidGrant().description == ""


@pytest.mark.rfc("6749", "5.2")
def test_a_refused_client_is_challenged_for_basic() -> None:
    assert InvalidClient().headers == (
        ("www-authenticate", 'Basic realm="oauth", charset="UTF-8"'),
    )
    assert InvalidClient().description == "client authentication failed"


@pytest.mark.rfc("9110", "15.5.6")
def test_a_refused_method_is_answered_with_those_that_are_taken() -> None:
    error = MethodNotAllowed({"POST", "GET"})
    assert error.headers == (("allow", "GET, POST"),)
    assert error.description == "this endpoint takes GET or POST only"


@pytest.mark.rfc("6585", "4")
@pytest.mark.parametrize(
    ("wait", "seconds"), [(0, 1), (0.01, 1), (1, 1), (1.001, 2), (1.5, 2), (300, 300)]
)
def test_b01_who_is_throttled_is_told_whole_seconds_that_suffice(wait: float, seconds: int) -> None:
    error = TooManyAttempts(wait)
    assert error.headers == (("retry-after", str(seconds)),)
    assert str(seconds) in error.description
    assert seconds >= wait


def test_a_server_that_cannot_answer_says_when_to_come_back() -> None:
    assert TemporarilyUnavailable().headers == (("retry-after", "1"),)
    assert TemporarilyUnavailable("full", retry_after=7, detail="x").headers == (
        ("retry-after", "7"),
    )


@pytest.mark.rfc("6750", "3")
@pytest.mark.parametrize(
    ("error", "attributes"),
    [
        (MissingToken(), ()),
        (InvalidToken("expired"), ()),
        (InsufficientScope("x"), ()),
        (InsufficientScope("x", scopes=["b", "a"]), (("scope", "b a"),)),
        (InsufficientAuthentication(60), (("max_age", "60"),)),
    ],
)
def test_what_a_challenge_adds(error: BearerError, attributes: Any) -> None:
    assert error.attributes == attributes


def test_a_failure_inside_is_found_by_its_reference() -> None:
    assert "ref-1" in ServerError("ref-1").description
