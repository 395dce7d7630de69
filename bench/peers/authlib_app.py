"""A small authorization server on Authlib, Flask and SQLAlchemy, after Authlib's own guide."""

from __future__ import annotations

import os
import time
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.integrations.sqla_oauth2 import (
    OAuth2ClientMixin,
    OAuth2TokenMixin,
    create_query_client_func,
    create_save_token_func,
)
from authlib.oauth2.rfc6749 import grants
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask
from joserfc.jwk import ECKey
from sqlalchemy import Column, Engine, ForeignKey, Integer, String, create_engine, event
from sqlalchemy.orm import declarative_base, scoped_session, sessionmaker
from werkzeug.security import check_password_hash, generate_password_hash

from bench.peers import AUDIENCE, CLIENT, PASSWORD, SCOPE, SECRET, USERS

Base: Any = declarative_base()
session = scoped_session(sessionmaker())
KEY = ECKey.generate_key("P-256")


class User(Base):
    __tablename__ = "user"
    id = Column(Integer, primary_key=True)
    name = Column(String(40), unique=True)
    password = Column(String(200))

    def get_user_id(self) -> int:
        return int(self.id)


class Client(Base, OAuth2ClientMixin):
    __tablename__ = "client"
    id = Column(Integer, primary_key=True)


class Token(Base, OAuth2TokenMixin):
    __tablename__ = "token"
    id = Column(Integer, primary_key=True)
    user_id = Column(Integer, ForeignKey("user.id"))


class PasswordGrant(grants.ResourceOwnerPasswordCredentialsGrant):
    def authenticate_user(self, username: str, password: str) -> User | None:
        user = session.query(User).filter_by(name=username).first()
        return user if user and check_password_hash(user.password, password) else None


class RefreshTokenGrant(grants.RefreshTokenGrant):
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        token = session.query(Token).filter_by(refresh_token=refresh_token).first()
        return token if token and not token.is_revoked() else None

    def authenticate_user(self, refresh_token: Token) -> User | None:
        return session.get(User, refresh_token.user_id)

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.refresh_token_revoked_at = int(time.time())
        session.add(refresh_token)
        session.commit()


class AccessTokens(JWTBearerTokenGenerator):
    def get_jwks(self) -> Any:
        return KEY

    def get_audiences(self, client: Client, user: User, scope: str) -> str:
        return AUDIENCE


def application() -> Flask:
    """The app, its tables and its users."""
    engine = create_engine(f"sqlite:///{os.environ['BENCH_DATABASE']}")
    _durable(engine)
    Base.metadata.create_all(engine)
    session.configure(bind=engine)
    hashed = generate_password_hash(PASSWORD)
    session.add_all(User(name=name, password=hashed) for name in USERS)
    for client_id in (CLIENT, "service"):
        client = Client(client_id=client_id, client_secret=SECRET)
        client.set_client_metadata(
            {
                "scope": SCOPE,
                "grant_types": ["password", "refresh_token", "client_credentials"],
                "token_endpoint_auth_method": "client_secret_basic",
            }
        )
        session.add(client)
    session.commit()
    session.remove()

    app = Flask("authlib-peer")
    server = AuthorizationServer(
        app,
        query_client=create_query_client_func(session, Client),
        save_token=create_save_token_func(session, Token),
    )
    for grant in (grants.ClientCredentialsGrant, PasswordGrant, RefreshTokenGrant):
        server.register_grant(grant)
    issuer = AccessTokens(
        "https://id.example.com", alg="ES256", refresh_token_generator=_refresh_token
    )
    server.register_token_generator("default", issuer)
    app.post("/token")(server.create_token_response)
    app.teardown_appcontext(lambda error: session.remove())
    return app


def _refresh_token(**_: Any) -> str:
    return os.urandom(32).hex()


def _durable(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def set_pragmas(connection: Any, record: Any) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
