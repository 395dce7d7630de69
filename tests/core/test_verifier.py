"""What passes for an access token, and the attacks on it. RFC 8725 is the checklist."""

from __future__ import annotations

import json
import re
import socket
import traceback
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from bezant import (
    ConfigurationError,
    Key,
    KeySet,
    ResourceGuard,
    TokenVerifier,
    signing,
    verifier,
)
from bezant.errors import InvalidToken, StoreUnavailable
from bezant.revocation import RevocationView
from bezant.runtime import SYNC, run_sync
from bezant.stores import Revocation
from bezant.testing import FrozenClock, TokenFactory, fixed_key
from tests.jose import (
    b64,
    compact,
    ecdsa,
    hmac_sha256,
    parts,
    private_key,
    rsa_pkcs1,
    rsa_pss,
    segment,
    signer,
    unb64,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bezant.principal import Principal
    from bezant.runtime import Runtime

ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256", "HS256"]
ASYMMETRIC = ALGORITHMS[:-1]
NOW = 1_800_000_000


@pytest.fixture
def good() -> TokenFactory:
    return TokenFactory()


def header(key: Key, **members: Any) -> dict[str, Any]:
    """A good header; members given as None are left out."""
    whole = {"alg": key.algorithm, "kid": key.kid, "typ": "at+jwt", **members}
    return {name: value for name, value in whole.items() if value is not None}


def as_pyjwt_reads(token: str, by: TokenFactory) -> dict[str, Any]:
    """What another library makes of a token; it knows no clock but the real one."""
    private = private_key(by.key)
    public = private if isinstance(private, bytes) else private.public_key()
    required = ["iss", "aud", "exp", "iat", "sub", "jti"]
    claims: dict[str, Any] = jwt.decode(
        token,
        public,
        [by.key.algorithm],
        audience=by.audience,
        issuer=by.issuer,
        options={"verify_iat": False, "verify_exp": False, "require": required},
    )
    return claims


def forge(
    factory: TokenFactory, members: Any = None, claims: Any = None, sign: Any = None, **changes: Any
) -> str:
    """A token with another header, other claims or another signature than a good one."""
    if members is None or isinstance(members, dict):
        members = header(factory.key, **(members or {}))
    if claims is None:
        claims = factory.claims(**changes)
    return compact(members, claims, sign or signer(factory.key))


def refuse(token: str, by: TokenVerifier) -> InvalidToken:
    """Expect a refusal that gives nothing away."""
    with pytest.raises(InvalidToken) as caught:
        by.verify(token)
    error = caught.value
    assert (error.code, error.status) == ("invalid_token", 401)
    assert error.description == "the access token is not valid here"
    told = f"{error} {error!r} {error.detail} {''.join(traceback.format_exception(error))}"
    assert not any(len(part) > 20 and part in told for part in re.split(r"[.\s]", token))
    return error


# ---- good tokens -----------------------------------------------------------------------------


@pytest.mark.rfc("7515", "5.2")
@pytest.mark.rfc("9068", "4")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_good_token_is_a_principal(algorithm: str) -> None:
    good = TokenFactory(key=fixed_key(algorithm))
    token = forge(good, scopes=["a", "b"], roles=["r"], permissions=["p"], sid="session", x=[1])
    principal = good.verifier().verify(token)
    assert principal.subject == "alice"
    assert principal.client_id == "web"
    assert principal.scopes == {"a", "b"}
    assert principal.roles == {"r"}
    assert principal.permissions == {"p"}
    assert principal.audience == ("https://api.example.com",)
    assert principal.expires_at == NOW + 600
    assert principal.auth_time == NOW
    assert principal.token_id == "token-1"
    assert principal.session_id == "session"
    assert principal.claims["x"] == [1]
    with pytest.raises(TypeError):
        principal.claims["x"] = 2


@pytest.mark.rfc("7515", "4.1.9")
@pytest.mark.rfc("9068", "2.1")
@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/AT+JWT"])
def test_typ_is_a_media_type(good: TokenFactory, typ: str) -> None:
    assert good.verifier().verify(forge(good, {"typ": typ}))


@pytest.mark.rfc("7515", "4.1.4")
def test_with_one_key_a_token_needs_no_kid(good: TokenFactory) -> None:
    assert good.verifier().verify(forge(good, {"kid": None}))
    several = KeySet([good.key, fixed_key("EdDSA")])
    refuse(forge(good, {"kid": None}), good.verifier(keys=several))


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.rfc("7515", "4.1.2")
@pytest.mark.rfc("7515", "4.1.3")
@pytest.mark.rfc("7515", "4.1.5")
@pytest.mark.rfc("7515", "4.1.6")
def test_j08_j09_keys_and_urls_in_the_header_are_ignored(
    good: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", None)
    attacker = Key.generate("ES256")
    embedded = {
        "jwk": attacker.public_jwk(),
        "jku": "http://169.254.169.254/keys",
        "x5u": "file:///etc/passwd",
        "x5c": ["MIIB"],
        "x5t": "x",
        "x5t#S256": "x",
        "cty": "x",
    }
    assert good.verifier().verify(forge(good, embedded))
    refuse(forge(good, embedded, sign=signer(attacker)), good.verifier())


def test_claims_may_hold_anything_json(good: TokenFactory) -> None:
    claims = {"né": "Ω\U0001f600", "deep": [[{}]], "big": 10**300, "escaped": '\\"\u2028'}
    assert claims.items() <= dict(good.verifier().verify(forge(good, **claims)).claims).items()


def test_j33_there_is_no_way_to_verify_less() -> None:
    """No option switches a check off."""
    assert list(signature(TokenVerifier.verify).parameters) == ["self", "token"]
    assert list(signature(signing.decode).parameters) == ["token", "profile", "keys", "now"]
    names = set(signature(TokenVerifier).parameters)
    assert not {name for name in names if "verify" in name or "option" in name or "alg" in name}


# ---- the algorithm and the key ---------------------------------------------------------------


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.rfc("8725", "3.2")
@pytest.mark.rfc("7518", "3.6")
@pytest.mark.parametrize("signed", [False, True], ids=["unsigned", "signed"])
@pytest.mark.parametrize(
    "alg",
    [
        *("none", "None", "nOnE", "NONE", "", " ES256", "es256", "ES256\0", "HS256", "RS256"),
        *("PS256", "EdDSA", "Ed25519", "ES384", "ES512", "ES256K", "RS1", "dir", "A256GCMKW"),
        *("PBES2-HS256+A128KW", ["ES256"], ["none"], 0, True, {"alg": "ES256"}),
    ],
    ids=str,
)
def test_j01_no_other_algorithm_passes(good: TokenFactory, alg: Any, signed: bool) -> None:
    sign = signer(good.key) if signed else lambda _: b""
    for kid in good.key.kid, None:
        refuse(forge(good, {"alg": alg, "kid": kid}, sign=sign), good.verifier())


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.parametrize("members", ["null", "missing"])
def test_j01_an_algorithm_must_be_named(good: TokenFactory, members: str) -> None:
    text = header(good.key, alg=None)
    if members == "null":
        text = {**text, "alg": None}
    refuse(forge(good, json.dumps(text)), good.verifier())


def _public_spellings() -> Iterator[Any]:
    """Every text of a public key that somebody may have taken for a secret."""
    for algorithm in ASYMMETRIC:
        key = fixed_key(algorithm)
        public = private_key(key).public_key()
        spki = serialization.PublicFormat.SubjectPublicKeyInfo
        pem = public.public_bytes(serialization.Encoding.PEM, spki)
        jwk = key.public_jwk()
        spelled = {
            "pem": pem,
            "pem-stripped": pem.strip(),
            "pem-crlf": pem.replace(b"\n", b"\r\n"),
            "pem-one-line": pem.replace(b"\n", b""),
            "pem-bom": b"\xef\xbb\xbf" + pem,
            "pem-leading-newline": b"\n" + pem,
            "der": public.public_bytes(serialization.Encoding.DER, spki),
            "jwk": json.dumps(jwk).encode(),
            "jwk-compact": json.dumps(jwk, separators=(",", ":")).encode(),
            "jwk-sorted": json.dumps(jwk, sort_keys=True).encode(),
            "jwks": json.dumps({"keys": [jwk]}).encode(),
            "kid": key.kid.encode(),
            "empty": b"",
            "one-byte": b"\0",
        }
        if algorithm != "PS256":
            openssh = serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
            spelled["openssh"] = public.public_bytes(*openssh)
        if isinstance(public, rsa.RSAPublicKey):
            pkcs1 = serialization.PublicFormat.PKCS1
            spelled["pkcs1-pem"] = public.public_bytes(serialization.Encoding.PEM, pkcs1)
            spelled["pkcs1-der"] = public.public_bytes(serialization.Encoding.DER, pkcs1)
            spelled["modulus"] = unb64(jwk["n"])
        elif isinstance(public, ec.EllipticCurvePublicKey):
            point = serialization.PublicFormat.UncompressedPoint
            spelled["point"] = public.public_bytes(serialization.Encoding.X962, point)
        else:
            spelled["raw"] = unb64(jwk["x"])
        for name, text in spelled.items():
            yield pytest.param(algorithm, text, id=f"{algorithm}-{name}")


@pytest.mark.rfc("8725", "2.1")
@pytest.mark.rfc("8725", "3.1")
@pytest.mark.parametrize(("algorithm", "secret"), [*_public_spellings()])
def test_j02_a_public_key_is_no_hmac_secret(algorithm: str, secret: bytes) -> None:
    """CVE-2022-29217, CVE-2024-33663, CVE-2024-37568 and all their relatives."""
    good = TokenFactory(key=fixed_key(algorithm))
    for members in {"alg": "HS256"}, {"alg": "HS256", "kid": None}, {"alg": algorithm}:
        refuse(forge(good, members, sign=hmac_sha256(secret)), good.verifier())


p384 = ec.generate_private_key(ec.SECP384R1())
p256k = ec.generate_private_key(ec.SECP256K1())
rsa_key = private_key(fixed_key("RS256"))

WRONG_SIGNERS: dict[str, tuple[str, str, Any]] = {
    # The key's algorithm, the header's, what signs.
    "rs256-by-a-ps256-key": ("PS256", "RS256", rsa_pkcs1(rsa_key)),
    "ps256-by-an-rs256-key": ("RS256", "PS256", rsa_pss(rsa_key)),
    "pkcs1-signature-as-ps256": ("PS256", "PS256", rsa_pkcs1(rsa_key)),
    "ps256-with-a-longer-salt": ("PS256", "PS256", rsa_pss(rsa_key, salt=64)),
    "ps256-without-salt": ("PS256", "PS256", rsa_pss(rsa_key, salt=0)),
    "pss-signature-as-rs256": ("RS256", "RS256", rsa_pss(rsa_key)),
    "es256-by-p-384": ("ES256", "ES256", ecdsa(p384)),
    "es384-by-p-384": ("ES256", "ES384", ecdsa(p384, hashes.SHA384())),
    "es256-by-secp256k1": ("ES256", "ES256", ecdsa(p256k)),
    "es256-with-sha-384": (
        "ES256",
        "ES256",
        ecdsa(private_key(fixed_key("ES256")), hashes.SHA384()),
    ),
    "eddsa-by-ed448": ("EdDSA", "EdDSA", ed448.Ed448PrivateKey.generate().sign),
    "eddsa-by-another-key": ("EdDSA", "EdDSA", ed25519.Ed25519PrivateKey.generate().sign),
    "hs256-with-another-secret": ("HS256", "HS256", hmac_sha256(b"x" * 32)),
    "hs256-with-an-empty-secret": ("HS256", "HS256", hmac_sha256(b"")),
}


@pytest.mark.rfc("8725", "3.1")
@pytest.mark.rfc("8725", "3.3")
@pytest.mark.rfc("7518", "3.5")
@pytest.mark.parametrize(("own", "alg", "sign"), WRONG_SIGNERS.values(), ids=WRONG_SIGNERS)
def test_j04_a_key_is_for_one_algorithm(own: str, alg: str, sign: Any) -> None:
    good = TokenFactory(key=fixed_key(own))
    refuse(forge(good, {"alg": alg}, sign=sign), good.verifier())


def _der(factory: TokenFactory) -> Any:
    private = private_key(factory.key)
    return lambda message: private.sign(message, ec.ECDSA(hashes.SHA256()))


ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _raw(r: int, s: int) -> Any:
    return lambda _: r.to_bytes(32, "big") + s.to_bytes(32, "big")


@pytest.mark.rfc("8725", "3.4")
@pytest.mark.rfc("7518", "3.4")
@pytest.mark.parametrize(
    "sign",
    [
        pytest.param(_raw(0, 0), id="r-and-s-zero"),
        pytest.param(_raw(0, 1), id="r-zero"),
        pytest.param(_raw(1, 0), id="s-zero"),
        pytest.param(_raw(ORDER, 1), id="r-is-n"),
        pytest.param(_raw(1, ORDER), id="s-is-n"),
        pytest.param(_raw(2**256 - 1, 2**256 - 1), id="beyond-n"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda _: bytes(64), id="zeros"),
        pytest.param(lambda _: bytes(63), id="short"),
        pytest.param(lambda _: bytes(65), id="long"),
        pytest.param(lambda _: b"\x30\x06\x02\x01\x00\x02\x01\x00", id="der-of-zero"),
    ],
)
def test_j25_psychic_signatures(good: TokenFactory, sign: Any) -> None:
    """CVE-2022-21449 and its relatives."""
    refuse(forge(good, sign=sign), good.verifier())


@pytest.mark.rfc("7518", "3.4")
def test_j25_an_ecdsa_signature_is_not_der(good: TokenFactory) -> None:
    refuse(forge(good, sign=_der(good)), good.verifier())
    padded = lambda message: b"\0" + signer(good.key)(message)  # noqa: E731
    refuse(forge(good, sign=padded), good.verifier())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("change", ["flip", "cut", "longer", "empty", "swap"])
def test_a_changed_signature(algorithm: str, change: str) -> None:
    good = TokenFactory(key=fixed_key(algorithm))
    changes = {
        "flip": lambda raw: bytes([raw[0] ^ 1]) + raw[1:],
        "cut": lambda raw: raw[:-1],
        "longer": lambda raw: raw + b"\0",
        "empty": lambda _: b"",
        "swap": lambda raw: raw[len(raw) // 2 :] + raw[: len(raw) // 2],
    }
    sign = signer(good.key)
    refuse(forge(good, sign=lambda message: changes[change](sign(message))), good.verifier())


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.parametrize(
    "kid",
    [
        "../../../../dev/null",
        "' OR 1=1 --",
        "a\0b",
        "x\r\nset-cookie: x",
        "x" * 10_000,
        "",
        0,
        1.5,
        True,
        [],
        ["kid"],
        {},
    ],
    ids=lambda kid: repr(kid)[:12],
)
def test_j10_kid_names_one_of_our_keys_or_nothing(good: TokenFactory, kid: Any) -> None:
    error = refuse(forge(good, {"kid": kid}), good.verifier())
    assert str(kid) not in error.detail or not kid


# ---- the header ------------------------------------------------------------------------------


@pytest.mark.rfc("7515", "4.1.11")
@pytest.mark.rfc("7797", "6")
@pytest.mark.rfc("8725", "3.6")
@pytest.mark.parametrize(
    "members",
    [
        {"crit": ["exp"]},
        {"crit": ["http://example.com/unknown"], "http://example.com/unknown": True},
        {"crit": []},
        {"crit": "b64"},
        {"crit": False},
        {"b64": False, "crit": ["b64"]},
        {"b64": False},
        {"b64": True},
        {"zip": "DEF"},
        {"zip": "none"},
        {"enc": "A128GCM"},
        {"alg": "PBES2-HS256+A128KW", "p2c": 10**9, "p2s": "x", "enc": "A128GCM"},
    ],
    ids=str,
)
def test_j11_j12_j13_j14_what_is_not_understood_is_refused(
    good: TokenFactory, members: dict[str, Any]
) -> None:
    refuse(forge(good, members), good.verifier())


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.rfc("8725", "3.12")
@pytest.mark.rfc("9068", "4")
@pytest.mark.rfc("9068", "5")
@pytest.mark.parametrize(
    "typ",
    [
        *("JWT", "jwt", "", "logout+jwt", "dpop+jwt", "token-introspection+jwt", "secevent+jwt"),
        *("rt+jwt", "at+jwt ", "at-jwt", "text/at+jwt", "application/application/at+jwt"),
        *("aT+JWT\u0130", None, 1, True, ["at+jwt"]),
    ],
    ids=repr,
)
def test_j23_another_kind_of_token_is_no_access_token(good: TokenFactory, typ: Any) -> None:
    refuse(forge(good, {"typ": typ}), good.verifier())


# ---- the spelling ----------------------------------------------------------------------------


def _at(place: int, change: Callable[[str], str]) -> Callable[[str], str]:
    def spell(token: str) -> str:
        pieces = token.split(".")
        pieces[place] = change(pieces[place])
        return ".".join(pieces)

    return spell


def _last(text: str) -> str:
    """The same bytes, written with unused bits that are not zero."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return text[:-1] + alphabet[alphabet.index(text[-1]) + 1]


PARTS = {"header": 0, "claims": 1, "signature": 2}
SPELLINGS = {
    f"{how}-{name}": _at(place, change)
    for name, place in PARTS.items()
    for how, change in {
        "padded": lambda text: text + "=" * (-len(text) % 4 or 1),
        "space-in": lambda text: text[:5] + " " + text[5:],
        "newline-in": lambda text: text[:5] + "\n" + text[5:],
        "newline-behind": lambda text: text + "\n",
        "nul-in": lambda text: text[:5] + "\0" + text[5:],
        "plus-in": lambda text: text[:4] + "+" + text[5:],
        "slash-in": lambda text: text[:4] + "/" + text[5:],
        "percent-in": lambda text: text[:4] + "%41" + text[5:],
        "fullwidth-in": lambda text: text[:4] + "\uff21" + text[5:],
        "surrogate-in": lambda text: text[:4] + "\ud800" + text[5:],
        "no": lambda text: "",
        "one-letter-more-in": lambda text: text + "A",
        "one-letter-less-in": lambda text: text[:-1],
    }.items()
}
SPELLINGS |= {
    "empty": lambda token: "",
    "dots": lambda token: "..",
    "many-dots": lambda token: "." * 10_000,
    "two-parts": lambda token: token.rpartition(".")[0],
    "one-part": lambda token: token.partition(".")[0],
    "four-parts": lambda token: token + "." + token.rpartition(".")[2],
    "five-parts": lambda token: token + ".AA.AA",
    "leading-dot": lambda token: "." + token,
    "leading-space": lambda token: " " + token,
    "bom": lambda token: "\ufeff" + token,
    "scheme": lambda token: "Bearer " + token,
    "upper-case": lambda token: token.upper(),
    "json-flattened": lambda token: json.dumps(
        dict(zip(["protected", "payload", "signature"], token.split("."), strict=True))
    ),
    "twice": lambda token: token + token,
}


@pytest.mark.rfc("7515", "2")
@pytest.mark.rfc("7515", "7.1")
@pytest.mark.rfc("4648", "3.5")
@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
def test_j16_one_token_has_one_spelling(good: TokenFactory, spell: Callable[[str], str]) -> None:
    verify = good.verifier()
    token = good.mint()
    assert verify.verify(token)  # so that the original is in every cache
    refuse(spell(token), verify)


@pytest.mark.rfc("4648", "3.5")
@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256", "HS256"])
def test_j16_a_last_letter_with_unused_bits(algorithm: str) -> None:
    """CVE-2026-102269: the same bytes in another spelling slip past whatever keys on the text."""
    good = TokenFactory(key=fixed_key(algorithm))
    token = good.mint()
    assert len(token.rpartition(".")[2]) % 4
    other = _at(2, _last)(token)
    assert parts(other)[2] == parts(token)[2]
    refuse(other, good.verifier())
    # Nor does a signer that writes so make it right.
    claims = segment(good.claims(padding="x"))
    while len(claims) % 4 != 3:
        claims = segment(json.dumps({**json.loads(unb64(claims)), "padding": "x" * len(claims)}))
    message = f"{segment(header(good.key))}.{_last(claims)}"
    refuse(f"{message}.{b64(signer(good.key)(message.encode()))}", good.verifier())


# ---- the documents ---------------------------------------------------------------------------


def _claims_text(good: TokenFactory, extra: str) -> str:
    return json.dumps(good.claims())[:-1] + f", {extra}}}"


@pytest.mark.rfc("7515", "4")
@pytest.mark.rfc("7519", "4")
@pytest.mark.parametrize(
    "extra",
    [
        '"sub": "root"',
        '"sub": "alice"',
        '"\\u0073ub": "root"',
        '"aud": "https://api.example.com"',
        '"deep": {"x": [{"a": 1, "a": 1}]}',
    ],
)
def test_j17_a_claim_is_there_once(good: TokenFactory, extra: str) -> None:
    refuse(forge(good, claims=_claims_text(good, extra)), good.verifier())


@pytest.mark.rfc("7515", "4")
@pytest.mark.parametrize(
    "extra",
    ['"alg": "ES256"', '"alg": "none"', '"kid": "x"', '"\\u0074yp": "at+jwt"', '"x":{"a":1,"a":1}'],
)
def test_j17_a_header_member_is_there_once(good: TokenFactory, extra: str) -> None:
    text = json.dumps(header(good.key))[:-1] + f", {extra}}}"
    refuse(forge(good, text), good.verifier())


NOT_JSON = {
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-le": lambda text: text.encode("utf-16-le"),
    "utf-32": lambda text: text.encode("utf-32"),
    "bom": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "latin-1": lambda text: (text[:-1] + ', "x": "é"}').encode("latin-1"),
    "overlong-utf-8": lambda text: text.encode().replace(b"{", b"\xc1\xbb", 1),
    "encoded-surrogate": lambda text: text.encode()[:-1] + b', "x": "\xed\xa0\x80"}',
    "lone-surrogate": lambda text: text.encode()[:-1] + rb', "x": "\ud800"}',
    "lone-surrogate-name": lambda text: text.encode()[:-1] + rb', "\udfff": 1}',
    "array": lambda text: f"[{text}]".encode(),
    "string": lambda text: json.dumps(text).encode(),
    "number": lambda _: b"1",
    "null": lambda _: b"null",
    "empty": lambda _: b"",
    "leading-space": lambda text: b" " + text.encode(),
    "trailing-space": lambda text: text.encode() + b" ",
    "trailing-nul": lambda text: text.encode() + b"\0",
    "two-documents": lambda text: (text + text).encode(),
    "cut": lambda text: text.encode()[:-1],
    "trailing-comma": lambda text: text.encode()[:-1] + b",}",
    "single-quotes": lambda text: text.replace('"', "'").encode(),
    "comment": lambda text: text.encode()[:-1] + b"/**/}",
    "control-character": lambda text: text.encode()[:-1] + b', "x": "\n"}',
    "nan": lambda text: text.encode()[:-1] + b', "x": NaN}',
    "infinity": lambda text: text.encode()[:-1] + b', "x": -Infinity}',
    "deep-arrays": lambda text: (text[:-1] + f', "x": {"[" * 5000}{"]" * 5000}}}').encode(),
    "deep-objects": lambda text: (
        text[:-1] + ', "x": ' + '{"x":' * 1500 + "1" + "}" * 1500 + "}"
    ).encode(),
    "unclosed-arrays": lambda text: (text[:-1] + f', "x": {"[" * 10_000}').encode(),
    "huge-integer": lambda text: (text[:-1] + f', "x": {"9" * 5000}}}').encode(),
}


@pytest.mark.rfc("8725", "2.6")
@pytest.mark.rfc("8725", "3.7")
@pytest.mark.rfc("7519", "7.2")
@pytest.mark.parametrize("place", ["header", "claims"])
@pytest.mark.parametrize("spoil", NOT_JSON.values(), ids=NOT_JSON)
def test_j15_j18_only_strict_json_is_read(good: TokenFactory, place: str, spoil: Any) -> None:
    document = header(good.key) if place == "header" else good.claims()
    spoiled = spoil(json.dumps(document))
    token = forge(good, spoiled) if place == "header" else forge(good, claims=spoiled)
    assert len(token) <= 16384
    refuse(token, good.verifier())


# ---- the claims ------------------------------------------------------------------------------

MISSING = "missing"
BAD_DATES = [
    MISSING,
    "soon",
    str(NOW + 60),
    True,
    None,
    [],
    {},
    -1,
    -0.5,
    253402300800,
    10**30,
    1e300,
]


def changed(good: TokenFactory, name: str, value: Any) -> str:
    claims = {**good.claims(), name: value}
    if value == MISSING:
        del claims[name]
    return forge(good, claims=claims)


@pytest.mark.rfc("7519", "4.1.4")
@pytest.mark.rfc("9068", "2.2")
@pytest.mark.parametrize("value", [*BAD_DATES, float("nan"), float("inf")], ids=repr)
@pytest.mark.parametrize("name", ["exp", "iat"])
def test_j19_a_date_is_a_number_of_this_age(good: TokenFactory, name: str, value: Any) -> None:
    refuse(changed(good, name, value), good.verifier())


@pytest.mark.rfc("7519", "4.1.5")
@pytest.mark.parametrize("value", BAD_DATES[1:], ids=repr)
def test_j20_nbf_may_be_missing_but_not_wrong(good: TokenFactory, value: Any) -> None:
    refuse(changed(good, "nbf", value), good.verifier())


@pytest.mark.rfc("7519", "4.1.4")
@pytest.mark.parametrize("leeway", [0, 10, 60])
@pytest.mark.parametrize("cached", [False, True])
def test_j19_a_token_lives_until_exp_and_the_leeway(
    good: TokenFactory, leeway: int, cached: bool
) -> None:
    verify = good.verifier(leeway=leeway)
    token = good.mint(expires_in=100)
    good.clock.advance(99.9 + leeway)
    if cached:
        assert verify.verify(token)
    good.clock.advance(0.1)
    with pytest.raises(InvalidToken, match="expired") as caught:
        verify.verify(token)
    assert caught.value.detail == "expired"


@pytest.mark.rfc("7519", "4.1.5")
@pytest.mark.rfc("7519", "4.1.6")
@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("ahead", [10.5, 3600, 10**9])
def test_j20_a_token_of_the_future_is_refused(good: TokenFactory, name: str, ahead: float) -> None:
    refuse(forge(good, **{name: NOW + ahead}), good.verifier())


@pytest.mark.parametrize("name", ["nbf", "iat"])
@pytest.mark.parametrize("ahead", [-(10**8), 0, 9.5, 10])
def test_j20_clocks_may_differ_by_the_leeway(good: TokenFactory, name: str, ahead: float) -> None:
    assert good.verifier().verify(forge(good, **{name: NOW + ahead}))


@pytest.mark.parametrize("exp", [NOW + 0.5, float(NOW + 60), 253402300799])
def test_a_date_may_have_a_fraction(good: TokenFactory, exp: float) -> None:
    assert good.verifier().verify(forge(good, exp=exp)).expires_at == int(exp)


@pytest.mark.rfc("7519", "4.1.1")
@pytest.mark.rfc("8725", "3.8")
@pytest.mark.parametrize(
    "value",
    [
        MISSING,
        "",
        "https://id.example.com/",
        "https://id.example.co",
        "https://id.example.com.evil",
        "https://ID.example.com",
        "HTTPS://id.example.com",
        "http://id.example.com",
        "id.example.com",
        " https://id.example.com",
        ["https://id.example.com"],
        {"https://id.example.com": 1},
        None,
        7,
    ],
    ids=repr,
)
def test_j21_the_issuer_is_compared_as_a_string(good: TokenFactory, value: Any) -> None:
    refuse(changed(good, "iss", value), good.verifier())


@pytest.mark.rfc("7519", "4.1.3")
@pytest.mark.rfc("8725", "3.9")
@pytest.mark.parametrize(
    "value",
    [
        MISSING,
        "",
        [],
        [""],
        "https://api.example.com/",
        "https://api.example",
        "https://API.example.com",
        ["https://other.example.com"],
        ["https://api.example.com", 7],
        ["https://api.example.com", ["https://api.example.com"]],
        [["https://api.example.com"]],
        {"https://api.example.com": 1},
        None,
        7,
        True,
    ],
    ids=repr,
)
def test_j22_the_audience_must_be_us(good: TokenFactory, value: Any) -> None:
    refuse(changed(good, "aud", value), good.verifier())


@pytest.mark.rfc("7519", "4.1.3")
def test_a_resource_server_may_have_several_names(good: TokenFactory) -> None:
    names = ["https://a.example.com", "https://b.example.com"]
    verify = good.verifier(audience=names)
    for name in names:
        assert verify.verify(good.mint(aud=name)).audience == (name,)
    assert verify.verify(good.mint(aud=["x", names[0]])).audience == ("x", names[0])
    refuse(good.mint(), verify)


@pytest.mark.rfc("8725", "3.8")
def test_j24_each_issuer_has_its_own_keys() -> None:
    """Of two issuers side by side, neither signs for the other, though they share a key's id."""
    ours = TokenFactory()
    theirs = TokenFactory("https://other.example.com", key=Key.generate("ES256"))
    refuse(theirs.mint(iss=ours.issuer), ours.verifier())
    refuse(ours.mint(iss=theirs.issuer), theirs.verifier())
    shared = TokenFactory("https://other.example.com", key=ours.key)
    refuse(shared.mint(), ours.verifier())


@pytest.mark.rfc("7519", "4.1.2")
@pytest.mark.rfc("7519", "4.1.7")
@pytest.mark.rfc("9068", "2.2")
@pytest.mark.parametrize("value", [MISSING, "", None, 7, True, [], ["alice"], {}], ids=repr)
@pytest.mark.parametrize("name", ["sub", "jti", "client_id"])
def test_identifiers_are_strings(good: TokenFactory, name: str, value: Any) -> None:
    refuse(changed(good, name, value), good.verifier())


@pytest.mark.parametrize("value", ["", None, 7, ["x"]], ids=repr)
def test_a_session_id_is_a_string_when_there_is_one(good: TokenFactory, value: Any) -> None:
    refuse(changed(good, "sid", value), good.verifier())


@pytest.mark.rfc("6749", "3.3")
@pytest.mark.rfc("9068", "2.2.3")
@pytest.mark.parametrize(
    "value",
    [["a"], 7, True, {}, " ", "a  b", " a", "a ", "a\tb", 'a"b', "a\\b", "a\0b", "é", "x" * 2049],
    ids=lambda value: repr(value)[:12],
)
def test_a_malformed_scope_is_refused(good: TokenFactory, value: Any) -> None:
    refuse(changed(good, "scope", value), good.verifier())


@pytest.mark.rfc("9068", "2.2.3.1")
@pytest.mark.parametrize("name", ["roles", "permissions"])
@pytest.mark.parametrize(
    "value", ["admin", 7, {"admin": 1}, ["admin", 7], [None], [["x"]]], ids=repr
)
def test_roles_and_permissions_are_lists_of_strings(
    good: TokenFactory, name: str, value: Any
) -> None:
    refuse(changed(good, name, value), good.verifier())


@pytest.mark.rfc("9700", "4.15")
def test_j32_a_client_is_told_from_a_user(good: TokenFactory) -> None:
    verify = good.verifier()
    assert verify.verify(good.mint(subject="web", client_id="web")).is_client
    assert not verify.verify(good.mint(subject="alice", client_id="web")).is_client


# ---- size ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [16385, 10**5, 10**7])
def test_j15_an_oversized_token_is_not_even_looked_at(
    good: TokenFactory, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = (good.mint() + "." + "A" * size)[:size]
    parsed = []
    monkeypatch.setattr(signing, "b64url_decode", parsed.append)
    monkeypatch.setattr(signing, "json_object", parsed.append)
    verify = good.verifier()
    hashed: list[int] = []
    monkeypatch.setattr(
        verifier, "hash", lambda text: hashed.append(len(text)) or hash(text), raising=False
    )
    refuse(token, verify)
    assert not parsed
    assert len(hashed) == 2
    assert all(length <= 16386 for length in hashed)


def test_the_largest_token(good: TokenFactory) -> None:
    def of_size(size: int) -> str:
        token = good.mint(x="")
        for length in range((size - len(token)) * 3 // 4 - 4, size):
            token = good.mint(x="x" * length)
            if len(token) >= size:
                break
        return token

    token = of_size(16384)
    assert len(token) in {16384, 16385}
    limit = len(token)
    assert good.verifier(max_token_size=limit).verify(token)
    refuse(token, good.verifier(max_token_size=limit - 1))


# ---- the cache -------------------------------------------------------------------------------


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    """The keys of all signatures that have been checked."""
    keys: list[Key] = []
    genuine = Key.verify

    def verify(key: Key, message: bytes, sig: bytes) -> bool:
        keys.append(key)
        return genuine(key, message, sig)

    monkeypatch.setattr(Key, "verify", verify)
    return keys


def test_a_signature_is_checked_once(good: TokenFactory, verified: list[Key]) -> None:
    verify, token = good.verifier(), good.mint()
    principals = [verify.verify(token) for _ in range(5)]
    assert len(verified) == 1
    assert all(principal is principals[0] for principal in principals)
    verify.verify(good.mint())
    assert len(verified) == 2


def test_without_a_cache_it_is_checked_each_time(good: TokenFactory, verified: list[Key]) -> None:
    verify, token = good.verifier(cache_size=0), good.mint()
    for _ in range(3):
        verify.verify(token)
    assert len(verified) == 3


def test_a_refusal_is_not_remembered(good: TokenFactory, verified: list[Key]) -> None:
    verify = good.verifier()
    early = good.mint(nbf=NOW + 20)
    refuse(early, verify)
    good.clock.advance(15)
    assert verify.verify(early)
    assert len(verified) == 2


def test_a_dead_entry_is_checked_again(good: TokenFactory, verified: list[Key]) -> None:
    verify, token = good.verifier(), good.mint(expires_in=60)
    verify.verify(token)
    good.clock.advance(70)
    for _ in range(2):
        with pytest.raises(InvalidToken, match="expired"):
            verify.verify(token)
    assert len(verified) == 3


class Rotating:
    """Keys that come and go."""

    def __init__(self, *keys: Key) -> None:
        self.keys = {key.kid: key for key in keys}

    def find(self, kid: str | None, algorithm: str, /) -> Key | None:
        key = self.keys.get(kid or "")
        return key if key is not None and key.algorithm == algorithm else None

    def holds(self, key: Key, /) -> bool:
        return self.keys.get(key.kid) is key


def test_x02_an_entry_dies_with_its_key(good: TokenFactory, verified: list[Key]) -> None:
    keys = Rotating(good.key)
    verify, token = good.verifier(keys=keys), good.mint()
    assert verify.verify(token)
    keys.keys.clear()
    refuse(token, verify)
    keys.keys[good.key.kid] = good.key
    assert verify.verify(token)
    # Another key under the same id is another key.
    keys.keys[good.key.kid] = Key.from_jwk(
        {**Key.generate("ES256").public_jwk(), "kid": good.key.kid}
    )
    refuse(token, verify)


def test_a_revocation_reaches_the_cache(good: TokenFactory) -> None:
    view = RevocationView()
    verify, token = good.verifier(revocations=view), good.mint(sid="s")
    assert verify.verify(token)
    view.put(Revocation("authorization", "s", NOW, NOW + 3600, NOW))
    for _ in range(2):
        with pytest.raises(InvalidToken, match="revoked"):
            verify.verify(token)


def test_the_cache_is_bounded_and_keeps_what_is_used(
    good: TokenFactory, verified: list[Key]
) -> None:
    verify = good.verifier(cache_size=10)
    busy, idle = good.mint(), good.mint()
    verify.verify(idle)
    for _ in range(50):
        verify.verify(busy)
        verify.verify(good.mint())
    cache = verify._cache
    assert len(cache.young) + len(cache._old) <= 10
    assert len(verified) == 52  # the busy one once
    verify.verify(idle)
    assert len(verified) == 53


def test_the_cache_holds_no_token(good: TokenFactory) -> None:
    verify, token = good.verifier(), good.mint()
    verify.verify(token)
    assert token not in repr(vars(verify._cache))
    assert token.rpartition(".")[2] not in repr(vars(verify._cache))


def test_the_header_cache_is_bounded_and_filled_by_good_signatures_only(
    good: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached: dict[bytes, Any] = {}
    monkeypatch.setattr(signing, "_headers", cached)
    verify = good.verifier(cache_size=0)
    for number in range(300):
        refuse(forge(good, {"x": number}, sign=lambda _: bytes(64)), verify)
    assert not cached
    for number in range(300):
        verify.verify(forge(good, {"x": number}))
    assert 0 < len(cached) <= 256
    # What it remembers is the whole header: another one is parsed anew.
    verify.verify(forge(good))
    refuse(forge(good, {"typ": "JWT"}), verify)
    refuse(forge(good, {"crit": ["x"]}), verify)


# ---- set-up and sources ----------------------------------------------------------------------


@pytest.mark.rfc("8725", "3.9")
@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"issuer": ""}, "issuer"),
        ({"audience": ""}, "audience"),
        ({"audience": []}, "audience"),
        ({"audience": ["https://api.example.com", ""]}, "audience"),
        ({"leeway": -1}, "leeway"),
        ({"leeway": 61}, "leeway"),
    ],
    ids=str,
)
def test_j05_what_would_verify_less_is_refused_at_set_up(
    good: TokenFactory, options: dict[str, Any], setting: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        good.verifier(**options)
    assert caught.value.setting == setting


class Source:
    """Something read from time to time, which may fail."""

    def __init__(self, *, due: bool, error: Exception | None = None) -> None:
        self.due = due
        self.error = error
        self.reads = 0

    async def refresh(self, runtime: Any, /) -> None:
        self.reads += 1
        if self.error is not None:
            raise self.error


def test_sources_are_read_when_they_are_due(good: TokenFactory) -> None:
    due, idle = Source(due=True), Source(due=False)
    verify, token = good.verifier(sources=[due, idle]), good.mint()

    def averify() -> Principal:
        return run_sync(verify.averify(token, SYNC))

    assert averify() is averify()
    assert (due.reads, idle.reads) == (2, 0)
    due.error = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        averify()


def test_the_issuer_looks_at_its_own_tokens_whatever_their_audience(good: TokenFactory) -> None:
    own = TokenVerifier.of_issuer(
        good.issuer,
        keys=KeySet([good.key]),
        revocations=RevocationView(),
        sources=(),
        max_token_size=16384,
        clock=good.clock,
    )
    assert own.verify(good.mint(aud="https://anybody.example.com"))
    for aud in [], [7], None:
        refuse(good.mint(aud=aud), own)
    refuse(good.mint(iss="https://evil.example.com"), own)


# ---- anything at all -------------------------------------------------------------------------


def _is_utf_8(value: Any) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3)
    ),
    max_leaves=10,
).filter(_is_utf_8)


