"""An application that signs people in, issues tokens, and takes them itself.

flask --app examples/flask_issue run --port 8000
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import os
import secrets
import time
from html import escape

from flask import Flask, Request, Response, abort, request, session

from bezant import AuthorizationServer, Client, OAuthError, PasswordHasher, ServerConfig, User
from bezant.interactions import InteractionConfig
from bezant.sign_in import SignIn
from bezant.stores.memory import MemoryStores, MemoryUserStore
from flask_bezant import Bezant, current_principal, require

LOGIN = """<p><label>Name <input name=username value="{hint}" autofocus></label>
<p><label>Password <input name=password type=password></label><p><button>Sign in</button>"""
CONSENT = "<p>{scopes}<p><button name=allow>Allow</button> <button>Refuse</button>"
LOGOUT = "<p><button>Sign out</button>"
HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def page(title: str, fields: str) -> str:
    head = f"<!doctype html><html lang=en><title>{escape(title)}</title><h1>{escape(title)}</h1>"
    return f"{head}<form method=post>{fields}</form>" if fields else head


# What a session stands for stays here: whoever has an old cookie has nothing.
sign_ins: dict[str, SignIn] = {}


def signed_in(_: Request | None = None) -> SignIn | None:
    return sign_ins.get(session.get("key", ""))


def begin(sign_in: SignIn) -> None:
    end()
    session["key"] = secrets.token_urlsafe(32)
    sign_ins[session["key"]] = sign_in


def end() -> None:
    sign_ins.pop(session.get("key", ""), None)
    session.clear()


def show(title: str, fields: str = "") -> Response:
    csrf = session.setdefault("csrf", secrets.token_urlsafe(32))
    fields = fields and f'<input type=hidden name=csrf value="{csrf}">{fields}'
    return Response(page(title, fields), headers=HEADERS, mimetype="text/html")


def posted() -> dict[str, str]:
    form, csrf = request.form, session.get("csrf")
    if csrf is None or not secrets.compare_digest(form.get("csrf", "").encode(), csrf.encode()):
        abort(403, "this form is not from here; reload the page")
    return form


SCOPES = {"items:read": "See the items", "items:write": "Change the items"}

config = ServerConfig(
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    audience=("https://api.example.com",),
    scopes=SCOPES,
)
client = Client("web", frozenset({"password", "refresh_token"}), tuple(SCOPES), auth_method="none")
shop = Client(
    "shop",
    frozenset({"authorization_code", "refresh_token"}),
    ("openid", "profile", *SCOPES),
    auth_method="none",
    name="The Shop",
    redirect_uris=("http://127.0.0.1:9000/callback",),
    post_logout_redirect_uris=("http://127.0.0.1:9000/",),
)
alice = User(
    "1",
    "alice",
    PasswordHasher().hash("wonderland"),
    permissions=("items.delete",),
    profile={"name": "Alice Liddell"},
)
server = AuthorizationServer(
    config,
    stores=MemoryStores([client, shop]),  # gone when the process ends; SQLStores stay
    secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32),
    interaction=InteractionConfig(
        login_url="/login", consent_url="/consent", logout_url="/logout", sign_in=signed_in
    ),
    users=MemoryUserStore([alice]),
)

bezant = Bezant(server)
app = Flask(__name__)
app.config.update(
    SECRET_KEY=secrets.token_urlsafe(32),
    SESSION_COOKIE_SAMESITE="Lax",
    SESSION_COOKIE_SECURE=config.issuer.startswith("https:"),
)
bezant.init_app(app)
app.register_blueprint(bezant.blueprint())


@app.get("/login")
def login() -> Response:
    waiting = bezant.interactions.get(request.args.get("interaction", ""))
    if waiting is None:
        return bezant.interactions.gone()
    fields = LOGIN.format(hint=escape(waiting.login_hint or ""))
    return show(f"Sign in, and go on to {waiting.client.name}", fields)


@app.post("/login")
def sign_in() -> Response:
    form, before = posted(), signed_in()
    name, password = form.get("username", ""), form.get("password", "")
    address = request.remote_addr or ""
    try:
        user = bezant.interactions.authenticate(name, password, address=address)
    except OAuthError as error:
        return show(error.description, LOGIN.format(hint=escape(name)))
    if before is not None and before.subject != user.subject:
        bezant.logouts.end(before)
        before = None
    # Whoever signs in anew goes on with the same session of clients.
    sid = before.session_id if before is not None else secrets.token_urlsafe(24)
    begin(SignIn(user.subject, time.time(), sid))
    return bezant.interactions.resume(request.args.get("interaction", ""))


@app.get("/consent")
def consent() -> Response:
    waiting = bezant.interactions.get(request.args.get("interaction", ""))
    if waiting is None:
        return bezant.interactions.gone()
    fields = CONSENT.format(scopes=escape(", ".join(waiting.request.scopes)))
    return show(f"{waiting.client.name} asks for", fields)


@app.post("/consent")
def answer() -> Response:
    form, who, interaction = posted(), signed_in(), request.args.get("interaction", "")
    waiting = bezant.interactions.get(interaction)
    if waiting is None or who is None:
        return bezant.interactions.gone()
    if "allow" not in form:
        return bezant.interactions.deny(interaction)
    return bezant.interactions.consent(interaction, who, waiting.request.scopes)


@app.get("/logout")
def logout() -> Response:
    asked = bezant.logouts.get(request.args.get("interaction", ""))
    if asked is None:
        return bezant.logouts.gone()
    if asked.must_ask(signed_in()):
        return show("Sign out?", LOGOUT)
    return leave(request.args.get("interaction", ""))


@app.post("/logout")
def sign_out() -> Response:
    posted()
    return leave(request.args.get("interaction", ""))


def leave(interaction: str) -> Response:
    who = signed_in()
    if who is not None:
        bezant.logouts.end(who)
    end()
    return bezant.logouts.finish(interaction) or show("You are signed out")


@app.get("/me")
@require()
def me() -> dict[str, object]:
    who = current_principal
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
