from django.http import HttpResponse
from django.test import Client, override_settings
from django.urls import path

from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from django_bezant import BearerRequest
from django_bezant.decorators import require
from pytest_bezant import ActAs


# The project's urls, and a view.
@require("items:read")
def items(request: BearerRequest) -> HttpResponse:
    return HttpResponse(f"items for {request.principal.subject}")


urlpatterns = [path("items", items)]

# Its tests.
http = Client()


def test_a_reader_sees_the_items(bezant_as: ActAs) -> None:
    bezant_as("alice", scopes=["items:read"])
    assert http.get("/items").content == b"items for alice"


def test_others_are_told_what_they_lack(bezant_as: ActAs) -> None:
    assert_challenge(http.get("/items"), 401)
    bezant_as("bob")
    assert_challenge(http.get("/items"), 403, error="insufficient_scope", scope="items:read")


def test_a_token_ends(bezant_tokens: TokenFactory) -> None:
    with override_settings(BEZANT={"VERIFIER": bezant_tokens.verifier()}):
        headers = {"Authorization": f"Bearer {bezant_tokens.mint(scopes=['items:read'])}"}
        assert http.get("/items", headers=headers).status_code == 200
        bezant_tokens.clock.advance(3600)
        assert_challenge(http.get("/items", headers=headers), 401, error="invalid_token")
