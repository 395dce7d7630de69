"""An issuer's published keys, held by a resource server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from bezant.errors import ConfigurationError
from bezant.keys import Key, KeySet
from bezant.runtime import Runtime

__all__ = ["RemoteKeys"]

MAX_KEYS: Final = 256
"""Keys in a set; one with more is not read: each could cost a line in the log."""


class RemoteKeys:
    """The keys of a JWK Set as it was read last (`bezant.keys.KeySource`).

    Args:
        look_again: Reads it anew for a token whose key is unknown; says whether it did.
    """

    def __init__(self, look_again: Callable[[Runtime], Awaitable[bool]]) -> None:
        self._look_again = look_again
        self._keys: KeySet | None = None

    def take(self, document: Mapping[str, Any]) -> None:
        """Replace the keys by those of a JWK Set. A key that stays is the same object as before, so
        that what was verified with it stays verified.

        Raises:
            ConfigurationError: The set is malformed, unsafe, too large or useless; the keys stay as
                they are.
        """
        published = document.get("keys")
        if isinstance(published, list) and len(published) > MAX_KEYS:
            raise ConfigurationError("JWK Set", f"it holds more than {MAX_KEYS} keys")
        before, fresh = self._keys, KeySet.from_jwks(document)
        self._keys = KeySet(_known(before, key) or key for key in fresh)

    def find(self, kid: str | None, algorithm: str, /) -> Key | None:
        """The key that a token with this header must be signed with."""
        return None if self._keys is None else self._keys.find(kid, algorithm)

    def holds(self, key: Key, /) -> bool:
        """Whether the issuer still publishes ``key``."""
        return self._keys is not None and self._keys.holds(key)

    async def look_again(self, runtime: Runtime, /) -> bool:
        """Read the set anew, unless that was done a short while ago."""
        return await self._look_again(runtime)

    def __len__(self) -> int:
        return 0 if self._keys is None else len(self._keys)


def _known(keys: KeySet | None, key: Key) -> Key | None:
    old = None if keys is None else keys.find(key.kid, key.algorithm)
    return old if old is not None and old.public_jwk() == key.public_jwk() else None
