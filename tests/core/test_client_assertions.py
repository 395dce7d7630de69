"""``private_key_jwt``: which assertions prove a client, and which keys they may be signed with."""

from __future__ import annotations

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from bezant import Client, ConfigurationError, Key
from bezant.client_assertions import ClientAssertions
from bezant.codes import Codes
from bezant.errors import InvalidClient
from bezant.events import ClientAuthenticationFailed
from bezant.fetch import FetchError
from bezant.http import Response
from bezant.runtime import SYNC, run_sync
from bezant.stores.memory import MemoryCodeStore
from bezant.testing import FrozenClock
from tests.core.sso_world import API, ISSUER, SECRET, Wire, World, basic, published
from tests.jose import compact, hmac_sha256, private_key, segment, signer

TOKEN, PAR = ISSUER + "/oauth/token", ISSUER + "/oauth/par"
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS_URL = "https://robot.example.com/keys.json"

ES256, RS256, PS256, EDDSA = map(Key.generate, ("ES256", "RS256", "PS256", "EdDSA"))
OTHER = Key.generate("ES256")
numbers = count()


def robot(*keys: Key, client_id: str = "robot", **options: Any) -> Client:
    """A client that proves itself with a key."""
    settings = {"jwks": published(*(keys or (ES256,))), **options}
    grants = frozenset({"client_credentials"})
    return Client(
        client_id, grants, ("items:read",), (API,), auth_method="private_key_jwt", **settings
    )


@pytest.fixture
def world() -> World:
    return World(more_clients=[robot(), robot(OTHER, client_id="droid")])


def claims(clock: FrozenClock, **changes: Any) -> dict[str, Any]:
    """Of a good assertion; what is given as None is left out."""
    now = int(clock())
    good = {
        "iss": "robot",
        "sub": "robot",
        "aud": ISSUER,
        "iat": now,
        "exp": now + 60,
        "jti": f"assertion {next(numbers)}",
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not None}


def assertion(
    world: World, key: Key = ES256, *, header: dict[str, Any] | None = None, **changes: Any
) -> str:
    """As the plainest client makes it: no ``typ``, no ``kid``."""
    return compact(
        {"alg": key.algorithm, **(header or {})}, claims(world.clock, **changes), signer(key)
    )


def ask(world: World, text: str, *headers: tuple[str, str], **form: Any) -> tuple[int, str]:
    """The answer to a request for a token."""
    sent = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": text,
    }
    answer = world.post("token", *headers, **{**sent, **form})
    return answer.status, answer.json().get("error", "")


TAKEN, REFUSED = (200, ""), (401, "invalid_client")


# ---- what proves a client --------------------------------------------------------------------


@pytest.mark.rfc("7523", "2.2")
@pytest.mark.rfc("7523", "3")
@pytest.mark.parametrize("key", [ES256, RS256, PS256, EDDSA], ids=lambda key: key.algorithm)
@pytest.mark.parametrize("audience", [ISSUER, TOKEN, PAR, [ISSUER]], ids=str)
def test_a_signed_assertion_proves_a_client(key: Key, audience: Any) -> None:
    world = World(more_clients=[robot(key)])
    assert ask(world, assertion(world, key, aud=audience)) == TAKEN


@pytest.mark.rfc("8414", "2")
def test_these_are_the_algorithms_that_are_advertised(world: World) -> None:
    document = world.get("metadata").json()
    for endpoint in ("token", "revocation", "introspection"):
        name = f"{endpoint}_endpoint_auth_signing_alg_values_supported"
        assert set(document[name]) == {key.algorithm for key in (ES256, RS256, PS256, EDDSA)}
        assert "private_key_jwt" in document[f"{endpoint}_endpoint_auth_methods_supported"]


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"typ": "JWT"},
        {"typ": "client-authentication+jwt"},
        {"kid": ES256.kid},
        {"typ": "jwt", "kid": ES256.kid},
    ],
)
def test_headers_that_clients_send(world: World, header: dict[str, Any]) -> None:
    assert ask(world, assertion(world, header=header)) == TAKEN
    assert ask(world, assertion(world, header=header), client_id="robot") == TAKEN


def test_one_that_names_no_key_may_be_signed_with_any_of_the_client() -> None:
    world = World(more_clients=[robot(RS256, ES256, OTHER, EDDSA)])
    for key in (RS256, ES256, OTHER, EDDSA):
        assert ask(world, assertion(world, key)) == TAKEN
        assert ask(world, assertion(world, key, header={"kid": key.kid})) == TAKEN
        assert ask(world, assertion(world, key, header={"kid": RS256.kid + "x"})) == REFUSED
    assert ask(world, assertion(world, Key.generate("ES256"))) == REFUSED


