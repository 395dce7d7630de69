"""Password hashes: made with Argon2id, read in the formats people bring, never too many at once.

A password is 1 to 1,024 bytes of UTF-8 without NUL, and taken whole: nothing is trimmed, cut or
case-folded. NUL is refused because bcrypt, PBKDF2 and scrypt take some passwords that hold one for
others. What is hashed is the NFC form (RFC 8265 section 4.2), so that one password typed on two
systems stays one password; verification tries the NFC form and then, if it differs, the text
exactly as given, which is what other software hashed.

A wrong password and a user who does not exist take the same time. Accounts whose hash is of another
format or cost can be told apart by time until their next login, when the hash is replaced.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from threading import get_native_id
from typing import Final, ParamSpec, Self, TypeAlias, TypeVar
from unicodedata import normalize

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf import argon2
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from bezant.errors import ConfigurationError, InvalidRequest, TemporarilyUnavailable
from bezant.pool import BoundedPool

__all__ = ["HashingPool", "PasswordHasher"]

P = ParamSpec("P")
T = TypeVar("T")

logger: logging.Logger = logging.getLogger("bezant.passwords")

MAX_PASSWORD_SIZE: Final = 1024
"""Bytes of UTF-8."""
SALT_SIZE: Final = 16
DIGEST_SIZE: Final = 32

# What a stored hash may cost: a few seconds of one core, far above any library's defaults, so that
# a row written by an attacker or a slip cannot hang the server. Beyond that its login is refused.
MAX_ARGON2_LANES: Final = 64
MAX_ARGON2_MEMORY: Final = 2**20
"""KiB."""
MAX_ARGON2_WORK: Final = 2**22
"""KiB times iterations; libsodium's SENSITIVE profile just passes."""
MAX_SCRYPT_WORK: Final = 2**23
"""N times r times p; the memory is at most 128 times that, 1 GiB."""
MAX_PBKDF2_ITERATIONS: Final = 10_000_000
MAX_BCRYPT_COST: Final = 16

BCRYPT_SIZE: Final = 72
"""Bytes of a password that bcrypt looks at."""

RETRY_AFTER: Final = 2
"""Seconds: about what a full queue of default hashes takes."""


