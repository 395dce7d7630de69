"""Sign-ins in browsers, as they are stored.

What the cookie holds is not known here, only its digest (``browser``): it is shared by all sign-ins
of one browser, and replaced at each login. Their ``rank`` says which of them is in use (0), and
which were before: clocks are no measure of that.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, delete, insert, select, update

from bezant.sign_in import SignIn
from bezant.stores.sql.prepared import Prepared, Row
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.verbs import Store, Verb
from bezant_server.accounts.schema import sessions, users

__all__ = ["Session", "SessionStore"]

STEP: Final = 100
"""Ended sign-ins that are looked at together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One person's sign-in in one browser."""

    id: str
    """22 characters of base64url (128 random bits): ``sid``, no secret."""
    subject: str
    auth_time: float
    """When the person last proved who they are."""
    last_seen: float
    """When the browser was last here, to the minute."""
    amr: tuple[str, ...]
    """By what (RFC 8176)."""
    device: str
    """The browser, as it calls itself, in few words; empty when it does not."""
    address: str = field(repr=False)
    """Where it was last seen from."""
    username: str = field(repr=False)
    name: str = field(repr=False)

    @property
    def sign_in(self) -> SignIn:
        """As core sees it."""
        return SignIn(self.subject, self.auth_time, self.id, amr=self.amr)


def _select() -> Select[Any]:
    """Those of people who may sign in: without an account, a sign-in is none."""
    return select(
        sessions.c.id,
        sessions.c.subject,
        sessions.c.auth_time,
        sessions.c.last_seen,
        sessions.c.amr,
        sessions.c.device,
        sessions.c.address,
        users.c.username,
        users.c.name,
    ).join(users, and_(users.c.subject == sessions.c.subject, users.c.active))


_ALIVE = and_(
    sessions.c.auth_time > bindparam("signed_in_after"), sessions.c.last_seen > bindparam("after")
)
_OF_BROWSER = Prepared(
    _select().where(sessions.c.browser == bindparam("browser"), _ALIVE).order_by(sessions.c.rank)
)
_OF_SUBJECT = Prepared(
    _select()
    .where(sessions.c.subject == bindparam("subject"), _ALIVE)
    .order_by(sessions.c.last_seen.desc(), sessions.c.id)
)
_ALL_OF_SUBJECT = Prepared(
    select(sessions.c.id, sessions.c.auth_time).where(sessions.c.subject == bindparam("subject"))
)
_ENDED = Prepared(
    select(sessions.c.id, sessions.c.subject, sessions.c.auth_time)
    .where(
        (sessions.c.auth_time <= bindparam("signed_in_before"))
        | (sessions.c.last_seen <= bindparam("before"))
    )
    .limit(STEP)
)
_INSERT = Prepared(insert(sessions))
_MOVE = Prepared(
    update(sessions)
    .where(sessions.c.browser == bindparam("from_browser"), _ALIVE)
    .values(browser=bindparam("to_browser"), rank=sessions.c.rank + 1)
)
_RENEW = Prepared(
    update(sessions)
    .where(sessions.c.browser == bindparam("of_browser"), sessions.c.subject == bindparam("whose"))
    .values(
        auth_time=bindparam("now"),
        rank=0,
        last_seen=bindparam("now"),
        amr=bindparam("by"),
        device=bindparam("which_device"),
        address=bindparam("from_address"),
    )
    .returning(sessions.c.id)
)
_CHOOSE = Prepared(
    update(sessions)
    .where(
        sessions.c.browser == bindparam("of_browser"), sessions.c.id == bindparam("which"), _ALIVE
    )
    .values(rank=-1)
)
_TOUCH = Prepared(
    update(sessions)
    .where(sessions.c.id == bindparam("which"))
    .values(last_seen=bindparam("now"), address=bindparam("from_address"))
)
_DELETE = Prepared(delete(sessions).where(sessions.c.id == bindparam("which")))


@reads
def of_browser(
    connection: Connection, browser: str, signed_in_after: float, after: float, /
) -> Sequence[Session]:
    """The sign-ins of a browser that are alive, the one in use first."""
    found = _OF_BROWSER.rows(
        connection, browser=browser, signed_in_after=signed_in_after, after=after
    )
    return [_session(row) for row in found]


