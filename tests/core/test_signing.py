"""Signatures that others made, signatures that we make, and what the two are made of."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bezant import ConfigurationError, Key, encoding
from bezant.encoding import MAX_CONTAINERS, json_encode
from bezant.signing import encode
from bezant.testing import fixed_key
from tests.jose import b64, parts, thumbprint, unb64

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS = ["ES256", "EdDSA", "RS256", "PS256", "HS256"]

# ---- published examples ----------------------------------------------------------------------

CLAIMS_OF_JOE = (
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
)

EXAMPLES: dict[str, tuple[dict[str, str], str]] = {
    "rfc7515-a1-hs256": (
        {
            "kty": "oct",
            "k": "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T"
            "-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow",
        },
        f"eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.{CLAIMS_OF_JOE}."
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    ),
    "rfc7515-a2-rs256": (
        {
            "kty": "RSA",
            "n": "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJr"
            "cS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_"
            "7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTB"
            "QY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs9"
            "1kzk2PAcDTW9gb54h4FRWyuXpoQ",
            "e": "AQAB",
        },
        f"eyJhbGciOiJSUzI1NiJ9.{CLAIMS_OF_JOE}."
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF"
        "5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK"
        "5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqt"
        "FZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrB"
        "p0igcN_IoypGlUPQGe77Rw",
    ),
    "rfc7515-a3-es256": (
        {
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
        },
        f"eyJhbGciOiJFUzI1NiJ9.{CLAIMS_OF_JOE}."
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
    "rfc8037-a4-ed25519": (
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}


@pytest.mark.rfc("7515", "A.1")
@pytest.mark.rfc("7515", "A.2")
@pytest.mark.rfc("7515", "A.3")
@pytest.mark.rfc("8037", "A.4")
@pytest.mark.parametrize(("jwk", "token"), EXAMPLES.values(), ids=EXAMPLES)
def test_published_signatures_are_good(jwk: dict[str, str], token: str) -> None:
    message, _, signature = token.rpartition(".")
    key = Key.from_jwk(jwk)
    assert key.verify(message.encode(), unb64(signature))
    assert not key.verify(message.encode() + b" ", unb64(signature))


@pytest.mark.rfc("8037", "A.4")
def test_ed25519_signs_as_published() -> None:
    jwk, token = EXAMPLES["rfc8037-a4-ed25519"]
    key = Key.from_jwk({**jwk, "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"})
    message, _, signature = token.rpartition(".")
    assert b64(key.sign(message.encode())) == signature


@pytest.mark.rfc("7638", "3.1")
def test_the_thumbprint_of_an_rsa_key() -> None:
    jwk = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFx"
        "uhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6"
        "Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n"
        "91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF4"
        "4-csFCur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
    }
    expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    assert Key.from_jwk(jwk).kid == thumbprint(jwk) == expected
    assert Key.from_jwk({**jwk, "kid": "2011-04-29"}).kid == "2011-04-29"


@pytest.mark.rfc("8037", "A.3")
def test_the_thumbprint_of_an_ed25519_key() -> None:
    jwk, _ = EXAMPLES["rfc8037-a4-ed25519"]
    assert Key.from_jwk(jwk).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


# ---- what we make ----------------------------------------------------------------------------


@pytest.mark.rfc("7515", "5.1")
@pytest.mark.rfc("7638", "3")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_token_names_its_algorithm_key_and_kind(algorithm: str) -> None:
    key = Key.generate(algorithm) if algorithm[1:] != "S256" else fixed_key(algorithm)
    header, claims, signature = parts(encode(key, "some+jwt", {"a": "é"}))
    assert header == {"alg": algorithm, "kid": key.kid, "typ": "some+jwt"}
    assert claims == {"a": "é"}
    assert key.kid == thumbprint(json.loads(key.private_jwk()))
    sizes = {"ES256": 64, "EdDSA": 64, "RS256": 256, "PS256": 256, "HS256": 32}
    assert len(signature) == sizes[algorithm]


@pytest.mark.parametrize(
    "claims", [{"x": float("nan")}, {"x": float("inf")}, {"x": -float("inf")}], ids=str
)
def test_what_is_not_json_is_not_signed(claims: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode(fixed_key(), "at+jwt", claims)


def test_a_public_key_signs_nothing() -> None:
    with pytest.raises(ConfigurationError, match="public"):
        encode(Key.from_jwk(fixed_key().public_jwk()), "at+jwt", {})


# ---- with msgspec and without ----------------------------------------------------------------


def _plain() -> Any:
    """`bezant.encoding` as it is where msgspec is not installed."""
    spec = find_spec("bezant.encoding")
    module = module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "msgspec", None)
        spec.loader.exec_module(module)
    return module


PLAIN = _plain()
each_way = pytest.mark.parametrize("way", [encoding, PLAIN], ids=["as-installed", "plain"])


def test_there_are_two_ways() -> None:
    """The dependency groups that the suite runs on bring msgspec; a suite without proves less."""
    assert find_spec("msgspec") is not None
    assert encoding._quick(b"{}") == {}
    assert PLAIN._quick(b"{}") is None


# ---- base64url -------------------------------------------------------------------------------

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

segments = st.binary(max_size=600).map(b64).map(str.encode)
mutations = st.sampled_from(b"+/= \n\t\0\"\\'{u!\x7f\x80\xc3\xff" + LETTERS.encode())


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good segment with a byte or more changed, put in or taken away."""
    text = bytearray(draw(segments))
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(text)) | st.just(len(text)))
        text[at : at + draw(st.integers(0, 1))] = bytes(draw(st.lists(mutations, max_size=2)))
    return bytes(text)


