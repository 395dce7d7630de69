"""Asking the issuer about each token: what is remembered, what is shared, what breaks."""

from __future__ import annotations

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, get_args

import pytest

from bezant import ConfigurationError, IntrospectionVerifier
from bezant.breaker import Breaker
from bezant.errors import InvalidToken, StoreUnavailable
from bezant.http import Response, json_response
from bezant.runtime import SYNC, Runtime, inline, run_sync
from bezant.testing import FrozenClock
from bezant.testing.issuer import FakeIssuer, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant import Principal

INTROSPECT = "/oauth/introspect"
FAULTS = get_args(Fault)


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        yield made


@pytest.fixture
def timer() -> FrozenClock:
    return FrozenClock(1000.0)


@pytest.fixture
def ask(issuer: FakeIssuer, timer: FrozenClock) -> Callable[..., IntrospectionVerifier]:
    def make(**options: Any) -> IntrospectionVerifier:
        settings = {
            "audience": issuer.audience,
            "client_id": issuer.client_id,
            "client_secret": issuer.client_secret,
            "timeout": 0.5,
            "timer": timer,
            **options,
        }
        return IntrospectionVerifier(issuer.url, **settings)

    return make


def verify(verifier: IntrospectionVerifier, token: str) -> Principal:
    return run_sync(verifier.averify(token, SYNC))


@pytest.mark.rfc("7662", "2.1")
def test_the_issuer_is_asked(issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]) -> None:
    principal = verify(ask(), issuer.mint(scopes=["items:read"], roles=["editor"], jti="t-1"))
    assert (principal.subject, principal.client_id, principal.token_id) == ("alice", "web", "t-1")
    assert (principal.scopes, principal.roles) == ({"items:read"}, {"editor"})


@pytest.mark.rfc("7662", "2.2")
def test_an_inactive_token_is_refused(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    token = issuer.mint(jti="doomed")
    issuer.revoke("token", "doomed")
    with pytest.raises(InvalidToken):
        verify(ask(), token)


def test_i09_an_answer_is_remembered_for_some_seconds_and_no_longer(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], timer: FrozenClock
) -> None:
    verifier, token = ask(cache_ttl=5.0), issuer.mint(jti="doomed")
    verify(verifier, token)
    issuer.revoke("token", "doomed")
    timer.advance(4.9)
    verify(verifier, token)
    assert issuer.count(INTROSPECT) == 1
    timer.advance(0.2)
    with pytest.raises(InvalidToken):
        verify(verifier, token)


def test_i09_an_answer_is_not_remembered_past_the_tokens_end(timer: FrozenClock) -> None:
    clock = FrozenClock()
    with FakeIssuer(clock=clock) as issuer:
        verifier = IntrospectionVerifier(
            issuer.url,
            audience=issuer.audience,
            client_id=issuer.client_id,
            client_secret=issuer.client_secret,
            cache_ttl=3600,
            leeway=0,
            clock=clock,
            timer=timer,
        )
        token = issuer.mint(expires_in=60)
        verify(verifier, token)
        clock.advance(60)
        with pytest.raises(InvalidToken):
            verify(verifier, token)


def test_i09_nothing_is_remembered_when_that_is_asked_for(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    verifier, token = ask(cache_ttl=0), issuer.mint()
    for _ in range(3):
        verify(verifier, token)
    assert issuer.count(INTROSPECT) == 3


def test_the_memory_is_bounded(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    verifier = ask(cache_size=2)
    for _ in range(5):
        verify(verifier, issuer.mint())
    assert len(verifier._known) <= 2


def test_those_who_ask_about_the_same_token_share_a_request(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    verifier, token = ask(cache_ttl=0.0), issuer.mint()
    answer, pause = issuer.answer, 0.3

    def slowly(path: str, request: Any) -> Response:
        if path == INTROSPECT:
            time.sleep(pause)
        return answer(path, request)

    issuer.answer = slowly  # type: ignore[method-assign]
    with ThreadPoolExecutor(32) as pool:
        subjects = pool.map(lambda _: verify(verifier, token).subject, range(32))
        assert set(subjects) == {"alice"}
    assert issuer.count(INTROSPECT) <= 2


async def test_who_gives_up_takes_nothing_from_the_others(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    verifier, token = ask(), issuer.mint()
    runtime = Runtime(io=inline, wait=asyncio.wrap_future, loop=True)
    tasks = [asyncio.create_task(verifier.averify(token, runtime)) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    assert [(await task).subject for task in tasks[1:]] == ["alice", "alice"]


# ---- answers that are not to be believed ------------------------------------------------------


def claims(issuer: FakeIssuer, **members: Any) -> dict[str, Any]:
    now = int(time.time())
    whole = {
        "active": True,
        "iss": issuer.url,
        "sub": "alice",
        "client_id": "web",
        "aud": issuer.audience,
        "exp": now + 60,
        **members,
    }
    return {name: value for name, value in whole.items() if value is not None}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"iss": None},
        {"token_type": "Bearer", "username": "alice@example.com"},
    ],
)
def test_what_an_answer_may_leave_out(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], members: dict[str, Any]
) -> None:
    issuer.answers[INTROSPECT] = json_response(200, claims(issuer, **members))
    assert verify(ask(), "opaque").subject == "alice"


@pytest.mark.parametrize(
    "members",
    [
        {"active": False},
        {"active": "true"},
        {"active": 1},
        {"active": None},
        {"iss": "https://evil.example.com"},
        {"aud": None},
        {"aud": "https://other.example.com"},
        {"exp": None},
        {"exp": 1},
        {"exp": "tomorrow"},
        {"nbf": 4_000_000_000},
        {"sub": None},
        {"sub": 5},
        {"client_id": None},
        {"scope": ["items:read"]},
        {"roles": "editor"},
    ],
)
def test_what_is_not_good_here_is_refused(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], members: dict[str, Any]
) -> None:
    issuer.answers[INTROSPECT] = json_response(200, claims(issuer, **members))
    with pytest.raises(InvalidToken):
        verify(ask(), "opaque")


