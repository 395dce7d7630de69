"""Keys: what makes one, what does not, and what leaves the house."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from bezant import ConfigurationError, Key, KeySet
from bezant.testing import fixed_key
from tests.jose import b64, thumbprint, unb64

ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256", "HS256"]
ASYMMETRIC = ALGORITHMS[:-1]
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


def private(algorithm: str) -> dict[str, Any]:
    jwk: dict[str, Any] = json.loads(fixed_key(algorithm).private_jwk())
    return jwk


def public(algorithm: str, **changes: Any) -> dict[str, Any]:
    """A public JWK; members given as None are left out."""
    jwk = {**fixed_key(algorithm).public_jwk(), **changes}
    return {name: value for name, value in jwk.items() if value is not None}


EC, OKP, RSA = (public(name) for name in ASYMMETRIC[:3])
OCT = private("HS256")


def uint(number: int) -> str:
    return b64(number.to_bytes((number.bit_length() + 7) // 8, "big"))


# ---- good keys -------------------------------------------------------------------------------


@pytest.mark.rfc("7517", "4")
@pytest.mark.rfc("7638", "3")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_goes_out_and_comes_back(algorithm: str) -> None:
    key = fixed_key(algorithm)
    again = Key.from_jwk(json.loads(key.private_jwk()))
    assert (again.kid, again.algorithm, again.symmetric) == (
        key.kid,
        algorithm,
        algorithm == "HS256",
    )
    assert key.kid == thumbprint(private(algorithm))
    assert key.verify(b"message", again.sign(b"message"))
    assert not key.verify(b"another", again.sign(b"message"))


@pytest.mark.rfc("7517", "9.2")
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_x04_the_public_part_verifies_and_does_not_sign(algorithm: str) -> None:
    key = fixed_key(algorithm)
    jwk = key.public_jwk()
    assert jwk["use"] == "sig"
    assert jwk.keys().isdisjoint({*PRIVATE, "key_ops"})
    shown = Key.from_jwk(jwk)
    assert shown.verify(b"message", key.sign(b"message"))
    for act in lambda: shown.sign(b"message"), shown.private_jwk:
        with pytest.raises(ConfigurationError, match="public"):
            act()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_no_signature_of_another_size_makes_it_stumble(algorithm: str) -> None:
    key = fixed_key(algorithm)
    good = key.sign(b"message")
    for size in (0, 1, 31, 32, 33, 63, 64, 65, 128, 255, 256, 257, 512):
        for signature in bytes(size), b"\xff" * size, (good * 16)[:size]:
            assert key.verify(b"message", signature) is (signature == good)
    assert not key.verify(b"message", good + b"\0")
    assert not key.verify(b"message", b"\0" + good)


@pytest.mark.rfc("7518", "3.4")
@pytest.mark.parametrize("at", [0, 32], ids=["r", "s"])
@pytest.mark.parametrize("low", [True, False])
def test_the_numbers_of_an_ecdsa_signature_may_begin_anyhow(at: int, low: bool) -> None:
    """With zeros, whose bytes DER leaves out, or with a bit that DER takes for a sign."""
    key = fixed_key("ES256")
    for number in range(10_000):
        message = b"%d" % number
        signature = key.sign(message)
        after_zero = signature[at] == 0 and (signature[at + 1] < 0x80) is low
        if after_zero or (signature[at] >= 0x80) is low:
            assert key.verify(message, signature)
            assert not key.verify(message + b"0", signature)
        if after_zero:
            return
    pytest.fail("no number began with a zero byte")


def test_a_symmetric_key_has_no_public_part() -> None:
    with pytest.raises(ConfigurationError, match="no public part"):
        fixed_key("HS256").public_jwk()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_tells_no_secret(algorithm: str) -> None:
    key = fixed_key(algorithm)
    shown = f"{key!r} {KeySet([key])!r}"
    assert key.kid in shown
    assert not [
        value for name, value in private(algorithm).items() if name in "dk" and value in shown
    ]


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "HS256"])
def test_each_generated_key_is_new(algorithm: str) -> None:
    assert Key.generate(algorithm).kid != Key.generate(algorithm).kid


@pytest.mark.rfc("7518", "3.3")
@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_a_generated_rsa_key_is_long_enough(algorithm: str) -> None:
    assert len(unb64(Key.generate(algorithm).public_jwk()["n"])) == 256


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS1", "", "es256"])
def test_an_unknown_algorithm_makes_no_key(algorithm: str) -> None:
    with pytest.raises(ConfigurationError, match="not supported"):
        Key.generate(algorithm)


@pytest.mark.rfc("7517", "4.4")
@pytest.mark.parametrize(
    ("algorithm", "usual"),
    [("ES256", "ES256"), ("EdDSA", "EdDSA"), ("RS256", "RS256"), ("PS256", "RS256")],
)
def test_a_jwk_without_alg_is_for_the_usual_one(algorithm: str, usual: str) -> None:
    assert Key.from_jwk(public(algorithm, alg=None)).algorithm == usual


@pytest.mark.rfc("7517", "4")
def test_unknown_members_are_ignored() -> None:
    jwk = {**EC, "x5c": ["MIIB"], "x5u": "https://evil.example.com", "iat": 1, "nbf": "x"}
    assert Key.from_jwk(jwk).kid == EC["kid"]
    assert "x5c" not in Key.from_jwk(jwk).public_jwk()


@pytest.mark.rfc("7517", "4.3")
@pytest.mark.parametrize("key_ops", [["verify"], ["verify", "encrypt"]], ids=str)
def test_key_ops_may_allow_to_verify(key_ops: list[str]) -> None:
    assert Key.from_jwk({**EC, "key_ops": key_ops})
    assert Key.from_jwk({**private("ES256"), "key_ops": ["sign"]}).sign(b"x")


# ---- bad keys --------------------------------------------------------------------------------

weak_rsa = rsa.generate_private_key(65537, 1024).public_key()
p384, secp256k1 = (
    ec.generate_private_key(curve()).public_key() for curve in (ec.SECP384R1, ec.SECP256K1)
)
ed448_key = ed448.Ed448PrivateKey.generate().public_key()

# What every point of small order may be written as; the sign bit is set in addition below.
SMALL_ORDER = {
    "zero": bytes(32),
    "one": b"\1" + bytes(31),
    "minus-one": bytes.fromhex("ec" + 30 * "ff" + "7f"),
    "p": bytes.fromhex("ed" + 30 * "ff" + "7f"),
    "p-plus-one": bytes.fromhex("ee" + 30 * "ff" + "7f"),
    "eight": bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "minus-eight": bytes.fromhex(
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    ),
}

BAD_JWKS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "no-kty": {**EC, "kty": None},
    "kty-a-number": {**EC, "kty": 1},
    "kty-a-list": {**EC, "kty": ["EC"]},
    "kty-in-lower-case": {**EC, "kty": "ec"},
    "kty-of-another": {**EC, "kty": "RSA"},
    "unknown-kty": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "x"},
    "alg-none": {**EC, "alg": "none"},
    "alg-unknown": {**EC, "alg": "ES256K"},
    "alg-for-encryption": {**RSA, "alg": "RSA-OAEP"},
    "alg-of-another-type": {**EC, "alg": "RS256"},
    "alg-symmetric": {**RSA, "alg": "HS256"},
    "alg-symmetric-ec": {**EC, "alg": "HS256"},
    "alg-asymmetric": {**OCT, "alg": "RS256"},
    "alg-null": {**EC, "alg": None},
    "alg-a-list": {**EC, "alg": ["ES256"]},
    "kid-a-number": {**EC, "kid": 1},
    "kid-empty": {**EC, "kid": ""},
    "kid-a-list": {**EC, "kid": []},
    "use-enc": {**EC, "use": "enc"},
    "use-null": {**EC, "use": None},
    "use-a-list": {**EC, "use": ["sig"]},
    "private-use-enc": {**private("ES256"), "use": "enc"},
    "key-ops-encrypt": {**EC, "key_ops": ["encrypt"]},
    "key-ops-sign": {**EC, "key_ops": ["sign"]},
    "key-ops-empty": {**EC, "key_ops": []},
    "key-ops-null": {**EC, "key_ops": None},
    "key-ops-a-number": {**EC, "key_ops": 7},
    "key-ops-a-string": {**EC, "key_ops": "verify"},
    "private-key-ops-decrypt": {**private("ES256"), "key_ops": ["decrypt"]},
    "ec-without-y": {name: value for name, value in EC.items() if name != "y"},
    "ec-x-a-number": {**EC, "x": 5},
    "ec-x-null": {**EC, "x": None},
    "ec-not-on-the-curve": {**EC, "x": EC["y"], "y": EC["x"]},
    "ec-zero": {**EC, "x": b64(bytes(32)), "y": b64(bytes(32))},
    "ec-x-too-short": {**EC, "x": b64(unb64(EC["x"])[1:])},
    "ec-x-padded": {**EC, "x": EC["x"] + "="},
    "ec-x-not-canonical": {**EC, "x": EC["x"][:-1] + "p"},
    "ec-x-standard-base64": {**EC, "x": "+" + EC["x"][1:]},
    "ec-x-not-ascii": {**EC, "x": "é" * 43},
    "ec-unknown-curve": {**EC, "crv": "P-512"},
    "ec-curve-a-list": {**EC, "crv": ["P-256"]},
    "p-384-as-es256": {**ECAlgorithm.to_jwk(p384, as_dict=True), "alg": "ES256"},
    "p-384": ECAlgorithm.to_jwk(p384, as_dict=True),
    "secp256k1": ECAlgorithm.to_jwk(secp256k1, as_dict=True),
    "ed448": OKPAlgorithm.to_jwk(ed448_key, as_dict=True),
    "x25519": {**OKP, "crv": "X25519"},
    "okp-x-too-short": {**OKP, "x": b64(bytes(31))},
    "okp-x-a-list": {**OKP, "x": [OKP["x"]]},
    **{
        f"okp-small-order-{name}-{sign:02x}": {
            **OKP,
            "x": b64(raw[:31] + bytes([raw[31] | sign])),
        }
        for name, raw in SMALL_ORDER.items()
        for sign in (0, 0x80)
    },
    "rsa-1024": RSAAlgorithm.to_jwk(weak_rsa, as_dict=True),
    "rsa-exponent-1": {**RSA, "e": "AQ"},
    "rsa-exponent-3": {**RSA, "e": "Aw"},
    "rsa-exponent-even": {**RSA, "e": "AQAC"},
    "rsa-modulus-zero": {**RSA, "n": "AA"},
    "rsa-modulus-empty": {**RSA, "n": ""},
    "rsa-modulus-leading-zero": {**RSA, "n": b64(b"\0" + unb64(RSA["n"]))},
    "rsa-modulus-a-number": {**RSA, "n": 2**2048},
    "rsa-private-part-of-another": {**private("RS256"), "d": uint(2**2000 + 1)},
    "rsa-some-primes": {name: value for name, value in private("RS256").items() if name != "qi"},
    "rsa-more-primes": {**private("RS256"), "oth": [{"r": "Aw", "d": "Aw", "t": "Aw"}]},
    "ec-private-part-of-another": {
        **private("ES256"),
        "d": json.loads(Key.generate("ES256").private_jwk())["d"],
    },
    "ec-private-part-zero": {**private("ES256"), "d": b64(bytes(32))},
    "okp-private-part-of-another": {
        **private("EdDSA"),
        "d": json.loads(Key.generate("EdDSA").private_jwk())["d"],
    },
    "oct-empty": {**OCT, "k": ""},
    "oct-missing": {"kty": "oct", "alg": "HS256"},
    "oct-one-byte": {**OCT, "k": "AA"},
    "oct-31-bytes": {**OCT, "k": b64(bytes(31))},
    "oct-padded": {**OCT, "k": OCT["k"] + "="},
    "oct-not-ascii": {**OCT, "k": "é" * 43},
    "oct-a-number": {**OCT, "k": 5},
}

BAD_PUBLIC_JWKS = {name: jwk for name, jwk in BAD_JWKS.items() if jwk.keys().isdisjoint(PRIVATE)}


@pytest.mark.rfc("7517", "4")
@pytest.mark.rfc("7517", "4.2")
@pytest.mark.rfc("7517", "4.3")
@pytest.mark.rfc("7518", "3.2")
@pytest.mark.rfc("7518", "3.3")
@pytest.mark.rfc("8725", "3.4")
@pytest.mark.rfc("8725", "3.5")
@pytest.mark.parametrize("jwk", BAD_JWKS.values(), ids=BAD_JWKS)
def test_j03_j07_j26_j28_what_is_no_good_key_is_refused(jwk: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Key.from_jwk(jwk)
    told = str(caught.value)
    assert not [
        value for name, value in jwk.items() if name in "dk" and str(value) and str(value) in told
    ]


names = st.sampled_from(
    ["kty", "alg", "kid", "use", "key_ops", "crv", "x", "y", "d", "n", "e", "k", "p"]
)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["EC", "OKP", "RSA", "oct", "ES256", "sig", "P-256", "Ed25519", EC["x"], RSA["n"], "AQAB"]
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(base=st.sampled_from([EC, OKP, RSA, OCT, {}]), changes=st.dictionaries(names, values))
def test_no_jwk_makes_it_stumble(base: dict[str, Any], changes: dict[str, Any]) -> None:
    try:
        key = Key.from_jwk({**base, **changes})
    except ConfigurationError:
        return
    assert key.kid


# ---- sets ------------------------------------------------------------------------------------


@pytest.mark.rfc("7517", "5")
def test_a_set_finds_by_kid_and_algorithm() -> None:
    keys = KeySet(map(fixed_key, ["ES256", "EdDSA", "RS256"]))
    assert len(keys) == len(list(keys)) == 3
    for key in keys:
        assert keys.find(key.kid, key.algorithm) is key
        assert keys.holds(key)
        assert keys.find(key.kid, "HS256") is None
    assert keys.find("unknown", "ES256") is None
    assert keys.find(None, "ES256") is None
    assert not keys.holds(Key.from_jwk(EC))


def test_with_one_key_it_need_not_be_named() -> None:
    keys = KeySet([fixed_key("ES256")])
    assert keys.find(None, "ES256") is fixed_key("ES256")
    assert keys.find(None, "EdDSA") is None
    assert keys.find("unknown", "ES256") is None


@pytest.mark.rfc("7517", "5")
@pytest.mark.parametrize("algorithm", ASYMMETRIC)
def test_a_set_goes_out_and_comes_back(algorithm: str) -> None:
    document = json.loads(json.dumps(KeySet([fixed_key(algorithm)]).jwks()))
    (key,) = KeySet.from_jwks(document)
    assert (key.kid, key.algorithm) == (fixed_key(algorithm).kid, algorithm)


def test_a_symmetric_set_shows_nothing() -> None:
    assert KeySet([fixed_key("HS256")]).jwks() == {"keys": []}


@pytest.mark.rfc("7517", "5")
@pytest.mark.parametrize("jwk", BAD_PUBLIC_JWKS.values(), ids=BAD_PUBLIC_JWKS)
def test_j27_k05_one_bad_key_does_not_spoil_a_published_set(
    jwk: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "bezant.keys"):
        (key,) = KeySet.from_jwks({"keys": [jwk, EC]})
    assert key.kid == EC["kid"]
    assert len(caplog.records) == 1


def test_what_is_no_jwk_at_all_is_left_out() -> None:
    assert len(KeySet.from_jwks({"keys": [None, 1, "x", [EC], EC]})) == 1


@pytest.mark.rfc("7517", "9.2")
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(lambda: [private("ES256")], id="private-ec"),
        pytest.param(lambda: [EC | {"d": "x"}], id="private-in-part"),
        pytest.param(lambda: [EC, private("RS256")], id="private-rsa"),
        pytest.param(lambda: [EC, OCT], id="symmetric"),
        pytest.param(lambda: [EC, {"kty": "oct", "k": "x"}], id="symmetric-and-broken"),
        pytest.param(lambda: [EC, {**EC, "k": "x"}], id="symmetric-in-disguise"),
    ],
)
def test_k05_a_published_set_with_a_secret_is_refused(keys: Any) -> None:
    with pytest.raises(ConfigurationError, match="private or symmetric"):
        KeySet.from_jwks({"keys": keys()})


@pytest.mark.rfc("7517", "4.5")
@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([EC, EC], id="same-key"),
        pytest.param([EC, {**OKP, "kid": EC["kid"]}], id="same-kid"),
        pytest.param([{**EC, "kid": None}, EC], id="kid-made-up"),
    ],
)
def test_k05_two_keys_of_one_name_are_refused(keys: list[dict[str, Any]]) -> None:
    named = [{k: v for k, v in jwk.items() if v is not None} for jwk in keys]
    with pytest.raises(ConfigurationError, match="kid"):
        KeySet.from_jwks({"keys": named})


@pytest.mark.parametrize(
    "document",
    [{}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"keys": []}, {"keys": [{}]}, EC],
    ids=lambda document: str(document)[:16],
)
def test_a_set_without_a_usable_key_is_refused(document: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        KeySet.from_jwks(document)


@pytest.mark.rfc("8725", "3.1")
def test_j06_symmetric_and_asymmetric_keys_do_not_mix() -> None:
    with pytest.raises(ConfigurationError, match="one set"):
        KeySet([fixed_key("ES256"), fixed_key("HS256")])
