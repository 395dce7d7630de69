"""An API that takes the tokens of an issuer elsewhere.

uvicorn --app-dir examples --lifespan off --port 8001 django_protect:app
Start django_issue first: its tokens are good here.
"""

import os
import secrets

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from django_bezant import BearerRequest
from django_bezant.decorators import require

ISSUER = os.environ.get("ISSUER", "http://127.0.0.1:8000")
AUDIENCE = "https://api.example.com"

settings.configure(
    SECRET_KEY=secrets.token_urlsafe(32),
    ALLOWED_HOSTS=["127.0.0.1"],
    INSTALLED_APPS=["django_bezant"],
    ROOT_URLCONF=__name__,
    BEZANT={"ISSUER": ISSUER, "AUDIENCE": AUDIENCE},
)
app = get_asgi_application()
items = {"1": "a gold coin", "2": "a silver coin"}


@require("items:read")
def list_items(request: BearerRequest) -> JsonResponse:
    return JsonResponse(items)


@require_http_methods(["DELETE"])
@require("items:write", permission="items.delete")
def delete_item(request: BearerRequest, item_id: str) -> HttpResponse:
    items.pop(item_id, None)
    return HttpResponse(status=204)


@require()
def me(request: BearerRequest) -> JsonResponse:
    who = request.principal
    return JsonResponse({"subject": who.subject, "scopes": sorted(who.scopes)})


urlpatterns = [
    path("items", list_items),
    path("items/<item_id>", delete_item),
    path("me", me),
]
