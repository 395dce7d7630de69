"""Counters of login attempts in Django's database."""

from __future__ import annotations

from typing import Any, Final

from django.db.models import Case, F, Value, When

from bezant.stores import ThrottleLimit
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoThrottleStore"]

STEP = 1000
"""Rows of each table that one statement of a purge forgets, at most."""

COUNT_UNLESS_BLOCKED: Final = (
    "(key) DO UPDATE SET "
    "attempts = CASE WHEN old.touched_at <= %s THEN 1 ELSE old.attempts + 1 END, "
    "blocked_until = excluded.blocked_until, touched_at = excluded.touched_at "
    "WHERE old.blocked_until <= excluded.touched_at RETURNING attempts"
)
REPLACE: Final = "(key) DO UPDATE SET credits = excluded.credits, expires_at = excluded.expires_at"


class DjangoThrottleStore(Store):
    """Counters of login attempts in Django's database (`bezant.stores.ThrottleStore`)."""

    @translated
    def attempt(self, key: str, now: float, limit: ThrottleLimit, /) -> float:
        """Count an attempt unless the key is blocked; see `bezant.stores.ThrottleStore.attempt`."""
        fresh = {"key": key, "attempts": 1, "blocked_until": 0.0, "touched_at": now}
        values = self._database.prepared(models.LoginAttempts, fresh)
        statement = insert(models.LoginAttempts, COUNT_UNLESS_BLOCKED)
        with self._database.atomic():
            counted = self._database.rows(statement, *values, now - limit.memory)
            # Counted or not, the first statement holds the row until the transaction ends.
            mine = self._counters.filter(pk=key)
            if not counted:
                blocked = mine.values_list("blocked_until", flat=True).first()
                return 0.0 if blocked is None else float(blocked) - now
            wait = limit.wait(counted[0][0])
            if wait > 0:
                mine.update(blocked_until=now + wait)
            return 0.0

    @translated
    def refund(self, key: str, /) -> None:
        """Take one counted attempt back, as after a right password; lifts the block it caused."""
        fewer = Case(When(attempts__gt=0, then=F("attempts") - 1), default=Value(0))
        self._counters.filter(pk=key).update(attempts=fewer, blocked_until=0.0)

    @translated
    def spend(self, key: str, now: float, /) -> bool:
        """Use one credit of an allowance, atomically. False when there is none left or it
        expired.
        """
        good = self._allowances.filter(pk=key, credits__gt=0, expires_at__gt=now)
        return bool(good.update(credits=F("credits") - 1))

    @translated
    def earn(self, key: str, credits: int, expires_at: float, /) -> None:
        """Set the credits of an allowance."""
        given = {"key": key, "credits": credits, "expires_at": expires_at}
        values = self._database.prepared(models.TrustedAddress, given)
        self._database.count(insert(models.TrustedAddress, REPLACE), *values)

    @translated
    def purge(self, before: float, /) -> int:
        """Forget counters last touched, and allowances expired, before a time. Returns how many."""
        return _sweep(self._counters, touched_at__lt=before) + _sweep(
            self._allowances, expires_at__lt=before
        )

    @property
    def _counters(self) -> Any:
        return self._database.of(models.LoginAttempts)

    @property
    def _allowances(self) -> Any:
        return self._database.of(models.TrustedAddress)


def _sweep(rows: Any, **past: float) -> int:
    """Delete in small steps, so that no statement is long."""
    forgotten, more = 0, True
    while more:
        some = rows.filter(**past).values("pk")[:STEP]
        count, _ = rows.filter(**past, pk__in=some).delete()
        forgotten += count
        more = count >= STEP
    return forgotten
