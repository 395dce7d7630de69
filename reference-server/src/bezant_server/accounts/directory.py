"""Looking after accounts: what the commands do, each verb in one transaction."""

from __future__ import annotations

import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any
from unicodedata import category, normalize

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bezant.errors import Refused
from bezant.scopes import is_scope
from bezant.stores.sql import SyncDatabase
from bezant.stores.sql.units import reads
from bezant_server.accounts.schema import role_permissions, roles, user_roles, users
from bezant_server.accounts.store import set_password_hash

__all__ = ["Account", "Directory", "Role"]

MAX_NAME = 255
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]+@[^\s@<>,;:\"()\[\]\\]+")


@dataclass(frozen=True, slots=True)
class Account:
    """A user as people who look after accounts see it."""

    subject: str
    """Random, never used again: what tokens call the user."""
    username: str
    email: str | None
    active: bool
    roles: tuple[str, ...]
    created_at: float
    name: str = ""
    """What people call them; empty when nobody said."""
    email_verified: bool = False
    """Whether somebody who looks after accounts vouches for the address."""


@dataclass(frozen=True, slots=True)
class Role:
    """A role and what it allows."""

    name: str
    permissions: tuple[str, ...]
    users: int
    """How many have it."""


class Directory:
    """Users and roles.

    Args:
        database: Where they are.
        clock: Seconds since the epoch.
    """

    def __init__(self, database: SyncDatabase, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    # Users

    def add_user(
        self,
        username: str,
        *,
        password_hash: str,
        email: str | None = None,
        email_verified: bool = False,
        name: str = "",
        roles: Iterable[str] = (),
    ) -> Account:
        """Make an account.

        Raises:
            Refused: The name or the address is taken or unusable, or a role does not exist.
        """
        if email_verified and email is None:
            raise Refused("there is no e-mail address that could be verified")
        account = Account(
            subject=secrets.token_hex(16),
            username=checked_username(username),
            email=None if email is None else checked_email(email),
            active=True,
            roles=tuple(dict.fromkeys(roles)),
            created_at=self._clock(),
            name=checked_name(name),
            email_verified=email_verified,
        )
        self._database.run(_add_user, account, password_hash)
        return account

    def user(self, username: str) -> Account:
        """The account with this name.

        Raises:
            Refused: There is none.
        """
        found = self._database.run(_list_users, username)
        if not found:
            raise Refused(f"there is no user {username!r}; `bezant user list` shows them")
        return found[0]

    def users(self) -> list[Account]:
        """All accounts, by name."""
        return self._database.run(_list_users)

    def usernames(self) -> dict[str, str]:
        """Names by subject."""
        return self._database.run(_usernames)

    def set_active(self, subject: str, active: bool) -> None:
        """Let an account sign in, or not any more."""
        self._database.run(_set_active, subject, active)

    def set_profile(
        self,
        subject: str,
        *,
        name: str | None = None,
        email: str | None = None,
        email_verified: bool | None = None,
    ) -> None:
        """Change what is known of a person; None leaves it alone. Another address is unverified
        until somebody says otherwise.

        Raises:
            Refused: The address is taken or unusable, or the name is.
        """
        values: dict[str, Any] = {}
        if name is not None:
            values["name"] = checked_name(name)
        if email is not None:
            values |= {"email": checked_email(email), "email_verified": False}
        if email_verified is not None:
            values["email_verified"] = email_verified
        if values:
            self._database.run(_set_profile, subject, values)

    def set_password_hash(self, subject: str, password_hash: str) -> None:
        """Replace the hash of a password."""
        self._database.run(set_password_hash, subject, password_hash)

    def grant_role(self, subject: str, role: str) -> bool:
        """Give a user a role. Returns False when the user had it.

        Raises:
            Refused: There is no such role.
        """
        return self._database.run(_grant_role, subject, role)

    def revoke_role(self, subject: str, role: str) -> bool:
        """Take a role from a user. Returns False when the user did not have it."""
        return self._database.run(_revoke_role, subject, role)

    # Roles

    def add_role(self, name: str, permissions: Iterable[str] = ()) -> tuple[Role, bool]:
        """Make a role, or add permissions to one.

        Returns:
            The role as it is now, and whether it is new.

        Raises:
            Refused: A name cannot be used.
        """
        _check_word("role", name, 100)
        wanted = tuple(dict.fromkeys(permissions))
        for permission in wanted:
            _check_word("permission", permission, MAX_NAME)
        return self._database.run(_add_role, name, wanted, self._clock())

    def remove_role(self, name: str, permissions: Iterable[str] = ()) -> Role | None:
        """Take permissions from a role, or remove the role when none are named.

        Returns:
            The role as it is now; None when it is gone.

        Raises:
            Refused: There is no such role, it lacks such a permission, or users still have it.
        """
        return self._database.run(_remove_role, name, tuple(dict.fromkeys(permissions)))

    def roles(self) -> list[Role]:
        """All roles, by name."""
        return self._database.run(_list_roles)


def checked_username(username: str) -> str:
    """A name that people can tell apart and type again.

    Raises:
        Refused: It is empty, too long, or holds what cannot be seen.
    """
    name = normalize("NFC", username)
    if not 1 <= len(name) <= MAX_NAME:
        raise Refused(f"a user's name has 1 to {MAX_NAME} characters")
    if name != name.strip() or "  " in name:
        raise Refused("a user's name has no spaces at its ends and no two in a row")
    if any(category(c)[0] == "C" or (category(c)[0] == "Z" and c != " ") for c in name):
        raise Refused("a user's name has no control characters and no special spaces")
    return name


def checked_name(name: str) -> str:
    """What people call somebody; may be empty.

    Raises:
        Refused: It is too long, or holds what cannot be seen.
    """
    name = " ".join(normalize("NFC", name).split())
    if len(name) > MAX_NAME:
        raise Refused(f"a person's name has at most {MAX_NAME} characters")
    if any(category(c) in {"Cc", "Cs", "Co", "Cn"} for c in name):
        raise Refused("a person's name has no control characters")
    return name


def checked_email(email: str) -> str:
    """Lower case, so that one mailbox is one address."""
    address = normalize("NFC", email.strip()).lower()
    if len(address) > MAX_NAME - 1 or not _EMAIL.fullmatch(address):
        raise Refused(f"{address[:60]!r} is no e-mail address")
    return address


def _check_word(kind: str, word: str, limit: int) -> None:
    if len(word) > limit or not is_scope(word):
        raise Refused(
            f"a {kind} is one word of at most {limit} printable ASCII characters, no quotes"
        )


# Units of work


def _add_user(connection: Connection, account: Account, password_hash: str) -> None:
    _check_roles(connection, account.roles)
    try:
        connection.execute(
            insert(users).values(
                subject=account.subject,
                username=account.username,
                email=account.email,
                password_hash=password_hash,
                active=account.active,
                created_at=account.created_at,
                name=account.name,
                email_verified=account.email_verified,
            )
        )
    except IntegrityError as clash:
        which = "e-mail address" if "email" in str(clash.orig) else "name"
        hint = "" if which != "name" else "; `bezant user set-password` replaces a password"
        raise Refused(f"there is a user with this {which} already{hint}") from None
    for role in account.roles:
        connection.execute(insert(user_roles).values(subject=account.subject, role=role))


def _check_roles(connection: Connection, wanted: tuple[str, ...]) -> None:
    known = set(connection.scalars(select(roles.c.name)))
    for role in wanted:
        if role not in known:
            have = f"there are: {', '.join(sorted(known))}" if known else "there is none yet"
            raise Refused(f"there is no role {role!r} ({have}); `bezant role add` makes one")


@reads
def _list_users(connection: Connection, username: str | None = None) -> list[Account]:
    statement = (
        select(users, user_roles.c.role)
        .outerjoin(user_roles, user_roles.c.subject == users.c.subject)
        .order_by(users.c.username, user_roles.c.role)
    )
    if username is not None:
        statement = statement.where(users.c.username == normalize("NFC", username))
    found: dict[str, tuple[Any, list[str]]] = {}
    for row in connection.execute(statement):
        held = found.setdefault(row.subject, (row, []))[1]
        if row.role is not None:
            held.append(row.role)
    return [
        Account(
            row.subject,
            row.username,
            row.email,
            bool(row.active),
            tuple(held),
            row.created_at,
            row.name,
            bool(row.email_verified),
        )
        for row, held in found.values()
    ]


@reads
def _usernames(connection: Connection) -> dict[str, str]:
    return {row.subject: row.username for row in connection.execute(select(users))}


def _set_active(connection: Connection, subject: str, active: bool) -> None:
    connection.execute(update(users).where(users.c.subject == subject).values(active=active))


def _set_profile(connection: Connection, subject: str, values: dict[str, Any]) -> None:
    if values.get("email_verified") and "email" not in values:
        has_email = select(users.c.email).where(users.c.subject == subject)
        if connection.scalar(has_email) is None:
            raise Refused("there is no e-mail address that could be verified")
    try:
        connection.execute(update(users).where(users.c.subject == subject).values(**values))
    except IntegrityError:
        raise Refused("there is a user with this e-mail address already") from None


def _grant_role(connection: Connection, subject: str, role: str) -> bool:
    _check_roles(connection, (role,))
    held = select(user_roles).where(user_roles.c.subject == subject, user_roles.c.role == role)
    if connection.execute(held).first() is not None:
        return False
    connection.execute(insert(user_roles).values(subject=subject, role=role))
    return True


def _revoke_role(connection: Connection, subject: str, role: str) -> bool:
    held = delete(user_roles).where(user_roles.c.subject == subject, user_roles.c.role == role)
    return connection.execute(held).rowcount > 0


def _add_role(
    connection: Connection, name: str, permissions: tuple[str, ...], now: float
) -> tuple[Role, bool]:
    before = _find_role(connection, name)
    if before is None:
        connection.execute(insert(roles).values(name=name, created_at=now))
    for permission in permissions:
        if before is None or permission not in before.permissions:
            connection.execute(insert(role_permissions).values(role=name, permission=permission))
    after = _find_role(connection, name)
    assert after is not None
    return after, before is None


def _remove_role(connection: Connection, name: str, permissions: tuple[str, ...]) -> Role | None:
    before = _find_role(connection, name)
    if before is None:
        raise Refused(f"there is no role {name!r}; `bezant role list` shows them")
    for permission in permissions:
        if permission not in before.permissions:
            raise Refused(f"the role {name} has no permission {permission!r}")
    held = role_permissions.c.role == name
    if permissions:
        connection.execute(
            delete(role_permissions).where(held, role_permissions.c.permission.in_(permissions))
        )
        return _find_role(connection, name)
    if before.users:
        raise Refused(
            f"{before.users} users have the role {name}; take it from them first with "
            "`bezant user revoke-role`"
        )
    connection.execute(delete(role_permissions).where(held))
    connection.execute(delete(roles).where(roles.c.name == name))
    return None


def _find_role(connection: Connection, name: str) -> Role | None:
    return next((role for role in _list_roles(connection) if role.name == name), None)


@reads
def _list_roles(connection: Connection) -> list[Role]:
    allowed: dict[str, list[str]] = {
        name: [] for name in connection.scalars(select(roles.c.name).order_by(roles.c.name))
    }
    pairs = select(role_permissions).order_by(role_permissions.c.permission)
    for role, permission in connection.execute(pairs):
        allowed[role].append(permission)
    held = Counter(connection.scalars(select(user_roles.c.role)))
    return [Role(name, tuple(have), held[name]) for name, have in allowed.items()]
