"""The server's secret key ring: encryption at rest and keys for MACs, all derived from configured
secrets.

The newest secret seals and signs; older ones still open and verify, so that a secret can be
replaced without losing anything.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Sequence
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bezant.errors import ConfigurationError, KeyUnavailable

__all__ = ["SecretKeyRing"]

MIN_LENGTH: Final = 32
ID_SIZE: Final = 4
NONCE_SIZE: Final = 12


class SecretKeyRing:
    """Derives every symmetric key from a few secrets. Its repr shows none of them.

    Args:
        secrets: Newest first, each at least 32 characters of randomness.
        setting: What to call them in error messages.

    Raises:
        ConfigurationError: No secret, a repeated one, or one that is too short or too plain to be
            random.
    """

    def __init__(self, *secrets: str, setting: str = "secret_key") -> None:
        if not secrets:
            raise ConfigurationError(
                setting, "give at least one secret; `SecretKeyRing.generate()` makes one"
            )
        for secret in secrets:
            if len(secret) < MIN_LENGTH or len(set(secret)) < 8:
                raise ConfigurationError(
                    setting,
                    f"each secret needs at least {MIN_LENGTH} random characters; "
                    "`openssl rand -base64 32` makes one",
                )
        if len(set(secrets)) != len(secrets):
            raise ConfigurationError(setting, "a secret is listed twice")
        self._secrets = tuple(secrets)
        self._ids = tuple(self._derive(secret, "id")[:ID_SIZE] for secret in secrets)

    @classmethod
    def parse(cls, text: str, *, setting: str = "secret_key") -> SecretKeyRing:
        """A ring from a setting: secrets separated by commas or white space, newest first."""
        return cls(*filter(None, re.split(r"[,\s]+", text)), setting=setting)

    @staticmethod
    def generate() -> str:
        """A new secret with 256 bits of randomness."""
        return secrets.token_urlsafe(32)

    def keys(self, purpose: str) -> Sequence[tuple[bytes, bytes]]:
        """Pairs of a 4-byte id and a 32-byte key for one purpose, newest first."""
        return [
            (id_, self._derive(secret, purpose))
            for id_, secret in zip(self._ids, self._secrets, strict=True)
        ]

    def seal(self, plain: bytes, *, context: str) -> bytes:
        """Encrypt with AES-256-GCM; ``context`` must be the same to open it."""
        id_, key = self.keys("seal")[0]
        nonce = os.urandom(NONCE_SIZE)
        return id_ + nonce + AESGCM(key).encrypt(nonce, plain, context.encode())

    def open(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt what `seal` made.

        Raises:
            KeyUnavailable: None of the secrets made it, or it was changed.
        """
        id_, nonce, encrypted = (
            sealed[:ID_SIZE],
            sealed[ID_SIZE : ID_SIZE + NONCE_SIZE],
            sealed[ID_SIZE + NONCE_SIZE :],
        )
        for known, key in self.keys("seal"):
            if known == id_:
                try:
                    return AESGCM(key).decrypt(nonce, encrypted, context.encode())
                except (InvalidTag, ValueError):
                    break
        raise KeyUnavailable(
            f"{context} was sealed with another secret key; add that key to the end of the ring"
        )

    @staticmethod
    def _derive(secret: str, purpose: str) -> bytes:
        # The secret is random already; HKDF separates the purposes (RFC 5869).
        return HKDF(SHA256(), length=32, salt=None, info=f"bezant {purpose}".encode()).derive(
            sha256(secret.encode()).digest()
        )

    def __repr__(self) -> str:
        return f"<SecretKeyRing of {len(self._secrets)}>"