@dataclass(frozen=True, slots=True)
class PasswordHasher:
    """Makes and checks password hashes.

    Each call computes for tens of milliseconds and releases the GIL meanwhile; make it in a
    `HashingPool`. Where OpenSSL lacks Argon2, scrypt takes its place (N the power of two below
    ``memory_kib``, r 8, p 5), and the log says so once.

    Raises:
        ConfigurationError: The parameters are not Argon2's, or cost more than `verify` accepts.
    """

    memory_kib: int = 19456
    """Memory, in KiB."""
    iterations: int = 2
    """Passes over the memory."""
    lanes: int = 1
    """Argon2's degree of parallelism."""

    def __post_init__(self) -> None:
        try:
            _check_argon2(self.memory_kib, self.iterations, self.lanes)
        except _UnusableHash as problem:
            raise ConfigurationError("PasswordHasher", str(problem)) from None

    @classmethod
    def owasp(cls) -> Self:
        """The default: 19 MiB, two passes, one lane, as in OWASP's Password Storage Cheat Sheet."""
        return cls(memory_kib=19456, iterations=2, lanes=1)

    @classmethod
    def fast_for_tests(cls) -> Self:
        """Microseconds instead of milliseconds. It protects nothing."""
        return cls(memory_kib=8, iterations=1, lanes=1)

    def hash(self, password: str) -> str:
        """Hash a password, as a PHC string with a new salt.

        Raises:
            InvalidRequest: It is empty, longer than 1,024 bytes, holds NUL, or is not Unicode text.
        """
        return self._hash(_spellings(password)[0])

    def verify(self, password: str, hashed: str | None) -> bool:
        """Check a password against a stored hash.

        A hash that cannot be used (unknown, malformed, too costly, bcrypt without its extra) never
        matches; the log says why.

        Args:
            password: As typed. Out of bounds, it never matches.
            hashed: The stored hash. None, or Django's ``!...``, when there is no such user or the
                account has no password: that takes as long as a wrong password.
        """
        try:
            spellings = _spellings(password)
        except InvalidRequest:
            return False
        try:
            if hashed is not None and not hashed.startswith("!"):
                return _matches(spellings, hashed)
        except _UnusableHash as problem:
            logger.warning("a stored password hash cannot be used, login refused: %s", problem)
        for spelling in spellings:
            self._hash(spelling)
        return False

    def verify_nobody(self, password: str) -> bool:
        """Refuse a password for a user who does not exist, in the time of a wrong one."""
        return self.verify(password, None)

    def needs_rehash(self, hashed: str) -> bool:
        """Whether `hash` would make a hash of another kind or cost; so it is for imported ones."""
        prefix = self._prefix
        digits = len(_b64(bytes(SALT_SIZE))) + 1 + len(_b64(bytes(DIGEST_SIZE)))
        return not (hashed.startswith(prefix) and len(hashed) == len(prefix) + digits)

    def _hash(self, password: bytes) -> str:
        salt = os.urandom(SALT_SIZE)
        if not _has_argon2():
            n = 1 << self._fallback_ln
            digest = Scrypt(salt=salt, length=DIGEST_SIZE, n=n, r=8, p=5).derive(password)
            return f"{self._prefix}{_b64(salt)}${_b64(digest)}"
        return argon2.Argon2id(
            salt=salt,
            length=DIGEST_SIZE,
            memory_cost=self.memory_kib,
            iterations=self.iterations,
            lanes=self.lanes,
        ).derive_phc_encoded(password)

    @property
    def _prefix(self) -> str:
        if not _has_argon2():
            return f"$scrypt$ln={self._fallback_ln},r=8,p=5$"
        return f"$argon2id$v=19$m={self.memory_kib},t={self.iterations},p={self.lanes}$"

    @property
    def _fallback_ln(self) -> int:
        return min(self.memory_kib.bit_length() - 1, 17)


@cache
def _has_argon2() -> bool:
    try:
        argon2.Argon2id(salt=bytes(SALT_SIZE), length=32, memory_cost=8, iterations=1, lanes=1)
    except UnsupportedAlgorithm:
        logger.warning("this OpenSSL has no Argon2: passwords are hashed with scrypt instead")
        return False
    return True


def _spellings(password: str) -> tuple[bytes, ...]:
    """The NFC form and, if that differs, the text as given.

    Raises:
        InvalidRequest: The password is out of bounds.
    """
    try:
        given = password.encode("utf-8")
    except UnicodeEncodeError:
        raise InvalidRequest("the password is not Unicode text") from None
    if not 1 <= len(given) <= MAX_PASSWORD_SIZE:
        raise InvalidRequest(f"a password has 1 to {MAX_PASSWORD_SIZE} bytes of UTF-8")
    if b"\0" in given:
        raise InvalidRequest("a password cannot hold a NUL character")
    nfc = normalize("NFC", password).encode("utf-8")
    return (nfc,) if nfc == given else (nfc, given)


# ---- stored hashes -------------------------------------------------------------------------

Stored: TypeAlias = tuple[Callable[[bytes], bytes], bytes]
"""What derives a digest from a password, and the digest of the right one."""


class _UnusableHash(Exception):
    """Why a stored hash cannot be used. Never quotes it."""


def _matches(spellings: tuple[bytes, ...], hashed: str) -> bool:
    try:
        derive, digest = _read(hashed)
        return any(hmac.compare_digest(derive(spelling), digest) for spelling in spellings)
    except UnsupportedAlgorithm:
        raise _UnusableHash("this OpenSSL lacks its algorithm") from None
    except ValueError:  # a parser's text could quote the hash
        raise _UnusableHash("malformed") from None


