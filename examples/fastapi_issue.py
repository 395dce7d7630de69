"""An application that signs people in, issues tokens, and takes them itself.

uvicorn --app-dir examples fastapi_issue:app
Open http://127.0.0.1:8000/docs and authorize as alice with the password "wonderland".
"""

import os
import secrets
import time
from html import escape
from typing import Annotated

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.datastructures import FormData
from fastapi.responses import HTMLResponse
from starlette.middleware.sessions import SessionMiddleware

from bezant import (
    AuthorizationServer,
    Client,
    OAuthError,
    PasswordHasher,
    Principal,
    ServerConfig,
    User,
)
from bezant.interactions import InteractionConfig
from bezant.sign_in import SignIn
from bezant.stores.memory import MemoryStores, MemoryUserStore
from fastapi_bezant import Bezant

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


def signed_in(request: Request) -> SignIn | None:
    return sign_ins.get(request.session.get("key", ""))


def begin(request: Request, sign_in: SignIn) -> None:
    end(request)
    request.session["key"] = secrets.token_urlsafe(32)
    sign_ins[request.session["key"]] = sign_in


def end(request: Request) -> None:
    sign_ins.pop(request.session.get("key", ""), None)
    request.session.clear()


def show(request: Request, title: str, fields: str = "") -> Response:
    csrf = request.session.setdefault("csrf", secrets.token_urlsafe(32))
    fields = fields and f'<input type=hidden name=csrf value="{csrf}">{fields}'
    return HTMLResponse(page(title, fields), headers=HEADERS)


async def posted(request: Request) -> FormData:
    form, csrf = await request.form(), request.session.get("csrf")
    if csrf is None or not secrets.compare_digest(str(form.get("csrf")).encode(), csrf.encode()):
        raise HTTPException(403, "this form is not from here; reload the page")
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
app = FastAPI()
app.add_middleware(
    SessionMiddleware,
    secret_key=secrets.token_urlsafe(32),
    https_only=config.issuer.startswith("https:"),
)
bezant.install(app)
bezant.docs(app, client_id="web")
app.include_router(bezant.router())


@app.get("/login")
async def login(request: Request, interaction: str) -> Response:
    waiting = await bezant.interactions.get(interaction)
    if waiting is None:
        return bezant.interactions.gone()
    fields = LOGIN.format(hint=escape(waiting.login_hint or ""))
    return show(request, f"Sign in, and go on to {waiting.client.name}", fields)


@app.post("/login")
async def sign_in(request: Request, interaction: str) -> Response:
    form, before = await posted(request), signed_in(request)
    name, password = str(form.get("username", "")), str(form.get("password", ""))
    address = request.client.host if request.client else ""
    try:
        user = await bezant.interactions.authenticate(name, password, address=address)
    except OAuthError as error:
        return show(request, error.description, LOGIN.format(hint=escape(name)))
    if before is not None and before.subject != user.subject:
        await bezant.logouts.end(before)
        before = None
    # Whoever signs in anew goes on with the same session of clients.
    sid = before.session_id if before is not None else secrets.token_urlsafe(24)
    begin(request, SignIn(user.subject, time.time(), sid))
    return bezant.interactions.resume(interaction)


@app.get("/consent")
async def consent(request: Request, interaction: str) -> Response:
    waiting = await bezant.interactions.get(interaction)
    if waiting is None:
        return bezant.interactions.gone()
    fields = CONSENT.format(scopes=escape(", ".join(waiting.request.scopes)))
    return show(request, f"{waiting.client.name} asks for", fields)


@app.post("/consent")
async def answer(request: Request, interaction: str) -> Response:
    form, who = await posted(request), signed_in(request)
    waiting = await bezant.interactions.get(interaction)
    if waiting is None or who is None:
        return bezant.interactions.gone()
    if "allow" not in form:
        return await bezant.interactions.deny(interaction)
    return await bezant.interactions.consent(interaction, who, waiting.request.scopes)


@app.get("/logout")
async def logout(request: Request, interaction: str) -> Response:
    asked = await bezant.logouts.get(interaction)
    if asked is None:
        return bezant.logouts.gone()
    if asked.must_ask(signed_in(request)):
        return show(request, "Sign out?", LOGOUT)
    return await leave(request, interaction)


@app.post("/logout")
async def sign_out(request: Request, interaction: str) -> Response:
    await posted(request)
    return await leave(request, interaction)


async def leave(request: Request, interaction: str) -> Response:
    who = signed_in(request)
    if who is not None:
        await bezant.logouts.end(who)
    end(request)
    return await bezant.logouts.finish(interaction) or show(request, "You are signed out")


@app.get("/me")
def me(who: Annotated[Principal, bezant.principal]) -> dict[str, object]:
    return {"subject": who.subject, "scopes": sorted(who.scopes)}
