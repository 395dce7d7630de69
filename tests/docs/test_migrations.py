"""The code of the migration pages, with tokens and password hashes that the old libraries make
themselves.
"""

from __future__ import annotations

import runpy
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from fastapi_users import BaseUserManager, UUIDIDMixin
from fastapi_users.authentication import JWTStrategy
from fastapi_users.password import PasswordHelper
from flask import Flask
from flask_jwt_extended import JWTManager, create_access_token, create_refresh_token, get_jti
from pwdlib import PasswordHash
from pwdlib.hashers.bcrypt import BcryptHasher
from sqlalchemy import create_engine, select
from starlette.testclient import TestClient
from werkzeug.security import generate_password_hash

from bezant import Client, SecretKeyRing
from bezant.runtime import SYNC, run_sync
from bezant.stores.sql import SQLStores, SyncDatabase
from fastapi_bezant import RUNTIME

if TYPE_CHECKING:
    from collections.abc import Callable

    from werkzeug.test import TestResponse

SNIPPETS = Path(__file__).parents[2] / "docs" / "snippets"
SECRET = "the secret of the old library, 42 characters"
ALICE = "0b6a9f4e-1111-4222-8333-444455556666"
OURS = "$argon2id$v=19$m=19456,t=2,p=1$"
FORM = {"client_id": "web", "username": "alice@example.com", "password": "wonderland"}


class Place:
    """A database with alice in it, and the environment of an application over it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        self.url = f"sqlite:///{directory / 'database'}"
        monkeypatch.syspath_prepend(SNIPPETS)
        monkeypatch.delitem(sys.modules, "accounts", raising=False)
        for name, value in {
            "DATABASE_URL": self.url,
            "JWT_SECRET_KEY": SECRET,
            "SECRET": SECRET,
            "SECRET_KEY": SecretKeyRing.generate(),
        }.items():
            monkeypatch.setenv(name, value)
        self.table = runpy.run_path(str(SNIPPETS / "accounts.py"))["table"]
        self.engine = create_engine(self.url)
        self.table.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            alice = {"id": ALICE, "email": FORM["username"], "is_active": True}
            alice |= {"is_superuser": True, "hashed_password": ""}
            connection.execute(self.table.insert(), alice)
        stores = SQLStores.open(self.url, sync=True)
        stores.database.create_all()
        grants = frozenset({"password", "refresh_token"})
        stores.clients.add(Client("web", grants, ("items:read", "items:write"), auth_method="none"))
        stores.database.close()

    def change(self, **values: Any) -> None:
        with self.engine.begin() as connection:
            connection.execute(self.table.update().values(**values))

    @property
    def hashed_password(self) -> str:
        with self.engine.connect() as connection:
            found: str = connection.execute(select(self.table.c.hashed_password)).scalar_one()
            return found

    def run(self, name: str, *, ends: timedelta = timedelta(days=30)) -> dict[str, Any]:
        """The names in a page's application, whose cut-over ends so long from now."""
        end = datetime.now(UTC) + ends
        self._monkeypatch.setenv("CUT_OVER_ENDS", end.isoformat())
        return runpy.run_path(str(SNIPPETS / name))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Place(tmp_path, monkeypatch)
    yield made
    made.engine.dispose()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def is_refused(answer: Any) -> bool:
    challenge: str = answer.headers["www-authenticate"]
    return answer.status_code == 401 and 'error="invalid_token"' in challenge


# ---- flask-jwt-extended ------------------------------------------------------------------------


@pytest.fixture
def old_flask() -> Any:
    """The application as it was; tokens are made in its context."""
    app = Flask("old")
    app.config["JWT_SECRET_KEY"] = SECRET
    JWTManager(app)
    with app.app_context():
        yield app


@pytest.mark.parametrize("method", ["scrypt", "pbkdf2:sha256:1000"])
def test_flask_jwt_extended(place: Place, old_flask: Flask, method: str) -> None:
    old, other = create_access_token(ALICE), create_access_token(ALICE)
    refresh = create_refresh_token(ALICE)
    place.change(hashed_password=generate_password_hash(FORM["password"], method=method))

    names = place.run("migrate_flask.py")
    http = names["app"].test_client()

    def items(token: str) -> TestResponse:
        answer: TestResponse = http.get("/items", headers=bearer(token))
        return answer

    def renew(token: str) -> TestResponse:
        answer: TestResponse = http.post("/refresh", headers=bearer(token))
        return answer

    # Old sessions go on, and their refresh tokens open nothing.
    assert items(old).text == f"items for {ALICE}"
    renewed = renew(refresh).get_json()["access_token"]
    assert items(renewed).status_code == 200
    assert is_refused(items(refresh))
    # New ones begin; the old password is good, and its hash is brought up to date.
    answer = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
    assert answer.status_code == 200, answer.text
    new = answer.get_json()
    assert items(new["access_token"]).text == f"items for {ALICE}"
    assert place.hashed_password.startswith(OURS)
    again = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
    assert again.status_code == 200
    # The old library takes no token of the new server.
    for token in (new["access_token"], new["refresh_token"]):
        assert renew(token).status_code in {401, 422}
    # Logged out in the old way, disabled, revoked in the new way.
    names["blocked"].add(get_jti(old))
    assert is_refused(items(old))
    assert items(other).status_code == 200
    names["blocked"].add(get_jti(refresh))
    assert renew(refresh).status_code == 401
    place.change(is_active=False)
    assert is_refused(items(other))
    place.change(is_active=True)
    assert items(other).status_code == 200
    run_sync(names["server"].revocations.revoke(SYNC, "subject", ALICE))
    assert is_refused(items(other))
    close(names)

    # When it is over, new tokens are good, and no old one is.
    names = place.run("migrate_flask.py", ends=timedelta(seconds=-1))
    http = names["app"].test_client()
    assert is_refused(items(create_access_token(ALICE)))
    answer = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
    assert items(answer.get_json()["access_token"]).status_code == 200
    close(names)


