"""The pytest plugin as its users see it, with no framework around."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from bezant import Key, Principal, TokenVerifier
from bezant.errors import InvalidToken, StoreUnavailable
from bezant.runtime import SYNC, run_sync

if TYPE_CHECKING:
    from bezant.testing import FrozenClock, TokenFactory
    from bezant.testing.issuer import FakeIssuer
    from pytest_bezant import ActAs

pytest_plugins = "pytester"

FIXTURES = ("bezant_as", "bezant_audience", "bezant_clock", "bezant_issuer", "bezant_tokens")


@pytest.fixture(autouse=True)
def only_this_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others that are installed here bring modules and settings of their own."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, **files: str) -> pytest.RunResult:
    """Run a user's tests in a process of their own."""
    pytester.makeini("[pytest]\nfilterwarnings = error\n")
    pytester.makepyfile(**files)
    return pytester.runpytest_subprocess("-p", "bezant")


# ---- what it costs those who do not use it ---------------------------------------------------


def test_importing_it_imports_nothing_else() -> None:
    code = (
        "import pytest, sys; before = set(sys.modules); import pytest_bezant;"
        "print(sorted(set(sys.modules) - before))"
    )
    process = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert process.stdout.split() == [b"['pytest_bezant']"]


def test_a_run_that_asks_for_no_fixture_imports_nothing(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
            import sys

            def test_nothing_is_there(pytestconfig):
                assert pytestconfig.pluginmanager.hasplugin("bezant")
                assert not {"bezant", "cryptography", "jwt"} & set(sys.modules)
        """,
    )
    result.assert_outcomes(passed=1)


def test_it_works_where_no_framework_is_installed(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        conftest="""
            import sys

            class Nowhere:
                def find_spec(self, name, path=None, target=None):
                    top = name.partition(".")[0]
                    if top.removesuffix("_bezant") in {"aiohttp", "django", "fastapi", "flask"}:
                        raise ModuleNotFoundError(f"No module named {top!r}", name=top)

            sys.meta_path.insert(0, Nowhere())
        """,
        test_it="""
            import pytest

            def test_all_fixtures(bezant_as, bezant_issuer, bezant_tokens):
                token = bezant_tokens.mint()
                assert bezant_tokens.verifier().verify(token).subject == "alice"
                with pytest.raises(TypeError, match="give the application"):
                    bezant_as("alice")
        """,
    )
    result.assert_outcomes(passed=1)


def test_pytest_loads_it_unasked_and_tells_what_there_is(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    lines = pytester.runpytest_subprocess("--fixtures").stdout.lines
    for name in FIXTURES:
        (place,) = (n for n, line in enumerate(lines) if line.startswith(f"{name} -- "))
        assert "pytest_bezant" in lines[place]
        assert lines[place + 1].strip().endswith(".")
        assert "no docstring" not in lines[place + 1]


# ---- tokens and the clock --------------------------------------------------------------------


def test_any_token(bezant_tokens: TokenFactory, bezant_audience: str) -> None:
    verifier = bezant_tokens.verifier()
    who = verifier.verify(bezant_tokens.mint(subject="bob", scopes=["a"], tenant="blue"))
    assert (who.subject, who.scopes, who.claims["tenant"]) == ("bob", {"a"}, "blue")
    assert who.audience == (bezant_audience,)
    for bad in (
        {"expires_in": -60},
        {"aud": "https://other.example.com"},
        {"iss": "https://other.example.com"},
        {"typ": "JWT"},
        {"client_id": None},
        {"key": Key.generate("ES256")},
    ):
        with pytest.raises(InvalidToken):
            verifier.verify(bezant_tokens.mint(**bad))


def test_the_clock_stands_still_now(bezant_clock: FrozenClock, bezant_tokens: TokenFactory) -> None:
    now = bezant_clock()
    assert 0 <= time.time() - now < 60
    assert now == int(now) == bezant_clock()
    # An application that has a clock of its own takes the tokens all the same.
    assert bezant_tokens.verifier(clock=time.time).verify(bezant_tokens.mint()).subject == "alice"
    verifier, token = bezant_tokens.verifier(leeway=0), bezant_tokens.mint(expires_in=60)
    bezant_clock.advance(59)
    assert verifier.verify(token).expires_at == now + 60
    bezant_clock.advance(1)
    with pytest.raises(InvalidToken, match="expired"):
        verifier.verify(token)


def test_fixtures_of_ones_own_take_the_place_of_these(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        conftest="""
            import pytest

            from bezant.testing import FrozenClock

            @pytest.fixture
            def bezant_audience():
                return "https://shop.example.com"

            @pytest.fixture
            def bezant_clock():
                return FrozenClock(1_000_000_000)
        """,
        test_it="""
            from bezant.testing import FrozenClock

            def test_all_follow(bezant_tokens, bezant_issuer):
                claims = bezant_tokens.claims()
                assert claims["aud"] == bezant_issuer.audience == "https://shop.example.com"
                assert claims["iat"] == 1_000_000_000
        """,
    )
    result.assert_outcomes(passed=1)


# ---- an issuer -------------------------------------------------------------------------------


def verify(verifier: TokenVerifier, token: str) -> Principal:
    return run_sync(verifier.averify(token, SYNC))


def test_an_issuer_that_rotates_and_fails_on_demand(bezant_issuer: FakeIssuer) -> None:
    def follow() -> Any:
        return closing(TokenVerifier.from_issuer(bezant_issuer.url, audience=audience, timeout=1.0))

    audience = bezant_issuer.audience
    with follow() as verifier:
        assert verify(verifier, bezant_issuer.mint(scopes=["a"])).scopes == {"a"}
        bezant_issuer.rotate()
        bezant_issuer.fail("error", "/oauth/revocations")
        assert verify(verifier, bezant_issuer.mint()).subject == "alice"
        assert bezant_issuer.count("/oauth/jwks.json") == 2
        bezant_issuer.fail("down")
        assert verify(verifier, bezant_issuer.mint()).subject == "alice"
    with follow() as newcomer, pytest.raises(StoreUnavailable):
        verify(newcomer, bezant_issuer.mint())
    bezant_issuer.recover()
    with follow() as newcomer:
        assert verify(newcomer, bezant_issuer.mint()).subject == "alice"


def test_the_issuer_ends_with_the_test(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
            import threading
            from urllib.error import URLError
            from urllib.request import urlopen

            import pytest

            seen = []

            def test_it_is_there(bezant_issuer):
                seen.append(f"{bezant_issuer.url}/oauth/jwks.json")
                with urlopen(seen[0]) as answer:
                    assert answer.status == 200

            def test_it_was_there():
                with pytest.raises(URLError):
                    urlopen(seen[0])
        """,
    )
    result.assert_outcomes(passed=2)


