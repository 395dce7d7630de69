"""Applications with one route, the same in all of them but for who guards it.

Each module here holds those of one framework, as functions without arguments, and each runs in a
process of its own, which finds its key in BENCH_KEY, a private JWK. All but `unprotected`, which
looks at none, take the token that `token` makes, unless the library behind them wants tokens of a
form of its own: then the module has a function for these.
"""

from __future__ import annotations

import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import jwt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from bench.primitives import AUDIENCE, ISSUER, claims
from bezant import TokenVerifier
from bezant.encoding import b64url_encode
from bezant.keys import Key, KeySet
from bezant.signing import ACCESS_TOKEN_TYPE, encode

SCOPE = "items:read"
USER = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def answer(subject: str) -> dict[str, Any]:
    """What the route answers in every application."""
    return {"for": subject, "items": [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]}


def new_key(algorithm: str) -> str:
    """A private JWK. The secret of HS256 is made of letters, since some libraries take text."""
    if algorithm != "HS256":
        return Key.generate(algorithm).private_jwk().decode()
    secret = b64url_encode(token_hex(32).encode()).decode()
    return json.dumps({"kty": "oct", "alg": algorithm, "k": secret})


def token(jwk: str, more: Mapping[str, Any] | None = None) -> str:
    """An access token of RFC 9068 with further claims."""
    members = {**claims(), "sub": USER, **(more or {})}
    return encode(Key.from_jwk(json.loads(jwk)), ACCESS_TOKEN_TYPE, members)


def verifier(cache_size: int = 1000) -> TokenVerifier:
    """Bezant's."""
    keys = KeySet([Key.from_jwk(json.loads(os.environ["BENCH_KEY"]))])
    return TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys, cache_size=cache_size)


@dataclass(frozen=True)
class PeerKey:
    """The key in the forms that peers take, prepared once."""

    algorithm: str
    private: Any
    public: Any

    @classmethod
    def of(cls, jwk: str) -> PeerKey:
        private = jwt.PyJWK(json.loads(jwk)).key
        symmetric = isinstance(private, bytes)
        algorithm = json.loads(jwk)["alg"]
        return cls(algorithm, private, private if symmetric else private.public_key())

    @classmethod
    def found(cls) -> PeerKey:
        """The one of this process."""
        return cls.of(os.environ["BENCH_KEY"])

    @property
    def symmetric(self) -> bool:
        return isinstance(self.private, bytes)

    def texts(self) -> tuple[str, str]:
        """Private and public part for libraries that take text only."""
        if self.symmetric:
            return self.private.decode(), self.private.decode()
        private = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = self.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return private.decode(), public.decode()


def signature_check() -> Callable[[str], bool]:
    """The limit: the signature is checked on a prepared key, and what it covers is not even read.

    Returns:
        Whether the token in an Authorization header has a good one.
    """
    key = Key.from_jwk(json.loads(os.environ["BENCH_KEY"]))

    def is_good(authorization: str) -> bool:
        message, _, signature = authorization[7:].encode().rpartition(b".")
        return key.verify(message, urlsafe_b64decode(signature + b"=="))

    return is_good


def pyjwt_by_hand() -> Callable[[str], dict[str, Any]]:
    """What people write by hand: PyJWT's decode with a prepared key and all that it can check.

    Returns:
        A function from a token to its claims; raises `jwt.InvalidTokenError`.
    """
    key = PeerKey.found()

    def decode(sent: str) -> dict[str, Any]:
        return jwt.decode(
            sent,
            key.public,
            algorithms=[key.algorithm],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": ["iss", "aud", "exp"]},
        )

    return decode


def pyjwt_of_header() -> Callable[[str], dict[str, Any]]:
    """The same, from the value of an Authorization header."""
    decode = pyjwt_by_hand()

    def read(authorization: str) -> dict[str, Any]:
        scheme, _, sent = authorization.partition(" ")
        if scheme != "Bearer":
            raise jwt.InvalidTokenError
        return decode(sent)

    return read
