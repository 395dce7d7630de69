"""The API in Django."""

from __future__ import annotations

import logging
import secrets
import socket
from typing import Any

import uvicorn
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.http import require_http_methods

from bezant_server.demo.apis.items import about, new_items
from bezant_server.demo.apis.process import Order, run
from django_bezant import BearerRequest
from django_bezant.decorators import require

__all__ = ["create"]

items = new_items()


@require("items:read")
def read_items(request: HttpRequest) -> HttpResponse:
    """All items."""
    return JsonResponse(items)


@require_http_methods(["DELETE"])
@require("items:write", permission="items.delete")
def delete_item(request: BearerRequest, number: int) -> HttpResponse:
    """One item less."""
    if number not in items:
        return JsonResponse({"detail": "There is no such item."}, status=404)
    return JsonResponse({"deleted": items.pop(number), "by": request.principal.subject})


@require()
def me(request: BearerRequest) -> HttpResponse:
    """Who is asking."""
    return JsonResponse(about(request.principal))


urlpatterns = [path("items", read_items), path("items/<int:number>", delete_item), path("me", me)]


def create(order: Order) -> Any:
    """The API.

    Args:
        order: Whose tokens it takes.
    """
    logging.getLogger("django.request").setLevel(logging.ERROR)  # the story tells of refusals
    settings.configure(
        SECRET_KEY=secrets.token_urlsafe(32),
        ALLOWED_HOSTS=["127.0.0.1", "localhost", "[::1]"],
        INSTALLED_APPS=["django_bezant"],
        ROOT_URLCONF=__name__,
        BEZANT={"ISSUER": order.issuer, "AUDIENCE": order.audience},
        LOGGING_CONFIG=None,
    )
    return get_asgi_application()


def serve(order: Order, listening: socket.socket, url: str) -> None:
    """Serve with uvicorn."""
    config = uvicorn.Config(create(order), log_level="error", lifespan="off")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    run(serve)
