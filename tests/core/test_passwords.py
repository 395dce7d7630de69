"""Passwords: our own hashes, everybody else's, and how many at once."""

from __future__ import annotations

import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf import argon2
from hypothesis import given
from hypothesis import strategies as st

from bezant import passwords
from bezant.errors import ConfigurationError, InvalidRequest, TemporarilyUnavailable
from bezant.passwords import HashingPool, PasswordHasher

if TYPE_CHECKING:
    from collections.abc import Iterator

hasher = PasswordHasher.fast_for_tests()

PASSWORD = "correct horse é"

# Made by the software named, of PASSWORD, with the cost turned down.
IMPORTED = {
    "django-pbkdf2-sha256": "pbkdf2_sha256$1000$hX3kbQ0fWmZ7aTnPq9RsLu"
    "$EmhCK1K5pdnEfsCeT0PJqhK0VKeWZlA7WKdxrJiZf8w=",
    "django-pbkdf2-sha1": "pbkdf2_sha1$1000$hX3kbQ0fWmZ7aTnPq9RsLu$bbsIEEpf7KwtQCn1ab8Z9TWHHR0=",
    "django-argon2": "argon2$argon2id$v=19$m=64,t=1,p=2$aFgza2JRMGZXbVo3YVRuUHE5UnNMdQ"
    "$G5Vb3X1A+LiE30O18NVm/z7tv1xENin4czty08Z7x7s",
    "django-scrypt": "scrypt$16$hX3kbQ0fWmZ7aTnPq9RsLu$8$5$UK8/wFhBniC26Vwy79Az5csqUBjeJZfEmRFaQXri"
    "+pS137LsbdJkeXyCf28BmzzdZZZ2XBm0VI5H9C/WF5JyGw==",
    "django-bcrypt-sha256": "bcrypt_sha256$"
    "$2b$04$NBhZwYZwbCt561grTu4JWOvKO0vFJ5DBwGBUnlrc4KdE9vR7mfsI.",
    "django-bcrypt": "bcrypt$$2b$04$GDER67gH7AfFKx8d/qjMzuiw88CRcrDgE/qBbFYHnO8ots9ReRHgi",
    "werkzeug-scrypt": "scrypt:1024:8:1$Lk4Za7NZar0SwYTs"
    "$9b58d546b815e5253033c00156af2ce22f136c4a7a12c4ffabd2b47fc701b73a"
    "5700d9ef7c0b2506c30f9487622516055dd158fbaa5259e2de73a20ce9360c30",
    "werkzeug-pbkdf2-sha256": "pbkdf2:sha256:1000$M7zbahvJYrri60C0"
    "$34f89a72ff76117b3cbaf97faee236cad51aa4abcb1d6c257e21828eeb9d0de9",
    "werkzeug-pbkdf2-sha512": "pbkdf2:sha512:1000$pD0c6WIv9a6bZtL2"
    "$40dfd74b03841dc01cbc7849b55b9319136ea9314a43db6e79f0614d3d7b8575"
    "3d2f02bfe017bbb79070206d8becf690f37cfacd618c7d16e20d128082716278",
    "werkzeug-pbkdf2-sha1": "pbkdf2:sha1:1000$8viaw7iXRGsPHzXo"
    "$18f30113898a8c9a0d52b7107a93b4bafc786c2b",
    "argon2-cffi": "$argon2id$v=19$m=64,t=1,p=1$f/sbC23+pGirL3neKu+/nA"
    "$Gsux9pp62NyB7YbK/vwIcAT5fQV2mjL2BY1Y1vQ8aEo",
    "argon2-cffi-i": "$argon2i$v=19$m=64,t=1,p=1$1LXP8hEAXDhmsFlNXsq7zA"
    "$CMDFrSQqpclwSQnECzxY5aeoFuDMpdg7CyxAashOJs8",
    "argon2-cffi-d": "$argon2d$v=19$m=64,t=1,p=1$Ep23mvSCR0v9lKnhoCF5fA"
    "$YM/yYg87bnzRg7Py9atWmCYXrSudjOq1TD50QLvIlHM",
    "bcrypt": "$2b$04$ne/VvZ8igKeM0PoON7Gl8.XaHrDWwskqwM5M40T01Uszi/7v1AZhe",
    "php-bcrypt": "$2y$04$6oKZFMxus7yTTq1YWxBSeuJAtUP8LeZRStqfGCjhE4BWL3aU84xj6",
}

