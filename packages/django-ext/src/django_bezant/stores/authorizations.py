"""Authorizations in Django's database."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from django.db.models import F, Q
from django.db.models.functions import Least

from bezant.stores import Authorization, Outcome, Rotation
from bezant.stores.rotation import decide
from django_bezant import models
from django_bezant.stores.database import Store, translated

__all__ = ["DjangoAuthorizationStore", "ended_before", "live_at"]

STEP = 500
"""Rows that one statement of a purge looks at, at most."""

FIELDS: Final = (
    "id",
    "client_id",
    "subject",
    "scopes",
    "audience",
    "auth_time",
    "created_at",
    "expires_at",
    "idle_expires_at",
    "generation",
    "rotated_at",
    "revoked_at",
    "address",
    "session_id",
    "claims",
)
"""The fields of `bezant.stores.Authorization`, in their order."""

# Django's own UPDATE does not return what it wrote, and a second statement could see a later state.
_RETURNING: Final = f"RETURNING {', '.join(FIELDS)}"
_LIVE: Final = "revoked_at IS NULL AND expires_at > %s AND idle_expires_at > %s"
ROTATE: Final = (
    "UPDATE bezant_authorization "  # noqa: S608 (all of it is written here)
    "SET generation = generation + 1, rotated_at = %s, idle_expires_at = %s "
    f"WHERE id = %s AND client_id = %s AND generation = %s AND {_LIVE} {_RETURNING}"
)
# What was revoked ended then; see the model on sweep_at.
REVOKE: Final = (
    "UPDATE bezant_authorization "  # noqa: S608 (as above)
    "SET revoked_at = %s, sweep_at = %s "
    f"WHERE id = %s AND {_LIVE} {_RETURNING}"
)


def live_at(now: float) -> Q:
    """Which authorizations are neither revoked nor expired."""
    return Q(revoked_at=None, expires_at__gt=now, idle_expires_at__gt=now)


def ended_before(before: float) -> Q:
    """Which authorizations had ended before a time."""
    return Q(revoked_at__lt=before) | Q(expires_at__lt=before) | Q(idle_expires_at__lt=before)


class DjangoAuthorizationStore(Store):
    """Authorizations in Django's database (`bezant.stores.AuthorizationStore`)."""

    @translated
    def add(self, authorization: Authorization, /) -> None:
        """Store a new authorization."""
        values: dict[str, Any] = {name: getattr(authorization, name) for name in FIELDS}
        self._rows.create(**values, sweep_at=_end(authorization))

    @translated
    def get(self, authorization_id: str, /) -> Authorization | None:
        """Read one, whatever its state."""
        found = self._rows.filter(pk=authorization_id).first()
        return None if found is None else found.record

    @translated
    def rotate(
        self,
        authorization_id: str,
        client_id: str,
        generation: int,
        now: float,
        idle_expires_at: float,
        retry_window: float,
        /,
    ) -> Rotation:
        """Spend one generation, atomically; see `bezant.stores.AuthorizationStore.rotate`."""
        spend = (now, idle_expires_at, authorization_id, client_id, generation, now, now)
        # No lock is held between the statements. Whoever comes between them has moved the row on,
        # so the next round finds another state; there are few, and none comes back.
        while True:
            rotated = self._changed(ROTATE, *spend)
            if rotated is not None:
                return Rotation(Outcome.ROTATED, rotated)
            found = self._rows.filter(pk=authorization_id).first()
            found = None if found is None else found.record
            outcome = decide(found, client_id, generation, now, retry_window)
            if outcome is Outcome.UNKNOWN:
                return Rotation(outcome, None)
            if outcome is Outcome.REUSED:
                # Spent is spent: no later generation makes this one good again.
                revoked = self._revoke(authorization_id, now)
                if revoked is not None:
                    return Rotation(outcome, revoked)
            elif outcome is not Outcome.ROTATED:
                return Rotation(outcome, found)

    @translated
    def revoke(self, authorization_id: str, now: float, /) -> Authorization | None:
        """End one. Returns it if it was live until now, else None."""
        return self._revoke(authorization_id, now)

    @translated
    def revoke_for_subject(self, subject: str, now: float, /) -> int:
        """End all of a resource owner's, in one statement. Returns how many were live."""
        return self._revoke_all(now, subject=subject)

    @translated
    def revoke_for_client(self, client_id: str, now: float, /) -> int:
        """End all of a client's, in one statement. Returns how many were live."""
        return self._revoke_all(now, client_id=client_id)

    @translated
    def list_live(
        self,
        now: float,
        subject: str | None = None,
        client_id: str | None = None,
        limit: int = 1000,
    ) -> Sequence[Authorization]:
        """Those neither revoked nor expired, newest first."""
        found = self._rows.filter(live_at(now)).order_by("-created_at")
        if subject is not None:
            found = found.filter(subject=subject)
        if client_id is not None:
            found = found.filter(client_id=client_id)
        return [row.record for row in found[:limit]]

    @translated
    def list_for_session(self, session_id: str, /) -> Sequence[Authorization]:
        """Those of one sign-in, whatever their state."""
        return [row.record for row in self._rows.filter(session_id=session_id)]

    @translated
    def purge(self, before: float, /) -> int:
        """Forget those that ended (revoked or expired) before a time. Returns how many."""
        forgotten, more = 0, True
        while more:
            due = self._rows.filter(sweep_at__lt=before).order_by("sweep_at")
            ids = due.values("pk")[:STEP]
            count, _ = self._rows.filter(ended_before(before), pk__in=ids).delete()
            # What a refresh has kept alive is looked at again when it will have ended.
            postponed = self._rows.filter(~ended_before(before), pk__in=ids).update(
                sweep_at=Least(F("expires_at"), F("idle_expires_at"))
            )
            forgotten += count
            more = count + postponed >= STEP
        return forgotten

    @property
    def _rows(self) -> Any:
        return self._database.of(models.Authorization)

    def _changed(self, statement: str, *values: Any) -> Authorization | None:
        for row in self._database.rows(statement, *values):
            return _authorization(row)
        return None

    def _revoke(self, authorization_id: str, now: float) -> Authorization | None:
        return self._changed(REVOKE, now, now, authorization_id, now, now)

    def _revoke_all(self, now: float, **whose: str) -> int:
        live = self._rows.filter(live_at(now), **whose)
        return int(live.update(revoked_at=now, sweep_at=now))


def _end(authorization: Authorization) -> float:
    if authorization.revoked_at is not None:
        return authorization.revoked_at
    return min(authorization.expires_at, authorization.idle_expires_at)


def _authorization(row: tuple[Any, ...]) -> Authorization:
    id_, client_id, subject, scopes, audience, *rest = row
    return Authorization(
        id_, client_id, subject, tuple(json.loads(scopes)), tuple(json.loads(audience)), *rest
    )