names = st.text("abcdefghijklmnopqrstuvwxyzé_", min_size=1, max_size=10)


@given(
    algorithm=st.sampled_from(ALGORITHMS),
    subject=st.text(min_size=1).filter(_is_utf_8),
    scopes=st.lists(st.from_regex(r"[!#-\[\]-~]{1,20}", fullmatch=True), max_size=5),
    claims=st.dictionaries(names.map("x_{}".format), json_values, max_size=4),
)
def test_whatever_is_minted_is_read_back(
    algorithm: str, subject: str, scopes: list[str], claims: dict[str, Any]
) -> None:
    good = TokenFactory(key=fixed_key(algorithm))
    token = good.mint(subject=subject, scopes=scopes, **claims)
    if len(token) > 16384:
        return
    principal = good.verifier().verify(token)
    assert principal.subject == subject
    assert principal.scopes == set(scopes)
    assert all(
        principal.claims[name] == value for name, value in claims.items() if value is not None
    )
    assert parts(token)[0] == header(good.key)
    assert dict(principal.claims) == as_pyjwt_reads(token, good)


@given(data=st.data(), algorithm=st.sampled_from(ALGORITHMS))
def test_whatever_is_changed_is_refused(data: st.DataObject, algorithm: str) -> None:
    good = TokenFactory(key=fixed_key(algorithm))
    token = good.mint()
    at = data.draw(st.integers(0, len(token)))
    cut = data.draw(st.integers(0, 3))
    put = data.draw(st.text(max_size=3) | st.text("AZaz09-_.=", max_size=3))
    other = token[:at] + put + token[at + cut :]
    if other != token:
        refuse(other, good.verifier())