def test_a_fresh_token_says_when_its_owner_signed_in(place: Place, old_flask: Flask) -> None:
    names = place.run("migrate_flask.py")

    def auth_time(token: str) -> int | None:
        who = names["legacy"].verify(token, datetime.now(UTC).timestamp())
        admitted = names["admit"](who)
        assert admitted.permissions == {"items.delete"}
        found: int | None = admitted.auth_time
        return found

    assert abs((auth_time(create_access_token(ALICE, fresh=True)) or 0) - now()) < 60
    assert auth_time(create_access_token(ALICE)) is None
    # fresh for a while: the claim is a moment, and says nothing of when that began
    assert auth_time(create_access_token(ALICE, fresh=timedelta(hours=1))) is None
    close(names)


def now() -> float:
    return datetime.now(UTC).timestamp()


def close(names: dict[str, Any]) -> None:
    names["server"].close()
    names["accounts"].engine.dispose()
    if isinstance(names["stores"].database, SyncDatabase):  # an event loop's closes its own
        names["stores"].database.close()


# ---- fastapi-users -----------------------------------------------------------------------------


@dataclass
class Person:
    """A user of fastapi-users."""

    id: UUID = UUID(ALICE)
    email: str = FORM["username"]
    hashed_password: str = ""
    is_active: bool = True
    is_superuser: bool = True
    is_verified: bool = False
    sent: list[str] = field(default_factory=list)


class Manager(UUIDIDMixin, BaseUserManager[Person, UUID]):
    reset_password_token_secret = SECRET
    verification_token_secret = SECRET

    async def on_after_forgot_password(self, user: Person, token: str, request: Any = None) -> None:
        user.sent.append(token)

    async def on_after_request_verify(self, user: Person, token: str, request: Any = None) -> None:
        user.sent.append(token)


def with_bcrypt(password: str) -> str:
    """As versions before 13 did."""
    return PasswordHelper(PasswordHash((BcryptHasher(rounds=4),))).hash(password)


@pytest.mark.parametrize("hashed", [PasswordHelper().hash, with_bcrypt])
async def test_fastapi_users(place: Place, hashed: Callable[[str], str]) -> None:
    strategy: JWTStrategy[Person, UUID] = JWTStrategy(SECRET, lifetime_seconds=3600)
    alice, bob = Person(), Person(id=UUID(int=7))
    old, stranger = await strategy.write_token(alice), await strategy.write_token(bob)
    endless = await JWTStrategy(SECRET, lifetime_seconds=None).write_token(alice)
    manager = Manager(None)  # type: ignore[arg-type]
    alice.hashed_password = hashed(FORM["password"])
    await manager.forgot_password(alice)
    await manager.request_verify(alice)
    place.change(hashed_password=alice.hashed_password)

    names = place.run("migrate_fastapi_users.py")
    with TestClient(names["app"]) as http:

        def items(token: str) -> Any:
            return http.get("/items", headers=bearer(token))

        # Old sessions go on; what else the same secret has signed opens nothing.
        assert items(old).json() == f"items for {ALICE}"
        assert len(alice.sent) == 2
        for token in (*alice.sent, endless, stranger):
            assert is_refused(items(token))
        # New ones begin; the old password is good, and its hash is brought up to date.
        answer = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
        assert answer.status_code == 200, answer.text
        new = answer.json()
        assert items(new["access_token"]).json() == f"items for {ALICE}"
        assert place.hashed_password.startswith(OURS)
        again = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
        assert again.status_code == 200
        assert await strategy.read_token(new["access_token"], manager) is None
        verified, _ = PasswordHelper().verify_and_update(FORM["password"], place.hashed_password)
        assert verified
        # Disabled, revoked.
        place.change(is_active=False)
        assert is_refused(items(old))
        place.change(is_active=True)
        assert items(old).status_code == 200
        assert http.portal is not None
        http.portal.call(names["server"].revocations.revoke, RUNTIME, "subject", ALICE)
        assert is_refused(items(old))
    close(names)

    names = place.run("migrate_fastapi_users.py", ends=timedelta(seconds=-1))
    with TestClient(names["app"]) as http:
        assert is_refused(items(await strategy.write_token(alice)))
        answer = http.post("/oauth/token", data={**FORM, "grant_type": "password"})
        assert items(answer.json()["access_token"]).status_code == 200
    close(names)