imported = pytest.mark.parametrize("hashed", IMPORTED.values(), ids=IMPORTED)


def readable(hashed: str) -> bool:
    """Argon2i and Argon2d came to cryptography later than Argon2id."""
    return not hashed.startswith(("$argon2i$", "$argon2d$")) or hasattr(argon2, "Argon2i")


def bcrypt_of(password: bytes) -> str:
    import bcrypt

    return bcrypt.hashpw(password, bcrypt.gensalt(4)).decode()


# ---- our own hashes ------------------------------------------------------------------------


def test_a_new_hash_is_an_argon2id_phc_string_of_the_owasp_profile() -> None:
    hashed = PasswordHasher().hash(PASSWORD)
    assert hashed.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    argon2.Argon2id.verify_phc_encoded(PASSWORD.encode(), hashed)
    assert PasswordHasher() == PasswordHasher.owasp()
    assert PasswordHasher().verify(PASSWORD, hashed)
    assert not PasswordHasher().needs_rehash(hashed)


def test_each_hash_has_a_salt_of_its_own() -> None:
    assert hasher.hash(PASSWORD) != hasher.hash(PASSWORD)


@given(st.text(min_size=1, max_size=200).filter(lambda text: "\0" not in text), st.data())
def test_only_the_password_itself_passes(password: str, data: st.DataObject) -> None:
    hashed = hasher.hash(password)
    assert hasher.verify(password, hashed)
    assert not hasher.verify(password + data.draw(st.sampled_from(["x", " ", "\t", "\n"])), hashed)
    assert not hasher.verify(password[:-1], hashed)


@pytest.mark.parametrize("other", ["Secret", "secret ", " secret", "\uff53ecret"])
def test_a_password_is_taken_as_typed(other: str) -> None:
    """T03: no trimming, no case folding, no compatibility folding."""
    assert not hasher.verify(other, hasher.hash("secret"))


@pytest.mark.rfc("8265", "4.2")
def test_t05_one_password_in_two_normal_forms_is_one_password() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for stored in composed, decomposed:
        for typed in composed, decomposed:
            assert hasher.verify(typed, hasher.hash(stored))


def test_t05_an_imported_hash_of_decomposed_text_still_verifies() -> None:
    hashed = bcrypt_of("cafe\u0301".encode())
    assert hasher.verify("cafe\u0301", hashed)
    assert not hasher.verify("cafe", hashed)


