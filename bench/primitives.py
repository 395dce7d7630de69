"""Suite `jwt`: one token at a time, in process.

Bezant against bare cryptography, PyJWT and joserfc.
"""

from __future__ import annotations

import hmac
import json
import time
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import joserfc.jwk
import joserfc.jwt
import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from jwt.utils import base64url_decode

from bench.machine import SERVER_CORE, pinned
from bench.report import Findings, Table, Target
from bench.timing import median, per_call, ratio
from bezant.keys import Key, KeySet
from bezant.signing import ACCESS_TOKEN_TYPE, encode
from bezant.verifier import TokenVerifier

ALGORITHMS = ("HS256", "RS256", "ES256", "EdDSA")
HASH = SHA256()
ECDSA, PKCS1 = ec.ECDSA(HASH), padding.PKCS1v15()
ISSUER = "https://id.example.com"
AUDIENCE = "https://api.example.com"

BARE, OURS, PYJWT, JOSERFC = "bare cryptography", "Bezant", "PyJWT, prepared key", "joserfc"
HIT, LEAST = "Bezant, cache hit", "the least"

Functions = dict[str, Callable[[], object]]


def claims() -> dict[str, Any]:
    """An access token of RFC 9068 as Bezant issues them: eleven claims."""
    now = int(time.time())
    return {
        "iss": ISSUER,
        "sub": "01J9Z3K8N6P4Q2R0S7T5V3W1X9",
        "aud": AUDIENCE,
        "exp": now + 3600,
        "iat": now,
        "jti": "b0f3c2a19d8e47f6a5c4e3d2b1a09f8e",
        "client_id": "web",
        "scope": "items:read items:write",
        "auth_time": now,
        "sid": "5d41402abc4b2a76b9719d911017c592",
        "roles": ["editor"],
    }


@dataclass(frozen=True)
class Case:
    """One algorithm with its key, in every library's form, and one good token."""

    algorithm: str
    key: Key
    private: Any
    public: Any
    jose: Any
    claims: Mapping[str, Any]
    token: str

    @classmethod
    def make(cls, algorithm: str) -> Case:
        key = Key.generate(algorithm)
        jwk = json.loads(key.private_jwk())
        members = claims()
        native = jwt.PyJWK(jwk).key
        return cls(
            algorithm,
            key,
            private=native,
            public=native if algorithm == "HS256" else native.public_key(),
            jose=joserfc.jwk.import_key({**jwk, "alg": algorithm}),
            claims=members,
            token=encode(key, ACCESS_TOKEN_TYPE, members),
        )

    def verifier(self, cache_size: int) -> TokenVerifier:
        keys = KeySet([self.key])
        return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys, cache_size=cache_size)


