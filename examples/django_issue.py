"""An application that signs people in, issues tokens, and takes them itself.

uvicorn --app-dir examples --lifespan off django_issue:app
Sign in as alice with the password "wonderland": the quickstart has the request.
"""

import os
import secrets

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import JsonResponse
from django.urls import include, path

from bezant import AuthorizationServer, Client, PasswordHasher, ServerConfig, User
from bezant.stores.memory import MemoryStores, MemoryUserStore
from django_bezant import BearerRequest
from django_bezant.decorators import require

SCOPES = {"items:read": "See the items", "items:write": "Change the items"}

config = ServerConfig(
    issuer=os.environ.get("ISSUER", "http://127.0.0.1:8000"),
    audience=("https://api.example.com",),
    scopes=SCOPES,
)
client = Client("web", frozenset({"password", "refresh_token"}), tuple(SCOPES), auth_method="none")
alice = User("1", "alice", PasswordHasher().hash("wonderland"), permissions=("items.delete",))
server = AuthorizationServer(
    config,
    stores=MemoryStores([client]),  # gone when the process ends; SQLStores stay
    secret_key=os.environ.get("SECRET_KEY") or secrets.token_urlsafe(32),
    users=MemoryUserStore([alice]),
)

settings.configure(
    SECRET_KEY=secrets.token_urlsafe(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django_bezant"],
    ROOT_URLCONF=__name__,
    BEZANT={"SERVER": server},
)
app = get_asgi_application()


@require()
def me(request: BearerRequest) -> JsonResponse:
    who = request.principal
    return JsonResponse({"subject": who.subject, "scopes": sorted(who.scopes)})


urlpatterns = [path("", include("django_bezant.urls")), path("me", me)]
