"""Consents in Django's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from bezant.stores import Consent
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoConsentStore"]

REPLACE: Final = (
    "(subject, client_id) DO UPDATE SET scopes = excluded.scopes, given_at = excluded.given_at"
)


class DjangoConsentStore(Store):
    """Consents in Django's database (`bezant.stores.ConsentStore`)."""

    @translated
    def get(self, subject: str, client_id: str, /) -> Consent | None:
        """What was consented to."""
        found = self._rows.filter(subject=subject, client_id=client_id).first()
        return None if found is None else found.record

    @translated
    def put(self, consent: Consent, /) -> None:
        """Store a consent in place of the one for the same subject and client."""
        values = self._database.prepared(models.Consent, asdict(consent))
        self._database.count(insert(models.Consent, REPLACE), *values)

    @translated
    def remove(self, subject: str, client_id: str, /) -> bool:
        """Take a consent back. Returns whether there was one."""
        count, _ = self._rows.filter(subject=subject, client_id=client_id).delete()
        return bool(count)

    @translated
    def list_for_subject(self, subject: str, /) -> Sequence[Consent]:
        """All of a resource owner's, by client id."""
        return [row.record for row in self._rows.filter(subject=subject).order_by("client_id")]

    @property
    def _rows(self) -> Any:
        return self._database.of(models.Consent)
