"""Registered clients in Django's database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bezant.clients import Client
from django_bezant import models
from django_bezant.stores.database import Store, insert, translated

__all__ = ["DjangoClientStore"]


class DjangoClientStore(Store):
    """Registered clients in Django's database (`bezant.stores.ClientStore`)."""

    @translated
    def add(self, client: Client, /) -> bool:
        """Store a client unless its id is taken. Returns whether it was stored."""
        statement = insert(models.Client, "DO NOTHING")
        values = self._database.prepared(models.Client, models.Client.values_of(client))
        return self._database.count(statement, *values) == 1

    @translated
    def get(self, client_id: str, /) -> Client | None:
        """The client with this id, compared exactly; disabled ones too."""
        found = self._rows.filter(pk=client_id).first()
        return None if found is None else found.registration

    @translated
    def replace(self, client: Client, /) -> bool:
        """Store a client in place of the one with its id. Returns False when there is none."""
        values = dict(models.Client.values_of(client))
        return bool(self._rows.filter(pk=values.pop("client_id")).update(**values))

    @translated
    def list_all(self) -> Sequence[Client]:
        """All clients, by id."""
        return [row.registration for row in self._rows.order_by("client_id")]

    @property
    def _rows(self) -> Any:
        return self._database.of(models.Client)
