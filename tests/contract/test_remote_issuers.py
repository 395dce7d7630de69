"""Tokens of an issuer elsewhere: the same answers in every framework, whatever becomes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from bezant import IntrospectionVerifier, TokenVerifier, TrustedIssuers, Verifier
from bezant.http import Request
from bezant.testing.issuer import FakeIssuer
from tests.api import bearer, refusal
from tests.contract.conftest import headers_of
from tests.harness import load
from tests.harness.bare import App as Bare
from tests.jose import b64
from tests.world import API

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Response
    from tests.harness import App

    Make: TypeAlias = Callable[[Callable[[], Verifier]], "Pair"]

JWKS, FEED, INTROSPECT = "/oauth/jwks.json", "/oauth/revocations", "/oauth/introspect"
PATHS = ("/whoami", "/public")  # of which some frameworks answer one in a thread, one in a loop
OTHERS = 20


class Timer:
    """A clock that only goes forward, and faster when told to."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class Pair:
    """Two applications that must answer alike, each with a verifier of its own."""

    def __init__(self, app: App, reference: App) -> None:
        self.app = app
        self.reference = reference

    def get(self, token: str, path: str = "/whoami") -> Response:
        """What both answer."""
        ours, reference = (app.send(path, asking(token)) for app in (self.app, self.reference))
        assert (ours.status, ours.body) == (reference.status, reference.body)
        assert headers_of(ours) == headers_of(reference)
        return ours

    def close(self) -> None:
        self.app.close()
        self.reference.close()


def asking(token: str) -> Request:
    return Request("GET", (bearer(token),), address="192.0.2.1")


def stranger(token: str, kid: str) -> str:
    """The same token, as if signed with a key that nobody knows."""
    header = b64(b'{"alg":"ES256","kid":"%b","typ":"at+jwt"}' % kid.encode())
    return ".".join((header, *token.split(".")[1:]))


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer(API) as made:
        yield made


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def serve(framework: str) -> Iterator[Make]:
    """Make applications; they are closed in the end."""
    made: list[Pair] = []

    def make(verifier: Callable[[], Verifier]) -> Pair:
        made.append(Pair(load(framework)(verifier()), Bare(verifier())))
        return made[-1]

    yield make
    for pair in made:
        pair.close()


@pytest.fixture
def follow(serve: Make, issuer: FakeIssuer, timer: Timer) -> Callable[..., Pair]:
    """Make applications that follow the issuer."""

    def make(**options: Any) -> Pair:
        settings = {"audience": API, "timer": timer, **options}
        return serve(lambda: TokenVerifier.from_issuer(issuer.url, **settings))

    return make


def test_its_tokens_are_taken_and_all_others_refused(
    issuer: FakeIssuer, follow: Callable[..., Pair]
) -> None:
    apps, good = follow(), issuer.mint()
    for path in PATHS:
        assert apps.get(good, path).json()["subject"] == "alice"
        for bad in (
            issuer.mint(aud="https://other.example.com"),
            issuer.mint(iss="https://evil.example.com"),
            issuer.mint(typ="JWT"),
            stranger(good, "unknown"),
            good[:-8] + "AAAAAAAA",
        ):
            assert refusal(apps.get(bad, path)) == (401, "invalid_token")


def test_an_issuer_that_was_never_reached_is_not_trusted(
    issuer: FakeIssuer, follow: Callable[..., Pair]
) -> None:
    issuer.fail("down")
    apps = follow()
    for path in PATHS:
        answer = apps.get(issuer.mint(), path)
        assert refusal(answer) == (503, "temporarily_unavailable")
        assert int(answer.header("retry-after") or "") > 0


# ---- abuse and slowness ----------------------------------------------------------------------


def test_k01_a_flood_of_unknown_kids_causes_one_fetch_in_a_cool_down(
    issuer: FakeIssuer, follow: Callable[..., Pair]
) -> None:
    apps, good = follow(cool_down=60), issuer.mint()
    apps.get(good)
    before = issuer.count(JWKS)
    asked = [(PATHS[n % 2], asking(stranger(good, f"kid-{n}"))) for n in range(100)]
    answers = apps.app.send_all(asked[:20]) + [(apps.app.send(*one), 0.0) for one in asked[20:]]
    assert {answer.status for answer, _ in answers} == {401}
    assert issuer.count(JWKS) == before + 1
    assert apps.get(good).status == 200


def slow_keys(issuer: FakeIssuer) -> tuple[Verifier, str, str]:
    """A verifier, and a path and a token with which somebody waits for the issuer."""
    verifier = TokenVerifier.from_issuer(issuer.url, audience=API, timeout=2.0)
    return verifier, JWKS, stranger(issuer.mint(), "unknown")


