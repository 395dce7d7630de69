"""What happened to accounts lately, as it is stored: bounded for each subject, and in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import token_urlsafe
from typing import Final

from sqlalchemy import Connection, bindparam, delete, insert, select

from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.verbs import Store, Verb
from bezant_server.accounts.schema import history

__all__ = ["KEPT", "HistoryStore", "Incident"]

KEPT: Final = 50
"""Incidents that are kept of each subject, the latest."""


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that happened to an account."""

    subject: str
    at: float
    event: str
    """The name of the event's class."""
    address: str = field(default="", repr=False)
    client_id: str = ""


_INSERT = Prepared(insert(history))
_OLDEST_KEPT = (
    select(history.c.at)
    .where(history.c.subject == bindparam("whose"))
    .order_by(history.c.at.desc())
    .limit(1)
    .offset(KEPT - 1)
    .scalar_subquery()
)
_TRIM = Prepared(
    delete(history).where(history.c.subject == bindparam("whose"), history.c.at < _OLDEST_KEPT)
)
_LATEST = Prepared(
    select(history.c.subject, history.c.at, history.c.event, history.c.address, history.c.client_id)
    .where(history.c.subject == bindparam("subject"))
    .order_by(history.c.at.desc())
    .limit(KEPT)
)
_PURGE = Prepared(delete(history).where(history.c.at < bindparam("before")))


def add(connection: Connection, incidents: Sequence[Incident], /) -> None:
    """Store some, and forget what is too much."""
    for incident in incidents:
        _INSERT.count(
            connection,
            id=token_urlsafe(16),
            subject=incident.subject,
            at=incident.at,
            event=incident.event,
            address=incident.address,
            client_id=incident.client_id,
        )
    for subject in sorted({incident.subject for incident in incidents}):
        _TRIM.count(connection, whose=subject)


@reads
def latest(connection: Connection, subject: str, /) -> Sequence[Incident]:
    """The latest of a subject, the last one first."""
    return [Incident(*row) for row in _LATEST.rows(connection, subject=subject)]


@one_statement
def purge(connection: Connection, before: float, /) -> int:
    """Forget what happened before a time. Returns how many."""
    return _PURGE.count(connection, before=before)


class HistoryStore(Store):
    """Incidents in the database."""

    add: Verb[[Sequence[Incident]], None] = Verb(add)
    latest: Verb[[str], Sequence[Incident]] = Verb(latest)
    purge: Verb[[float], int] = Verb(purge)
