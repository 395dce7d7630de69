"""An application that signs people in, issues tokens, and takes them itself.

python -m aiohttp.web --hostname 127.0.0.1 --port 8000 examples.aiohttp_issue:main
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import hmac
import os
import secrets
import time
from collections.abc import Mapping
from html import escape
from typing import Any

from aiohttp import web

from aiohttp_bezant import BEZANT, oauth_routes, principal, require, setup
from bezant import AuthorizationServer, Client, OAuthError, PasswordHasher, ServerConfig, User
from bezant.interactions import InteractionConfig
from bezant.sign_in import SignIn
from bezant.stores.memory import MemoryStores, MemoryUserStore

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


# What a cookie stands for stays here: whoever has an old one has nothing.
sign_ins: dict[str, SignIn] = {}
FORMS = secrets.token_bytes(32)


def signed_in(request: web.Request) -> SignIn | None:
    return sign_ins.get(request.cookies.get("key", ""))


def begin(request: web.Request, response: web.Response, sign_in: SignIn) -> None:
    key = end(request, response)
    sign_ins[key] = sign_in


def end(request: web.Request, response: web.Response) -> str:
    """Forget whom a cookie stands for, and give the browser another one."""
    sign_ins.pop(request.cookies.get("key", ""), None)
    key, secure = secrets.token_urlsafe(32), config.issuer.startswith("https:")
    response.set_cookie("key", key, httponly=True, samesite="Lax", secure=secure)
    return key


def csrf_of(key: str) -> str:
    return hmac.new(FORMS, key.encode(), "sha256").hexdigest()


def show(request: web.Request, title: str, fields: str = "") -> web.Response:
    response, key = web.Response(content_type="text/html", headers=HEADERS), ""
    if fields:
        key = request.cookies.get("key") or end(request, response)
        fields = f'<input type=hidden name=csrf value="{csrf_of(key)}">{fields}'
    response.text = page(title, fields)
    return response


async def posted(request: web.Request) -> Mapping[str, Any]:
    form, key = await request.post(), request.cookies.get("key")
    if not key or not hmac.compare_digest(str(form.get("csrf")).encode(), csrf_of(key).encode()):
        raise web.HTTPForbidden(text="this form is not from here; reload the page")
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

routes = web.RouteTableDef()


@routes.get("/login")
async def login(request: web.Request) -> web.Response:
    bezant = request.app[BEZANT]
    waiting = await bezant.interactions.get(request.query.get("interaction", ""))
    if waiting is None:
        return bezant.interactions.gone()
    fields = LOGIN.format(hint=escape(waiting.login_hint or ""))
    return show(request, f"Sign in, and go on to {waiting.client.name}", fields)


@routes.post("/login")
async def sign_in(request: web.Request) -> web.Response:
    bezant = request.app[BEZANT]
    form, before = await posted(request), signed_in(request)
    name, password = str(form.get("username", "")), str(form.get("password", ""))
    address = request.remote or ""
    try:
        user = await bezant.interactions.authenticate(name, password, address=address)
    except OAuthError as error:
        return show(request, error.description, LOGIN.format(hint=escape(name)))
    if before is not None and before.subject != user.subject:
        await bezant.logouts.end(before)
        before = None
    # Whoever signs in anew goes on with the same session of clients.
    sid = before.session_id if before is not None else secrets.token_urlsafe(24)
    response = bezant.interactions.resume(request.query.get("interaction", ""))
    begin(request, response, SignIn(user.subject, time.time(), sid))
    return response


@routes.get("/consent")
async def consent(request: web.Request) -> web.Response:
    bezant = request.app[BEZANT]
    waiting = await bezant.interactions.get(request.query.get("interaction", ""))
    if waiting is None:
        return bezant.interactions.gone()
    fields = CONSENT.format(scopes=escape(", ".join(waiting.request.scopes)))
    return show(request, f"{waiting.client.name} asks for", fields)


@routes.post("/consent")
async def answer(request: web.Request) -> web.Response:
    bezant, interaction = request.app[BEZANT], request.query.get("interaction", "")
    form, who = await posted(request), signed_in(request)
    waiting = await bezant.interactions.get(interaction)
    if waiting is None or who is None:
        return bezant.interactions.gone()
    if "allow" not in form:
        return await bezant.interactions.deny(interaction)
    return await bezant.interactions.consent(interaction, who, waiting.request.scopes)


@routes.get("/logout")
async def logout(request: web.Request) -> web.Response:
    bezant = request.app[BEZANT]
    asked = await bezant.logouts.get(request.query.get("interaction", ""))
    if asked is None:
        return bezant.logouts.gone()
    if asked.must_ask(signed_in(request)):
        return show(request, "Sign out?", LOGOUT)
    return await leave(request, request.query.get("interaction", ""))


@routes.post("/logout")
async def sign_out(request: web.Request) -> web.Response:
    await posted(request)
    return await leave(request, request.query.get("interaction", ""))


async def leave(request: web.Request, interaction: str) -> web.Response:
    bezant, who = request.app[BEZANT], signed_in(request)
    if who is not None:
        await bezant.logouts.end(who)
    response = await bezant.logouts.finish(interaction) or show(request, "You are signed out")
    end(request, response)
    return response


@routes.get("/me")
@require()
async def me(request: web.Request) -> web.Response:
    who = principal(request)
    return web.json_response({"subject": who.subject, "scopes": sorted(who.scopes)})


def main(argv: list[str]) -> web.Application:
    app = web.Application()
    setup(app, server)
    app.add_routes(oauth_routes(server))
    app.add_routes(routes)
    return app
