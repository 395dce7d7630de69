import os
from dataclasses import replace
from datetime import datetime

from accounts import Accounts
from flask import Flask, abort
from flask_jwt_extended import JWTManager, create_access_token, get_jwt_identity, jwt_required

from bezant import AuthorizationServer, Principal, ServerConfig
from bezant.legacy import LegacyTokens
from bezant.stores.sql import SQLStores
from flask_bezant import Bezant, current_principal, require

accounts = Accounts(os.environ["DATABASE_URL"])
blocked: set[str] = set()  # yours: where `jti` of tokens are kept that were logged out


def admit(old: Principal) -> Principal | None:
    user = accounts.get(old.subject)
    if user is None or not user.active or old.token_id in blocked:
        return None
    return replace(
        old,
        scopes=frozenset({"items:read", "items:write"}),
        permissions=frozenset(user.permissions),
        auth_time=old.claims["iat"] if old.claims.get("fresh") is True else None,
    )


legacy = LegacyTokens(
    key=os.environ["JWT_SECRET_KEY"],
    required={"type": "access"},
    accepted_until=datetime.fromisoformat(os.environ["CUT_OVER_ENDS"]),
    admit=admit,
)
stores = SQLStores.open(os.environ["DATABASE_URL"], sync=True)
stores.database.create_all()
server = AuthorizationServer(
    ServerConfig(issuer="https://shop.example.com", audience=("https://api.example.com",)),
    stores=stores,
    secret_key=os.environ["SECRET_KEY"],  # from SecretKeyRing.generate()
    users=accounts,
    legacy=legacy,
)
bezant = Bezant(server)
app = Flask(__name__)
bezant.init_app(app)
app.register_blueprint(bezant.blueprint())


@app.get("/items")
@require("items:read")
def items() -> str:
    return f"items for {current_principal.subject}"


# What stays of the old library: old sessions are renewed until their own end.

app.config["JWT_SECRET_KEY"] = os.environ["JWT_SECRET_KEY"]
jwt = JWTManager(app)
jwt.token_in_blocklist_loader(lambda header, claims: claims["jti"] in blocked)


@app.post("/refresh")
@jwt_required(refresh=True)
def refresh() -> dict[str, str]:
    user = accounts.get(get_jwt_identity())
    if user is None or not user.active:
        abort(401)
    return {"access_token": create_access_token(user.subject)}
