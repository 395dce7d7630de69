"""What is good once, in Django's database."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Final

from bezant.stores import Code, CodeKind, Taking
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoCodeStore"]

STEP = 1000
"""Rows that one statement of a purge forgets, at most."""

# Django's own UPDATE does not return what it found.
TAKE: Final = (
    "UPDATE bezant_code SET taken = TRUE "
    "WHERE kind = %s AND digest = %s AND expires_at > %s AND NOT taken RETURNING value"
)


class DjangoCodeStore(Store):
    """What is good once, in Django's database (`bezant.stores.CodeStore`)."""

    @translated
    def put(self, code: Code, /) -> bool:
        """Store a code unless its kind and digest are there. Returns whether it was stored."""
        values = self._database.prepared(models.Code, {**asdict(code), "taken": False})
        return self._database.count(insert(models.Code, "DO NOTHING"), *values) == 1

    @translated
    def take(self, kind: CodeKind, digest: str, now: float, /) -> tuple[Taking, str | None]:
        """Take a code, atomically: of all calls, one is answered TAKEN."""
        for (value,) in self._database.rows(TAKE, kind, digest, now):
            return Taking.TAKEN, value
        # One that came after the attempt to take it is none that somebody else took.
        spent = self._good(kind, digest, now).filter(taken=True)
        for value in spent.values_list("value", flat=True):
            return Taking.SPENT, value
        return Taking.UNKNOWN, None

    @translated
    def peek(self, kind: CodeKind, digest: str, now: float, /) -> str | None:
        """The value of a code, taken or not, that has not expired."""
        for value in self._good(kind, digest, now).values_list("value", flat=True):
            return str(value)
        return None

    @translated
    def replace(self, kind: CodeKind, digest: str, value: str, now: float, /) -> bool:
        """Change the value of a code, taken or not, that has not expired. False when there is
        none.
        """
        return bool(self._good(kind, digest, now).update(value=value))

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
        return self._database.of(models.Code)

    def _good(self, kind: CodeKind, digest: str, now: float) -> Any:
        return self._rows.filter(kind=kind, digest=digest, expires_at__gt=now)
