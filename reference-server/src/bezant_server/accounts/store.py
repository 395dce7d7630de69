"""Accounts as core reads them (`bezant.stores.UserStore`).

Each look-up is one statement that joins a user's roles and their permissions, compiled once: one
of them runs at every refresh.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, bindparam, select, update

from bezant.stores.sql.prepared import Prepared
from bezant.stores.sql.units import one_statement, reads
from bezant.stores.sql.verbs import Store, Verb
from bezant.users import User
from bezant_server.accounts.schema import role_permissions, user_roles, users

__all__ = ["AccountStore"]


def _user_with_roles() -> Select[Any]:
    roles = user_roles.outerjoin(role_permissions, role_permissions.c.role == user_roles.c.role)
    return select(
        users.c.subject,
        users.c.username,
        users.c.password_hash,
        users.c.active,
        users.c.name,
        users.c.email,
        users.c.email_verified,
        user_roles.c.role,
        role_permissions.c.permission,
    ).select_from(users.outerjoin(roles, user_roles.c.subject == users.c.subject))


_GET = Prepared(_user_with_roles().where(users.c.subject == bindparam("subject")))
_FIND = Prepared(_user_with_roles().where(users.c.username == bindparam("username")))
_SET_PASSWORD_HASH = Prepared(
    update(users)
    .where(users.c.subject == bindparam("of_subject"))
    .values(password_hash=bindparam("new_hash"))
)
_SET_NAME = Prepared(
    update(users)
    .where(users.c.subject == bindparam("of_subject"))
    .values(name=bindparam("new_name"))
)
_REPLACE_PASSWORD_HASH = Prepared(
    update(users)
    .where(
        users.c.subject == bindparam("of_subject"), users.c.password_hash == bindparam("old_hash")
    )
    .values(password_hash=bindparam("new_hash"))
)


@reads
def get_user(connection: Connection, subject: str) -> User | None:
    """The user with this subject."""
    return _user(_GET.rows(connection, subject=subject))


@reads
def find_user(connection: Connection, username: str) -> User | None:
    """The user with this name, compared exactly."""
    return _user(_FIND.rows(connection, username=username))


@one_statement
def replace_password_hash(connection: Connection, subject: str, old: str, new: str, /) -> None:
    """Replace a hash by a stronger one, unless the password was changed meanwhile."""
    _REPLACE_PASSWORD_HASH.count(connection, of_subject=subject, old_hash=old, new_hash=new)


@one_statement
def set_password_hash(connection: Connection, subject: str, password_hash: str) -> None:
    """Replace the hash of a password."""
    _SET_PASSWORD_HASH.count(connection, of_subject=subject, new_hash=password_hash)


@one_statement
def set_name(connection: Connection, subject: str, name: str) -> None:
    """Replace a person's name."""
    _SET_NAME.count(connection, of_subject=subject, new_name=name)


def _user(rows: Sequence[Sequence[Any]]) -> User | None:
    """A user from one row for each pair of a role and a permission."""
    if not rows:
        return None
    subject, username, password_hash, active, name, email, verified, role, permission = rows[0]
    if len(rows) == 1:
        roles = (role,) if role is not None else ()
        permissions = (permission,) if permission is not None else ()
    else:
        roles = tuple(sorted({row[-2] for row in rows}))
        permissions = tuple(sorted({row[-1] for row in rows if row[-1] is not None}))
    profile = _profile(username, name, email, bool(verified))
    return User(subject, username, password_hash, bool(active), roles, permissions, profile=profile)


def _profile(username: str, name: str, email: str | None, verified: bool) -> dict[str, Any]:
    """Standard claims (OpenID Connect Core section 5.1); what is not known is not there."""
    profile: dict[str, Any] = {"preferred_username": username}
    if name:
        profile["name"] = name
    if email is not None:
        # An address is verified when an administrator said so, and never by its owner's word.
        profile |= {"email": email, "email_verified": verified}
    return profile


class AccountStore(Store):
    """Accounts in the database (`bezant.stores.UserStore`)."""

    find = Verb(find_user)
    get = Verb(get_user)
    replace_password_hash = Verb(replace_password_hash)
    set_password_hash = Verb(set_password_hash)
    set_name = Verb(set_name)