def _read(hashed: str) -> Stored:
    for pattern, reader in _FORMATS:
        if found := pattern.fullmatch(hashed):
            return reader(found.groupdict())
    raise _UnusableHash("unknown format")


def _argon2(fields: dict[str, str]) -> Stored:
    memory, iterations, lanes = int(fields["m"]), int(fields["t"]), int(fields["lanes"])
    _check_argon2(memory, iterations, lanes)
    kdf: type[argon2.Argon2id] | None = getattr(argon2, fields["kind"].capitalize(), None)
    if kdf is None:
        raise _UnusableHash(f"this version of cryptography has no {fields['kind']}")
    salt, digest = _unb64(fields["salt64"]), _unb64(fields["digest64"])

    def derive(password: bytes) -> bytes:
        return kdf(
            salt=salt,
            length=len(digest),
            memory_cost=memory,
            iterations=iterations,
            lanes=lanes,
        ).derive(password)

    return derive, digest


def _check_argon2(memory: int, iterations: int, lanes: int) -> None:
    if not 1 <= lanes <= MAX_ARGON2_LANES:
        raise _UnusableHash(f"Argon2 takes 1 to {MAX_ARGON2_LANES} lanes here")
    if iterations < 1 or memory < 8 * lanes:
        raise _UnusableHash("Argon2 takes at least 1 iteration and 8 KiB for each lane")
    if memory > MAX_ARGON2_MEMORY or memory * iterations > MAX_ARGON2_WORK:
        raise _UnusableHash("its Argon2 cost is beyond 1 GiB, or 4 GiB times iterations")


def _scrypt(fields: dict[str, str]) -> Stored:
    n = 1 << int(fields["ln"]) if "ln" in fields else int(fields["n"])
    r, p = int(fields["r"]), int(fields["p"])
    if n * r * p > MAX_SCRYPT_WORK:
        raise _UnusableHash("its scrypt cost is out of bounds")
    salt, digest = _salt(fields), _digest(fields, DIGEST_SIZE if "ln" in fields else 64)

    def derive(password: bytes) -> bytes:
        return Scrypt(salt=salt, length=len(digest), n=n, r=r, p=p).derive(password)

    return derive, digest


def _pbkdf2(fields: dict[str, str]) -> Stored:
    iterations = int(fields["iterations"])
    if not 1 <= iterations <= MAX_PBKDF2_ITERATIONS:
        raise _UnusableHash("its PBKDF2 cost is out of bounds")
    algorithm = _PBKDF2_HASHES[fields["hash"]]()
    salt, digest = _salt(fields), _digest(fields, algorithm.digest_size)

    def derive(password: bytes) -> bytes:
        return PBKDF2HMAC(algorithm, len(digest), salt, iterations).derive(password)

    return derive, digest


def _bcrypt(fields: dict[str, str]) -> Stored:
    try:
        import bcrypt
    except ImportError:
        raise _UnusableHash("it is bcrypt, which needs the extra bezant[bcrypt]") from None
    if int(fields["cost"]) > MAX_BCRYPT_COST:
        raise _UnusableHash("its bcrypt cost is out of bounds")
    stored = fields["bcrypt"].encode("ascii")

    def derive(password: bytes) -> bytes:
        if len(password) > BCRYPT_SIZE:
            # What made this hash cut the password, so any other with the same beginning would pass.
            raise _UnusableHash("bcrypt reads 72 bytes and this password is longer; reset it")
        return bcrypt.hashpw(password, stored)

    return derive, stored


def _bcrypt_sha256(fields: dict[str, str]) -> Stored:
    derive, digest = _bcrypt(fields)
    return lambda password: derive(sha256(password).hexdigest().encode("ascii")), digest


def _salt(fields: dict[str, str]) -> bytes:
    return _unb64(fields["salt64"]) if "salt64" in fields else fields["salt"].encode("utf-8")


def _digest(fields: dict[str, str], size: int) -> bytes:
    digest = bytes.fromhex(fields["hex"]) if "hex" in fields else _unb64(fields["digest64"])
    if len(digest) != size:  # a shorter one would match too: it is the beginning of the longer
        raise _UnusableHash("malformed")
    return digest


