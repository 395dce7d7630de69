"""FastAPI. Run as ``uvicorn --factory bench.protected.fastapi:<name>``.

Annotations are not postponed here, because FastAPI could not find the names that they hold in an
enclosing function.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Any

import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer
from starlette.authentication import requires

from bench.protected import SCOPE, USER, PeerKey, answer, pyjwt_by_hand, signature_check, verifier
from bezant import Principal
from fastapi_bezant import BearerMiddleware, Bezant


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


def dependency(*, cache_size: int = 1000) -> FastAPI:
    """`require` as a dependency."""
    app = _app()
    bezant = Bezant(verifier(cache_size))
    bezant.install(app)

    @app.get("/items")
    async def items(who: Annotated[Principal, bezant.require(SCOPE)]) -> dict[str, Any]:
        return answer(who.subject)

    return app


def dependency_uncached() -> FastAPI:
    """The same, and every signature is verified."""
    return dependency(cache_size=0)


def middleware() -> FastAPI:
    """`BearerMiddleware`, and Starlette's `requires` on the route."""
    app = _app()
    bezant = Bezant(verifier())
    bezant.install(app)
    app.add_middleware(BearerMiddleware, bezant=bezant)

    @app.get("/items")
    @requires(SCOPE)
    async def items(request: Request) -> dict[str, Any]:
        return answer(request.user.principal.subject)

    return app


# ---- the limit ----


def signature_alone() -> FastAPI:
    """No dependency can do with less."""
    app, is_good = _app(), signature_check()

    async def check(request: Request) -> None:
        if not is_good(request.headers["authorization"]):
            raise HTTPException(401)

    @app.get("/items", dependencies=[Depends(check)])
    async def items() -> dict[str, Any]:
        return answer(USER)

    return app


# ---- peers ----


def pyjwt_dependency() -> FastAPI:
    """What FastAPI's own tutorial shows: OAuth2PasswordBearer and PyJWT in a dependency."""
    app = _app()
    decode = pyjwt_by_hand()
    scheme = OAuth2PasswordBearer(tokenUrl="token")

    async def current_user(token: Annotated[str, Depends(scheme)]) -> str:
        try:
            return str(decode(token)["sub"])
        except jwt.InvalidTokenError:
            raise HTTPException(401, headers={"WWW-Authenticate": "Bearer"}) from None

    @app.get("/items")
    async def items(user: Annotated[str, Depends(current_user)]) -> dict[str, Any]:
        return answer(user)

    return app


def _authx(key: PeerKey) -> Any:
    from authx import AuthX, AuthXConfig

    private, public = key.texts()
    keys = (
        {"JWT_SECRET_KEY": private}
        if key.symmetric
        else {"JWT_PRIVATE_KEY": private, "JWT_PUBLIC_KEY": public}
    )
    return AuthX(
        config=AuthXConfig(JWT_ALGORITHM=key.algorithm, JWT_TOKEN_LOCATION=["headers"], **keys)
    )


def authx_token(jwk: str) -> str:
    return str(_authx(PeerKey.of(jwk)).create_access_token(USER))


def authx_dependency() -> FastAPI:
    """authx, `access_token_required`."""
    app = _app()
    auth = _authx(PeerKey.found())
    auth.handle_errors(app)

    @app.get("/items")
    async def items(payload: Annotated[Any, Depends(auth.access_token_required)]) -> dict[str, Any]:
        return answer(payload.sub)

    return app


@dataclass
class _User:
    id: uuid.UUID
    email: str = "alice@example.com"
    hashed_password: str = ""
    is_active: bool = True
    is_superuser: bool = False
    is_verified: bool = True


def _strategy(key: PeerKey) -> Any:
    from fastapi_users.authentication import JWTStrategy

    return JWTStrategy(key.private, 3600, algorithm=key.algorithm, public_key=key.public)


def fastapi_users_token(jwk: str) -> str:
    return str(asyncio.run(_strategy(PeerKey.of(jwk)).write_token(_User(uuid.UUID(USER)))))


def fastapi_users_dependency() -> FastAPI:
    """fastapi-users with its JWT strategy; users in a dictionary, so no database is in the way."""
    from fastapi_users import BaseUserManager, FastAPIUsers, UUIDIDMixin
    from fastapi_users.authentication import AuthenticationBackend, BearerTransport
    from fastapi_users.db import BaseUserDatabase

    users = {uuid.UUID(USER): _User(uuid.UUID(USER))}

    class Users(BaseUserDatabase[Any, uuid.UUID]):
        async def get(self, id: uuid.UUID) -> _User | None:
            return users.get(id)

    class Manager(UUIDIDMixin, BaseUserManager[Any, uuid.UUID]):
        pass

    async def manager() -> AsyncIterator[Manager]:
        yield Manager(Users())

    strategy = _strategy(PeerKey.found())
    backend: Any = AuthenticationBackend("jwt", BearerTransport("login"), lambda: strategy)
    current_user = FastAPIUsers(manager, [backend]).current_user(active=True)
    app = _app()

    @app.get("/items")
    async def items(user: Annotated[Any, Depends(current_user)]) -> dict[str, Any]:
        return answer(str(user.id))

    return app
