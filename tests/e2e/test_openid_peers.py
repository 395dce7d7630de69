"""Other libraries' verifiers and signers as peers: what they take of ours, and we of theirs."""

from __future__ import annotations

import time
import warnings
from typing import Any
from urllib.parse import parse_qsl

import pytest
from joserfc import jwt
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from bezant import Client
from bezant.http import Request
from bezant.keys import KeySet as OurKeys
from bezant.logout_receiver import LogoutReceiver
from bezant.runtime import SYNC, run_sync
from bezant.testing import FrozenClock
from tests.core.sso_world import ALGORITHMS, API, FORM, ISSUER, World

with warnings.catch_warnings():  # theirs, not ours
    warnings.simplefilter("ignore")
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc7523 import PrivateKeyJWT
    from authlib.oidc.core import CodeIDToken

# RFC 9864 gives EdDSA two new names. Clients go on asking for the old one.
pytestmark = pytest.mark.filterwarnings("ignore:EdDSA is deprecated")

TOKEN = ISSUER + "/oauth/token"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
SIGNERS: dict[str, Any] = {
    "RS256": lambda: RSAKey.generate_key(2048),
    "PS256": lambda: RSAKey.generate_key(2048),
    "ES256": lambda: ECKey.generate_key("P-256"),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519"),
}

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)
each_signer = pytest.mark.parametrize("algorithm", SIGNERS)


@pytest.fixture
def world() -> World:
    made = World()
    made.sign_in(acr="urn:example:strong", amr=("pwd",))
    return made


def published(key: Any, algorithm: str, **members: Any) -> dict[str, Any]:
    return {"keys": [{**key.as_dict(private=False), "alg": algorithm, **members}]}


def registry(*algorithms: str) -> JWSRegistry:
    return JWSRegistry(algorithms=list(algorithms), strict_check_header=False)


# ---- ID tokens and UserInfo ------------------------------------------------------------------


def as_authlib(world: World, tokens: dict[str, Any], client_id: str, **params: Any) -> CodeIDToken:
    """What Authlib's clients do with the answer of a token endpoint."""
    keys = KeySet.import_key_set(world.jwks())  # type: ignore[arg-type]
    read = jwt.decode(tokens["id_token"], keys, registry=registry(*ALGORITHMS))
    claims = CodeIDToken(
        read.claims,
        read.header,
        {"iss": {"values": [ISSUER]}, "aud": {"value": client_id}},
        {"client_id": client_id, "access_token": tokens["access_token"], **params},
    )
    claims.validate(now=int(world.clock()))
    return claims


@each_algorithm
def test_authlib_takes_our_id_tokens(world: World, algorithm: str) -> None:
    client_id = f"signed-{algorithm}"
    tokens = world.tokens(client_id, nonce="n", max_age="300")
    claims = as_authlib(world, tokens, client_id, nonce="n", max_age=300)
    assert (claims["sub"], claims["sid"]) == ("alice", "sid-1")


@each_algorithm
def test_j29_authlib_refuses_them_beside_another_access_token(world: World, algorithm: str) -> None:
    client_id = f"signed-{algorithm}"
    tokens, others = world.tokens(client_id), world.tokens(client_id)
    as_authlib(world, tokens, client_id)
    with pytest.raises(JoseError, match="at_hash"):
        as_authlib(world, {**tokens, "access_token": others["access_token"]}, client_id)


def test_j30_authlib_refuses_them_with_another_nonce_or_none(world: World) -> None:
    for tokens in (world.tokens(nonce="n"), world.tokens()):
        with pytest.raises(JoseError, match="nonce"):
            as_authlib(world, tokens, "web", nonce="other")


@each_algorithm
def test_joserfc_takes_our_keys_and_no_other_signature(world: World, algorithm: str) -> None:
    tokens = world.tokens(f"signed-{algorithm}", scope="openid email")
    keys = KeySet.import_key_set(world.jwks())  # type: ignore[arg-type]
    userinfo = world.userinfo(tokens["access_token"]).body.decode()
    for token in (tokens["id_token"], userinfo):
        assert jwt.decode(token, keys, registry=registry(algorithm)).claims["sub"] == "alice"
        head, _, signature = token.rpartition(".")
        forged = f"{head}.{'B' if signature[0] != 'B' else 'C'}{signature[1:]}"
        with pytest.raises(BadSignatureError):
            jwt.decode(forged, keys, registry=registry(algorithm))


# ---- assertions of clients -------------------------------------------------------------------


def with_key(key: Any, algorithm: str, **members: Any) -> Client:
    """A client that authenticates with a key."""
    return Client(
        "robot",
        frozenset({"client_credentials"}),
        ("items:read",),
        (API,),
        auth_method="private_key_jwt",
        jwks=published(key, algorithm, **members),
    )


@pytest.mark.rfc("7523", "2.2")
@each_signer
@pytest.mark.parametrize("audience", [None, ISSUER], ids=["token-endpoint", "issuer"])
def test_we_take_the_assertions_of_authlib(algorithm: str, audience: str | None) -> None:
    key = SIGNERS[algorithm]()
    clock = FrozenClock(time.time())  # Authlib's is the machine's
    world = World(more_clients=[with_key(key, algorithm)], clock=clock)
    auth = ClientAuth("robot", key, auth_method=PrivateKeyJWT(audience, alg=algorithm))

    def form() -> dict[str, str]:
        _, headers, body = auth.prepare("POST", TOKEN, {}, "grant_type=client_credentials")
        assert "authorization" not in {name.lower() for name in headers}
        return dict(parse_qsl(body, strict_parsing=True))

    first, second = form(), form()  # each with an assertion of its own
    for sent in (first, second):
        answer = world.post("token", **sent)
        assert (answer.status, "access_token" in answer.json()) == (200, True)
    again = world.post("token", **second)
    assert (again.status, again.json()["error"]) == (401, "invalid_client")


# ---- logout tokens ---------------------------------------------------------------------------


@each_algorithm
@pytest.mark.parametrize("typ", ["logout+jwt", "JWT", None])
def test_we_take_the_logout_tokens_of_joserfc(algorithm: str, typ: str | None) -> None:
    key, clock, told = SIGNERS[algorithm](), FrozenClock(), []
    keys = OurKeys.from_jwks(published(key, algorithm, kid="k"))
    receiver = LogoutReceiver(
        ISSUER,
        "web",
        keys=keys,
        on_logout=lambda sub, sid: told.append((sub, sid)),
        clock=clock,
    )
    now = int(clock())
    claims = {
        "iss": ISSUER,
        "aud": ["web"],
        "iat": now,
        "exp": now + 120,
        "jti": "1",
        "sub": "alice",
        "sid": "sid-1",
        "events": {EVENT: {}},
    }
    header = {"alg": algorithm, "kid": "k", **({} if typ is None else {"typ": typ})}
    token = jwt.encode(header, claims, key, registry=registry(algorithm))
    request = Request("POST", (FORM,), f"logout_token={token}".encode())
    assert run_sync(receiver.endpoint.handler(request, SYNC)).status == 200
    assert told == [("alice", "sid-1")]