def test_what_is_left_out_or_a_little_off_is_no_harm(world: World) -> None:
    now = int(world.clock())
    for changes in ({"iat": None}, {"nbf": now + 8}, {"iat": now + 8}, {"exp": now - 8}):
        assert ask(world, assertion(world, **changes)) == TAKEN


@pytest.mark.rfc("7523", "3")
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "droid"},
        {"sub": "droid"},
        {"sub": None},
        {"sub": 1},
        {"iss": None},
        {"aud": None},
        {"aud": "https://other.example.com"},
        {"aud": ISSUER + "/"},
        {"aud": ISSUER + "/oauth/revoke"},
        {"aud": [ISSUER, "https://other.example.com"]},
        {"aud": [ISSUER, ISSUER]},
        {"aud": []},
        {"aud": {"x": ISSUER}},
        {"exp": None},
        {"exp": 1_799_999_980},
        {"exp": 1_800_086_400},
        {"exp": "1800000060"},
        {"iat": 1_800_000_060},
        {"nbf": 1_800_000_060},
        {"jti": None},
        {"jti": ""},
        {"jti": 7},
    ],
    ids=str,
)
def test_c06_wrong_claims_prove_nothing(world: World, changes: dict[str, Any]) -> None:
    assert ask(world, assertion(world, **changes)) == REFUSED
    (event,) = world.seen(ClientAuthenticationFailed)
    assert "assertion" in event.reason
    assert ask(world, assertion(world)) == TAKEN


@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt", "dpop+jwt", "jose", 1])
def test_c06_j23_another_kind_of_token_proves_nothing(world: World, typ: Any) -> None:
    assert ask(world, assertion(world, header={"typ": typ})) == REFUSED


def test_c06_unsigned_and_forged_assertions_prove_nothing(world: World) -> None:
    good = claims(world.clock)
    pem = private_key(ES256).public_key()
    encoded = pem.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    point = json.dumps(ES256.public_jwk()).encode()
    for text in (
        compact({"alg": "none"}, good, lambda _: b""),
        compact({"alg": "None", "kid": ES256.kid}, good, lambda _: b""),
        compact({"alg": "HS256"}, good, hmac_sha256(encoded)),
        compact({"alg": "HS256", "kid": ES256.kid}, good, hmac_sha256(point)),
        compact({"alg": "ES256", "jwk": OTHER.public_jwk()}, good, signer(OTHER)),
        compact({"alg": "ES256", "kid": ES256.kid}, good, signer(OTHER)),
        compact({"alg": "RS256", "kid": ES256.kid}, good, signer(RS256)),
        compact({"alg": "ES256", "crit": ["exp"]}, good, signer(ES256)),
        f"{segment({'alg': 'ES256'})}.{segment(good)}.",
        segment(good),
        "",
        ".." * 3,
        "x" * 20_000,
    ):
        assert ask(world, text) == REFUSED
    assert ask(world, compact({"alg": "ES256"}, good, signer(ES256))) == TAKEN


def test_c09_a_client_is_whom_its_assertion_speaks_for(world: World) -> None:
    assert ask(world, assertion(world), client_id="droid") == REFUSED
    assert ask(world, assertion(world), basic("web")) == (400, "invalid_request")
    assert ask(world, assertion(world, iss="droid", sub="droid")) == REFUSED
    assert ask(world, assertion(world, OTHER, iss="droid", sub="droid")) == TAKEN


def test_c03_c08_an_assertion_replaces_no_other_method(world: World) -> None:
    # Beside a good secret, and in the name of a client that has one.
    for junk in ("a.b.c", assertion(world)):
        assert ask(world, junk, basic("web"))[0] == 400
        assert ask(world, junk, client_id="web", client_secret=SECRET)[0] == 400
    assert ask(world, assertion(world, iss="web", sub="web")) == REFUSED
    # And whoever is registered for assertions has nothing else.
    for form in ({"client_id": "robot"}, {"client_id": "robot", "client_secret": "guessed it"}):
        answer = world.post("token", grant_type="client_credentials", **form)
        assert (answer.status, answer.json()["error"]) == REFUSED