@pytest.mark.parametrize("token", ["x" * 16385, "t\u00f6ken", "\udc80"])
def test_what_can_be_no_token_is_refused_unasked(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], token: str
) -> None:
    with pytest.raises(InvalidToken):
        verify(ask(), token)
    assert issuer.requests == []


# ---- failures ---------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", FAULTS)
def test_without_an_answer_no_token_is_taken(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], fault: Fault
) -> None:
    issuer.fail(fault, INTROSPECT)
    verifier, token = ask(), issuer.mint()
    with pytest.raises(StoreUnavailable):
        verify(verifier, token)
    issuer.recover()
    assert verify(verifier, token).subject == "alice"  # a failure is not remembered


def test_an_issuer_that_keeps_failing_is_left_alone_for_a_while(
    issuer: FakeIssuer,
    ask: Callable[..., IntrospectionVerifier],
    timer: FrozenClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    issuer.fail("error", INTROSPECT)
    verifier = ask()
    for _ in range(20):
        with pytest.raises(StoreUnavailable):
            verify(verifier, issuer.mint())
    assert issuer.count(INTROSPECT) == 5
    assert caplog.text.count("left alone") == 1
    issuer.recover()
    timer.advance(1.1)
    assert verify(verifier, issuer.mint()).subject == "alice"


def test_wrong_credentials_are_told_to_the_operator_without_the_secret(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier], caplog: pytest.LogCaptureFixture
) -> None:
    verifier = ask(client_secret="hunter2 hunter2 hunter2")
    with caplog.at_level(logging.DEBUG), pytest.raises(StoreUnavailable, match="client_secret"):
        verify(verifier, issuer.mint())
    assert "hunter2" not in caplog.text


def test_a_secret_is_never_sent_to_another_origin(
    issuer: FakeIssuer, ask: Callable[..., IntrospectionVerifier]
) -> None:
    with FakeIssuer() as other:
        document = {"issuer": issuer.url, "introspection_endpoint": other.url + INTROSPECT}
        issuer.answers["/.well-known/oauth-authorization-server"] = json_response(200, document)
        with pytest.raises(StoreUnavailable, match="another origin"):
            verify(ask(), issuer.mint())
        assert other.requests == []


def test_one_call_at_a_time_tries_whether_it_works_again() -> None:
    timer = FrozenClock(0.0)
    breaker = Breaker(timer)
    opened = [breaker.failed() for _ in range(6)]
    assert opened == [False, False, False, False, True, False]
    with pytest.raises(StoreUnavailable):
        breaker.check()
    timer.advance(2.1)
    breaker.check()
    with pytest.raises(StoreUnavailable):
        breaker.check()
    breaker.succeeded()
    breaker.check()
    breaker.check()


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"audience": ""}, "audience"),
        ({"client_id": ""}, "client_secret"),
        ({"client_secret": ""}, "client_secret"),
        ({"cache_ttl": -1}, "cache_ttl"),
        ({"cache_size": -1}, "cache_size"),
        ({"timeout": 0}, "timeout"),
        ({"endpoint": "http://id.example.com/introspect"}, "introspection_endpoint"),
    ],
)
def test_bad_settings_are_refused_by_name(settings: dict[str, Any], name: str) -> None:
    good = {"audience": "https://api.example.com", "client_id": "api", "client_secret": "s"}
    with pytest.raises(ConfigurationError, match=rf"^{name}:"):
        IntrospectionVerifier("https://id.example.com", **{**good, **settings})
