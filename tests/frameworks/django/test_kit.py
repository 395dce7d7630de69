"""The test kit at work on a Django project."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.test import override_settings

from bezant import Principal
from bezant.testing.challenges import assert_challenge
from django_bezant.decorators import require
from tests.frameworks.django.web import project, whoami

if TYPE_CHECKING:
    from bezant.testing.issuer import FakeIssuer
    from pytest_bezant import ActAs
    from tests.frameworks.django.web import Browser

ME = {"me": require("a", fresh=60)(whoami)}


@pytest.mark.usefixtures("protected")
def test_acting_still_demands_what_the_view_demands(browser: Browser, bezant_as: ActAs) -> None:
    with project(**ME):
        assert_challenge(browser("/me"), 401)
        bezant_as("carol", scopes=["a"])
        assert browser("/me").json()["subject"] == "carol"
        with bezant_as(Principal("dave")):
            assert_challenge(browser("/me"), 403, error="insufficient_scope", scope="a")
        with bezant_as(None):
            assert_challenge(browser("/me"), 401)
        assert browser("/me").json()["subject"] == "carol"


def test_an_issuer_elsewhere_rotates_and_goes_away(
    browser: Browser, bezant_issuer: FakeIssuer
) -> None:
    settings = {"ISSUER": bezant_issuer.url, "AUDIENCE": bezant_issuer.audience}
    with override_settings(BEZANT=settings), project(**ME):
        for change in (None, bezant_issuer.rotate, lambda: bezant_issuer.fail("down")):
            if change is not None:
                change()
            assert browser("/me", bezant_issuer.mint(scopes=["a"])).json()["subject"] == "alice"
