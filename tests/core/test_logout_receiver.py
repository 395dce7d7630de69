"""Being told of logouts: which logout tokens are believed, and what the application is told."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from bezant import ConfigurationError, Key, KeySet, Runtime
from bezant.backchannel_logout import EVENT, logout_claims
from bezant.errors import StoreUnavailable
from bezant.http import Request
from bezant.logout_receiver import LogoutReceiver
from bezant.runtime import SYNC, inline, result, run_sync
from bezant.testing import FrozenClock, fixed_key
from bezant.testing.issuer import FakeIssuer
from tests.core.sso_world import FORM, ISSUER, World
from tests.jose import compact, hmac_sha256, parts, segment, signer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.http import Response

KEYS = {name: fixed_key(name) for name in ("RS256", "ES256", "EdDSA")}
OTHER = Key.generate("ES256")
JWKS = "/oauth/jwks.json"


class Application:
    """A client's application, which notes who is to be signed out."""

    def __init__(self, **options: Any) -> None:
        self.clock = FrozenClock()
        self.told: list[tuple[str | None, str | None]] = []
        self.failure: Exception | None = None
        settings = {"keys": KeySet(KEYS.values()), "clock": self.clock, **options}
        self.receiver = LogoutReceiver(ISSUER, "web", on_logout=self.on_logout, **settings)

    def on_logout(self, subject: str | None, session_id: str | None) -> None:
        if self.failure is not None:
            raise self.failure
        self.told.append((subject, session_id))

    def claims(self, **changes: Any) -> dict[str, Any]:
        good = logout_claims(ISSUER, "web", "alice", "sid-1", self.clock())
        return {name: value for name, value in {**good, **changes}.items() if value is not None}

    def token(
        self, key: Key = KEYS["RS256"], typ: str | None = "logout+jwt", **changes: Any
    ) -> str:
        header = {"alg": key.algorithm, "kid": key.kid, **({} if typ is None else {"typ": typ})}
        return compact(header, self.claims(**changes), signer(key))

    def post(self, token: str) -> Response:
        return posted(self.receiver, token)

    def refuses(self, token: str) -> str:
        """The description of the refusal."""
        before, answer = list(self.told), self.post(token)
        document = answer.json()
        assert (answer.status, document["error"]) == (400, "invalid_request")
        assert answer.header("cache-control") == "no-store"
        assert self.told == before
        description: str = document["error_description"]
        return description


def posted(receiver: LogoutReceiver, token: str) -> Response:
    request = Request("POST", (FORM,), f"logout_token={token}".encode())
    return run_sync(receiver.endpoint.handler(request, SYNC))


@pytest.fixture
def app() -> Application:
    return Application()


# ---- what is believed ------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("typ", ["logout+jwt", "application/logout+jwt", "JWT", None])
def test_a_logout_token_ends_a_sign_in(app: Application, algorithm: str, typ: str | None) -> None:
    answer = app.post(app.token(KEYS[algorithm], typ))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("cache-control") == "no-store"
    assert answer.header("access-control-allow-origin") is None
    assert app.told == [("alice", "sid-1")]


def test_the_subject_or_the_session_may_be_left_out(app: Application) -> None:
    assert app.post(app.token(sub=None)).status == 200
    assert app.post(app.token(sid=None)).status == 200
    assert app.told == [(None, "sid-1"), ("alice", None)]


