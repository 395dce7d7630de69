"""What `build` built: the wheels hold all of the sources, and are what this Python imports."""

from __future__ import annotations

import importlib
import os
import zipfile
from pathlib import Path

import pytest

DIST = os.environ.get("BEZANT_DIST")
ROOT = Path(__file__).parents[2]
SOURCES = {
    "aiohttp_bezant": ROOT / "packages/aiohttp-ext/src",
    "bezant": ROOT / "packages/core/src",
    "bezant_server": ROOT / "reference-server/src",
    "django_bezant": ROOT / "packages/django-ext/src",
    "fastapi_bezant": ROOT / "packages/fastapi-ext/src",
    "flask_bezant": ROOT / "packages/flask-ext/src",
    "pytest_bezant": ROOT / "packages/pytest-ext/src",
}

pytestmark = pytest.mark.skipif(DIST is None, reason="nox -s build makes the wheels")


@pytest.fixture(params=SOURCES)
def package(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def names(package: str) -> set[str]:
    (wheel,) = Path(DIST or "").glob(f"{package}-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_every_source_file(package: str, names: set[str]) -> None:
    source = SOURCES[package]
    files = (f for f in (source / package).rglob("*") if f.is_file() and f.suffix != ".pyc")
    assert {f.relative_to(source).as_posix() for f in files} - names == set()


def test_wheel_holds_nothing_else(package: str, names: set[str]) -> None:
    strangers = {n for n in names if not n.startswith((f"{package}/", f"{package}-"))}
    assert strangers == set()
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)


def test_sdist_is_built_beside_it(package: str) -> None:
    assert len(list(Path(DIST or "").glob(f"{package}-*.tar.gz"))) == 1


def test_what_is_imported_is_the_wheel(package: str) -> None:
    (place,) = importlib.import_module(package).__path__
    assert not Path(place).is_relative_to(ROOT / "packages")
    assert not Path(place).is_relative_to(ROOT / "reference-server")