@reads
def of_subject(
    connection: Connection, subject: str, signed_in_after: float, after: float, /
) -> Sequence[Session]:
    """A person's sign-ins in all browsers that are alive, the last seen first."""
    found = _OF_SUBJECT.rows(
        connection, subject=subject, signed_in_after=signed_in_after, after=after
    )
    return [_session(row) for row in found]


@reads
def all_of_subject(connection: Connection, subject: str, /) -> Sequence[SignIn]:
    """All sign-ins of a subject, alive or not, whether or not there is still an account."""
    return [
        SignIn(subject, auth_time, id_)
        for id_, auth_time in _ALL_OF_SUBJECT.rows(connection, subject=subject)
    ]


@reads
def ended(connection: Connection, signed_in_before: float, before: float, /) -> Sequence[SignIn]:
    """Some sign-ins that are too old, or that were not seen for too long."""
    found = _ENDED.rows(connection, signed_in_before=signed_in_before, before=before)
    return [SignIn(subject, auth_time, id_) for id_, subject, auth_time in found]


def start(
    connection: Connection,
    before: str | None,
    browser: str,
    session: Session,
    signed_in_after: float,
    after: float,
    /,
) -> str:
    """Add a sign-in to a browser, which gets another name. Who was signed in there already stays
    the same sign-in, proven anew; what has ended is left behind. Returns its id.
    """
    alive = {"signed_in_after": signed_in_after, "after": after}
    values = {
        "now": session.auth_time,
        "by": json.dumps(session.amr),
        "which_device": session.device,
        "from_address": session.address,
    }
    if before is not None and _MOVE.count(
        connection, from_browser=before, to_browser=browser, **alive
    ):
        renewed = _RENEW.row(connection, of_browser=browser, whose=session.subject, **values)
        if renewed is not None:
            return str(renewed[0])
    _INSERT.count(
        connection,
        id=session.id,
        browser=browser,
        subject=session.subject,
        auth_time=session.auth_time,
        rank=0,
        last_seen=session.auth_time,
        amr=json.dumps(session.amr),
        device=session.device,
        address=session.address,
    )
    return session.id


def choose(
    connection: Connection,
    before: str,
    browser: str,
    session_id: str,
    signed_in_after: float,
    after: float,
    /,
) -> bool:
    """Use another sign-in of a browser, which gets another name. False when it has no such one."""
    alive = {"signed_in_after": signed_in_after, "after": after}
    if not _CHOOSE.count(connection, of_browser=before, which=session_id, **alive):
        return False
    _MOVE.count(connection, from_browser=before, to_browser=browser, **alive)
    return True


@one_statement
def touch(connection: Connection, session_id: str, now: float, address: str, /) -> None:
    """A sign-in was seen."""
    _TOUCH.count(connection, which=session_id, now=now, from_address=address)


@one_statement
def forget(connection: Connection, session_id: str, /) -> bool:
    """Delete a sign-in. False when there is none."""
    return _DELETE.count(connection, which=session_id) > 0


def _session(row: Row) -> Session:
    id_, subject, auth_time, last_seen, amr, device, address, username, name = row
    return Session(
        id=id_,
        subject=subject,
        auth_time=auth_time,
        last_seen=last_seen,
        amr=tuple(json.loads(amr)),
        device=device,
        address=address,
        username=username,
        name=name,
    )


class SessionStore(Store):
    """Sign-ins in the database."""

    of_browser: Verb[[str, float, float], Sequence[Session]] = Verb(of_browser)
    of_subject: Verb[[str, float, float], Sequence[Session]] = Verb(of_subject)
    all_of_subject: Verb[[str], Sequence[SignIn]] = Verb(all_of_subject)
    ended: Verb[[float, float], Sequence[SignIn]] = Verb(ended)
    start: Verb[[str | None, str, Session, float, float], str] = Verb(start)
    choose: Verb[[str, str, str, float, float], bool] = Verb(choose)
    touch: Verb[[str, float, str], None] = Verb(touch)
    forget: Verb[[str], bool] = Verb(forget)
