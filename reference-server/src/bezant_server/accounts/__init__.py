"""Accounts: users with passwords, roles, and the permissions that roles grant."""

from bezant_server.accounts.directory import Account, Directory, Role
from bezant_server.accounts.schema import metadata
from bezant_server.accounts.store import AccountStore

__all__ = ["Account", "AccountStore", "Directory", "Role", "metadata"]
