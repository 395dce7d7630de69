from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from shop import create_app  # the application above
from werkzeug.test import TestResponse

from bezant.testing.issuer import FakeIssuer


@pytest.fixture
def http(bezant_issuer: FakeIssuer) -> Iterator[FlaskClient]:
    app = create_app(BEZANT_ISSUER=bezant_issuer.url, BEZANT_AUDIENCE=bezant_issuer.audience)
    yield app.test_client()
    app.extensions["bezant"].guard.verifier.close()


def get_items(http: FlaskClient, issuer: FakeIssuer) -> TestResponse:
    token = issuer.mint(scopes=["items:read"])
    return http.get("/items", headers={"Authorization": f"Bearer {token}"})


def test_a_new_key_is_found_at_once(http: FlaskClient, bezant_issuer: FakeIssuer) -> None:
    assert get_items(http, bezant_issuer).status_code == 200
    bezant_issuer.rotate()
    assert get_items(http, bezant_issuer).status_code == 200
    assert bezant_issuer.count("/oauth/jwks.json") == 2


def test_an_outage_is_survived(http: FlaskClient, bezant_issuer: FakeIssuer) -> None:
    assert get_items(http, bezant_issuer).status_code == 200
    bezant_issuer.fail("down")
    assert get_items(http, bezant_issuer).status_code == 200


def test_nobody_is_let_in_on_trust(http: FlaskClient, bezant_issuer: FakeIssuer) -> None:
    bezant_issuer.fail("garbage", "/oauth/jwks.json")
    assert get_items(http, bezant_issuer).status_code == 503
