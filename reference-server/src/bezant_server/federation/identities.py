"""Identities in the database, and the rules by which one is an account.

An issuer and a subject there name a person; nothing else does. An e-mail address leads to an
account only once, to link it, and only when both sides vouch for it: the provider, which settings
must trust with addresses, says that it has verified it, and so is it marked here. Otherwise
whoever makes a provider believe, or once registered here, somebody else's address would become
them.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from sqlalchemy import Connection, bindparam, delete, select, update

from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.units import reads
from bezant.stores.sql.upsert import insert_unless_there
from bezant.stores.sql.verbs import Store, Verb
from bezant_server.accounts.schema import users
from bezant_server.federation.schema import identities

__all__ = ["Admission", "Admitted", "IdentityStore", "Linked", "Linking", "Newcomer", "Unlinking"]

NAMES_TRIED: Final = 9
"""Names with a number behind that are tried before one with a random end."""


class Admission(Enum):
    """What somebody from a provider is here."""

    KNOWN = "known"
    """Linked to an account before."""
    LINKED = "linked"
    """Linked now, by an e-mail address that both sides vouch for."""
    CREATED = "created"
    """New, with an account of their own now."""
    DISABLED = "disabled"
    """Linked to an account, or vouched to be the owner of one, that may not sign in."""
    EMAIL_TAKEN = "email taken"
    """An account has their address, and nobody here vouches for its being theirs."""
    UNKNOWN = "unknown"
    """Nobody, and no account is made for them."""


class Linking(Enum):
    """How an attempt to link an account ended."""

    LINKED = "linked"
    ALREADY = "already"
    """It was linked to this account before."""
    TAKEN = "taken"
    """It is linked to another account."""


class Unlinking(Enum):
    """How an attempt to unlink an account ended."""

    UNLINKED = "unlinked"
    LAST = "last"
    """It is the only way in that the account has."""
    UNKNOWN = "unknown"
    """It is not linked to this account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """Somebody who has signed in at a provider."""

    issuer: str
    subject: str
    label: str = field(repr=False)
    """What to call the identity before its owner."""
    username: str = field(repr=False)
    """The name that an account of theirs begins with, checked."""
    name: str = field(default="", repr=False)
    """What people call them, checked."""
    email: str | None = field(default=None, repr=False)
    """Their address, in the form that accounts have; only when a provider that is trusted with
    addresses has verified it."""
    create: bool = False
    """Whether they get an account when they have none."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """How `admit` ended."""

    admission: Admission
    account: str | None
    """The subject of the account; None when there is none."""


@dataclass(frozen=True, slots=True)
class Linked:
    """An identity of an account."""

    issuer: str
    subject: str
    label: str = field(repr=False)
    linked_at: float
    used_at: float


_ACCOUNT_OF = Prepared(
    select(identities.c.account, users.c.active)
    .select_from(identities.outerjoin(users, users.c.subject == identities.c.account))
    .where(identities.c.issuer == bindparam("issuer"), identities.c.subject == bindparam("subject"))
)
_INSERT = Prepared(insert_unless_there(identities))
_USED = Prepared(
    update(identities)
    .where(identities.c.issuer == bindparam("at"), identities.c.subject == bindparam("who"))
    .values(used_at=bindparam("now"), label=bindparam("called"))
)
_DELETE = Prepared(
    delete(identities).where(
        identities.c.issuer == bindparam("at"),
        identities.c.subject == bindparam("who"),
        identities.c.account == bindparam("whose"),
    )
)
_OF_ACCOUNT = Prepared(
    select(
        identities.c.issuer,
        identities.c.subject,
        identities.c.label,
        identities.c.linked_at,
        identities.c.used_at,
    )
    .where(identities.c.account == bindparam("account"))
    .order_by(identities.c.linked_at, identities.c.issuer, identities.c.subject)
)
_BY_EMAIL = Prepared(
    select(users.c.subject, users.c.active, users.c.email_verified).where(
        users.c.email == bindparam("email")
    )
)
_INSERT_USER = Prepared(insert_unless_there(users))
# Held until the transaction ends: of two who take the last two ways in, one waits.
_HOLD_USER = Prepared(
    select(users.c.password_hash).where(users.c.subject == bindparam("subject")).with_for_update()
)


def admit(connection: Connection, newcomer: Newcomer, now: float, /) -> Admitted:
    """Find the account of somebody from a provider, link it, or make it: by the first rule that
    fits.
    """
    known = _known(connection, newcomer, now)
    if known is not None:
        return known
    if newcomer.email is not None:
        owner = _BY_EMAIL.row(connection, email=newcomer.email)
        if owner is not None:
            account, active, verified = owner
            if not verified:
                return Admitted(Admission.EMAIL_TAKEN, None)
            if not active:
                return Admitted(Admission.DISABLED, account)
            return _linked_or_known(connection, newcomer, account, Admission.LINKED, now)
    if not newcomer.create:
        return Admitted(Admission.UNKNOWN, None)
    account = secrets.token_hex(16)
    # First the identity: of two who come at once, one waits here and then finds the other's.
    admitted = _linked_or_known(connection, newcomer, account, Admission.CREATED, now)
    if admitted.admission is Admission.CREATED and not _create(connection, newcomer, account, now):
        _DELETE.count(connection, at=newcomer.issuer, who=newcomer.subject, whose=account)
        return Admitted(Admission.EMAIL_TAKEN, None)
    return admitted


def link(connection: Connection, newcomer: Newcomer, account: str, now: float, /) -> Linking:
    """Link an identity to an account, at the wish of whoever is signed in there."""
    if _insert(connection, newcomer, account, now):
        return Linking.LINKED
    row = _ACCOUNT_OF.row(connection, issuer=newcomer.issuer, subject=newcomer.subject)
    return Linking.ALREADY if row is not None and row[0] == account else Linking.TAKEN


def unlink(
    connection: Connection, account: str, issuer: str, subject: str, offered: Collection[str], /
) -> Unlinking:
    """Take an identity from an account, unless its owner could not sign in any more then.

    Args:
        connection: Within a transaction.
        account: Whose.
        issuer: Which.
        subject: Which.
        offered: The issuers that people may sign in at now.
    """
    holder = _HOLD_USER.row(connection, subject=account)
    held = list(of_account(connection, account))
    if not any((one.issuer, one.subject) == (issuer, subject) for one in held):
        return Unlinking.UNKNOWN
    others = [
        one
        for one in held
        if (one.issuer, one.subject) != (issuer, subject) and one.issuer in offered
    ]
    if not others and (holder is None or holder[0] is None):
        return Unlinking.LAST
    _DELETE.count(connection, at=issuer, who=subject, whose=account)
    return Unlinking.UNLINKED


@reads
def of_account(connection: Connection, account: str, /) -> Sequence[Linked]:
    """The identities of an account, the oldest first."""
    return [Linked(*row) for row in _OF_ACCOUNT.rows(connection, account=account)]


def _known(connection: Connection, newcomer: Newcomer, now: float) -> Admitted | None:
    row = _ACCOUNT_OF.row(connection, issuer=newcomer.issuer, subject=newcomer.subject)
    if row is None:
        return None
    account, active = row
    if not active:  # or there is no such account any more
        return Admitted(Admission.DISABLED, account)
    _USED.count(
        connection, at=newcomer.issuer, who=newcomer.subject, now=now, called=newcomer.label
    )
    return Admitted(Admission.KNOWN, account)


def _linked_or_known(
    connection: Connection, newcomer: Newcomer, account: str, admission: Admission, now: float
) -> Admitted:
    if _insert(connection, newcomer, account, now):
        return Admitted(admission, account)
    known = _known(connection, newcomer, now)
    assert known is not None
    return known


def _insert(connection: Connection, newcomer: Newcomer, account: str, now: float) -> bool:
    inserted = _INSERT.count(
        connection,
        issuer=newcomer.issuer,
        subject=newcomer.subject,
        account=account,
        label=newcomer.label,
        linked_at=now,
        used_at=now,
    )
    return inserted == 1


def _create(connection: Connection, newcomer: Newcomer, account: str, now: float) -> bool:
    """Make an account under a name that nobody has. False when the address is taken meanwhile."""
    return any(
        _INSERT_USER.count(
            connection,
            subject=account,
            username=name,
            email=newcomer.email,
            password_hash=None,
            active=True,
            created_at=now,
            name=newcomer.name,
            email_verified=newcomer.email is not None,
        )
        for name in _names(newcomer.username)
    )


def _names(wanted: str) -> Iterator[str]:
    """A name that is taken is somebody else's, whoever asks for it."""
    yield wanted
    for number in range(2, NAMES_TRIED + 1):
        yield f"{wanted}-{number}"
    yield f"{wanted}-{secrets.token_hex(8)}"


class IdentityStore(Store):
    """Identities in the database."""

    admit: Verb[[Newcomer, float], Admitted] = Verb(admit)
    link: Verb[[Newcomer, str, float], Linking] = Verb(link)
    unlink: Verb[[str, str, str, Collection[str]], Unlinking] = Verb(unlink)
    of_account: Verb[[str], Sequence[Linked]] = Verb(of_account)
