"""Options and fixtures of all tests."""

from __future__ import annotations

import gc
import json
import os
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from jwt.algorithms import RSAAlgorithm

from tests.api import Api
from tests.harness import HARNESSES, available
from tests.harness.bare import App
from tests.world import make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World

settings.register_profile(
    "suite",
    deadline=None,
    derandomize=True,
    max_examples=60,
    stateful_step_count=25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "search", settings.get_profile("suite"), derandomize=False, max_examples=5000
)
settings.load_profile(os.environ.get("BEZANT_HYPOTHESIS", "suite"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the first case of each test where that is asked for."""
    if not config.getoption("--brief"):
        return
    firsts = {_test(item): item for item in reversed(items)}
    kept = [item for item in items if firsts[_test(item)] is item]
    config.hook.pytest_deselected(items=[item for item in items if firsts[_test(item)] is not item])
    items[:] = kept


def _test(item: pytest.Item) -> tuple[object, ...]:
    """What a test is, whatever its cases; that it runs in another harness is no case."""
    params = getattr(getattr(item, "callspec", None), "params", {})
    harness = params.get("harness", params.get("framework"))
    return item.path, getattr(item, "cls", None), getattr(item, "originalname", item.name), harness


def pytest_collection_finish() -> None:
    """What was imported and collected stays: not to look for garbage in it again and again saves
    a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000)


@pytest.fixture(scope="session", autouse=True)
def rsa_keys_are_read_once() -> Iterator[None]:
    """To read a private RSA key takes as long as ten tests, and most have the same few."""
    read = cache(RSAAlgorithm.from_jwk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            RSAAlgorithm,
            "from_jwk",
            staticmethod(lambda jwk: read(jwk if isinstance(jwk, str) else json.dumps(jwk))),
        )
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--framework",
        action="append",
        default=[],
        metavar="NAME",
        help=f"run the contract in this one ({', '.join(HARNESSES)}), not in all that are there",
    )
    parser.addoption(
        "--stores",
        choices=["def", "async-def"],
        help="run it with stores of this kind alone, in frameworks that take either",
    )
    parser.addoption(
        "--brief",
        action="store_true",
        help="run every test once in each harness, with the first of its cases",
    )


def harnesses_of(name: str) -> list[str]:
    """The harnesses that go by a name: one, or all of a framework (``django``)."""
    return [harness for harness in HARNESSES if name in {harness, harness.partition("_")[0]}]


def pytest_configure(config: pytest.Config) -> None:
    # Asked for by name, a framework must be there: a suite that skips proves nothing.
    for name in config.getoption("--framework"):
        if not harnesses_of(name):
            raise pytest.UsageError(f"--framework={name}: there is {', '.join(HARNESSES)}")
        for harness in harnesses_of(name):
            if not available(harness):
                needed = HARNESSES[harness].needs
                raise pytest.UsageError(f"--framework={name}: {needed} is not installed")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run what asks for ``harness`` in every framework, with every kind of stores; what asks for
    ``framework``, once in each.
    """
    asked = metafunc.config.getoption("--framework")
    chosen = [h for name in asked for h in harnesses_of(name)] or [*filter(available, HARNESSES)]
    if "framework" in metafunc.fixturenames:
        metafunc.parametrize("framework", chosen)
    if "harness" in metafunc.fixturenames:
        wanted = metafunc.config.getoption("--stores")
        variants = [
            (name, kind)
            for name in chosen
            for kind in HARNESSES[name].stores
            if wanted in {None, kind} or wanted not in HARNESSES[name].stores
        ]
        ids = ["-".join(filter(None, variant)) for variant in variants]
        metafunc.parametrize("harness", variants, ids=ids)


@pytest.fixture
def config() -> dict[str, Any]:
    """Settings of the server; `configured` changes them for one test."""
    return {}


@pytest.fixture
def world(config: dict[str, Any]) -> Iterator[World]:
    """A server in memory."""
    made = make_world(**config)
    yield made
    made.server.close()


@pytest.fixture
def api(world: World) -> Api:
    """A client of that server, with no framework between them."""
    return Api(App(world.server))
