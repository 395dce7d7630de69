"""Authorizations in SQL."""

from __future__ import annotations

import json
from collections.abc import Sequence

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    case,
    delete,
    insert,
    or_,
    select,
    update,
)

from bezant.stores import Authorization, Outcome, Rotation
from bezant.stores.rotation import decide
from bezant.stores.sql.prepared import Prepared, Row
from bezant.stores.sql.schema import Columns
from bezant.stores.sql.schema import authorizations as table
from bezant.stores.sql.units import one_statement, reads, transaction
from bezant.stores.sql.verbs import Store, Sweep, Swept, Verb

__all__ = ["SQLAuthorizationStore"]

STEP = 500
"""Rows that one transaction of a purge looks at, at most."""

c: Columns = table.c
COLUMNS = (
    c.id,
    c.client_id,
    c.subject,
    c.scopes,
    c.audience,
    c.auth_time,
    c.created_at,
    c.expires_at,
    c.idle_expires_at,
    c.generation,
    c.rotated_at,
    c.revoked_at,
    c.address,
    c.session_id,
    c.claims,
)
"""The fields of `Authorization`, in their order."""


def _live_at(now: ColumnElement[float]) -> ColumnElement[bool]:
    return and_(c.revoked_at.is_(None), c.expires_at > now, c.idle_expires_at > now)


def _ended_before(before: ColumnElement[float]) -> ColumnElement[bool]:
    return or_(c.revoked_at < before, c.expires_at < before, c.idle_expires_at < before)


NOW = bindparam("now", type_=c.created_at.type)
BEFORE = bindparam("before", type_=c.created_at.type)
ID = bindparam("id", type_=c.id.type)
CLIENT_ID = bindparam("client_id", type_=c.client_id.type)
SUBJECT = bindparam("subject", type_=c.subject.type)
END = case((c.expires_at < c.idle_expires_at, c.expires_at), else_=c.idle_expires_at)

ADD = Prepared(insert(table))
GET = Prepared(select(*COLUMNS).where(c.id == ID))
HOLD = Prepared(select(*COLUMNS).where(c.id == ID).with_for_update())
ROTATE = Prepared(
    update(table)
    .where(c.id == ID, c.client_id == CLIENT_ID, c.generation == bindparam("known"), _live_at(NOW))
    .values(generation=c.generation + 1, rotated_at=NOW, idle_expires_at=bindparam("idle_end"))
    .returning(*COLUMNS)
)
# A row that was revoked ended then; see the schema on sweep_at.
REVOKED = {"revoked_at": NOW, "sweep_at": NOW}
REVOKE = Prepared(
    update(table).where(c.id == ID, _live_at(NOW)).values(REVOKED).returning(*COLUMNS)
)
REVOKE_FOR_SUBJECT = Prepared(
    update(table).where(c.subject == SUBJECT, _live_at(NOW)).values(REVOKED)
)
REVOKE_FOR_CLIENT = Prepared(
    update(table).where(c.client_id == CLIENT_ID, _live_at(NOW)).values(REVOKED)
)

MOST = bindparam("most", type_=Integer())
LIVE = select(*COLUMNS).where(_live_at(NOW)).order_by(c.created_at.desc()).limit(MOST)
LIST = {
    (False, False): Prepared(LIVE),
    (True, False): Prepared(LIVE.where(c.subject == SUBJECT)),
    (False, True): Prepared(LIVE.where(c.client_id == CLIENT_ID)),
    (True, True): Prepared(LIVE.where(c.subject == SUBJECT, c.client_id == CLIENT_ID)),
}

FOR_SESSION = Prepared(select(*COLUMNS).where(c.session_id == bindparam("session_id")))

DUE = select(c.id).where(c.sweep_at < BEFORE).order_by(c.sweep_at).limit(STEP)
PURGE = Prepared(delete(table).where(c.id.in_(DUE), _ended_before(BEFORE)))
POSTPONE = Prepared(
    update(table)
    .where(
        c.id.in_(DUE), c.revoked_at.is_(None), c.expires_at >= BEFORE, c.idle_expires_at >= BEFORE
    )
    .values(sweep_at=END)
)


@one_statement
def add(connection: Connection, authorization: Authorization, /) -> None:
    """Store a new authorization."""
    ADD.count(
        connection,
        id=authorization.id,
        client_id=authorization.client_id,
        subject=authorization.subject,
        scopes=json.dumps(authorization.scopes),
        audience=json.dumps(authorization.audience),
        auth_time=authorization.auth_time,
        created_at=authorization.created_at,
        expires_at=authorization.expires_at,
        idle_expires_at=authorization.idle_expires_at,
        generation=authorization.generation,
        rotated_at=authorization.rotated_at,
        revoked_at=authorization.revoked_at,
        address=authorization.address,
        session_id=authorization.session_id,
        claims=authorization.claims,
        sweep_at=_end(authorization),
    )


