import os
from dataclasses import replace
from datetime import datetime

from bezant import Principal, TokenVerifier
from bezant.legacy import LegacyTokens, LegacyVerifier


def admit(old: Principal) -> Principal | None:
    return replace(old, scopes=frozenset({"items:read"}))


verifier = LegacyVerifier(
    TokenVerifier.from_issuer("https://id.example.com", audience="https://api.example.com"),
    LegacyTokens(
        key=os.environ["OLD_SECRET"],
        required={"type": "access"},
        accepted_until=datetime.fromisoformat(os.environ["CUT_OVER_ENDS"]),
        admit=admit,
    ),
)
