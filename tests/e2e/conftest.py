"""What all tests from end to end begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.e2e.chromium import chromium, missing
from tests.services import postgres, postgres_url

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(scope="session", autouse=True)
def without_settings() -> Iterator[None]:
    """The environment says nothing about Bezant."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("BEZANT_")]:
            patched.delenv(name)
        yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real browser. It keeps an event loop running meanwhile: no asynchronous tests beside it."""
    if reason := missing():
        pytest.skip(reason)
    with chromium() as launched:
        yield launched
