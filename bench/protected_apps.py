"""FastAPI applications with one route, the same in all of them but for who guards it.

`protect.py` runs them as `uvicorn --factory bench.protected_apps:<name>` with BENCH_KEY, a private
JWK. Each but `unprotected` accepts the token that `token_for(<name>, key)` makes; some peers want
tokens of a form of their own. Annotations are not postponed here, because FastAPI could not find
the names that they hold in an enclosing function.
"""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.authentication import requires

from bench.primitives import AUDIENCE, ISSUER, claims
from bezant import Principal, TokenVerifier
from bezant.keys import Key, KeySet
from bezant.signing import ACCESS_TOKEN_TYPE, encode
from fastapi_bezant import BearerMiddleware, Bezant

USER = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def answer(subject: str) -> dict[str, Any]:
    """What the route answers in every application."""
    return {"for": subject, "items": [{"id": 1, "name": "apple"}, {"id": 2, "name": "pear"}]}


def _key() -> tuple[str, Any, Any]:
    """Algorithm, private and public key of BENCH_KEY, prepared once."""
    jwk = json.loads(os.environ["BENCH_KEY"])
    private = jwt.PyJWK(jwk).key
    return jwk["alg"], private, private if jwk["alg"] == "HS256" else private.public_key()


def _app() -> FastAPI:
    return FastAPI(openapi_url=None)


def unprotected() -> FastAPI:
    """The measure of all others: nobody guards the route."""
    app = _app()

    @app.get("/items")
    async def items() -> dict[str, Any]:
        return answer(USER)

    return app


# ---- Bezant ----


def _bezant(*, cache_size: int) -> Bezant:
    keys = KeySet([Key.from_jwk(json.loads(os.environ["BENCH_KEY"]))])
    verifier = TokenVerifier(issuer=ISSUER, audience=AUDIENCE, keys=keys, cache_size=cache_size)
    return Bezant(verifier)


def bezant_dependency(*, cache_size: int = 1000) -> FastAPI:
    """`require` as a dependency."""
    app = _app()
    bezant = _bezant(cache_size=cache_size)
    bezant.install(app)

    @app.get("/items")
    async def items(who: Annotated[Principal, bezant.require("items:read")]) -> dict[str, Any]:
        return answer(who.subject)

    return app


def bezant_dependency_uncached() -> FastAPI:
    """The same, and every signature is verified."""
    return bezant_dependency(cache_size=0)


def bezant_middleware() -> FastAPI:
    """`BearerMiddleware`, and Starlette's `requires` on the route."""
    app = _app()
    bezant = _bezant(cache_size=1000)
    bezant.install(app)
    app.add_middleware(BearerMiddleware, bezant=bezant)

    @app.get("/items")
    @requires("items:read")
    async def items(request: Request) -> dict[str, Any]:
        return answer(request.user.principal.subject)

    return app


# ---- peers ----


def pyjwt_dependency() -> FastAPI:
    """What FastAPI's own tutorial shows: OAuth2PasswordBearer and PyJWT in a dependency."""
    app = _app()
    algorithm, _, public = _key()
    scheme = OAuth2PasswordBearer(tokenUrl="token")
    required = {"require": ["iss", "aud", "exp"]}

    async def current_user(token: Annotated[str, Depends(scheme)]) -> str:
        try:
            decoded = jwt.decode(
                token,
                public,
                algorithms=[algorithm],
                audience=AUDIENCE,
                issuer=ISSUER,
                options=required,
            )
        except jwt.InvalidTokenError:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None
        return str(decoded["sub"])

    @app.get("/items")
    async def items(user: Annotated[str, Depends(current_user)]) -> dict[str, Any]:
        return answer(user)

    return app


def _authx() -> Any:
    from authx import AuthX, AuthXConfig

    algorithm, private, public = _key()
    if algorithm == "HS256":
        keys = {"JWT_SECRET_KEY": private.hex()}
    else:  # it takes keys as PEM text only
        pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public_pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        keys = {"JWT_PRIVATE_KEY": pem.decode(), "JWT_PUBLIC_KEY": public_pem.decode()}
    return AuthX(
        config=AuthXConfig(JWT_ALGORITHM=algorithm, JWT_TOKEN_LOCATION=["headers"], **keys)
    )


def authx_dependency() -> FastAPI:
    """authx, `access_token_required`."""
    app = _app()
    auth = _authx()
    auth.handle_errors(app)

    @app.get("/items")
    async def items(payload: Annotated[Any, Depends(auth.access_token_required)]) -> dict[str, Any]:
        return answer(payload.sub)

    return app


def _fastapi_users() -> tuple[Any, Any]:
    """The library's strategy, and a dependency for the current user out of a dictionary."""
    import uuid

    from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
    from fastapi_users.authentication import AuthenticationBackend, BearerTransport, JWTStrategy
    from fastapi_users.db import BaseUserDatabase

    @dataclass
    class User:
        id: uuid.UUID
        email: str = "alice@example.com"
        hashed_password: str = ""
        is_active: bool = True
        is_superuser: bool = False
        is_verified: bool = True

    users = {uuid.UUID(USER): User(uuid.UUID(USER))}

    class Users(BaseUserDatabase[Any, uuid.UUID]):
        async def get(self, id: uuid.UUID) -> User | None:
            return users.get(id)

    class Manager(UUIDIDMixin, BaseUserManager[Any, uuid.UUID]):
        pass

    async def manager() -> AsyncIterator[Manager]:
        yield Manager(Users())

    algorithm, private, public = _key()
    strategy: Any = JWTStrategy(private, 3600, algorithm=algorithm, public_key=public)
    backend: Any = AuthenticationBackend("jwt", BearerTransport("login"), lambda: strategy)
    return strategy, FastAPIUsers(manager, [backend]).current_user(active=True)


def fastapi_users_dependency() -> FastAPI:
    """fastapi-users with its JWT strategy; users in a dictionary, so no database is in the way."""
    app = _app()
    _, current_user = _fastapi_users()

    @app.get("/items")
    async def items(user: Annotated[Any, Depends(current_user)]) -> dict[str, Any]:
        return answer(str(user.id))

    return app


# ---- tokens ----


def token_for(application: str, key: str) -> str:
    """A token that the application accepts, in the form that its library wants."""
    os.environ["BENCH_KEY"] = key
    if application == "authx_dependency":
        return str(_authx().create_access_token(USER))
    if application == "fastapi_users_dependency":
        strategy, _ = _fastapi_users()

        @dataclass
        class Somebody:
            id: str = USER

        return str(asyncio.run(strategy.write_token(Somebody())))
    return encode(Key.from_jwk(json.loads(key)), ACCESS_TOKEN_TYPE, {**claims(), "sub": USER})