@reads
def get(connection: Connection, authorization_id: str, /) -> Authorization | None:
    """Read one, whatever its state."""
    return _read(GET.row(connection, id=authorization_id))


@one_statement
def rotate(
    connection: Connection,
    authorization_id: str,
    client_id: str,
    generation: int,
    now: float,
    idle_expires_at: float,
    retry_window: float,
    /,
) -> Rotation:
    """Spend one generation, atomically; see `bezant.stores.AuthorizationStore.rotate`."""
    spend = {
        "id": authorization_id,
        "client_id": client_id,
        "known": generation,
        "now": now,
        "idle_end": idle_expires_at,
    }
    rotated = _read(ROTATE.row(connection, **spend))
    if rotated is not None:
        return Rotation(Outcome.ROTATED, rotated)
    with transaction(connection):
        # Held, the row cannot change any more, so the reason found is the reason until the end of
        # the transaction.
        found = _read(HOLD.row(connection, id=authorization_id))
        outcome = decide(found, client_id, generation, now, retry_window)
        if outcome is Outcome.UNKNOWN:
            found = None
        elif outcome is Outcome.ROTATED:  # it came to be between the two statements
            found = _read(ROTATE.row(connection, **spend))
        elif outcome is Outcome.REUSED:
            found = _read(REVOKE.row(connection, id=authorization_id, now=now))
        return Rotation(outcome, found)


@one_statement
def revoke(connection: Connection, authorization_id: str, now: float, /) -> Authorization | None:
    """End one. Returns it if it was live until now, else None."""
    return _read(REVOKE.row(connection, id=authorization_id, now=now))


@one_statement
def revoke_for_subject(connection: Connection, subject: str, now: float, /) -> int:
    """End all of a resource owner's, in one statement. Returns how many were live."""
    return REVOKE_FOR_SUBJECT.count(connection, subject=subject, now=now)


@one_statement
def revoke_for_client(connection: Connection, client_id: str, now: float, /) -> int:
    """End all of a client's, in one statement. Returns how many were live."""
    return REVOKE_FOR_CLIENT.count(connection, client_id=client_id, now=now)


@reads
def list_live(
    connection: Connection,
    now: float,
    subject: str | None = None,
    client_id: str | None = None,
    limit: int = 1000,
) -> Sequence[Authorization]:
    """Those neither revoked nor expired, newest first."""
    filters = {"subject": subject, "client_id": client_id}
    given = {name: value for name, value in filters.items() if value is not None}
    statement = LIST[subject is not None, client_id is not None]
    return [_authorization(row) for row in statement.rows(connection, now=now, most=limit, **given)]


@reads
def list_for_session(connection: Connection, session_id: str, /) -> Sequence[Authorization]:
    """Those of one sign-in, whatever their state."""
    return [_authorization(row) for row in FOR_SESSION.rows(connection, session_id=session_id)]


def purge(connection: Connection, before: float, /) -> Swept:
    """Forget those that ended (revoked or expired) before a time. Returns how many."""
    forgotten = PURGE.count(connection, before=before)
    postponed = POSTPONE.count(connection, before=before)
    return Swept(forgotten, more=forgotten + postponed >= STEP)


class SQLAuthorizationStore(Store):
    """Authorizations in SQL (`bezant.stores.AuthorizationStore`)."""

    add: Verb[[Authorization], None] = Verb(add)
    get: Verb[[str], Authorization | None] = Verb(get)
    rotate: Verb[[str, str, int, float, float, float], Rotation] = Verb(rotate)
    revoke: Verb[[str, float], Authorization | None] = Verb(revoke)
    revoke_for_subject: Verb[[str, float], int] = Verb(revoke_for_subject)
    revoke_for_client: Verb[[str, float], int] = Verb(revoke_for_client)
    # Its last parameters may be named, which the type of a Verb cannot say.
    list_live: Verb[..., Sequence[Authorization]] = Verb(list_live)
    list_for_session: Verb[[str], Sequence[Authorization]] = Verb(list_for_session)
    purge: Sweep = Sweep(purge)


def _end(authorization: Authorization) -> float:
    if authorization.revoked_at is not None:
        return authorization.revoked_at
    return min(authorization.expires_at, authorization.idle_expires_at)


def _read(row: Row | None) -> Authorization | None:
    return None if row is None else _authorization(row)


def _authorization(row: Row) -> Authorization:
    id_, client_id, subject, scopes, audience, *rest = row
    return Authorization(
        id_, client_id, subject, tuple(json.loads(scopes)), tuple(json.loads(audience)), *rest
    )