@pytest.mark.parametrize("kind", [None, "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
def test_the_type_of_the_assertion_is_needed(world: World, kind: str | None) -> None:
    assert ask(world, assertion(world), client_assertion_type=kind) == REFUSED


def test_an_unknown_or_disabled_client_proves_nothing(world: World) -> None:
    assert ask(world, assertion(world, iss="nobody", sub="nobody")) == REFUSED
    world.change_client("robot", active=False)
    assert ask(world, assertion(world)) == REFUSED


@pytest.mark.parametrize("name", ["ro\0bot", "r" * 256, "ro bot", "röbot", ""])
def test_d04_no_store_is_asked_for_what_is_no_client_id(world: World, name: str) -> None:
    asked: list[str] = []
    world.stores.clients.get = asked.append  # type: ignore[method-assign]
    assert ask(world, assertion(world, iss=name, sub=name)) == REFUSED
    assert asked == []


def test_l01_nothing_of_an_assertion_is_told(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    text = assertion(world, exp=1)
    ask(world, text)
    (event,) = world.seen(ClientAuthenticationFailed)
    assert event.client_id == "robot"
    for part in text.split("."):
        assert part not in caplog.text + repr(event)


# ---- once ------------------------------------------------------------------------------------


def test_c07_an_assertion_is_good_once(world: World) -> None:
    text = assertion(world, jti="the same")
    assert ask(world, text) == TAKEN
    assert ask(world, text) == REFUSED
    assert world.seen(ClientAuthenticationFailed)[-1].reason == "assertion: used before"
    # Not by what it is spelled like, and for its own client alone.
    assert ask(world, assertion(world, jti="the same", exp=int(world.clock()) + 90)) == REFUSED
    droid: dict[str, Any] = {"iss": "droid", "sub": "droid"}
    assert ask(world, assertion(world, OTHER, jti="the same", **droid)) == TAKEN


def test_c07_of_many_at_once_one_is_taken(world: World) -> None:
    text = assertion(world)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(world, text), range(16)))
    assert sorted(answers) == [TAKEN, *([REFUSED] * 15)]


def test_c07_it_is_remembered_by_other_processes_and_until_it_has_expired(world: World) -> None:
    text = assertion(world, exp=int(world.clock()) + 60)
    assert ask(world, text) == TAKEN
    restarted = World(stores=world.stores, clock=world.clock)
    for seconds in (0, 60, 9.5):  # up to the last moment of the leeway
        world.clock.advance(seconds)
        run_sync(restarted.server.purge(SYNC))
        assert ask(restarted, text) == REFUSED
        assert restarted.seen(ClientAuthenticationFailed)[-1].reason == "assertion: used before"
    world.clock.advance(1)
    assert run_sync(restarted.server.purge(SYNC)) == 1
    assert ask(restarted, text) == REFUSED
    assert "expired" in restarted.seen(ClientAuthenticationFailed)[-1].reason


def test_a_forged_assertion_uses_up_no_name(world: World) -> None:
    assert ask(world, assertion(world, OTHER, jti="the same")) == REFUSED
    assert ask(world, assertion(world, aud="x", jti="the same")) == REFUSED
    assert ask(world, assertion(world, jti="the same")) == TAKEN


# ---- published keys --------------------------------------------------------------------------


class Following:
    """A server's check of a client that publishes its keys, with clocks that stand still."""

    def __init__(self, *keys: Key) -> None:
        self.wire, self.clock, self.timer = Wire(), FrozenClock(), FrozenClock(1000.0)
        self.client = robot(jwks=None, jwks_uri=KEYS_URL)
        self.wire.publish(KEYS_URL, *(keys or (ES256,)))
        self.check = ClientAssertions(
            [ISSUER],
            Codes(MemoryCodeStore()),
            self.wire,
            leeway=10,
            max_size=16384,
            timer=self.timer,
        ).check

    def takes(self, key: Key = ES256, *, client: Client | None = None, kid: bool = False) -> bool:
        header = {"alg": key.algorithm, **({"kid": key.kid} if kid else {})}
        text = compact(header, claims(self.clock), signer(key))
        try:
            run_sync(self.check(client or self.client, text, self.clock(), SYNC))
        except InvalidClient:
            return False
        return True

    @property
    def looks(self) -> int:
        """How often the client was asked."""
        return len(self.wire.requests)


@pytest.fixture
def following() -> Following:
    return Following()


def test_published_keys_are_read_once_in_five_minutes(following: Following) -> None:
    assert following.looks == 0
    for _ in range(3):
        assert following.takes()
    assert following.looks == 1
    following.timer.advance(299)
    assert following.takes()
    assert following.looks == 1
    following.timer.advance(2)
    assert following.takes()
    assert following.looks == 2


@pytest.mark.parametrize("kid", [True, False])
def test_a_client_rotates_its_keys_without_a_word(following: Following, kid: bool) -> None:
    assert following.takes()
    following.wire.publish(KEYS_URL, OTHER)
    assert not following.takes(OTHER, kid=kid)  # it was looked at a moment ago
    following.timer.advance(10)
    assert following.takes(OTHER, kid=kid)
    assert not following.takes(ES256, kid=kid)  # the one that is gone there is gone here


def test_forged_assertions_make_no_flood_of_requests(following: Following) -> None:
    for _ in range(50):
        assert not following.takes(OTHER)
    assert following.looks == 1
    following.timer.advance(10)
    for _ in range(50):
        assert not following.takes(OTHER)
    assert following.looks == 2
    assert following.takes()


def test_a_client_whose_keys_cannot_be_read_is_believed_for_an_hour(following: Following) -> None:
    assert following.takes()
    following.wire.answers[KEYS_URL] = FetchError("it is away")
    for _ in range(11):
        following.timer.advance(300)
        assert following.takes()
    following.timer.advance(301)
    assert not following.takes()
    following.timer.advance(10)
    following.wire.publish(KEYS_URL, ES256)
    assert following.takes()


@pytest.mark.parametrize(
    "answer",
    [
        FetchError("it is away"),
        Response(500, (), b"{}"),
        Response(302, (("location", KEYS_URL),), b""),
        Response(200, (), b"<html>"),
        Response(200, (), b'{"keys": []}'),
        Response(200, (), b'{"keys": {}}'),
        Response(200, (), json.dumps({"keys": [{"kty": "oct", "k": "x" * 43}]}).encode()),
        Response(200, (), json.dumps({"keys": [json.loads(ES256.private_jwk())]}).encode()),
        Response(200, (), json.dumps({"keys": [OTHER.public_jwk()] * 33}).encode()),
    ],
    ids=str,
)
def test_k02_k05_keys_that_are_no_keys(
    following: Following, answer: Response | FetchError, caplog: pytest.LogCaptureFixture
) -> None:
    following.wire.answers[KEYS_URL] = answer
    with caplog.at_level(logging.WARNING):
        for _ in range(20):  # nobody waits again and again for who does not answer
            assert not following.takes()
    assert following.looks == 1
    assert "the keys of a client cannot be read" in caplog.text
    following.wire.publish(KEYS_URL, ES256)
    following.timer.advance(10)
    assert following.takes()


def test_while_one_request_reads_the_keys_anew_others_go_on(following: Following) -> None:
    assert following.takes()
    following.timer.advance(400)
    meanwhile = []

    def slow() -> Response:
        meanwhile.append(following.takes())
        return Response(200, (), json.dumps(published(ES256)).encode())

    following.wire.answers[KEYS_URL] = slow
    assert following.takes()
    assert meanwhile == [True]
    assert following.looks == 2


def test_keys_belong_to_the_client_that_publishes_them(following: Following) -> None:
    elsewhere = "https://droid.example.com/keys.json"
    following.wire.publish(elsewhere, OTHER)
    impostor = robot(jwks=None, jwks_uri=elsewhere)
    assert following.takes()
    assert not following.takes(client=impostor)
    assert following.takes(OTHER, client=impostor)


# ---- what may be registered ------------------------------------------------------------------


@pytest.mark.rfc("7591", "2")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"jwks": None}, "either jwks or jwks_uri"),
        ({"jwks_uri": KEYS_URL}, "either jwks or jwks_uri"),
        ({"jwks": {}}, "no list called keys"),
        ({"jwks": {"keys": []}}, "no usable key"),
        ({"jwks": {"keys": [{"kty": "RSA"}]}}, "no usable key"),
        ({"jwks": {"keys": [1]}}, "no usable key"),
        ({"jwks": {"keys": [b"x"]}}, "no JSON object"),
        ({"jwks": {"keys": [{"kty": "oct", "k": "x" * 43}]}}, "private or symmetric"),
        ({"jwks": {"keys": [json.loads(ES256.private_jwk())]}}, "private or symmetric"),
        ({"jwks": {"keys": [ES256.public_jwk()] * 33}}, "more than 32 keys"),
        ({"jwks": None, "jwks_uri": "http://robot.example.com/keys"}, "https"),
        ({"jwks": None, "jwks_uri": "com.example.robot:/keys"}, "https"),
        ({"jwks": None, "jwks_uri": "file:///etc/passwd"}, "https"),
        ({"jwks": None, "jwks_uri": KEYS_URL + "#k"}, "fragment"),
        ({"jwks": None, "jwks_uri": "https://u:p@robot.example.com/k"}, "credentials"),
    ],
)
def test_k03_k05_x05_keys_that_cannot_be_registered(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem) as caught:
        robot(**options)
    assert "robot" in str(caught.value)


def test_assertions_can_be_registered_for_an_hs256_server_as_well() -> None:
    world = World(algorithm="HS256", interaction=False, more_clients=[robot()])
    assert ask(world, assertion(world)) == TAKEN
    # Without an endpoint for pushed requests its URL is nobody's name.
    assert ask(world, assertion(world, aud=PAR)) == REFUSED
