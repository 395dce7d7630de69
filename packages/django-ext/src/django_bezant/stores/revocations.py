"""Revocations in Django's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bezant.stores import Revocation
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoRevocationStore"]

STEP = 1000
"""Rows that one statement of a purge forgets, at most."""

TIMES: Final = ("issued_before", "expires_at", "recorded_at")
_LATER: Final = ", ".join(
    f"{name} = CASE WHEN excluded.{name} > old.{name} THEN excluded.{name} ELSE old.{name} END"
    for name in TIMES
)
KEEP_THE_LATER: Final = f"(kind, value) DO UPDATE SET {_LATER}"


class DjangoRevocationStore(Store):
    """Revocations in Django's database (`bezant.stores.RevocationStore`)."""

    @translated
    def add(self, revocation: Revocation, /) -> None:
        """Store one; of two with the same kind and value the later ``issued_before`` and
        ``expires_at`` stay.
        """
        values = self._database.prepared(models.Revocation, asdict(revocation))
        self._database.count(insert(models.Revocation, KEEP_THE_LATER), *values)

    @translated
    def since(self, recorded_at: float, now: float, /) -> Sequence[Revocation]:
        """Those recorded at or after a time and not expired."""
        found = self._rows.filter(recorded_at__gte=recorded_at, expires_at__gt=now)
        rows = found.order_by("recorded_at").values_list("kind", "value", *TIMES)
        return [Revocation(*row) for row in rows]

    @translated
    def purge(self, now: float, /) -> int:
        """Forget the expired ones. Returns how many."""
        forgotten, more = 0, True
        while more:
            expired = self._rows.filter(expires_at__lte=now).values("pk")[:STEP]
            count, _ = self._rows.filter(expires_at__lte=now, pk__in=expired).delete()
            forgotten += count
            more = count >= STEP
        return forgotten

    @property
    def _rows(self) -> Any:
        return self._database.of(models.Revocation)
