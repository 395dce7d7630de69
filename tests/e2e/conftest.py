"""What all tests from end to end begin with."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.services import postgres, postgres_url

__all__ = ["postgres", "postgres_url"]


@pytest.fixture(scope="session", autouse=True)
def without_settings() -> Iterator[None]:
    """The environment says nothing about Bezant."""
    with pytest.MonkeyPatch.context() as patched:
        for name in [name for name in os.environ if name.startswith("BEZANT_")]:
            patched.delenv(name)
        yield