def test_others_may_be_told_by_the_same_token(app: Application) -> None:
    assert app.post(app.token(aud=["shop", "web"])).status == 200
    extra = {EVENT: {"reason": "of the issuer"}, "https://example.com/other": {}}
    assert app.post(app.token(events=extra)).status == 200


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "https://evil.example"}, id="other-issuer"),
        pytest.param({"iss": ISSUER + "/"}, id="issuer-with-a-slash"),
        pytest.param({"aud": "shop"}, id="other-client"),
        pytest.param({"aud": ["shop"]}, id="other-clients"),
        pytest.param({"aud": None}, id="no-audience"),
        pytest.param({"iat": None}, id="no-iat"),
        pytest.param({"iat": 1_800_000_060}, id="from-the-future"),
        pytest.param({"exp": None}, id="no-exp"),
        pytest.param({"exp": 1_799_999_990}, id="expired"),
        pytest.param({"exp": 1_800_003_600}, id="of-an-hour"),
        pytest.param({"exp": True}, id="no-date"),
        pytest.param({"jti": None}, id="no-jti"),
        pytest.param({"jti": ""}, id="empty-jti"),
        pytest.param({"jti": 7}, id="jti-no-string"),
        pytest.param({"sub": None, "sid": None}, id="about-nobody"),
        pytest.param({"sub": ""}, id="empty-subject"),
        pytest.param({"sid": 7}, id="sid-no-string"),
        pytest.param({"nonce": "n"}, id="nonce"),
        pytest.param({"nonce": ""}, id="empty-nonce"),
        pytest.param({"events": None}, id="no-events"),
        pytest.param({"events": {}}, id="no-event"),
        pytest.param({"events": [EVENT]}, id="events-as-a-list"),
        pytest.param({"events": {EVENT: None}}, id="event-no-object"),
        pytest.param({"events": {EVENT + "/": {}}}, id="other-event"),
    ],
)
def test_s10_wrong_claims_end_nothing(app: Application, changes: dict[str, Any]) -> None:
    app.refuses(app.token(**changes))
    assert app.post(app.token()).status == 200


@pytest.mark.parametrize("typ", ["at+jwt", "dpop+jwt", "secevent+jwt", "id+jwt"])
def test_s10_j23_another_type_ends_nothing(app: Application, typ: str) -> None:
    app.refuses(app.token(typ=typ))


def test_s10_unsigned_and_forged_tokens_end_nothing(app: Application) -> None:
    claims, key = app.claims(), KEYS["ES256"]
    header = {"typ": "logout+jwt", "kid": key.kid}
    public = json.dumps(key.public_jwk()).encode()
    for token in (
        compact({**header, "alg": "none"}, claims, lambda _: b""),
        f"{segment({**header, 'alg': 'none'})}.{segment(claims)}",
        compact({**header, "alg": "HS256"}, claims, hmac_sha256(public)),
        compact({**header, "alg": "ES256"}, claims, signer(OTHER)),
        compact({**header, "alg": "ES256", "jwk": OTHER.public_jwk()}, claims, signer(OTHER)),
        compact({**header, "alg": "ES256", "kid": OTHER.kid}, claims, signer(OTHER)),
        compact({**header, "alg": "RS256"}, claims, signer(KEYS["RS256"])),
        "a.b.c",
        "x" * 20_000,
    ):
        app.refuses(token)


def test_s10_j34_nobody_learns_what_was_wrong_with_a_forged_token(app: Application) -> None:
    said = {
        app.refuses(app.token(OTHER)),
        app.refuses(app.token(aud="shop")),
        app.refuses(app.token(typ="at+jwt")),
        app.refuses("a.b.c"),
    }
    assert said == {"the logout token is not valid here"}


def test_s10_j23_other_tokens_of_the_issuer_end_nothing() -> None:
    world = World()
    told: list[Any] = []
    receiver = LogoutReceiver(
        ISSUER,
        "signed-EdDSA",
        keys=KeySet.from_jwks(world.jwks()),
        on_logout=lambda *who: told.append(who),
        clock=world.clock,
    )
    world.sign_in()
    tokens = world.tokens("signed-EdDSA", nonce="n")
    without_nonce = world.tokens("signed-EdDSA")["id_token"]
    userinfo = world.userinfo(tokens["access_token"]).body.decode()
    others = (tokens["id_token"], tokens["access_token"], tokens["refresh_token"])
    for token in (*others, without_nonce, userinfo):
        assert posted(receiver, token).status == 400
    assert told == []
    assert world.signed_in is not None
    run_sync(world.server.logouts.end(world.signed_in, SYNC))
    world.deliver()
    ((_, token),) = world.wire.logout_tokens()
    assert posted(receiver, token).status == 200
    assert told == [("alice", "sid-1")]


