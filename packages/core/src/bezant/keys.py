"""Signing keys, one algorithm each, and sets of them (RFC 7517)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from hmac import compare_digest
from hmac import digest as hmac_digest
from secrets import token_bytes
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from jwt.algorithms import Algorithm, ECAlgorithm, get_default_algorithms
from jwt.exceptions import PyJWTError

from bezant.encoding import b64url_decode, b64url_encode
from bezant.errors import ConfigurationError
from bezant.runtime import Runtime

__all__ = ["Key", "KeySet", "KeySource"]

logger: logging.Logger = logging.getLogger(__name__)

MIN_RSA_BITS: Final = 2048
MIN_HMAC_BYTES: Final = 32

_SHA256: Final = hashes.SHA256()
_HASHED: Final = Prehashed(_SHA256)  # by hashlib, which takes half as long as cryptography
_ECDSA: Final = ec.ECDSA(_HASHED)
_PKCS1: Final = padding.PKCS1v15()
_PSS: Final = padding.PSS(padding.MGF1(_SHA256), _SHA256.digest_size)  # RFC 7518 section 3.5


class _ES256(ECAlgorithm):
    """PyJWT's, with a cheaper way from the DER of cryptography to the signature of a JWS."""

    def sign(self, msg: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
        r, s = decode_dss_signature(key.sign(sha256(msg).digest(), _ECDSA))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


_ALGORITHMS: Final[Mapping[str, Algorithm]] = {
    **{name: get_default_algorithms()[name] for name in ("RS256", "PS256", "EdDSA", "HS256")},
    "ES256": _ES256(hashes.SHA256, ec.SECP256R1),
}
"""PyJWT's: they sign, and read and write keys."""


_Check = Callable[[bytes, bytes], object]
"""Takes a message and its signature; raises `InvalidSignature`."""

# The two numbers of an ES256 signature (RFC 7518 section 3.4) as the SEQUENCE of INTEGERs that
# cryptography takes: what stands before each, by whether its first bit is set (X.690 section 8.3).
_DER: Final = {
    (False, False): (b"\x30\x44\x02\x20", b"\x02\x20"),
    (False, True): (b"\x30\x45\x02\x20", b"\x02\x21\0"),
    (True, False): (b"\x30\x45\x02\x21\0", b"\x02\x20"),
    (True, True): (b"\x30\x46\x02\x21\0", b"\x02\x21\0"),
}


def _es256(public: ec.EllipticCurvePublicKey) -> _Check:
    verify = public.verify

    def check(message: bytes, signature: bytes) -> None:
        if len(signature) != 64:
            raise InvalidSignature
        if signature[0] and signature[32]:
            before_r, before_s = _DER[signature[0] > 0x7F, signature[32] > 0x7F]
            der = before_r + signature[:32] + before_s + signature[32:]
        else:  # DER has no leading zeros; one signature of 128 has one
            der = encode_dss_signature(
                int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            )
        verify(der, sha256(message).digest(), _ECDSA)

    return check


def _eddsa(public: ed25519.Ed25519PublicKey) -> _Check:
    verify = public.verify
    return lambda message, signature: verify(signature, message)


def _rs256(public: rsa.RSAPublicKey) -> _Check:
    verify = public.verify
    return lambda message, signature: verify(signature, sha256(message).digest(), _PKCS1, _HASHED)


def _ps256(public: rsa.RSAPublicKey) -> _Check:
    verify = public.verify
    return lambda message, signature: verify(signature, sha256(message).digest(), _PSS, _HASHED)


def _hs256(secret: bytes) -> _Check:
    def check(message: bytes, signature: bytes) -> None:
        if not compare_digest(hmac_digest(secret, message, "sha256"), signature):
            raise InvalidSignature

    return check


_CHECKS: Final[Mapping[str, Callable[[Any], _Check]]] = {
    "ES256": _es256,
    "EdDSA": _eddsa,
    "RS256": _rs256,
    "PS256": _ps256,
    "HS256": _hs256,
}
"""How to check signatures with a public key. PyJWT's would make objects and look at types each
time."""

# What RFC 7638 section 3.2 and RFC 8037 section 2 take into a thumbprint.
_THUMBPRINT: Final = {
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "oct": ("k", "kty"),
}
_DEFAULT_ALGORITHM: Final = {"RSA": "RS256", "EC": "ES256", "OKP": "EdDSA", "oct": "HS256"}
# The y coordinates, also those not reduced, of the points of Ed25519 whose order divides 8.
_P: Final = 2**255 - 19
_Y8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _P, _P + 1, _Y8, _P - _Y8})
_PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class Key:
    """One key for one algorithm and one use, signatures. Its repr never shows key material.

    Make one with `generate` or `from_jwk`.
    """

    __slots__ = ("_algorithm", "_check", "_private", "_public", "algorithm", "kid")

    def __init__(self, algorithm: str, private: Any, public: Any, kid: str | None = None) -> None:
        self.algorithm: str = algorithm
        self._algorithm = _ALGORITHMS[algorithm]
        self._private = private
        self._public = public
        _check_strength(algorithm, public)
        self._check = _CHECKS[algorithm](public)
        self.kid: str = kid or _thumbprint(self._jwk(public))

    @classmethod
    def generate(cls, algorithm: str = "ES256") -> Key:
        """A new private key.

        Raises:
            ConfigurationError: The algorithm is unknown.
        """
        match algorithm:
            case "ES256":
                private: Any = ec.generate_private_key(ec.SECP256R1())
            case "EdDSA":
                private = ed25519.Ed25519PrivateKey.generate()
            case "RS256" | "PS256":
                private = rsa.generate_private_key(public_exponent=65537, key_size=MIN_RSA_BITS)
            case "HS256":
                secret = token_bytes(MIN_HMAC_BYTES)
                return cls(algorithm, secret, secret)
            case _:
                raise ConfigurationError(
                    "algorithm",
                    f"{algorithm!r} is not supported; choose one of {', '.join(_ALGORITHMS)}",
                )
        return cls(algorithm, private, private.public_key())

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any]) -> Key:
        """Read a public or private JWK.

        Args:
            jwk: The members of RFC 7517 section 4. Without ``alg`` the usual one of the key type is
                bound to the key.

        Raises:
            ConfigurationError: It is malformed, weak, contradicts itself, or is not for signatures.
        """
        kty = jwk.get("kty")
        algorithm = jwk.get("alg", _DEFAULT_ALGORITHM.get(kty) if isinstance(kty, str) else None)
        kid = jwk.get("kid")
        if not isinstance(algorithm, str) or algorithm not in _ALGORITHMS:
            raise ConfigurationError("JWK", "its key type or algorithm is not supported")
        if kid is not None and (not isinstance(kid, str) or not kid):
            raise ConfigurationError("JWK", "kid is not a string")
        operations = jwk.get("key_ops", ["verify"])
        useful = ("sign", "verify") if "d" in jwk or "k" in jwk else ("verify",)
        if (
            jwk.get("use", "sig") != "sig"
            or not isinstance(operations, list)
            or not any(operation in operations for operation in useful)
        ):
            raise ConfigurationError("JWK", "it is not for signatures")
        if kty == "oct":
            try:
                secret = b64url_decode(str(jwk.get("k", "")).encode("ascii"))
            except ValueError:
                raise ConfigurationError("JWK", "k is not base64url") from None
            return cls(algorithm, secret, secret, kid) if algorithm == "HS256" else _contradiction()
        try:
            key = _ALGORITHMS[algorithm].from_jwk(dict(jwk))
        except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
            raise ConfigurationError("JWK", "its members do not make a key") from None
        private = key if hasattr(key, "sign") else None
        public = key.public_key() if private is not None else key
        made = cls(algorithm, private, public, kid)
        stated = {name: jwk.get(name) for name in _THUMBPRINT[str(kty)]}
        if _thumbprint(stated) != _thumbprint(made._jwk(public)):
            raise ConfigurationError("JWK", "its public members do not belong to its private ones")
        return made

    @property
    def symmetric(self) -> bool:
        """Whether whoever verifies could also sign."""
        return self.algorithm == "HS256"

    def sign(self, message: bytes) -> bytes:
        """Sign.

        Raises:
            ConfigurationError: This is a public key.
        """
        if self._private is None:
            raise ConfigurationError("key", f"{self.kid} is public; it cannot sign")
        return self._algorithm.sign(message, self._private)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether a signature is good."""
        try:
            self._check(message, signature)
        except InvalidSignature:
            return False
        return True

    def public_jwk(self) -> dict[str, Any]:
        """What others need to verify.

        Raises:
            ConfigurationError: The key is symmetric: whoever verifies with it can sign.
        """
        if self.symmetric:
            raise ConfigurationError("key", "an HS256 key has no public part")
        return {**self._jwk(self._public), "kid": self.kid, "alg": self.algorithm, "use": "sig"}

    def private_jwk(self) -> bytes:
        """The whole key as JSON, to be sealed.

        Raises:
            ConfigurationError: This is a public key.
        """
        if self._private is None:
            raise ConfigurationError("key", f"{self.kid} is public")
        return json.dumps(
            {**self._jwk(self._private), "kid": self.kid, "alg": self.algorithm}
        ).encode()

    def _jwk(self, key: Any) -> dict[str, Any]:
        if self.symmetric:
            return {"kty": "oct", "k": b64url_encode(key).decode()}
        jwk = self._algorithm.to_jwk(key, as_dict=True)
        return {
            name: value
            for name, value in jwk.items()
            if name not in {"key_ops", "alg", "kid", "use"}
        }

    def __repr__(self) -> str:
        return f"<Key {self.algorithm} {self.kid}>"


def _contradiction() -> Key:
    raise ConfigurationError("JWK", "its key type and algorithm contradict each other")


def _check_strength(algorithm: str, public: Any) -> None:
    match algorithm:
        case "RS256" | "PS256":
            fits = isinstance(public, rsa.RSAPublicKey)
            if fits and (public.key_size < MIN_RSA_BITS or public.public_numbers().e < 65537):
                raise ConfigurationError(
                    "key", f"RSA needs {MIN_RSA_BITS} bits and an exponent of at least 65537"
                )
        case "ES256":
            fits = isinstance(public, ec.EllipticCurvePublicKey) and isinstance(
                public.curve, ec.SECP256R1
            )
        case "EdDSA":
            fits = isinstance(public, ed25519.Ed25519PublicKey)
            if fits and _y_coordinate(public) in _SMALL_ORDER:
                raise ConfigurationError("key", "its order is small: anybody could sign with it")
        case _:
            fits = isinstance(public, bytes)
            if fits and len(public) < MIN_HMAC_BYTES:
                raise ConfigurationError(
                    "key", f"HS256 needs at least {MIN_HMAC_BYTES} bytes (RFC 7518 section 3.2)"
                )
    if not fits:
        _contradiction()


def _y_coordinate(public: ed25519.Ed25519PublicKey) -> int:
    # RFC 8032 section 5.1.2: the highest bit is the sign of x.
    return int.from_bytes(public.public_bytes_raw(), "little") % 2**255


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    """RFC 7638 section 3."""
    members = {name: jwk.get(name) for name in _THUMBPRINT[jwk["kty"]]}
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True)
    return b64url_encode(sha256(canonical.encode()).digest()).decode()


class KeySource(Protocol):
    """Where a verifier finds keys."""

    def find(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The one key that a token with this header must be signed with, or None."""

    def holds(self, key: Key, /) -> bool:
        """Whether a key found earlier is still good."""

    async def look_again(self, runtime: Runtime, /) -> bool:
        """Look where the keys come from, for a token whose key is not known.

        Returns:
            False when that was done too short a while ago, or can bring nothing new.
        """