def verifying(case: Case) -> Functions:
    """Ways to verify one token: signature, iss, aud, exp. Bare: the signature alone, ready to be
    checked. The least: what nobody can do without, and nothing else.
    """
    token, algorithm, public = case.token, case.algorithm, case.public
    registry = joserfc.jwt.JWTClaimsRegistry(
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def with_joserfc() -> object:
        decoded = joserfc.jwt.decode(token, case.jose, algorithms=[algorithm])
        registry.validate(decoded.claims)
        return decoded

    required = {"require": ["iss", "aud", "exp"]}
    uncached, caching = case.verifier(0), case.verifier(100)
    caching.verify(token)
    return {
        BARE: _bare_verify(case),
        LEAST: _least_verify(case),
        OURS: lambda: uncached.verify(token),
        HIT: lambda: caching.verify(token),
        PYJWT: lambda: jwt.decode(
            token,
            public,
            algorithms=[algorithm],
            audience=AUDIENCE,
            issuer=ISSUER,
            options=required,
        ),
        JOSERFC: with_joserfc,
    }


def signing(case: Case) -> Functions:
    """Ways to make one token from ready claims. Bare cryptography makes the signature alone."""
    headers = {"typ": ACCESS_TOKEN_TYPE, "kid": case.key.kid}
    jose_header = {"alg": case.algorithm, **headers}
    members = dict(case.claims)
    return {
        BARE: _bare_sign(case),
        OURS: lambda: encode(case.key, ACCESS_TOKEN_TYPE, members),
        PYJWT: lambda: jwt.encode(members, case.private, case.algorithm, headers=headers),
        JOSERFC: lambda: joserfc.jwt.encode(
            jose_header, members, case.jose, algorithms=[case.algorithm]
        ),
    }


def _bare_verify(case: Case) -> Callable[[], object]:
    text, _, last = case.token.rpartition(".")
    message, signature = text.encode(), base64url_decode(last)
    if isinstance(case.public, bytes):
        return lambda: _check_hmac(case.public, message, signature)
    return partial(case.public.verify, *_arguments(case.public, message, signature))


def _least_verify(case: Case) -> Callable[[], object]:
    """No limit, no strictness, no look at the header, and the key is known beforehand."""
    token, key = case.token, case.public
    standard, parse = bytes.maketrans(b"-_", b"+/"), msgspec.json.Decoder().decode

    def verify() -> object:
        message, _, last = token.encode().rpartition(b".")
        signature = a2b_base64(last.translate(standard) + b"==")
        if isinstance(key, bytes):
            _check_hmac(key, message, signature)
        else:
            key.verify(*_arguments(key, message, signature))
        payload = message.partition(b".")[2]
        claims = parse(a2b_base64(payload.translate(standard) + b"=="))
        if claims["iss"] != ISSUER or claims["aud"] != AUDIENCE or claims["exp"] <= time.time():
            raise ValueError
        return claims

    return verify


def _check_hmac(key: bytes, message: bytes, signature: bytes) -> None:
    if not hmac.compare_digest(hmac.digest(key, message, "sha256"), signature):
        raise ValueError


def _arguments(key: Any, message: bytes, signature: bytes) -> tuple[Any, ...]:
    """What `verify` of a public key of cryptography takes."""
    if isinstance(key, rsa.RSAPublicKey):
        return signature, message, PKCS1, HASH
    if isinstance(key, ed25519.Ed25519PublicKey):
        return signature, message
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    return encode_dss_signature(r, s), message, ECDSA


def _bare_sign(case: Case) -> Callable[[], object]:
    message, key = case.token.rpartition(".")[0].encode(), case.private
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return lambda: key.sign(message, ECDSA)
    if isinstance(key, rsa.RSAPrivateKey):
        return lambda: key.sign(message, PKCS1, HASH)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return lambda: key.sign(message)
    return lambda: hmac.digest(key, message, "sha256")


def run(*, quick: bool) -> Findings:
    rounds, seconds = (5, 0.01) if quick else (101, 0.01)
    cases = {algorithm: Case.make(algorithm) for algorithm in ALGORITHMS}
    with pinned(SERVER_CORE):
        verify = {
            name: per_call(verifying(case), rounds=rounds, seconds=seconds)
            for name, case in cases.items()
        }
        sign = {
            name: per_call(signing(case), rounds=rounds, seconds=seconds)
            for name, case in cases.items()
        }

    size = len(cases["HS256"].token)
    note = (
        "Microseconds per call; in brackets bare cryptography's time divided by it. "
        f"{len(claims())} claims, HS256 token of {size} bytes."
    )
    findings = Findings(
        tables=[
            _table("Verify a token", verify, (BARE, LEAST, OURS, HIT, PYJWT, JOSERFC), note),
            _table("Sign a token", sign, (BARE, OURS, PYJWT, JOSERFC), note),
        ]
    )
    for algorithm, wanted in (("ES256", 0.88), ("RS256", 0.70), ("EdDSA", 0.90)):
        reached = ratio(verify[algorithm][BARE], verify[algorithm][OURS])
        findings.targets.append(
            Target(f"verify {algorithm}, fraction of bare cryptography", wanted, reached)
        )
    reached = ratio(verify["HS256"][PYJWT], verify["HS256"][OURS])
    findings.targets.append(Target("verify HS256, times PyJWT", 5, reached))
    slowest = max(median(verify[algorithm][HIT]) for algorithm in ALGORITHMS)
    findings.targets.append(Target("cache hit", 2, slowest * 1e6, sign="<=", unit=" us"))
    return findings


def _table(
    title: str, timed: Mapping[str, Mapping[str, Any]], names: tuple[str, ...], note: str
) -> Table:
    def cell(name: str, algorithm: str) -> str:
        series = timed[algorithm]
        time_each = f"{median(series[name]) * 1e6:.1f}"
        return (
            time_each if name == BARE else f"{time_each} ({ratio(series[BARE], series[name]):.2f})"
        )

    rows = [(name, *(cell(name, algorithm) for algorithm in timed)) for name in names]
    return Table(title, ("", *timed), rows, note)