def test_only_a_form_that_is_posted_is_looked_at(app: Application) -> None:
    handler, token = app.receiver.endpoint.handler, app.token()
    for request, status in (
        (Request("GET", query=f"logout_token={token}"), 405),
        (Request("OPTIONS"), 405),
        (Request("POST", (FORM,), b"", f"logout_token={token}"), 400),
        (Request("POST", (FORM,), b"logout_token="), 400),
        (Request("POST", (FORM,), f"logout_token={token}&logout_token={token}".encode()), 400),
        (Request("POST", (FORM,), b"logout_token=" + b"x" * 40_000), 413),
        (Request("POST", (("content-type", "application/json"),), b"{}"), 415),
    ):
        assert run_sync(handler(request, SYNC)).status == status
    assert app.told == []


# ---- once ------------------------------------------------------------------------------------


def test_s10_a_logout_token_is_good_once(app: Application) -> None:
    token = app.token(jti="the same")
    assert app.post(token).status == 200
    assert app.refuses(token) == "the logout token was used before"
    assert app.refuses(app.token(KEYS["EdDSA"], jti="the same")) == app.refuses(token)
    app.clock.advance(129)  # up to the last moment of the leeway
    assert app.refuses(token) == "the logout token was used before"
    app.clock.advance(1)
    assert app.refuses(token) == "the logout token is not valid here"
    # By then its name is forgotten.
    app.post(app.token())
    assert "the same" not in app.receiver._seen


def test_s10_of_many_at_once_one_is_taken(app: Application) -> None:
    token = app.token()
    with ThreadPoolExecutor(16) as pool:
        statuses = sorted(answer.status for answer in pool.map(app.post, [token] * 16))
    assert statuses == [200, *([400] * 15)]
    assert app.told == [("alice", "sid-1")]


@pytest.mark.parametrize(
    ("failure", "status"), [(StoreUnavailable("away"), 503), (ValueError("a bug"), 500)]
)
def test_a_logout_that_failed_here_can_be_told_again(
    app: Application, failure: Exception, status: int
) -> None:
    token = app.token()
    app.failure = failure
    answer = app.post(token)
    assert answer.status == status
    assert "a bug" not in answer.body.decode()
    app.failure = None
    assert app.post(token).status == 200
    assert app.told == [("alice", "sid-1")]


def test_l01_nothing_of_a_logout_token_is_logged(
    app: Application, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    token = app.token(aud="shop", jti="a name")
    app.refuses(token)
    for part in (*token.split("."), "a name"):
        assert part not in caplog.text


# ---- set-up ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "setting"),
    [({"path": "logout"}, "path"), ({"leeway": 61}, "leeway"), ({"leeway": -1}, "leeway")],
)
def test_bad_settings(options: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Application(**options)
    assert caught.value.setting == setting


@pytest.mark.parametrize(("issuer", "client_id"), [("", "web"), (ISSUER, "")])
def test_an_issuer_and_a_client_are_needed(issuer: str, client_id: str) -> None:
    with pytest.raises(ConfigurationError):
        LogoutReceiver(issuer, client_id, keys=KeySet(KEYS.values()), on_logout=print)


def test_where_there_is_no_event_loop_no_coroutine_is_taken(app: Application) -> None:
    told: list[Any] = []

    async def on_logout(subject: str | None, session_id: str | None) -> None:
        told.append((subject, session_id))

    keys = KeySet(KEYS.values())
    receiver = LogoutReceiver(ISSUER, "web", keys=keys, on_logout=on_logout, clock=app.clock)
    with pytest.raises(ConfigurationError, match="on_logout"):
        receiver.check(SYNC)
    app.receiver.check(SYNC)
    looped = Runtime(io=inline, wait=result, loop=True)
    receiver.check(looped)
    request = Request("POST", (FORM,), f"logout_token={app.token()}".encode())
    assert run_sync(receiver.endpoint.handler(request, looped)).status == 200
    assert told == [("alice", "sid-1")]


# ---- an issuer somewhere else ----------------------------------------------------------------


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as made:
        yield made


@pytest.fixture
def follow(issuer: FakeIssuer) -> Iterator[Callable[..., tuple[LogoutReceiver, list[Any]]]]:
    made: list[LogoutReceiver] = []

    def make(url: str = issuer.url, **options: Any) -> tuple[LogoutReceiver, list[Any]]:
        told: list[Any] = []
        made.append(
            LogoutReceiver.from_issuer(
                url, "web", on_logout=lambda *who: told.append(who), **options
            )
        )
        return made[-1], told

    yield make
    for receiver in made:
        receiver.close()


def test_an_issuer_and_a_client_id_are_enough(issuer: FakeIssuer, follow: Any) -> None:
    receiver, told = follow()
    assert issuer.requests == []  # before the first logout token nothing is read
    assert posted(receiver, issuer.logout_token("web", session_id="sid-7")).status == 200
    assert posted(receiver, issuer.logout_token("web", subject="bob")).status == 200
    assert told == [("alice", "sid-7"), ("bob", "session")]
    assert issuer.count(JWKS) == 1
    assert issuer.count("/oauth/revocations") == 0


def test_an_issuer_that_rotates_its_keys_is_followed(issuer: FakeIssuer, follow: Any) -> None:
    receiver, told = follow()
    assert posted(receiver, issuer.logout_token("web")).status == 200
    issuer.rotate()
    assert posted(receiver, issuer.logout_token("web")).status == 200
    assert len(told) == 2
    assert issuer.count(JWKS) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "shop"},
        {"iss": "https://evil.example"},
        {"events": {}},
        {"nonce": "n"},
        {"typ": "at+jwt"},
        {"key": OTHER},
    ],
)
def test_s10_the_kit_makes_bad_logout_tokens_too(
    issuer: FakeIssuer, follow: Any, changes: dict[str, Any]
) -> None:
    receiver, told = follow()
    assert posted(receiver, issuer.logout_token(**{"client_id": "web", **changes})).status == 400
    assert posted(receiver, issuer.mint()).status == 400
    assert told == []