@pytest.mark.parametrize(
    "password",
    ["", "x" * 1025, "é" * 513, "x" * 2**20, "nul\0inside", "nul\0", "\udc80"],
    ids=["empty", "1025 bytes", "1026 bytes", "1 MB", "NUL", "NUL last", "half a character"],
)
def test_t05_a_password_out_of_bounds_is_refused(password: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        hasher.hash(password)
    assert caught.value.status == 400
    assert password[-20:] not in caught.value.description or not password
    assert not hasher.verify(password, hasher.hash("x" * 1024))


def test_t05_the_longest_password_counts_to_its_last_byte() -> None:
    hashed = hasher.hash("é" * 512)
    assert hasher.verify("é" * 512, hashed)
    assert not hasher.verify("é" * 511 + "xx", hashed)


@pytest.mark.parametrize(
    "parameters",
    [
        {"memory_kib": 7},
        {"memory_kib": 16, "lanes": 3},
        {"iterations": 0},
        {"lanes": 0},
        {"lanes": 65},
        {"memory_kib": 2**20 + 1},
        {"memory_kib": 2**20, "iterations": 5},
    ],
    ids=str,
)
def test_impossible_parameters_are_refused_at_set_up(parameters: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="PasswordHasher"):
        PasswordHasher(**parameters)


# ---- hashes from elsewhere -----------------------------------------------------------------


@imported
def test_an_imported_hash_verifies_and_is_to_be_replaced(hashed: str) -> None:
    assert hasher.verify(PASSWORD, hashed) is readable(hashed)
    assert not hasher.verify(PASSWORD + "x", hashed)
    assert not hasher.verify("x", hashed)
    assert hasher.needs_rehash(hashed)


@imported
def test_a_hash_that_is_cut_or_changed_anywhere_never_passes(hashed: str) -> None:
    broken = {
        *(hashed[:end] for end in range(len(hashed.rstrip("=")))),
        *(hashed[start:] for start in range(1, len(hashed))),
        *(hashed + tail for tail in ("\n", " ", "$", "0")),
        hashed.swapcase(),
        hashed.replace("$", "$$"),
    }
    # Django's names stand before hashes that are good without them.
    broken -= {hashed, hashed.removeprefix("argon2"), hashed.removeprefix("bcrypt$")}
    assert [text for text in broken if hasher.verify(PASSWORD, text)] == []


UNUSABLE = {
    "nothing": "",
    "plain text": PASSWORD,
    "a digest": "5f4dcc3b5aa765d61d8327deb882cf99",
    "unknown": "md5$salt$5f4dcc3b5aa765d61d8327deb882cf99",
    "bad base64": "$argon2id$v=19$m=64,t=1,p=1$f/sbC23+pGirL$Gsux9pp62NyB7YbKvwIcAT5fQV2mjL2B",
    "old Argon2": IMPORTED["argon2-cffi"].replace("v=19", "v=16"),
    "no lanes": IMPORTED["argon2-cffi"].replace("p=1", "p=0"),
    "other digits": IMPORTED["django-pbkdf2-sha256"].replace("1000", "\uff11000"),
    "bcrypt salt": "$2b$04$" + "z" * 53,
    "bcrypt cost": IMPORTED["bcrypt"].replace("$04$", "$03$"),
    "scrypt N": IMPORTED["werkzeug-scrypt"].replace("1024", "1000"),
    "scrypt r": IMPORTED["werkzeug-scrypt"].replace(":8:", ":0:"),
    "no iterations": IMPORTED["werkzeug-pbkdf2-sha256"].replace("1000", "0"),
    "odd hex": IMPORTED["werkzeug-pbkdf2-sha256"][:-1],
    "foreign digest": IMPORTED["werkzeug-pbkdf2-sha256"].replace("sha256", "md5"),
}

# Each would keep a core busy for minutes, or take all memory.
POISONED = {
    "argon2 memory": IMPORTED["argon2-cffi"].replace("m=64", "m=4294967295"),
    "argon2 iterations": IMPORTED["argon2-cffi"].replace("t=1", "t=1000000"),
    "argon2 lanes": IMPORTED["argon2-cffi"].replace("m=64,t=1,p=1", "m=1048576,t=1,p=100000"),
    "argon2 by Django": IMPORTED["django-argon2"].replace("m=64,t=1", "m=1048576,t=9"),
    "scrypt N": IMPORTED["werkzeug-scrypt"].replace("1024:", "1073741824:"),
    "scrypt p": IMPORTED["django-scrypt"].replace("$5$", "$9999999$"),
    "scrypt ln": f"$scrypt$ln=99,r=8,p=1${'A' * 22}${'A' * 43}",
    "pbkdf2": IMPORTED["django-pbkdf2-sha256"].replace("1000", "4000000000"),
    "bcrypt": IMPORTED["bcrypt"].replace("$04$", "$31$"),
    "bcrypt by Django": IMPORTED["django-bcrypt-sha256"].replace("$04$", "$31$"),
}


@pytest.mark.parametrize("hashed", UNUSABLE.values(), ids=UNUSABLE)
def test_a_hash_that_cannot_be_used_never_passes_and_is_logged_without_its_text(
    hashed: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert not hasher.verify(PASSWORD, hashed)
    assert hasher.needs_rehash(hashed)
    assert "login refused" in caplog.text
    assert not hashed or hashed not in caplog.text
    assert not hashed or hashed[-20:] not in caplog.text
    assert PASSWORD not in caplog.text


@pytest.mark.parametrize("hashed", POISONED.values(), ids=POISONED)
def test_a_poisoned_hash_is_not_even_begun(
    hashed: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("Scrypt", "PBKDF2HMAC"):
        monkeypatch.setattr(passwords, name, None)
    monkeypatch.setattr("bcrypt.hashpw", None)
    assert not hasher.verify(PASSWORD, hashed)
    assert "login refused: " in caplog.text
    assert any(word in caplog.text for word in ("out of bounds", "beyond", "lanes"))
    assert hashed[-20:] not in caplog.text


@given(st.text() | st.sampled_from([*IMPORTED.values()]), st.text(min_size=1))
def test_no_stored_text_makes_verification_fail(hashed: str, password: str) -> None:
    assert isinstance(hasher.verify(password, hashed), bool)


@pytest.mark.parametrize(
    "hashed",
    [
        f"$argon2id$v=19$m=1048576,t=4,p=1${'A' * 22}${'A' * 43}",  # libsodium, sensitive
        f"$argon2id$v=19$m=65536,t=3,p=4${'A' * 22}${'A' * 43}",  # argon2-cffi, pwdlib
        f"argon2$argon2id$v=19$m=102400,t=2,p=8${'A' * 30}${'A' * 43}",  # Django
        f"pbkdf2_sha256$1500000$salt${'A' * 43}=",
        f"scrypt$16384$salt$8$5${'A' * 86}==",
        f"scrypt:131072:8:1$salt${'0' * 128}",  # Werkzeug
        f"pbkdf2:sha256:1000000$salt${'0' * 64}",
        f"$scrypt$ln=17,r=8,p=1${'A' * 22}${'A' * 43}",  # OWASP
        "$2b$14$" + "a" * 53,
    ],
)
def test_what_other_libraries_make_is_within_the_bounds(hashed: str) -> None:
    assert passwords._read(hashed)


@pytest.mark.parametrize("make", ["{}", "bcrypt${}"])
def test_t05_what_bcrypt_would_cut_is_refused(make: str, caplog: pytest.LogCaptureFixture) -> None:
    """Two passwords with the same first 72 bytes must not pass for each other."""
    whole, longer = "x" * 72, "x" * 72 + "y"
    hashed = make.format(bcrypt_of(whole.encode()))
    assert hasher.verify(whole, hashed)
    assert not hasher.verify(longer, hashed)
    assert "72 bytes" in caplog.text


def test_t05_bcrypt_behind_sha256_reads_passwords_whole() -> None:
    django = pytest.importorskip("django.contrib.auth.hashers", reason="needs Django")
    long = "x" * 100
    hashed = django.BCryptSHA256PasswordHasher().encode(long, bcrypt_of(b"")[:29].encode())
    assert hasher.verify(long, hashed)
    assert not hasher.verify(long + "y", hashed)


def test_t05_no_nul_trick_fools_bcrypt_or_hmac() -> None:
    """bcrypt repeats the key, HMAC pads it with NUL: both take these for the password."""
    for hashed in bcrypt_of(b"a"), "pbkdf2:sha1:1$s$" + pbkdf2_hex(b"a"):
        assert hasher.verify("a", hashed)
        assert not hasher.verify("a\0", hashed)
        assert not hasher.verify("a\0a", hashed)


def pbkdf2_hex(password: bytes) -> str:
    import hashlib

    return hashlib.pbkdf2_hmac("sha1", password, b"s", 1).hex()


@pytest.mark.parametrize("name", ["bcrypt", "django-bcrypt", "django-bcrypt-sha256"])
def test_bcrypt_without_the_extra_refuses_and_names_it(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "bcrypt", None)
    assert not hasher.verify(PASSWORD, IMPORTED[name])
    assert "bezant[bcrypt]" in caplog.text


@pytest.mark.parametrize("name", ["argon2-cffi-i", "argon2-cffi-d"])
def test_an_argon2_that_cryptography_does_not_know_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for kind in "Argon2i", "Argon2d":
        monkeypatch.delattr(argon2, kind, raising=False)
    assert not hasher.verify(PASSWORD, IMPORTED[name])
    assert "cryptography" in caplog.text


# ---- against the software itself, where it is installed ------------------------------------


@pytest.mark.parametrize("name", ["PBKDF2", "PBKDF2SHA1", "Scrypt", "BCryptSHA256", "BCrypt"])
def test_hashes_of_the_installed_django_verify(name: str) -> None:
    django = pytest.importorskip("django.contrib.auth.hashers", reason="needs Django")
    peer = getattr(django, f"{name}PasswordHasher")()
    salt = bcrypt_of(b"")[:29].encode() if "BCrypt" in name else "somesalt"
    hashed = peer.encode(PASSWORD, salt)
    assert hasher.verify(PASSWORD, hashed)
    assert not hasher.verify("other", hashed)
    assert hasher.needs_rehash(hashed)


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2", "pbkdf2:sha512:1000", "pbkdf2:sha1:1000"])
def test_hashes_of_the_installed_werkzeug_verify(method: str) -> None:
    werkzeug = pytest.importorskip("werkzeug.security", reason="needs Werkzeug")
    hashed = werkzeug.generate_password_hash(PASSWORD, method)
    assert hasher.verify(PASSWORD, hashed)
    assert not hasher.verify("other", hashed)
    assert hasher.needs_rehash(hashed)


# ---- when to hash anew ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        PasswordHasher(memory_kib=16, iterations=1, lanes=1),
        PasswordHasher(memory_kib=8, iterations=2, lanes=1),
        PasswordHasher(memory_kib=16, iterations=1, lanes=2),
    ],
)
def test_a_hash_of_other_parameters_is_to_be_replaced(other: PasswordHasher) -> None:
    hashed = other.hash(PASSWORD)
    assert hasher.verify(PASSWORD, hashed)
    assert hasher.needs_rehash(hashed)
    assert not other.needs_rehash(hashed)
    assert other.needs_rehash(hasher.hash(PASSWORD))


def test_a_hash_with_a_short_salt_or_digest_is_to_be_replaced() -> None:
    for salt, length in (8, 32), (16, 16):
        hashed = argon2.Argon2id(
            salt=bytes(salt), length=length, memory_cost=8, iterations=1, lanes=1
        ).derive_phc_encoded(PASSWORD.encode())
        assert hasher.verify(PASSWORD, hashed)
        assert hasher.needs_rehash(hashed)


# ---- equal time for users who do not exist -------------------------------------------------


@pytest.fixture
def derivations(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int]]:
    """The costs of every Argon2id computed."""
    assert passwords._has_argon2()
    made: list[tuple[int, int, int]] = []
    real = argon2.Argon2id

    def recorder(**parameters: Any) -> argon2.Argon2id:
        made.append(tuple(parameters[name] for name in ("memory_cost", "iterations", "lanes")))
        return real(**parameters)

    monkeypatch.setattr(argon2, "Argon2id", recorder)
    return made