def slow_introspection(issuer: FakeIssuer) -> tuple[Verifier, str, str]:
    credentials = {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    verifier = IntrospectionVerifier(
        issuer.url, audience=API, timeout=2.0, cache_ttl=600, **credentials
    )
    return verifier, INTROSPECT, issuer.mint(subject="bob")


@pytest.mark.parametrize("kind", [slow_keys, slow_introspection])
def test_while_one_waits_for_a_slow_issuer_the_others_go_on(
    framework: str, issuer: FakeIssuer, kind: Callable[[FakeIssuer], tuple[Verifier, str, str]]
) -> None:
    """On one event loop, where there is one: whatever blocked it would hold them all up."""
    verifier, path, waits = kind(issuer)
    answered: list[Response] = []

    def end_the_wait(answer: Response) -> None:
        """Once the others are through, those who wait learn that the issuer is away."""
        answered.append(answer)
        if len(answered) == OTHERS:
            issuer.fail("down", path)

    good = issuer.mint()
    app = load(framework)(verifier)
    try:
        assert [app.send(path, asking(good)).status for path in PATHS] == [200, 200]
        issuer.fail("slow", path)
        tokens = [waits, waits, *[good] * OTHERS]
        asked = [(PATHS[n % 2], asking(token)) for n, token in enumerate(tokens)]
        answers = app.send_all(asked, end_the_wait)
    finally:
        app.close()
    assert [answer.status for answer, _ in answers[2:]] == [200] * OTHERS
    assert not {answer.status for answer, _ in answers[:2]} & {200, 500}
    assert max(at for _, at in answers[2:]) < min(at for _, at in answers[:2])


# ---- revocation ------------------------------------------------------------------------------


def test_a_revocation_at_the_issuer_is_known_within_the_bound(
    issuer: FakeIssuer, follow: Callable[..., Pair]
) -> None:
    """And nothing is asked of the issuer for it."""
    apps = follow()
    doomed, other = issuer.mint(jti="doomed"), issuer.mint(subject="bob")
    for token in (doomed, other):
        assert apps.get(token).status == 200
    before = issuer.count(FEED)
    begun = time.monotonic()
    issuer.revoke("token", "doomed")
    for app in (apps.app, apps.reference):
        while app.send("/whoami", asking(doomed)).status == 200:
            assert time.monotonic() - begun < 5
    assert issuer.count(FEED) - before <= 6  # two verifiers, which wait for news
    assert issuer.count(INTROSPECT) == 0
    for path in PATHS:
        assert refusal(apps.get(doomed, path)) == (401, "invalid_token")
        assert apps.get(other, path).status == 200


@pytest.mark.parametrize(("when_stale", "after"), [("refuse", 503), (60.0, 200), (0.5, 503)])
def test_what_a_stale_feed_means_is_a_setting(
    issuer: FakeIssuer,
    follow: Callable[..., Pair],
    timer: Timer,
    when_stale: Any,
    after: int,
) -> None:
    apps, token = follow(when_stale=when_stale, revocation_bound=3.0), issuer.mint()
    assert apps.get(token).status == 200
    issuer.fail("error", FEED)
    timer.ahead += 10
    statuses = {apps.get(token, path).status for path in PATHS}
    assert statuses == {after}


def test_a_stale_feed_may_mean_to_ask_about_each_token(
    issuer: FakeIssuer, follow: Callable[..., Pair]
) -> None:
    issuer.fail("down", FEED)
    credentials = {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    apps = follow(when_stale="introspect", **credentials)
    doomed = issuer.mint(jti="doomed")
    issuer.revoke("token", "doomed")
    for path in PATHS:
        assert apps.get(issuer.mint(), path).status == 200
        assert refusal(apps.get(doomed, path)) == (401, "invalid_token")
    assert issuer.count(INTROSPECT) > 0


# ---- several issuers -------------------------------------------------------------------------


def test_of_several_issuers_each_speaks_for_itself(issuer: FakeIssuer, serve: Make) -> None:
    with FakeIssuer(API) as second, FakeIssuer(API) as stranger_to_all:

        def both() -> Verifier:
            return TrustedIssuers(
                TokenVerifier.from_issuer(each.url, audience=API) for each in (issuer, second)
            )

        apps = serve(both)
        for each in (issuer, second):
            assert apps.get(each.mint(subject=each.url)).json()["subject"] == each.url
            posing = apps.get(each.mint(iss=(issuer.url, second.url)[each is issuer]))
            assert refusal(posing) == (401, "invalid_token")
        assert refusal(apps.get(stranger_to_all.mint())) == (401, "invalid_token")
        assert stranger_to_all.requests == []
