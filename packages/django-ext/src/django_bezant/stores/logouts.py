"""Notices of logouts in Django's database: a queue that many senders share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bezant.stores import LogoutNotice
from django_bezant import models
from django_bezant.stores.database import Store, translated

__all__ = ["DjangoLogoutStore"]

FIELDS: Final = (
    "id",
    "client_id",
    "subject",
    "session_id",
    "created_at",
    "attempts",
    "due_at",
)
"""The fields of `bezant.stores.LogoutNotice`, in their order."""

_DUE: Final = "SELECT id FROM bezant_logout_notice WHERE due_at <= %s ORDER BY due_at, id LIMIT %s"
_CLAIM: Final = "UPDATE bezant_logout_notice SET attempts = attempts + 1, due_at = %s"
_RETURNING: Final = f"RETURNING {', '.join(FIELDS)}"
CLAIM: Final = {
    "sqlite": f"{_CLAIM} WHERE id IN ({_DUE}) {_RETURNING}",
    # What another sender holds is passed over, not waited for. As an array, the rows are chosen
    # once, whatever the plan.
    "postgresql": f"{_CLAIM} WHERE id = ANY(ARRAY({_DUE} FOR UPDATE SKIP LOCKED)) {_RETURNING}",
}


class DjangoLogoutStore(Store):
    """Notices of logouts in Django's database (`bezant.stores.LogoutStore`)."""

    @translated
    def add(self, notices: Sequence[LogoutNotice], /) -> None:
        """Store notices: all of them, or none."""
        self._rows.bulk_create([models.LogoutNotice(**asdict(notice)) for notice in notices])

    @translated
    def claim(self, now: float, until: float, limit: int, /) -> Sequence[LogoutNotice]:
        """Take up to ``limit`` notices that are due, and make them due again at ``until``,
        atomically: of several senders one gets each. They are returned with ``attempts`` counted
        up.
        """
        rows = self._database.rows(CLAIM[self._database.vendor], until, now, limit)
        return [LogoutNotice(*row) for row in rows]

    @translated
    def done(self, notice_id: str, /) -> None:
        """Forget a notice."""
        self._rows.filter(pk=notice_id).delete()

    @translated
    def retry(self, notice_id: str, due_at: float, /) -> None:
        """Try again later."""
        self._rows.filter(pk=notice_id).update(due_at=due_at)

    @property
    def _rows(self) -> Any:
        return self._database.of(models.LogoutNotice)
