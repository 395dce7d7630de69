"""Signing keys in Django's database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from bezant.stores import StoredKey
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoKeyStore"]


class DjangoKeyStore(Store):
    """Signing keys in Django's database (`bezant.stores.KeyStore`)."""

    @translated
    def load(self) -> Sequence[StoredKey]:
        """All keys, by sequence."""
        return [_key(row) for row in self._rows.order_by("sequence")]

    @translated
    def add(self, key: StoredKey, /) -> bool:
        """Store a key unless its sequence is taken. Returns whether it was stored."""
        statement = insert(models.SigningKey, "DO NOTHING")
        values = self._database.prepared(models.SigningKey, asdict(key))
        return self._database.count(statement, *values) == 1

    @translated
    def retire(self, kid: str, now: float, /) -> bool:
        """Withdraw a key. Returns False when there is none, or it was withdrawn before."""
        return bool(self._rows.filter(pk=kid, retired_at=None).update(retired_at=now))

    @translated
    def remove(self, kid: str, /) -> None:
        """Forget a key that is gone."""
        self._rows.filter(pk=kid).delete()

    @property
    def _rows(self) -> Any:
        return self._database.of(models.SigningKey)


def _key(row: models.SigningKey) -> StoredKey:
    return StoredKey(
        kid=row.kid,
        algorithm=row.algorithm,
        sequence=row.sequence,
        sealed=bytes(row.sealed),
        created_at=row.created_at,
        activates_at=row.activates_at,
        retired_at=row.retired_at,
    )
