"""`BearerAuthentication` and `requires` in Django REST framework, and what drf-spectacular says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import include, path
from rest_framework.authentication import SessionAuthentication
from rest_framework.decorators import api_view, authentication_classes, permission_classes
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory, force_authenticate
from rest_framework.views import APIView

from bezant import ConfigurationError, Principal
from bezant.testing.challenges import assert_challenge
from django_bezant.decorators import require
from django_bezant.drf import BearerAuthentication, requires
from tests.frameworks.django.web import (
    AUTHENTICATION,
    BEARER,
    CSRF,
    LOGIN_REQUIRED,
    SESSION,
    Browser,
    project,
)
from tests.world import make_world

if TYPE_CHECKING:
    from bezant.testing import TokenFactory

pytestmark = pytest.mark.usefixtures("protected")


class Never(BasePermission):
    def has_permission(self, request: Any, view: Any) -> bool:
        return False


class Items(APIView):
    authentication_classes = (BearerAuthentication,)
    permission_classes = (requires("a", write=["a", "b"]),)

    def get(self, request: Any) -> Response:
        principal = request.auth
        assert request.principal is principal
        return Response([str(request.user), principal and principal.subject])

    def post(self, request: Any) -> Response:
        return self.get(request)


def variant(*permissions: Any, **options: Any) -> Any:
    return Items.as_view(permission_classes=permissions, **options)


@require("a")
def plain(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


ROUTES = {"items": Items.as_view(), "plain": plain}


def test_a_good_token(browser: Browser, tokens: TokenFactory) -> None:
    with project(settings={"MIDDLEWARE": [CSRF]}, **ROUTES):
        assert browser("/items", tokens.mint(scopes=["a"])).json() == ["alice", "alice"]
        token = tokens.mint(scopes=["a", "b"])
        assert browser("/items", token, method="POST").json() == ["alice", "alice"]


@pytest.mark.parametrize("middleware", [[], [BEARER]])
def test_refusals_are_cores_to_the_byte(
    browser: Browser, tokens: TokenFactory, middleware: list[str]
) -> None:
    """A view of REST framework answers like one with ``@require``."""
    cases = [
        {},
        {"authorization": "Bearer bad"},
        {"authorization": "Bearer a b"},
        {"authorization": f"Bearer {tokens.mint(expires_in=-60)}"},
        {"authorization": f"Bearer {tokens.mint()}"},
    ]
    with project(settings={"MIDDLEWARE": middleware}, **ROUTES):
        for headers in cases:
            ours, core = browser("/items", **headers), browser("/plain", **headers)
            assert ours.status_code == core.status_code
            assert ours.content == core.content
            for name in ("www-authenticate", "content-type", "cache-control", "pragma"):
                assert ours[name] == core[name]


def test_beside_login_required_middleware(browser: Browser, tokens: TokenFactory) -> None:
    for order in [AUTHENTICATION, BEARER, LOGIN_REQUIRED], [AUTHENTICATION, LOGIN_REQUIRED]:
        settings = {"MIDDLEWARE": [SESSION, *order], "LOGIN_URL": "/plain"}
        with project(settings=settings, **ROUTES):
            assert browser("/items", tokens.mint(scopes=["a"])).json() == ["alice", "alice"]
            for token, status in ((None, 401), ("bad", 401), (tokens.mint(), 403)):
                answer = browser("/items", token)
                assert answer.status_code == status
                assert answer["www-authenticate"].startswith('Bearer realm="api"')


def test_writing_needs_more(browser: Browser, tokens: TokenFactory) -> None:
    with project(**ROUTES):
        answer = browser("/items", tokens.mint(scopes=["a"]), method="POST")
        assert_challenge(answer, 403, error="insufficient_scope", scope="a b")


def test_other_permissions_have_the_right_challenge_too(
    browser: Browser, tokens: TokenFactory
) -> None:
    with project(mine=variant(IsAuthenticated)):
        answer = browser("/mine")
        assert answer.status_code == 401
        assert answer["www-authenticate"] == 'Bearer realm="api"'
        assert browser("/mine", tokens.mint()).status_code == 200


def test_combined(browser: Browser, tokens: TokenFactory) -> None:
    both, either = requires("a") & Never, Never | requires("a")
    with project(both=variant(both), either=variant(either)):
        assert browser("/both", tokens.mint(scopes=["a"])).status_code == 403
        assert browser("/either", tokens.mint(scopes=["a"])).status_code == 200
        refused = browser("/either", tokens.mint())
        assert_challenge(refused, 403, error="insufficient_scope", scope="a")


def test_a_session_is_no_token(browser: Browser) -> None:
    """Somebody signed in by cookie has no scopes, so what asks for some refuses."""
    request = APIRequestFactory().get("/items")
    user: Any = type("Somebody", (), {"is_active": True, "is_authenticated": True})()
    force_authenticate(request, user)
    view = variant(requires("a"), authentication_classes=(SessionAuthentication,))
    assert view(request).status_code == 401
    force_authenticate(request, user, token=Principal("alice", scopes=frozenset({"a"})))
    assert (
        Items.as_view(permission_classes=(requires("a", role="editor"),))(request).status_code
        == 403
    )


def test_functions(browser: Browser, tokens: TokenFactory) -> None:
    @api_view(["GET"])
    @authentication_classes([BearerAuthentication])
    @permission_classes([requires("a", permission="shop.sell")])
    def sell(request: Any) -> Response:
        return Response("sold")

    with project(sell=sell):
        assert browser("/sell", tokens.mint(scopes=["a"])).status_code == 403
        token = tokens.mint(scopes=["a"], permissions=["shop.sell"])
        assert browser("/sell", token).json() == "sold"


def test_nobody_can_tell_now(
    browser: Browser, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bezant.errors import TemporarilyUnavailable
    from django_bezant import conf

    async def away(*_: Any) -> None:
        raise TemporarilyUnavailable(retry_after=7)

    guard = conf.site().guard
    monkeypatch.setattr(guard, "authenticate_now", lambda _: None)
    monkeypatch.setattr(guard, "authenticate_if_present", away)
    with project(**ROUTES):
        answer = browser("/items", tokens.mint())
        assert (answer.status_code, answer["retry-after"]) == (503, "7")
        assert "www-authenticate" not in answer


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"subject": "alice"}, 200),
        ({"subject": "carol"}, 401),
        ({"subject": "zoe"}, 401),
        ({"subject": "robot", "client_id": "robot"}, 200),
    ],
)
def test_users_of_the_database(
    browser: Browser, tokens: TokenFactory, claims: dict[str, str], status: int
) -> None:
    backend = "tests.frameworks.django.test_middleware.Backend"
    with override_settings(AUTHENTICATION_BACKENDS=[backend]), project(**ROUTES):
        answer = browser("/items", tokens.mint(scopes=["a"], **claims))
        assert answer.status_code == status
        if claims["subject"] == "robot":
            assert answer.json() == ["AnonymousUser", "robot"]
        if status == 401:
            assert_challenge(answer, 401, error="invalid_token")


def test_what_no_token_could_satisfy_is_refused_at_set_up() -> None:
    with pytest.raises(ConfigurationError, match="not one scope"):
        requires("a b")
    with pytest.raises(ConfigurationError, match="not one scope"):
        requires("a", write="b c")


# ---- drf-spectacular ----


def schema(*patterns: Any) -> dict[str, Any]:
    from drf_spectacular.generators import SchemaGenerator

    generator = SchemaGenerator(patterns=list(patterns))
    return generator.get_schema(request=None, public=True)  # type: ignore[no-any-return]


class Described(Items):
    """With what drf-spectacular wants to know."""

    permission_classes = (requires("a", write=["a", "b"]) & IsAuthenticated,)
    serializer_class = None

    from drf_spectacular.openapi import AutoSchema

    schema = AutoSchema()


def test_the_schema_has_scheme_and_scopes(capsys: pytest.CaptureFixture[str]) -> None:
    server = make_world().server
    with override_settings(BEZANT={"SERVER": server}):
        document = schema(
            path("items", Described.as_view()), path("", include("django_bezant.urls"))
        )
    [scheme] = document["components"]["securitySchemes"].items()
    scopes = {"items:read": "read items", "items:write": "change items"}
    assert scheme == (
        "Bezant",
        {
            "type": "oauth2",
            "flows": {
                "password": {
                    "tokenUrl": "/oauth/token",
                    "refreshUrl": "/oauth/token",
                    "scopes": scopes,
                },
                "clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes},
            },
        },
    )
    operations = document["paths"]["/items"]
    assert operations["get"]["security"] == [{"Bezant": ["a"]}]
    assert operations["post"]["security"] == [{"Bezant": ["a", "b"]}]
    assert "could not resolve authenticator" not in capsys.readouterr().err
    server.close()


def test_without_a_server_it_is_plain_bearer() -> None:
    document = schema(path("items", Described.as_view()))
    assert document["components"]["securitySchemes"] == {
        "Bezant": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    assert document["paths"]["/items"]["post"]["security"] == [{"Bezant": []}]
