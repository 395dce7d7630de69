"""JSON Web Signatures made by hand, so that tests can make what no library would.

Written over cryptography alone: it shares no line with the code under test.
"""

from __future__ import annotations

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeAlias

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bezant.keys import Key

    Sign: TypeAlias = Callable[[bytes], bytes]


def b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode().rstrip("=")


def unb64(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def segment(part: Mapping[str, Any] | str | bytes) -> str:
    """A document, its text or its bytes, as one part of a token."""
    if isinstance(part, str):
        part = part.encode()
    return b64(part if isinstance(part, bytes) else json.dumps(part).encode())


def compact(
    header: Mapping[str, Any] | str | bytes, claims: Mapping[str, Any] | str | bytes, sign: Sign
) -> str:
    """A token whose signature fits what stands before it."""
    message = f"{segment(header)}.{segment(claims)}"
    return f"{message}.{b64(sign(message.encode()))}"


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Header, claims and signature, nothing checked."""
    header, claims, signature = token.split(".")
    return json.loads(unb64(header)), json.loads(unb64(claims)), unb64(signature)


def hmac_sha256(secret: bytes) -> Sign:
    return lambda message: hmac.digest(secret, message, "sha256")


def ecdsa(private: ec.EllipticCurvePrivateKey, hash_: hashes.HashAlgorithm | None = None) -> Sign:
    size = (private.curve.key_size + 7) // 8

    def sign(message: bytes) -> bytes:
        r, s = utils.decode_dss_signature(private.sign(message, ec.ECDSA(hash_ or hashes.SHA256())))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")

    return sign


def rsa_pkcs1(private: rsa.RSAPrivateKey) -> Sign:
    return lambda message: private.sign(message, padding.PKCS1v15(), hashes.SHA256())


def rsa_pss(private: rsa.RSAPrivateKey, salt: int = 32) -> Sign:
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), salt)
    return lambda message: private.sign(message, pss, hashes.SHA256())


def private_key(key: Key) -> Any:
    """The private key behind one of Bezant's, as cryptography has it; bytes for HS256."""
    jwk = json.loads(key.private_jwk())
    numbers = {
        name: int.from_bytes(unb64(value), "big")
        for name, value in jwk.items()
        if name in {"n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y"}
    }
    match jwk["kty"]:
        case "oct":
            return unb64(jwk["k"])
        case "EC":
            return ec.derive_private_key(numbers["d"], ec.SECP256R1())
        case "OKP":
            return ed25519.Ed25519PrivateKey.from_private_bytes(unb64(jwk["d"]))
        case _:
            public = rsa.RSAPublicNumbers(numbers["e"], numbers["n"])
            secret = (numbers[name] for name in ("p", "q", "d", "dp", "dq", "qi"))
            return rsa.RSAPrivateNumbers(*secret, public).private_key()


def signer(key: Key) -> Sign:
    """What signs as ``key`` does."""
    private = private_key(key)
    make: dict[str, Callable[[Any], Sign]] = {
        "HS256": hmac_sha256,
        "ES256": ecdsa,
        "EdDSA": lambda private: private.sign,
        "RS256": rsa_pkcs1,
        "PS256": rsa_pss,
    }
    return make[key.algorithm](private)


def thumbprint(jwk: Mapping[str, str]) -> str:
    """RFC 7638 section 3."""
    names = {"RSA": "e kty n", "EC": "crv kty x y", "OKP": "crv kty x", "oct": "k kty"}[jwk["kty"]]
    text = ",".join(f'"{name}":"{jwk[name]}"' for name in names.split())
    return b64(sha256(f"{{{text}}}".encode()).digest())
