"""An application that signs people in, issues tokens, and takes them itself.

uvicorn --app-dir examples --lifespan off django_issue:app
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import os
import secrets
import tempfile
from concurrent.futures import ThreadPoolExecutor
from html import escape

from django.conf import settings
from django.contrib import auth
from django.core.asgi import get_asgi_application
from django.core.management import call_command
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.urls import include, path

from bezant import AuthorizationServer, Client, PasswordHasher, ServerConfig, User
from bezant.interactions import InteractionConfig
from bezant.stores.memory import MemoryStores, MemoryUserStore
from django_bezant import BearerRequest
from django_bezant.decorators import require
from django_bezant.sign_in import signed_in
from django_bezant.single_sign_on import interactions, logouts

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


def show(request: HttpRequest, title: str, fields: str = "") -> HttpResponse:
    csrf = get_token(request)
    fields = fields and f'<input type=hidden name=csrfmiddlewaretoken value="{csrf}">{fields}'
    return HttpResponse(page(title, fields), headers=HEADERS)


def fill_database() -> None:
    call_command("migrate", verbosity=0)
    person = auth.get_user_model()(pk=alice.subject, username=alice.username)
    person.set_password("wonderland")
    person.save()


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

settings.configure(
    SECRET_KEY=secrets.token_urlsafe(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.sessions",
        "django_bezant",
    ],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": f"{tempfile.mkdtemp()}/example.sqlite3",
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    SESSION_COOKIE_SECURE=config.issuer.startswith("https:"),
    CSRF_COOKIE_SECURE=config.issuer.startswith("https:"),
    ROOT_URLCONF=__name__,
    BEZANT={"SERVER": server},
)
app = get_asgi_application()

with ThreadPoolExecutor(1) as threads:  # uvicorn imports this where the ORM may not be used
    threads.submit(fill_database).result()


def login(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return sign_in(request)
    waiting = interactions.get(request.GET.get("interaction", ""))
    if waiting is None:
        return interactions.gone()
    fields = LOGIN.format(hint=escape(waiting.login_hint or ""))
    return show(request, f"Sign in, and go on to {waiting.client.name}", fields)


def sign_in(request: HttpRequest) -> HttpResponse:
    name, password = request.POST.get("username", ""), request.POST.get("password", "")
    user = auth.authenticate(request, username=name, password=password)
    if user is None:
        problem = "the name or the password is wrong"
        return show(request, problem, LOGIN.format(hint=escape(name)))
    if request.user.is_authenticated and request.user.pk != user.pk:
        auth.logout(request)
    auth.login(request, user)
    return interactions.resume(request.GET.get("interaction", ""))


def consent(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return answer(request)
    waiting = interactions.get(request.GET.get("interaction", ""))
    if waiting is None:
        return interactions.gone()
    fields = CONSENT.format(scopes=escape(", ".join(waiting.request.scopes)))
    return show(request, f"{waiting.client.name} asks for", fields)


def answer(request: HttpRequest) -> HttpResponse:
    form, who, interaction = request.POST, signed_in(request), request.GET.get("interaction", "")
    waiting = interactions.get(interaction)
    if waiting is None or who is None:
        return interactions.gone()
    if "allow" not in form:
        return interactions.deny(interaction)
    return interactions.consent(interaction, who, waiting.request.scopes)


def logout(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        return sign_out(request)
    asked = logouts.get(request.GET.get("interaction", ""))
    if asked is None:
        return logouts.gone()
    if asked.must_ask(signed_in(request)):
        return show(request, "Sign out?", LOGOUT)
    return leave(request, request.GET.get("interaction", ""))


def sign_out(request: HttpRequest) -> HttpResponse:
    return leave(request, request.GET.get("interaction", ""))


def leave(request: HttpRequest, interaction: str) -> HttpResponse:
    auth.logout(request)  # which ends what was given in the sign-in
    return logouts.finish(interaction) or show(request, "You are signed out")


@require()
def me(request: BearerRequest) -> JsonResponse:
    who = request.principal
    return JsonResponse({"subject": who.subject, "scopes": sorted(who.scopes)})


urlpatterns = [
    path("", include("django_bezant.urls")),
    path("login", login),
    path("consent", consent),
    path("logout", logout),
    path("me", me),
]
