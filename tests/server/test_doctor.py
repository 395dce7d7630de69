"""The doctor: what is told of installations, good and bad."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bezant.clients import Client
from bezant.runtime import SYNC, run_sync
from bezant_server.administration import administration
from bezant_server.schema import migrate
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.server.conftest import Bezant
from tests.server.installation import furnish

Told = Callable[[], list[tuple[str, str, str]]]


@pytest.fixture
def told(bezant: Bezant) -> Told:
    """Level, subject and text of all findings."""

    def ask() -> list[tuple[str, str, str]]:
        done = bezant("doctor", "--json")
        document = done.json()
        checks = [(c["level"], c["subject"], c["text"]) for c in document["checks"]]
        failed = any(level == "fail" for level, _, _ in checks)
        assert document["ok"] is not failed
        assert done.code == failed
        return checks

    return ask


def find(checks: list[tuple[str, str, str]], text: str) -> tuple[str, str]:
    """Level and subject of the one finding that says something."""
    found = [(level, subject) for level, subject, said in checks if text in said]
    assert len(found) == 1, checks
    return found[0]


def test_an_empty_directory_is_no_failure_and_stays_empty(told: Told) -> None:
    checks = told()
    assert {level for level, _, _ in checks} == {"ok", "warn"}
    assert find(checks, "will be made at the first start") == ("warn", "secret key")
    assert find(checks, "does not exist yet") == ("warn", "database")
    assert list(Path().iterdir()) == []


def test_a_good_installation(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_ISSUER", "https://id.example.com")
    monkeypatch.setenv("BEZANT_TRUSTED_PROXIES", "10.0.0.1")
    monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    monkeypatch.setenv("BEZANT_PASSWORD_MEMORY_KIB", "19456")
    Path("bezant.db").chmod(0o600)
    settings = load_settings()
    prepare(settings, lambda _: None)
    with administration(settings, lambda _: None) as at:
        at.add_client(Client("api", frozenset(), auth_method="none"))
    checks = told()
    assert {level for level, _, _ in checks} == {"ok"}, checks
    assert {subject for _, subject, _ in checks} == {
        *("settings", "issuer", "secret key", "clock", "passwords", "database", "keys", "clients"),
    }


def test_it_is_shown_to_people(installed: Settings, bezant: Bezant) -> None:
    done = bezant("doctor")
    assert done.code == 0
    assert "issuer" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize(
    ("variable", "value", "finding", "text"),
    [
        ("BEZANT_ISUER", "x", ("warn", "settings"), "BEZANT_ISUER: no such setting"),
        ("BEZANT_HOST", "0.0.0.0", ("fail", "issuer"), "BEZANT_ISSUER: say under which"),
        ("BEZANT_ISSUER", "https://id.example.com", ("warn", "proxies"), "if a reverse proxy"),
        ("BEZANT_ISSUER", "https://id.example.com", ("warn", "secret key"), "beside the database"),
        ("BEZANT_TRUSTED_PROXIES", "0.0.0.0/0", ("fail", "proxies"), "trusts everybody"),
        ("BEZANT_MAX_ACCESS_TOKEN_TTL", "7200", ("warn", "settings"), "longer than an hour"),
        ("BEZANT_SECRET_KEY", "weak", ("fail", "secret key"), "32 random characters"),
        ("BEZANT_WORKERS", "4", ("warn", "workers"), "4 workers take turns"),
        ("BEZANT_ALGORITHM", "PS256", ("warn", "keys"), "no active PS256 key"),
        ("BEZANT_PASSWORD_LANES", "0", ("fail", "passwords"), "BEZANT_PASSWORD"),
        ("BEZANT_REDIS_URL", "redis://127.0.0.1:1", ("fail", "redis"), "BEZANT_REDIS_URL"),
    ],
)
def test_settings_that_deserve_a_word(
    variable: str,
    value: str,
    finding: tuple[str, str],
    text: str,
    installed: Settings,
    told: Told,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prepare(installed, lambda _: None)
    monkeypatch.setenv(variable, value)
    assert find(told(), text) == finding


def test_databases_that_deserve_a_word(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("bezant.db").chmod(0o644)
    assert find(told(), "others may read") == ("warn", "database")
    migrate(installed, "base")
    assert find(told(), "run `bezant db upgrade`") == ("fail", "database")
    monkeypatch.setenv("BEZANT_DATABASE_URL", "postgresql://bezant:canary@127.0.0.1:1/bezant")
    monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    assert find(told(), "the database cannot answer") == ("fail", "database")
    monkeypatch.setenv("BEZANT_DATABASE_URL", "mysql://bezant:canary@db/bezant")
    assert "canary" not in str(told())


def test_a_database_on_another_machine_has_a_clock(
    postgres_url: str, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_DATABASE_URL", postgres_url)
    monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    prepare(load_settings(), lambda _: None)
    assert all(subject != "clock" or level == "ok" for level, subject, _ in told())
    late = time.time() + 3600
    monkeypatch.setattr("bezant_server.diagnosis.time.time", lambda: late)
    assert find(told(), "the database's differs") == ("warn", "clock")


def test_keys_that_deserve_a_word(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(installed, lambda _: None)
    now = time.time()
    monkeypatch.setattr("bezant_server.diagnosis.time.time", lambda: now + 91 * 86400)
    assert find(told(), "`bezant keys rotate` brings a new one") == ("warn", "keys")
    monkeypatch.setattr("bezant_server.diagnosis.time.time", lambda: now - 3600)
    assert find(told(), "made in the future") == ("warn", "clock")
    monkeypatch.setattr("bezant_server.diagnosis.time.time", lambda: 0.0)
    assert find(told(), "far behind") == ("fail", "clock")


def test_a_key_of_another_secret_is_found(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(installed, lambda _: None)
    monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    assert find(told(), "sealed with another secret key") == ("fail", "keys")


def test_a_symmetric_key_is_advised_against(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_ALGORITHM", "HS256")
    with administration(load_settings(), lambda _: None) as at:
        run_sync(at.server.prepare(SYNC))
    assert find(told(), "could also make them") == ("warn", "keys")


def test_clients_with_the_password_grant_are_named(installed: Settings, told: Told) -> None:
    furnish(installed)
    with administration(installed, lambda _: None) as at:
        at.add_client(Client("spa", frozenset({"password"}), auth_method="none"))
    checks = told()
    assert find(checks, "spa, web may use the password grant") == ("warn", "clients")
    assert find(checks, "spa may do so without any secret") == ("warn", "clients")


def test_files_with_secrets_are_nobody_elses_business(
    installed: Settings, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret: Any = "0123456789abcdef0123456789abcdef"
    Path("bezant.toml").write_text(f'secret_key = "{secret}"')
    Path("bezant.toml").chmod(0o644)
    assert find(told(), "others may read bezant.toml") == ("warn", "settings")
    Path("bezant.toml").unlink()
    Path("mounted").write_text(secret)
    Path("mounted").chmod(0o644)
    monkeypatch.setenv("BEZANT_SECRET_KEY_FILE", "mounted")
    assert find(told(), "others may read mounted") == ("warn", "secret key")
