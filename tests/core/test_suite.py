"""The suite itself: a framework that was asked for and is not there is an error, never a skip."""

from __future__ import annotations

from typing import Any

import pytest

from tests import harness
from tests.conftest import pytest_configure, pytest_generate_tests
from tests.harness import HARNESSES, Awaited, Blocking, Harness


class Config:
    """As much of pytest's configuration as is looked at."""

    def __init__(self, *frameworks: str, stores: str | None = None) -> None:
        self.options = {"--framework": list(frameworks), "--stores": stores}

    def getoption(self, name: str) -> Any:
        return self.options[name]


class Metafunc:
    """As much of a test that is being collected as is looked at."""

    def __init__(self, config: Config, *fixtures: str) -> None:
        self.config = config
        self.fixturenames = fixtures
        self.ids: list[str] = []

    def parametrize(self, name: str, values: list[Any], ids: list[str]) -> None:
        assert name == "harness"
        assert len(values) == len(ids)
        self.ids = ids


@pytest.fixture(autouse=True)
def frameworks(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {"def": Blocking, "async-def": Awaited}
    made = {
        "bare": HARNESSES["bare"],
        "here": Harness("bezant", kinds),
        "away": Harness("a_module_that_is_not_there", kinds),
    }
    monkeypatch.setattr(harness, "HARNESSES", made)
    monkeypatch.setattr("tests.conftest.HARNESSES", made)


@pytest.mark.parametrize("name", ["away", "unheard-of"])
def test_a_framework_that_is_not_there_is_an_error(name: str) -> None:
    pytest_configure(Config("here"))
    with pytest.raises(pytest.UsageError, match=f"--framework={name}"):
        pytest_configure(Config("here", name))


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ((), ["bare", "here-def", "here-async-def"]),
        (("bare",), ["bare"]),
        (("here",), ["here-def", "here-async-def"]),
    ],
)
def test_the_contract_runs_where_it_is_asked_to(asked: tuple[str, ...], ids: list[str]) -> None:
    metafunc = Metafunc(Config(*asked), "api", "harness")
    pytest_generate_tests(metafunc)
    assert metafunc.ids == ids


@pytest.mark.parametrize("kind", ["def", "async-def"])
def test_it_runs_with_one_kind_of_stores_where_there_are_two(kind: str) -> None:
    metafunc = Metafunc(Config("bare", "here", stores=kind), "harness")
    pytest_generate_tests(metafunc)
    assert metafunc.ids == ["bare", f"here-{kind}"]


def test_other_tests_run_once() -> None:
    metafunc = Metafunc(Config(), "world")
    pytest_generate_tests(metafunc)
    assert metafunc.ids == []
