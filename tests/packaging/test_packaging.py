"""The packages agree with each other and with their locks; no file tells where it was made."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.frameworks.django.project import configure

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "bezant": ROOT / "packages/core",
    "aiohttp-bezant": ROOT / "packages/aiohttp-ext",
    "django-bezant": ROOT / "packages/django-ext",
    "fastapi-bezant": ROOT / "packages/fastapi-ext",
    "flask-bezant": ROOT / "packages/flask-ext",
    "pytest-bezant": ROOT / "packages/pytest-ext",
    "bezant-server": ROOT / "reference-server",
}
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))

# Written in halves, or this file would find itself.
REGISTRIES = ("pypi.", "org"), ("pythonhosted.", "org"), ("npmjs.", "org"), ("proxy.golang.", "org")
PLACES = ("/ro", "ot/"), ("/wo", "rk/main"), ("/opt/", "wheels"), ("/opt/", "pypi")
FORBIDDEN = re.compile("|".join(re.escape(head + tail) for head, tail in REGISTRIES + PLACES))


def load(path: Path) -> dict[str, Any]:
    return tomllib.loads((path / "pyproject.toml").read_text(encoding="utf-8"))


def import_name(distribution: str) -> str:
    return distribution.replace("-", "_")


def requirements(metadata: dict[str, Any]) -> list[Requirement]:
    optional = metadata["project"].get("optional-dependencies", {}).values()
    lines = [*metadata["project"]["dependencies"], *(line for extra in optional for line in extra)]
    return [Requirement(line) for line in lines]


def public_modules() -> list[str]:
    """Every module without a leading underscore anywhere in its name."""
    names = []
    for package in map(import_name, PACKAGES):
        names.append(package)
        path = importlib.import_module(package).__path__
        found = pkgutil.walk_packages(path, f"{package}.", onerror=lambda _: None)
        names += [module.name for module in found]
    hidden = re.compile(r"\._|\.migrations\b")
    return [name for name in names if not hidden.search(name)]


@pytest.fixture(scope="module")
def version() -> str:
    return load(PACKAGES["bezant"])["project"]["version"]


@pytest.mark.parametrize(("name", "path"), PACKAGES.items())
class TestMetadata:
    def test_packages_share_one_version(self, name: str, path: Path, version: str) -> None:
        assert load(path)["project"]["name"] == name
        assert load(path)["project"]["version"] == version

    def test_siblings_are_pinned_and_others_have_floors(
        self, name: str, path: Path, version: str
    ) -> None:
        for requirement in requirements(load(path)):
            specifier = str(requirement.specifier)
            if requirement.name in PACKAGES:
                assert specifier == f"=={version}", requirement
            else:
                assert re.fullmatch(r">=[\d.]+", specifier), requirement

    def test_python_versions_agree(self, name: str, path: Path) -> None:
        project = load(path)["project"]
        assert project["requires-python"] == load(ROOT)["project"]["requires-python"]
        assert "Programming Language :: Python :: 3.11" in project["classifiers"]

    def test_license_and_readme_travel_along(self, name: str, path: Path) -> None:
        assert load(path)["project"]["license"] == "MIT"
        assert (path / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
        assert (path / "README.md").read_text(encoding="utf-8").startswith(f"# {name}\n")

    def test_types_are_shipped(self, name: str, path: Path) -> None:
        assert (path / "src" / import_name(name) / "py.typed").is_file()


@pytest.mark.parametrize("extension", ["fastapi", "flask", "django", "aiohttp"])
def test_the_matrix_begins_with_the_floor(extension: str) -> None:
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    needs = requirements(load(PACKAGES[f"{extension}-bezant"]))
    (floor,) = {str(r.specifier).removeprefix(">=") for r in needs if r.name == extension}
    first = re.search(rf'    \("{extension}", "(.*)", "3.11", \[LOWEST, "(.*)"\], ', noxfile)
    assert first is not None
    assert first.groups() == (floor, f"{extension}=={floor}")


EXTRAS = {"drf": "rest_framework", "ninja": "ninja", "spectacular": "drf_spectacular"}
"""Modules of the Django extension that are for users of another package, and its import name."""


@pytest.mark.parametrize("name", public_modules())
def test_names_that_a_module_promises_exist(name: str) -> None:
    configure()  # models want a project
    extra = EXTRAS.get(name.removeprefix("django_bezant."))
    if extra is not None and find_spec(extra) is None:
        with pytest.raises(ModuleNotFoundError, match=f"'{extra}"):
            importlib.import_module(name)
        return
    module = importlib.import_module(name)
    promised = getattr(module, "__all__", [])
    assert len(promised) == len(set(promised))
    assert [missing for missing in promised if not hasattr(module, missing)] == []


@pytest.mark.parametrize("name", [import_name(n) for n in PACKAGES if n != "bezant-server"])
def test_libraries_say_what_is_public(name: str) -> None:
    assert importlib.import_module(name).__all__


class TestLocks:
    @pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.stem)
    def test_every_line_is_a_version_or_a_hash(self, lock: Path) -> None:
        pin = re.compile(r"[a-z0-9.-]+==\S+( ; [^\\]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
        lines = lock.read_text(encoding="utf-8").splitlines()
        assert lines
        assert [line for line in lines if not pin.fullmatch(line)] == []

    def test_locks_hold_what_the_packages_need(self) -> None:
        locked: dict[str, list[str]] = {}
        for line in (ROOT / "requirements/tests.txt").read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([a-z0-9.-]+)==([^ ]+)", line):
                locked.setdefault(match[1], []).append(match[2])
        for path in PACKAGES.values():
            for requirement in requirements(load(path)):
                if requirement.name in PACKAGES:
                    continue
                versions = locked[canonicalize_name(requirement.name)]
                assert all(v in requirement.specifier for v in versions), requirement

    def test_every_group_that_a_session_installs_is_locked(self) -> None:
        groups = set(load(ROOT)["dependency-groups"])
        assert {lock.stem for lock in LOCKS} == groups - {"dev"}


def committed() -> list[Path]:
    """What is or may be committed: everything that git does not ignore."""
    git = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others"]
    listing = subprocess.run(
        [*git, "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listing.returncode:
        pytest.skip("this is no git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name]
    return [file for file in files if file.is_file()]


def test_no_file_names_a_registry_or_a_place_on_one_machine() -> None:
    found = []
    for file in committed():
        text = file.read_text(encoding="utf-8", errors="replace")
        found += [f"{file.relative_to(ROOT)}: {hit[0]}" for hit in FORBIDDEN.finditer(text)]
    assert found == []
