"""A user's code over the Django extension, as mypy --strict sees it."""

from __future__ import annotations

from typing import assert_type

from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.urls import include, path
from django.utils.decorators import method_decorator
from django.views import View
from ninja import NinjaAPI
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from bezant import AuthorizationServer, Principal
from bezant.events import LoginFailed
from bezant.interactions import Interaction
from django_bezant import BearerRequest, conf
from django_bezant.backends import BearerBackend
from django_bezant.decorators import optional, require
from django_bezant.drf import BearerAuthentication, requires
from django_bezant.ninja import Bearer, install
from django_bezant.sign_in import signed_in
from django_bezant.signals import security_event
from django_bezant.single_sign_on import ainteractions, interactions, logouts
from django_bezant.testing import as_principal


@require("items:read", any_of=["a", "b"], fresh=60)
def item(request: BearerRequest, number: int) -> HttpResponse:
    assert_type(request.principal, Principal)
    return HttpResponse(assert_type(request.principal.subject, str))


@require(permission=["items.delete"], role="editor")
async def drop(request: BearerRequest) -> HttpResponse:
    return HttpResponse(status=204)


@optional
def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse("hello")


@method_decorator(require("items:read"), name="dispatch")
class Items(View):
    async def get(self, request: BearerRequest) -> HttpResponse:
        return await drop(request)


class Orders(APIView):
    authentication_classes = (BearerAuthentication,)
    permission_classes = (requires("orders:read", write="orders:write"),)

    def get(self, request: Request) -> Response:
        return Response(item(BearerRequest(), 7))


class ByName(BearerBackend):
    def find(self, principal: Principal) -> None:
        return None


@receiver(security_event, sender=LoginFailed)
def alarm(event: LoginFailed, **kwargs: object) -> None: ...


def test() -> AuthorizationServer:
    with as_principal(Principal("alice")):
        Client().get("/hello")
    return assert_type(conf.server(), AuthorizationServer)


def consent(request: HttpRequest) -> HttpResponse:
    assert_type(interactions.get("id"), Interaction | None)
    who = signed_in(request)
    if who is None:
        return interactions.gone()
    logouts.end(who)
    return interactions.consent("id", who, ["openid"])


async def aconsent(request: HttpRequest) -> HttpResponse:
    assert_type(ainteractions.resume("id"), HttpResponse)
    return await ainteractions.deny("id")


api = NinjaAPI(auth=[Bearer("a", role="editor")])
install(api)
urlpatterns = [
    path("", include("django_bezant.urls")),
    path("items/<int:number>", item),
    path("items", Items.as_view()),
    path("hello", hello),
    path("api/", api.urls),
]