@given(text=st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_text_makes_it_stumble(text: str) -> None:
    refuse(text, TokenFactory().verifier())


@given(document=json_values, where=st.sampled_from(["header", "claims"]))
def test_no_document_makes_it_stumble(document: Any, where: str) -> None:
    good = TokenFactory()
    text = json.dumps(document)
    token = forge(good, text) if where == "header" else forge(good, claims=text)
    refuse(token, good.verifier())


@given(
    name=st.sampled_from(
        [
            "iss",
            "sub",
            "aud",
            "exp",
            "iat",
            "nbf",
            "jti",
            "client_id",
            "sid",
            "scope",
            "roles",
            "permissions",
            "auth_time",
        ]
    ),
    value=json_values,
)
def test_no_value_of_a_claim_makes_it_stumble(name: str, value: Any) -> None:
    good = TokenFactory()
    try:
        principal = good.verifier().verify(forge(good, claims={**good.claims(), name: value}))
    except InvalidToken:
        return
    assert isinstance(principal.subject, str)
    assert isinstance(principal.expires_at, int)
    assert replace(principal) == principal


# ---- what is known without waiting -------------------------------------------------------------


def test_a_token_is_verified_without_waiting_while_nothing_is_due() -> None:
    clock, source, view = FrozenClock(), Source(due=False), RevocationView()
    tokens = TokenFactory(clock=clock)
    keys = KeySet([tokens.key])
    options: dict[str, Any] = {"issuer": tokens.issuer, "audience": tokens.audience, "clock": clock}
    verifier = TokenVerifier(keys=keys, revocations=view, sources=[source], **options)
    token = tokens.mint()
    who = verifier.verify_now(token)
    assert who is not None
    assert verifier.verify_now(token) is who
    for other in (token + "A", token[:-4] + "AAAA", token + " ", "", token * 100):
        with pytest.raises(InvalidToken):
            verifier.verify_now(other)

    source.due = True  # nobody has looked for revocations for too long
    assert verifier.verify_now(token) is None
    source.due = False
    keys._keys.clear()  # the key is not known (any more)
    assert verifier.verify_now(token) is None
    keys._keys[tokens.key.kid] = tokens.key
    assert verifier.verify_now(token) is who
    view.put(Revocation("token", who.token_id, clock() + 1, clock() + 9999, clock()))
    with pytest.raises(InvalidToken, match="revoked"):
        verifier.verify_now(token)

    another = tokens.mint()
    assert verifier.verify_now(another) is not None
    clock.advance(who.expires_at + 10 - clock())
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify_now(another)


def test_what_a_subclass_demands_is_never_gone_around(good: TokenFactory) -> None:
    class Picky(TokenVerifier):
        async def averify(self, token: str, runtime: Runtime) -> Principal:
            raise InvalidToken("none is good enough")

    picky = Picky(issuer=good.issuer, audience=good.audience, keys=KeySet([good.key]))
    assert picky.verify_now(good.mint()) is None
    guard = ResourceGuard(picky)
    assert guard.authenticate_now([f"Bearer {good.mint()}"]) is None
    with pytest.raises(InvalidToken, match="good enough"):
        run_sync(guard.authenticate([f"Bearer {good.mint()}"], SYNC))


@given(characters=st.text(alphabet="ab.", min_size=1, max_size=40))
def test_the_cache_takes_no_token_for_another(characters: str) -> None:
    names = {verifier._name(characters[:length]) for length in range(len(characters) + 1)}
    assert len(names) == len(characters) + 1