# ---- acting ----------------------------------------------------------------------------------

EXTENSION = """
    from contextlib import contextmanager

    acting = []

    @contextmanager
    def as_principal(app, principal):
        acting.append((app, principal))
        yield
        acting.pop()
"""


def test_acting_ends_with_the_test_or_the_block(pytester: pytest.Pytester) -> None:
    """Whatever the framework; its own tests have the real ones."""
    pytester.mkpydir("flask_bezant")
    result = run(
        pytester,
        **{"flask_bezant/testing": EXTENSION},
        test_it="""
            import sys

            class Flask: ...

            class Mine(Flask): ...

            Flask.__module__ = "flask.app"
            app = Mine()

            def test_nothing_is_imported_before_the_first_call(bezant_as):
                assert "flask_bezant" not in sys.modules

            def test_it_begins(bezant_as, bezant_tokens):
                claims = {"scopes": ["a"], "roles": ["editor"], "tenant": "blue"}
                bezant_as("bob", app, **claims)
                from flask_bezant.testing import acting

                (target, who), = acting
                assert target is app
                # As if there had been a token.
                token = bezant_tokens.mint(subject="bob", jti=who.token_id, **claims)
                assert who == bezant_tokens.verifier().verify(token)
                with bezant_as(None, app):
                    assert acting[1:] == [(app, None)]
                assert acting == [(app, who)]
                bezant_as(who, app)
                assert len(acting) == 2

            def test_it_has_ended():
                assert sys.modules["flask_bezant.testing"].acting == []
        """,
    )
    result.assert_outcomes(passed=3)


class Bezant:
    """Not ours."""


def test_an_application_of_no_framework_is_refused(bezant_as: ActAs) -> None:
    with pytest.raises(TypeError, match=r"test_plugin\.Bezant is neither a fastapi_bezant\.Bezant"):
        bezant_as("alice", Bezant())


def test_only_django_needs_no_application(
    bezant_as: ActAs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "django", raising=False)
    with pytest.raises(TypeError, match="give the application too"):
        bezant_as("alice")


def test_a_principal_has_its_own_claims(bezant_as: ActAs) -> None:
    for who in (Principal("alice"), None):
        with pytest.raises(TypeError, match="claims are for a subject"):
            bezant_as(who, Bezant(), scopes=["a"])


# ---- challenges ------------------------------------------------------------------------------


def test_a_wrong_challenge_is_shown_where_the_test_looks(pytester: pytest.Pytester) -> None:
    result = run(
        pytester,
        test_it="""
            from bezant.http import Response
            from bezant.testing.challenges import assert_challenge

            def test_it():
                answer = Response(401, (("www-authenticate", 'Bearer realm="api"'),), b"")
                assert_challenge(answer, 401, error="invalid_token")
        """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>*assert_challenge(answer, 401, error="invalid_token")',
            "E*AssertionError: error absent, not 'invalid_token' in Bearer realm=\"api\"",
            "test_it.py:6: AssertionError",
        ]
    )
