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


def _user(rows: Sequence[Sequence[Any]]) -> User | None:
    """A user from one row for each pair of a role and a permission."""
    if not rows:
        return None
    subject, username, password_hash, active, role, permission = rows[0]
    if len(rows) == 1:
        roles = (role,) if role is not None else ()
        permissions = (permission,) if permission is not None else ()
    else:
        roles = tuple(sorted({row[4] for row in rows}))
        permissions = tuple(sorted({row[5] for row in rows if row[5] is not None}))
    return User(subject, username, password_hash, bool(active), roles, permissions)


class AccountStore(Store):
    """Accounts in the database (`bezant.stores.UserStore`)."""

    find = Verb(find_user)
    get = Verb(get_user)
    replace_password_hash = Verb(replace_password_hash)
