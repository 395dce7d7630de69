import os
from dataclasses import replace
from datetime import datetime

from django.conf import settings

from bezant import Principal
from bezant.legacy import LegacyTokens
from django_bezant.accounts import get_user


def admit(old: Principal) -> Principal | None:
    user = get_user(old.subject)
    if user is None or not user.active:
        return None
    return replace(
        old,
        scopes=frozenset({"items:read", "items:write"}),
        roles=frozenset(user.roles),
        permissions=frozenset(user.permissions),
    )


def legacy() -> LegacyTokens:
    return LegacyTokens(
        key=settings.SECRET_KEY,  # or what SIMPLE_JWT["SIGNING_KEY"] is
        required={"token_type": "access"},
        subject_claim="user_id",
        accepted_until=datetime.fromisoformat(os.environ["CUT_OVER_ENDS"]),
        admit=admit,
    )