def _b64(raw: bytes) -> str:
    return b64encode(raw).decode("ascii").rstrip("=")


def _unb64(text: str) -> bytes:
    return b64decode(text + "=" * (-len(text) % 4), validate=True)


_PBKDF2_HASHES: Final[dict[str, Callable[[], hashes.HashAlgorithm]]] = {
    "sha1": hashes.SHA1,
    "sha256": hashes.SHA256,
    "sha512": hashes.SHA512,
}

_NUMBER = "[0-9]{1,10}"
_FIELDS: Final = {
    "kind": "argon2(?:id|i|d)",
    "m": _NUMBER,
    "t": _NUMBER,
    "lanes": _NUMBER,
    "ln": "[0-9]{1,2}",
    "n": _NUMBER,
    "r": _NUMBER,
    "p": _NUMBER,
    "hash": "sha1|sha256|sha512",
    "iterations": _NUMBER,
    "salt": "[^$]{1,128}",
    "salt64": "[A-Za-z0-9+/]{11,86}",
    "digest64": "[A-Za-z0-9+/]{22,86}={0,2}",
    "hex": "[0-9a-f]{40,128}",
    "bcrypt": r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}",
}


def _pattern(template: str) -> re.Pattern[str]:
    def field(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{_FIELDS[found[1]]})"

    return re.compile(re.sub("<([a-z0-9]+)>", field, re.escape(template)))


_FORMATS: Final = tuple(
    (_pattern(template), reader)
    for template, reader in (
        # PHC strings: ours, argon2-cffi's, pwdlib's, passlib's
        ("$<kind>$v=19$m=<m>,t=<t>,p=<lanes>$<salt64>$<digest64>", _argon2),
        ("$scrypt$ln=<ln>,r=<r>,p=<p>$<salt64>$<digest64>", _scrypt),
        # bcrypt, wherever it comes from
        ("<bcrypt>", _bcrypt),
        # Django
        ("argon2$<kind>$v=19$m=<m>,t=<t>,p=<lanes>$<salt64>$<digest64>", _argon2),
        ("scrypt$<n>$<salt>$<r>$<p>$<digest64>", _scrypt),
        ("pbkdf2_<hash>$<iterations>$<salt>$<digest64>", _pbkdf2),
        ("bcrypt_sha256$<bcrypt>", _bcrypt_sha256),
        ("bcrypt$<bcrypt>", _bcrypt),
        # Werkzeug
        ("scrypt:<n>:<r>:<p>$<salt>$<hex>", _scrypt),
        ("pbkdf2:<hash>:<iterations>$<salt>$<hex>", _pbkdf2),
    )
)


# ---- how many at once ----------------------------------------------------------------------


class HashingPool(BoundedPool):
    """A few threads for password hashing.

    However many logins arrive, cores and memory are left for everything else, and those who find
    the queue full are told to come back.

    Args:
        workers: Hashes computed at a time; by default as many as there are usable cores.
        backlog: Hashes that may wait; by default 64 for each worker.

    Raises:
        ConfigurationError: No worker, or a negative backlog.
    """

    def __init__(self, workers: int | None = None, backlog: int | None = None) -> None:
        workers = _usable_cores() if workers is None else workers
        backlog = 64 * workers if backlog is None else backlog
        super().__init__("bezant-hashing", workers, backlog, _step_back)

    def full(self) -> TemporarilyUnavailable:
        """Too many logins."""
        return TemporarilyUnavailable("too many logins at once", retry_after=RETRY_AFTER)


def _usable_cores() -> int:
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _step_back() -> None:
    """Lower this thread's priority: a storm of logins must not slow other requests down.

    Linux gives each thread a priority of its own; elsewhere this would slow the whole process.
    """
    if sys.platform == "linux":
        thread = get_native_id()
        if thread == os.getpid():
            return  # the main thread: what a greenlet takes for a thread of its own
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + 10)