@pytest.mark.parametrize("password", ["wrong", "wrong cafe\u0301"], ids=["NFC", "NFD"])
@pytest.mark.parametrize(
    "hashed", [None, "!", "!unusable", "unknown", POISONED["bcrypt"], UNUSABLE["bad base64"]]
)
def test_b04_refusing_nobody_costs_as_much_as_a_wrong_password(
    hashed: str | None, password: str, derivations: list[tuple[int, int, int]]
) -> None:
    stored = hasher.hash(PASSWORD)
    derivations.clear()
    assert not hasher.verify(password, stored)
    wrong = derivations.copy()
    derivations.clear()
    assert not hasher.verify(password, hashed)
    assert derivations == wrong
    assert set(wrong) == {(8, 1, 1)}
    assert len(wrong) == (1 if password == "wrong" else 2)


def test_b04_verify_nobody_computes_one_hash(derivations: list[tuple[int, int, int]]) -> None:
    assert not hasher.verify_nobody(PASSWORD)
    assert derivations == [(8, 1, 1)]


def test_a_right_password_computes_one_hash(derivations: list[tuple[int, int, int]]) -> None:
    hashed = hasher.hash(PASSWORD)
    derivations.clear()
    assert hasher.verify(PASSWORD, hashed)
    assert derivations == [(8, 1, 1)]