class KeySet:
    """Some keys, fixed.

    Args:
        keys: All asymmetric, or all HS256.

    Raises:
        ConfigurationError: None at all, two with the same ``kid``, or both kinds.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys: dict[str, Key] = {}
        for key in keys:
            if key.kid in self._keys:
                raise ConfigurationError("keys", f"two keys have the kid {key.kid[:64]!r}")
            self._keys[key.kid] = key
        if not self._keys:
            raise ConfigurationError("keys", "the set holds no usable key")
        if len({key.symmetric for key in self._keys.values()}) > 1:
            raise ConfigurationError(
                "keys", "HS256 and asymmetric keys cannot be in one set (RFC 8725 section 3.1)"
            )

    @classmethod
    def from_jwks(cls, document: Mapping[str, Any]) -> KeySet:
        """Read a published JWK Set (RFC 7517 section 5): keys that cannot be used are left out and
        logged.

        Raises:
            ConfigurationError: It is no JWK Set, holds private or symmetric keys, or no usable one.
        """
        entries = document.get("keys")
        if not isinstance(entries, list):
            raise ConfigurationError("JWK Set", "it has no list called keys")
        keys = []
        for entry in entries:
            if not isinstance(entry, Mapping):
                continue
            if not _PRIVATE_MEMBERS.isdisjoint(entry):
                raise ConfigurationError(
                    "JWK Set", "it holds a private or symmetric key; publish public keys only"
                )
            try:
                keys.append(Key.from_jwk(entry))
            except ConfigurationError as error:
                logger.warning("left a key out of a JWK Set: %s", error)
        return cls(keys)

    def find(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The key with this ``kid``; without one, the only key of the set."""
        if kid is None:
            key = next(iter(self._keys.values())) if len(self._keys) == 1 else None
        else:
            key = self._keys.get(kid)
        return key if key is not None and key.algorithm == algorithm else None

    def holds(self, key: Key, /) -> bool:
        """Whether ``key`` is in the set."""
        return self._keys.get(key.kid) is key

    async def look_again(self, runtime: Runtime, /) -> bool:
        """Nothing new ever comes."""
        return False

    def __iter__(self) -> Any:
        return iter(self._keys.values())

    def __len__(self) -> int:
        return len(self._keys)

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set; empty for HS256."""
        return {"keys": [key.public_jwk() for key in self._keys.values() if not key.symmetric]}

    def __repr__(self) -> str:
        return f"<KeySet of {len(self)}>"
