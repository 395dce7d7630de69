"""Fixtures for tests of applications that use Bezant: tokens, principals, an issuer, a clock.

pytest imports this in every run, whatever is tested, so it imports nothing else until a test asks
for a fixture, and no framework but the one whose application it is given.
"""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from bezant import Principal
    from bezant.testing import FrozenClock, TokenFactory
    from bezant.testing.issuer import FakeIssuer

__all__ = [
    "ActAs",
    "bezant_as",
    "bezant_audience",
    "bezant_clock",
    "bezant_issuer",
    "bezant_tokens",
]

_EXTENSIONS: Final[Mapping[str, str]] = {
    "aiohttp": "aiohttp_bezant",
    "aiohttp_bezant": "aiohttp_bezant",
    "fastapi_bezant": "fastapi_bezant",
    "flask": "flask_bezant",
}
"""Which extension knows an object, by the top package of its class."""


class ActAs(Protocol):
    """The type of the fixture `bezant_as`."""

    def __call__(
        self, who: Principal | str | None, app: object = None, /, **claims: Any
    ) -> AbstractContextManager[object]:
        """Let all requests come from somebody, until the test ends or the ``with`` block does.

        What the routes demand is still demanded. The last call counts.

        Args:
            who: A principal, the subject of one, or None for nobody.
            app: The `Bezant` of a FastAPI application; a Flask or an aiohttp application; nothing
                for Django.
            claims: Of a subject: ``scopes``, ``roles``, ``permissions`` and whatever
                `bezant.testing.TokenFactory.claims` takes.

        Raises:
            TypeError: ``app`` is none of these, or a principal is given claims.
        """


@pytest.fixture
def bezant_audience() -> str:
    """Whom tokens are for; the application's name in `aud`. Yours may return another."""
    return "https://api.example.com"


@pytest.fixture
def bezant_clock() -> FrozenClock:
    """A clock that stands still at the second in which the test began, until it is advanced.

    Nothing is patched: what shall go by it is given it, as `bezant_tokens` is.
    """
    from bezant.testing import FrozenClock

    # Not any fixed date: tokens are then good for an application with a clock of its own, too.
    return FrozenClock(int(time.time()))


@pytest.fixture
def bezant_tokens(bezant_audience: str, bezant_clock: FrozenClock) -> TokenFactory:
    """Mints any access token, good or bad, and makes a verifier that takes the good ones."""
    from bezant.testing import TokenFactory

    return TokenFactory(audience=bezant_audience, clock=bezant_clock)


@pytest.fixture
def bezant_issuer(bezant_audience: str) -> Iterator[FakeIssuer]:
    """An authorization server on loopback, with switches to rotate its keys and to break it.

    It goes by the real clock, as the application that follows it does.
    """
    from bezant.testing.issuer import FakeIssuer

    with FakeIssuer(bezant_audience) as issuer:
        yield issuer


@pytest.fixture
def bezant_as(bezant_tokens: TokenFactory) -> Iterator[ActAs]:
    """Call it to let requests come from somebody, in any framework's test client."""
    from bezant import Principal

    with ExitStack() as test:

        def act(
            who: Principal | str | None, app: object = None, /, **claims: Any
        ) -> AbstractContextManager[object]:
            if isinstance(who, str):
                who = Principal.from_claims(bezant_tokens.claims(subject=who, **claims))
            elif claims:
                raise TypeError("bezant_as: claims are for a subject; a principal has its own")
            acting = ExitStack()
            acting.enter_context(_as_principal(app)(who))
            test.push(acting)
            return acting

        yield act


def _as_principal(app: object) -> Callable[[Principal | None], AbstractContextManager[None]]:
    """``as_principal`` of the extension that an application uses."""
    if app is None:
        if "django" not in sys.modules:
            raise TypeError("bezant_as: give the application too; only Django's is left out")
        return _testing("django_bezant")
    for cls in type(app).__mro__:
        extension = _EXTENSIONS.get(cls.__module__.partition(".")[0])
        if extension is not None:
            return partial(_testing(extension), app)
    kind = f"{type(app).__module__}.{type(app).__qualname__}"
    raise TypeError(
        f"bezant_as: {kind} is neither a fastapi_bezant.Bezant, a Flask nor an aiohttp application"
    )


def _testing(extension: str) -> Callable[..., AbstractContextManager[None]]:
    found: Callable[..., AbstractContextManager[None]]
    found = import_module(f"{extension}.testing").as_principal
    return found
