"""Counters of login attempts in Django's database."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any, Final

from django.db.models import F

from bezant.stores import Allowance, Blocked, ThrottleLimit
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoThrottleStore"]

STEP = 1000
"""Rows of each table that one statement of a purge forgets, at most."""

REPLACE: Final = "(key) DO UPDATE SET credits = excluded.credits, expires_at = excluded.expires_at"
SPEND: Final = (
    "UPDATE bezant_trusted_address SET credits = credits - 1 "
    "WHERE key = %s AND credits > 0 AND expires_at > %s RETURNING credits, expires_at"
)


@cache
def _count(size: int) -> str:
    """Count at so many keys; at none when, as far as this statement sees, one of them is blocked.

    Rows are locked in the order of the parameters: sorted, or two transactions could wait for each
    other.
    """
    rows = ", ".join(["(%s)"] * size)
    forgotten = " ".join(["WHEN %s THEN %s"] * size)
    return (
        f"WITH counted (key) AS (VALUES {rows}) "  # noqa: S608 (nothing but marks)
        "INSERT INTO bezant_login_attempts AS old (key, attempts, blocked_until, touched_at) "
        "SELECT key, 1, 0.0, %s FROM counted WHERE NOT EXISTS (SELECT 1 FROM bezant_login_attempts "
        f"WHERE key IN ({_marks(size)}) AND blocked_until > %s) "
        "ON CONFLICT (key) DO UPDATE SET attempts = "
        f"CASE WHEN old.touched_at <= CASE old.key {forgotten} END THEN 1 "
        "ELSE old.attempts + 1 END, "
        "blocked_until = excluded.blocked_until, touched_at = excluded.touched_at "
        "WHERE old.blocked_until <= excluded.touched_at RETURNING key, attempts"
    )


@cache
def _refund(size: int, vendor: str) -> str:
    """Take back one attempt of each of so many keys."""
    mine = f"key IN ({_marks(size)})"
    if vendor != "sqlite":  # which has one writer at a time
        # Locked in the order of Python's sorting, as when they are counted.
        mine = (
            f"key = ANY(ARRAY(SELECT key FROM bezant_login_attempts WHERE {mine} "  # noqa: S608
            'ORDER BY key COLLATE "C" FOR UPDATE))'
        )
    return (
        "UPDATE bezant_login_attempts SET blocked_until = 0.0, "  # noqa: S608 (as above)
        f"attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END WHERE {mine}"
    )


def _marks(size: int) -> str:
    return ", ".join(["%s"] * size)


class DjangoThrottleStore(Store):
    """Counters of login attempts in Django's database (`bezant.stores.ThrottleStore`)."""

    @translated
    def attempt(self, counters: Mapping[str, ThrottleLimit], now: float, /) -> Blocked | None:
        """Count an attempt unless a key is blocked; see `bezant.stores.ThrottleStore.attempt`."""
        keys = sorted(counters)
        forgotten = [value for key in keys for value in (key, now - counters[key].memory)]
        mine = self._counters.filter(pk__in=keys)
        with self._database.atomic():
            while True:
                counted = self._database.rows(_count(len(keys)), *keys, now, *keys, now, *forgotten)
                # What was counted is held until the transaction ends.
                if len(counted) == len(keys):
                    for key, number in counted:
                        wait = counters[key].wait(number)
                        if wait > 0:
                            mine.filter(pk=key).update(blocked_until=now + wait)
                    return None
                if counted:  # another transaction blocked a key while this one waited for it
                    self._take_back([key for key, _ in counted])
                rows = mine.filter(blocked_until__gt=now).values_list("pk", "blocked_until")
                waits = {key: blocked_until - now for key, blocked_until in rows}
                for key in counters:
                    if key in waits:
                        return Blocked(key, waits[key])
                # What blocked was taken back meanwhile.

    @translated
    def refund(self, keys: Collection[str], /) -> None:
        """Take one counted attempt back from each counter, as after a right password; lifts the
        blocks it caused.
        """
        self._take_back(keys)

    @translated
    def spend(self, key: str, now: float, /) -> Allowance | None:
        """Use one credit of an allowance, atomically. Returns what is left; None when there was no
        credit, or it expired.
        """
        left = self._database.rows(SPEND, key, now)
        return Allowance(*left[0]) if left else None

    @translated
    def give_back(self, key: str, /) -> None:
        """Undo one `spend`: nobody looked at the attempt."""
        self._allowances.filter(pk=key).update(credits=F("credits") + 1)

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

    def _take_back(self, keys: Collection[str]) -> None:
        self._database.count(_refund(len(keys), self._database.vendor), *keys)

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
