"""What is good once: authorization codes, pushed requests, interactions, names of assertions.

What is handed out is 256 random bits; the store knows its digest only, so that a dump of it opens
nothing. Each kind has a name space of its own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from secrets import token_bytes
from typing import Any, Final

from bezant.encoding import b64url_encode
from bezant.runtime import Runtime
from bezant.stores import Code, CodeKind, CodeStore, Taking

__all__ = ["Codes"]

LONGEST: Final = 128
"""Characters of a code that are looked at: ours have 43."""


class Codes:
    """Single-use values over a store, as JSON objects.

    Args:
        store: Where they are; it alone decides who comes first.
    """

    def __init__(self, store: CodeStore) -> None:
        self.store: CodeStore = store

    async def issue(
        self, kind: CodeKind, value: Mapping[str, Any], *, expires_at: float, runtime: Runtime
    ) -> str:
        """Keep a value until it is taken or expires, and hand out the code for it."""
        code = b64url_encode(token_bytes(32)).decode()
        await runtime.call(
            self.store.put, Code(kind, _digest(kind, code), json.dumps(value), expires_at)
        )
        return code

    async def first_use(
        self, kind: CodeKind, name: str, *, expires_at: float, runtime: Runtime
    ) -> bool:
        """Whether a name, such as the ``jti`` of an assertion, is seen for the first time."""
        code = Code(kind, _digest(kind, name), "{}", expires_at)
        return await runtime.call(self.store.put, code)

    async def take(
        self, kind: CodeKind, code: str, now: float, runtime: Runtime
    ) -> tuple[Taking, dict[str, Any]]:
        """Take a value, atomically: of all who come, one finds it untaken."""
        if len(code) > LONGEST:
            return Taking.UNKNOWN, {}
        taking, value = await runtime.call(self.store.take, kind, _digest(kind, code), now)
        return taking, json.loads(value) if value else {}

    async def peek(
        self, kind: CodeKind, code: str, now: float, runtime: Runtime
    ) -> dict[str, Any] | None:
        """Look at a value, taken or not; None when there is none or it has expired."""
        if len(code) > LONGEST:
            return None
        value = await runtime.call(self.store.peek, kind, _digest(kind, code), now)
        return None if value is None else json.loads(value)

    async def replace(
        self, kind: CodeKind, code: str, value: Mapping[str, Any], now: float, runtime: Runtime
    ) -> None:
        """Change a value, taken or not; its end stays."""
        text = json.dumps(value)
        await runtime.call(self.store.replace, kind, _digest(kind, code), text, now)


def _digest(kind: str, code: str) -> str:
    """What the store goes by."""
    name = f"{kind}:{code}".encode("utf-8", "surrogatepass")
    return b64url_encode(sha256(name).digest()).decode()