def test_the_kits_logout_token_is_as_the_server_makes_it(issuer: FakeIssuer) -> None:
    header, claims, _ = parts(issuer.logout_token("web", sid=None))
    assert header["typ"] == "logout+jwt"
    assert claims.keys() == {"iss", "sub", "aud", "iat", "exp", "jti", "events"}
    assert (claims["iss"], claims["aud"]) == (issuer.url, "web")


def test_k02_while_an_issuer_is_away_it_is_asked_to_tell_again(
    issuer: FakeIssuer, follow: Any
) -> None:
    receiver, told = follow()
    issuer.fail("error")
    token = issuer.logout_token("web")
    answer = posted(receiver, token)
    assert answer.status == 503
    assert answer.header("retry-after")
    assert told == []


def test_a12_metadata_cannot_say_that_keys_are_elsewhere(issuer: FakeIssuer, follow: Any) -> None:
    with FakeIssuer() as other:
        metadata = "/.well-known/oauth-authorization-server"
        handler = {endpoint.path: endpoint for endpoint in issuer.server.endpoints}[
            metadata
        ].handler
        true = run_sync(handler(Request("GET"), SYNC))
        forged = json.dumps({**true.json(), "jwks_uri": other.url + JWKS}).encode()
        issuer.answers[metadata] = type(true)(200, true.headers, forged)
        receiver, told = follow()
        assert posted(receiver, other.logout_token("web", iss=issuer.url)).status == 503
        assert told == []
        # Unless the application says so.
        receiver, told = follow(jwks_uri=other.url + JWKS)
        assert posted(receiver, other.logout_token("web", iss=issuer.url)).status == 200
        assert told == [("alice", "session")]


def test_a_closed_receiver_begins_anew(issuer: FakeIssuer, follow: Any) -> None:
    receiver, told = follow()
    assert posted(receiver, issuer.logout_token("web")).status == 200
    receiver.close()
    assert posted(receiver, issuer.logout_token("web")).status == 200
    assert len(told) == 2


@pytest.mark.parametrize(
    "url", ["", "http://id.example.com", "https://id.example.com?a=b", "ftp://id"]
)
def test_an_issuer_that_cannot_be_trusted_is_refused_at_set_up(follow: Any, url: str) -> None:
    with pytest.raises(ConfigurationError, match="issuer"):
        follow(url)