def test_an_account_without_a_password_is_no_fault_to_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert not hasher.verify(PASSWORD, None)
    assert not hasher.verify(PASSWORD, "!BfIhBHOYR712T1yMG0lqcxRKrugO1cVEe0we6qw6")
    assert caplog.text == ""


# ---- an OpenSSL without Argon2 -------------------------------------------------------------


@pytest.fixture
def no_argon2(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    class Missing:
        def __init__(self, **_: object) -> None:
            raise UnsupportedAlgorithm("argon2id")

    monkeypatch.setattr(argon2, "Argon2id", Missing)
    passwords._has_argon2.cache_clear()
    yield
    passwords._has_argon2.cache_clear()


@pytest.mark.usefixtures("no_argon2")
def test_scrypt_takes_the_place_of_argon2_with_a_notice(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hashed = hasher.hash(PASSWORD)
    assert hashed.startswith("$scrypt$ln=3,r=8,p=5$")
    assert hasher.verify(PASSWORD, hashed)
    assert not hasher.verify("other", hashed)
    assert not hasher.needs_rehash(hashed)
    assert [record.message for record in caplog.records] == [
        "this OpenSSL has no Argon2: passwords are hashed with scrypt instead"
    ]


@pytest.mark.usefixtures("no_argon2")
def test_the_fallback_costs_what_owasp_asks_and_no_more_than_verification_takes() -> None:
    assert PasswordHasher.owasp()._prefix == "$scrypt$ln=14,r=8,p=5$"
    dearest = PasswordHasher(memory_kib=2**20, iterations=1)
    assert passwords._read(f"{dearest._prefix}{'A' * 22}${'A' * 43}")


@pytest.mark.usefixtures("no_argon2")
def test_an_argon2_hash_is_refused_where_there_is_no_argon2(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert not hasher.verify(PASSWORD, IMPORTED["argon2-cffi"])
    assert "lacks its algorithm" in caplog.text


def test_a_fallback_hash_is_replaced_where_there_is_argon2(no_argon2: None) -> None:
    hashed = hasher.hash(PASSWORD)
    argon2.Argon2id = lambda **_: None  # type: ignore[assignment]
    passwords._has_argon2.cache_clear()
    assert hasher.verify(PASSWORD, hashed)
    assert hasher.needs_rehash(hashed)


# ---- the pool ------------------------------------------------------------------------------


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds whatever waits for it; opened at the end in any case."""
    event = threading.Event()
    yield event
    event.set()


def test_b08_a_full_queue_is_refused_and_a_free_place_is_given_again(
    gate: threading.Event,
) -> None:
    pool = HashingPool(workers=2, backlog=3)
    held = [pool.submit(gate.wait) for _ in range(5)]
    with pytest.raises(TemporarilyUnavailable, match="too many logins at once") as caught:
        pool.submit(gate.wait)
    assert caught.value.status == 503
    assert int(dict(caught.value.headers)["retry-after"]) >= 1
    gate.set()
    assert all(future.result(10) for future in held)
    again = [pool.submit(int) for _ in range(5)]
    assert [future.result(10) for future in again] == [0] * 5
    pool.close()


def test_b08_no_more_than_the_workers_hash_at_a_time() -> None:
    pool = HashingPool(workers=2, backlog=50)
    both = threading.Barrier(2, timeout=10)
    running = most = 0
    lock = threading.Lock()

    def hashing() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1

    for future in [pool.submit(hashing) for _ in range(20)]:
        future.result(10)
    assert most == 2
    pool.close()


def test_a_place_is_given_back_after_failure_and_after_cancellation(
    gate: threading.Event,
) -> None:
    pool = HashingPool(workers=1, backlog=1)
    for _ in range(5):
        failing = pool.submit(int, "not a number")
        with pytest.raises(ValueError, match="not a number"):
            failing.result(10)
    running, waiting = pool.submit(gate.wait), pool.submit(int)
    assert waiting.cancel()
    assert not (another := pool.submit(int)).done()
    with pytest.raises(TemporarilyUnavailable):
        pool.submit(int)
    gate.set()
    assert running.result(10)
    assert another.result(10) == 0
    pool.close()


def test_arguments_reach_the_function() -> None:
    pool = HashingPool(1, 0)
    assert pool.submit(int, "11", base=2).result(10) == 3
    pool.close()


def test_a_closed_pool_refuses_and_cancels_what_waits(gate: threading.Event) -> None:
    pool = HashingPool(workers=1, backlog=1)
    started = threading.Event()

    def hold() -> bool:
        started.set()
        return gate.wait(10)

    running = pool.submit(hold)
    waiting = pool.submit(int)
    assert started.wait(10)
    cancelled = threading.Event()
    waiting.add_done_callback(lambda _: cancelled.set())
    closing = threading.Thread(target=pool.close)
    closing.start()
    assert cancelled.wait(10)
    assert waiting.cancelled()
    gate.set()
    closing.join(10)
    assert running.result(10)
    for _ in range(3):
        with pytest.raises(TemporarilyUnavailable, match="shutting down"):
            pool.submit(int)


def test_threads_start_with_the_first_password() -> None:
    def alive() -> set[str]:
        return {t.name for t in threading.enumerate() if t.name.startswith("bezant-hashing")}

    before = alive()
    pool = HashingPool(workers=1)
    assert alive() == before
    name = pool.submit(lambda: threading.current_thread().name).result(10)
    assert name.startswith("bezant-hashing")
    pool.close()


def test_the_default_is_a_worker_for_each_core_and_64_waiting_for_each() -> None:
    pool = HashingPool()
    cores = passwords._usable_cores()
    assert 1 <= cores <= (os.cpu_count() or 1)
    assert (pool.workers, pool.backlog) == (cores, 64 * cores)
    assert HashingPool(workers=3).backlog == 64 * 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which cores are usable")
def test_a_core_that_may_not_be_used_gets_no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {5})
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    assert HashingPool().workers == 1


@pytest.mark.parametrize(("workers", "backlog"), [(0, 1), (-1, 1), (1, -1)])
def test_a_pool_without_workers_is_refused(workers: int, backlog: int) -> None:
    with pytest.raises(ConfigurationError, match="HashingPool"):
        HashingPool(workers, backlog)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives threads a priority each")
def test_b08_hashing_threads_step_back_and_no_other_does() -> None:
    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = niceness()
    pool = HashingPool(workers=1)
    assert pool.submit(niceness).result(10) == min(own + 10, 19)
    assert niceness() == own
    pool.close()


def test_what_takes_the_main_thread_for_its_own_does_not_step_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As greenlets do, where threads are made of them."""
    slowed: list[Any] = []
    monkeypatch.setattr(os, "setpriority", lambda *args: slowed.append(args))
    monkeypatch.setattr(passwords, "get_native_id", os.getpid)
    pool = HashingPool(workers=1)
    assert pool.submit(int).result(10) == 0
    assert slowed == []
    pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives threads a priority each")
def test_a_priority_that_cannot_be_set_does_not_stop_hashing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    pool = HashingPool(workers=1)
    with caplog.at_level(logging.DEBUG):
        assert pool.submit(int).result(10) == 0
    assert caplog.text == ""
    pool.close()


def test_hashing_runs_in_the_pool() -> None:
    pool = HashingPool(workers=2)
    hashed = pool.submit(hasher.hash, PASSWORD).result(10)
    assert pool.submit(hasher.verify, PASSWORD, hashed).result(10)
    pool.close()
