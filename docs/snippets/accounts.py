from sqlalchemy import CHAR, Boolean, Column, ColumnElement, MetaData, String, Table, create_engine
from sqlalchemy.exc import DBAPIError

from bezant import User
from bezant.errors import StoreUnavailable

table = Table(  # of the application, as it is; with an ORM, Account.__table__
    "user",
    MetaData(),
    Column("id", CHAR(36), primary_key=True),
    Column("email", String(320), unique=True),
    Column("hashed_password", String(1024)),
    Column("is_active", Boolean),
    Column("is_superuser", Boolean),
)


class Accounts:
    """The accounts that there are, for Bezant."""

    def __init__(self, url: str) -> None:
        self.engine = create_engine(url)

    def find(self, login: str) -> User | None:
        return self._one(table.c.email == login)

    def get(self, subject: str) -> User | None:
        return self._one(table.c.id == subject)

    def replace_password_hash(self, subject: str, old: str, new: str) -> None:
        same = (table.c.id == subject) & (table.c.hashed_password == old)
        try:
            with self.engine.begin() as connection:
                connection.execute(table.update().where(same).values(hashed_password=new))
        except DBAPIError as error:
            raise StoreUnavailable("the accounts cannot be written") from error

    def _one(self, condition: ColumnElement[bool]) -> User | None:
        try:
            with self.engine.connect() as connection:
                row = connection.execute(table.select().where(condition)).one_or_none()
        except DBAPIError as error:
            raise StoreUnavailable("the accounts cannot be read") from error
        if row is None:
            return None
        permissions = ("items.delete",) if row.is_superuser else ()
        return User(
            row.id, row.email, row.hashed_password, active=row.is_active, permissions=permissions
        )
