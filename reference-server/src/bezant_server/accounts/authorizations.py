"""Authorizations of accounts: spending a refresh token tells whose it is in the same breath."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from bezant.stores import Outcome, Rotation
from bezant.stores.sql import SQLAuthorizationStore
from bezant.stores.sql.authorizations import rotate
from bezant.stores.sql.units import one_statement
from bezant.stores.sql.verbs import Verb
from bezant_server.accounts.store import get_user

__all__ = ["AccountAuthorizationStore"]


@one_statement
def rotate_and_get_user(
    connection: Connection, /, *spend: *tuple[str, str, int, float, float, float]
) -> Rotation:
    """Spend one generation, atomically; see `bezant.stores.AuthorizationStore.rotate`."""
    rotation = rotate(connection, *spend)
    if rotation.outcome not in {Outcome.ROTATED, Outcome.RETRIED}:
        return rotation
    assert rotation.authorization is not None
    return replace(rotation, user=get_user(connection, rotation.authorization.subject))


class AccountAuthorizationStore(SQLAuthorizationStore):
    """`SQLAuthorizationStore`, beside the accounts: a refresh waits for the database once."""

    rotate: Verb[[str, str, int, float, float, float], Rotation] = Verb(rotate_and_get_user)
