"""The tests on the page about testing pass, each in a run of its own, as its reader's would."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

import pytest_bezant
from bezant.testing.issuer import Fault

pytest_plugins = "pytester"

DOCS = Path(__file__).parent.parent.parent / "docs"

DJANGO = """
    import django
    from django.conf import settings

    settings.configure(
        ALLOWED_HOSTS=["testserver"],
        INSTALLED_APPS=["django_bezant"],
        ROOT_URLCONF="test_shop",
        BEZANT={"ISSUER": "https://id.example.com", "AUDIENCE": "https://shop"},
    )
    django.setup()
"""
CHECK = """
    from bezant.testing import fixed_key

    def test_they_take_the_place(bezant_audience, bezant_clock, bezant_issuer, bezant_tokens):
        assert bezant_issuer.audience == bezant_tokens.audience == bezant_audience == "https://shop"
        assert bezant_tokens.key == fixed_key("EdDSA")
        assert bezant_tokens.clock is bezant_clock
"""


def snippet(name: str) -> str:
    return (DOCS / "snippets" / f"testing_{name}.py").read_text(encoding="utf-8")


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(
        "[pytest]\nfilterwarnings = error\nasyncio_mode = auto\n"
        "asyncio_default_fixture_loop_scope = function\n"
    )
    return pytester


def passed(run: pytest.Pytester, **files: str) -> int:
    """How many tests passed; none may do anything else."""
    run.makepyfile(**files)
    result = run.runpytest_subprocess("-p", "bezant", "-p", "asyncio")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}
    return outcomes["passed"]


STORIES = ("fastapi", "flask", "django", "aiohttp")


@pytest.mark.parametrize("story", STORIES)
def test_the_tests_of_a_framework(run: pytest.Pytester, story: str) -> None:
    files = {"conftest": DJANGO} if story == "django" else {}
    assert passed(run, test_shop=snippet(story), **files) == 3


def test_the_same_story_in_each() -> None:
    names = [
        [line.split()[-1] for line in snippet(name).split("(") if "def test_" in line]
        for name in STORIES
    ]
    assert all(each == names[0] for each in names)
    assert len(names[0]) == 3


def test_an_issuer(run: pytest.Pytester) -> None:
    assert passed(run, shop=snippet("flask"), test_shop=snippet("issuer")) == 3


def test_fixtures_of_ones_own(run: pytest.Pytester) -> None:
    assert passed(run, conftest=snippet("conftest"), test_shop=CHECK) == 1


def test_the_page_names_all_there_is() -> None:
    page = (DOCS / "testing.md").read_text(encoding="utf-8")
    fixtures = [name for name in pytest_bezant.__all__ if name.islower()]
    assert len(fixtures) == 5
    assert [name for name in (*fixtures, *get_args(Fault)) if f"`{name}`" not in page] == []
