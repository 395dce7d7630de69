"""Django, and REST framework in it. Run as ``gunicorn "bench.protected.django:<name>()"``.

Every application is a project of its own with no middleware but what its row is about, so that
nothing is in the way. This module is its URLconf.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import django
import jwt
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone

from bench import protected
from bench.primitives import AUDIENCE, ISSUER
from bench.protected import SCOPE, USER, PeerKey, answer, pyjwt_of_header, verifier

urlpatterns: list[Any] = []


def _project(*apps: str, **more: Any) -> None:
    settings.configure(
        SECRET_KEY="only for the benchmark",
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=apps,
        **more,
    )
    django.setup()


def _serve(view: Callable[..., Any]) -> Any:
    urlpatterns.append(path("items", view))
    return get_wsgi_application()


def _items(request: HttpRequest) -> JsonResponse:
    return JsonResponse(answer(USER))


def unprotected() -> Any:
    """The measure of all others: nobody guards the view."""
    _project()
    return _serve(_items)


# ---- Bezant ----


def _items_of_principal(request: Any) -> JsonResponse:
    return JsonResponse(answer(request.principal.subject))


def decorator(*, cache_size: int = 1000, **more: Any) -> Any:
    """`require` on the view."""
    _project("django_bezant", BEZANT={"VERIFIER": verifier(cache_size)}, **more)
    from django_bezant.decorators import require

    return _serve(require(SCOPE)(_items_of_principal))


def decorator_uncached() -> Any:
    """The same, and every signature is verified."""
    return decorator(cache_size=0)


def middleware() -> Any:
    """`BearerMiddleware` in front of it as well."""
    return decorator(MIDDLEWARE=["django_bezant.middleware.BearerMiddleware"])


# ---- peers ----


def pyjwt_decorator() -> Any:
    """What people write by hand: PyJWT in a decorator."""
    _project()
    read = pyjwt_of_header()

    def token_required(view: Any) -> Any:
        @wraps(view)
        def guarded(request: Any) -> Any:
            try:
                request.claims = read(request.META.get("HTTP_AUTHORIZATION", ""))
            except jwt.InvalidTokenError:
                return HttpResponse(status=401)
            return view(request)

        return guarded

    @token_required
    def items(request: Any) -> JsonResponse:
        return JsonResponse(answer(request.claims["sub"]))

    return _serve(items)


AUTH = ("django.contrib.auth", "django.contrib.contenttypes")


def toolkit_token(jwk: str) -> str:
    """It issues opaque tokens of this length; their alphabet is that of ours."""
    return "u7Qk2ZtVx0bLw9RfJmS4cYdGhNeAaB"


def toolkit() -> Any:
    """django-oauth-toolkit, `protected_resource`: it looks opaque tokens up, here in SQLite."""
    database = {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": "toolkit.db",
        "CONN_MAX_AGE": None,
        "OPTIONS": {"timeout": 30, "init_command": "PRAGMA journal_mode = WAL"},
    }
    _project(*AUTH, "oauth2_provider", DATABASES={"default": database})
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User
    from oauth2_provider.decorators import protected_resource
    from oauth2_provider.models import get_access_token_model

    get_access_token_model().objects.create(
        user=User.objects.create(username=USER),
        token=toolkit_token(""),
        expires=timezone.now() + timedelta(hours=1),
        scope=SCOPE,
    )

    @protected_resource(scopes=[SCOPE])
    def items(request: Any) -> JsonResponse:
        return JsonResponse(answer(request.resource_owner.username))

    return _serve(items)


# ---- REST framework ----


def _rest(authenticators: Any, permissions: Any, subject: Callable[[Any], str]) -> Any:
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Items(APIView):
        authentication_classes = authenticators
        permission_classes = permissions

        def get(self, request: Any) -> Response:
            return Response(answer(subject(request)))

    return _serve(Items.as_view())


def _rest_project(*apps: str, **more: Any) -> None:
    renderers = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"]}
    _project(*AUTH, "rest_framework", *apps, REST_FRAMEWORK=renderers, **more)


def rest_unprotected() -> Any:
    """The measure of what is built on REST framework."""
    _rest_project()
    return _rest((), (), lambda request: USER)


def rest(*, cache_size: int = 1000) -> Any:
    """`BearerAuthentication` and `requires`."""
    _rest_project("django_bezant", BEZANT={"VERIFIER": verifier(cache_size)})
    from django_bezant.drf import BearerAuthentication, requires

    return _rest((BearerAuthentication,), (requires(SCOPE),), lambda request: request.auth.subject)


def rest_uncached() -> Any:
    """The same, and every signature is verified."""
    return rest(cache_size=0)


def simplejwt_token(jwk: str) -> str:
    return protected.token(jwk, {"token_type": "access", "user_id": USER})


def simplejwt() -> Any:
    """djangorestframework-simplejwt with users out of tokens, so that no database is in the way."""
    key = PeerKey.found()
    simple = {
        "ALGORITHM": key.algorithm,
        "SIGNING_KEY": key.private,
        "VERIFYING_KEY": key.public,
        "AUDIENCE": AUDIENCE,
        "ISSUER": ISSUER,
    }
    _rest_project(SIMPLE_JWT=simple)
    from rest_framework.permissions import IsAuthenticated
    from rest_framework_simplejwt.authentication import JWTStatelessUserAuthentication

    authenticators = (JWTStatelessUserAuthentication,)
    return _rest(authenticators, (IsAuthenticated,), lambda request: request.user.id)