texts_of_bytes = (
    segments
    | mutated()
    | st.text("AZaz09-_+/= \nQgw", max_size=12).map(str.encode)
    | st.text(st.characters(max_codepoint=127), max_size=300).map(str.encode)
    | st.binary(max_size=300)
)


@each_way
@pytest.mark.rfc("7515", "2")
@pytest.mark.rfc("7515", "C")
@given(raw=st.binary())
def test_bytes_come_back(way: Any, raw: bytes) -> None:
    encoded = way.b64url_encode(raw)
    assert encoded == b64(raw).encode()
    assert way.b64url_decode(encoded) == raw


@each_way
@pytest.mark.rfc("4648", "3.5")
@given(text=texts_of_bytes)
def test_bytes_have_one_text(way: Any, text: bytes) -> None:
    one_text(way, text)


@each_way
@pytest.mark.parametrize("before", [0, 400])
@pytest.mark.parametrize("length", [1, 2, 3, 4])
def test_every_byte_at_every_place(way: Any, before: int, length: int) -> None:
    for at in range(length):
        for byte in range(256):
            end = bytearray(b"A" * length)
            end[at] = byte
            one_text(way, b"A" * before + end)


@each_way
@pytest.mark.parametrize("before", [0, 400])
def test_every_pair_at_the_end(way: Any, before: int) -> None:
    for first in LETTERS:
        for last in LETTERS:
            for end in first + last, "A" + first + last:
                one_text(way, b"A" * before + end.encode())


def one_text(way: Any, text: bytes) -> None:
    """What is read is written again just so, and what is refused could not be."""
    try:
        raw = way.b64url_decode(text)
    except ValueError as error:
        assert str(error) in {"not base64url", "not canonical base64url"}  # noqa: PT017
        assert b64(unb64_or_none(text) or b"").encode() != text
    else:
        assert type(raw) is bytes
        assert b64(raw).encode() == text


@given(text=texts_of_bytes)
def test_both_ways_read_the_same_bytes(text: bytes) -> None:
    assert _outcome(encoding.b64url_decode, text) == _outcome(PLAIN.b64url_decode, text)


