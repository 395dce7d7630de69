"""Flask. Run as ``gunicorn "bench.protected.flask:<name>()"``."""

from __future__ import annotations

from functools import wraps
from typing import Any

import jwt
from flask import Flask, abort, g, request

from bench.primitives import AUDIENCE, ISSUER
from bench.protected import SCOPE, USER, PeerKey, answer, pyjwt_of_header, verifier
from flask_bezant import Bezant, current_principal, require


def unprotected() -> Flask:
    """The measure of all others: nobody guards the route."""
    app = Flask(__name__)

    @app.get("/items")
    def items() -> dict[str, Any]:
        return answer(USER)

    return app


# ---- Bezant ----


def decorator(*, cache_size: int = 1000) -> Flask:
    """`require` on the view."""
    app = Flask(__name__)
    Bezant(verifier(cache_size)).init_app(app)

    @app.get("/items")
    @require(SCOPE)
    def items() -> dict[str, Any]:
        return answer(current_principal.subject)

    return app


def decorator_uncached() -> Flask:
    """The same, and every signature is verified."""
    return decorator(cache_size=0)


# ---- peers ----


def pyjwt_decorator() -> Flask:
    """What people write by hand: PyJWT in a decorator."""
    app = Flask(__name__)
    read = pyjwt_of_header()

    def token_required(view: Any) -> Any:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            try:
                g.claims = read(request.headers.get("Authorization", ""))
            except jwt.InvalidTokenError:
                abort(401)
            return view(*args, **kwargs)

        return guarded

    @app.get("/items")
    @token_required
    def items() -> dict[str, Any]:
        return answer(g.claims["sub"])

    return app


def jwt_extended() -> Flask:
    """flask-jwt-extended, `jwt_required`; with a prepared key, which it takes as well as PEM."""
    from flask_jwt_extended import JWTManager, get_jwt_identity, jwt_required

    key = PeerKey.found()
    app = Flask(__name__)
    app.config.update(
        JWT_ALGORITHM=key.algorithm,
        JWT_SECRET_KEY=key.private,
        JWT_PUBLIC_KEY=key.public,
        JWT_DECODE_AUDIENCE=AUDIENCE,
        JWT_DECODE_ISSUER=ISSUER,
    )
    JWTManager(app)

    @app.get("/items")
    @jwt_required()
    def items() -> dict[str, Any]:
        return answer(get_jwt_identity())

    return app