def unb64_or_none(text: bytes) -> bytes | None:
    """What the standard library would make of it: it takes far more than we do."""
    try:
        return unb64(text.decode("ascii"))
    except ValueError:
        return None


# ---- JSON ------------------------------------------------------------------------------------


documents = st.dictionaries(
    st.text(),
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=10,
    ),
)


@each_way
@given(document=documents)
def test_documents_come_back(way: Any, document: dict[str, Any]) -> None:
    raw = way.json_encode(document)
    if _is_utf_8(document):
        assert way.json_object(raw) == document
    else:
        with pytest.raises(ValueError, match="surrogate"):
            way.json_object(raw)


def _is_utf_8(document: Any) -> bool:
    try:
        json.dumps(document, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


texts = st.binary() | st.text('{}[]":,1aeE+-. \\u', max_size=20).map(str.encode)


@each_way
@given(raw=texts)
def test_what_json_does_not_take_we_do_not_take(way: Any, raw: bytes) -> None:
    try:
        document = way.json_object(raw)
    except ValueError:
        return
    assert json.loads(raw) == document


AMBIGUOUS = [
    b'{"a":1,"a":1}',
    b'{"a":1,"\\u0061":2}',
    rb'{"a":"\ud800"}',
    rb'{"\udc00":1}',
    b'{"a":NaN}',
    b'{"a":1e999}',
    b'{"a":-0}',
    b'{"a":01}',
    b'{"a":1.}',
    b'{"a":123456789012345678901234567890}',
    b'{"a":1}\0',
    b'{"a":1}{"a":1}',
    b'\xef\xbb\xbf{"a":1}',
    b'{"a":"\xed\xa0\x80"}',
    b'{"a":"\xff"}',
    b'{"a":"\x7f"}',
    b'{"a":"\n"}',
    b'{"a":1,}',
    b"[1]",
    b"1",
    b"null",
    b'"a"',
    b"",
]


@given(raw=texts | documents.map(json_encode) | st.sampled_from(AMBIGUOUS))
def test_the_quick_way_and_the_strict_one_agree(raw: bytes) -> None:
    """The quick way may give up, but it may not read what the strict one refuses, or otherwise."""
    try:
        quick = encoding._quick(raw)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011 - whichever it is
            encoding._strict(raw)
        return
    if quick is not None:
        assert repr(encoding._strict(raw)) == repr(quick)


@given(raw=texts | documents.map(json_encode))
def test_both_ways_read_the_same_documents(raw: bytes) -> None:
    assert _outcome(encoding.json_object, raw) == _outcome(PLAIN.json_object, raw)


GOOD = [b'{"a":1}', '{"é":["\U0001f600"]}'.encode(), rb'{"a":"\ud83d\ude00"}']


@pytest.mark.parametrize("raw", [*AMBIGUOUS, *GOOD], ids=repr)
def test_both_ways_read_the_same_where_others_differ(raw: bytes) -> None:
    assert _outcome(encoding.json_object, raw) == _outcome(PLAIN.json_object, raw)


def _outcome(read: Callable[[bytes], object], raw: bytes) -> str:
    try:
        return repr(read(raw))
    except ValueError:
        return "refused"


@each_way
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded_wherever_it_hides(way: Any, opening: str) -> None:
    closing = {"[": "]", '{"a":': "}"}[opening]

    def nested(depth: int) -> bytes:
        return f'{{"x":{opening * depth}1{closing * depth}}}'.encode()

    assert way.json_object(nested(MAX_CONTAINERS - 1))
    with pytest.raises(ValueError, match="deep"):
        way.json_object(nested(MAX_CONTAINERS))
    # Brackets in a text are counted too: rather too strict than recursing.
    with pytest.raises(ValueError, match="deep"):
        way.json_object(b'{"x":"' + b"[" * MAX_CONTAINERS + b'"}')
