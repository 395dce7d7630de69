"""Settings: where they come from, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from bezant import ConfigurationError
from bezant_server.settings import load_settings, unknown_variables


def test_nothing_has_to_be_set() -> None:
    settings = load_settings()
    assert settings.database_url == "sqlite:///bezant.db"
    assert settings.public_url() == "http://127.0.0.1:8000"


def test_variables_go_before_the_file_and_arguments_before_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path("bezant.toml").write_text('port = 1111\nhost = "127.0.0.2"\nworkers = 2\n')
    monkeypatch.setenv("BEZANT_PORT", "2222")
    monkeypatch.setenv("BEZANT_HOST", "127.0.0.3")
    settings = load_settings(port=3333, host=None)
    assert (settings.port, settings.host, settings.workers) == (3333, "127.0.0.3", 2)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_PORT", "")
    assert load_settings().port == 8000


def test_another_file_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "other.toml"
    file.write_text('[scopes]\n"items:read" = "See the items"\n')
    monkeypatch.setenv("BEZANT_CONFIG", str(file))
    assert load_settings().scopes == {"items:read": "See the items"}


@pytest.mark.parametrize(
    "text", ["https://a https://b", "https://a,https://b", "https://a, https://b"]
)
def test_lists_are_written_with_commas_or_spaces(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEZANT_AUDIENCE", text)
    assert load_settings().audience == ("https://a", "https://b")


def test_scopes_are_names_in_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_SCOPES", "items:read items:write")
    assert load_settings().server_config("https://id.example.com").scopes == {
        "items:read": "",
        "items:write": "",
    }


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("BEZANT_ACCESS_TOKEN_TTL", "soon", "integer"),
        ("BEZANT_ACCESS_TOKEN_TTL", "0", "greater than 0"),
        ("BEZANT_ACCESS_TOKEN_TTL", "7200", "BEZANT_MAX_ACCESS_TOKEN_TTL"),
        ("BEZANT_REFRESH_RETRY_WINDOW", "61", "0 to 60"),
        ("BEZANT_ISSUER", "http://id.example.com", "https"),
        ("BEZANT_ISSUER", "https://id.example.com/", "slash"),
        ("BEZANT_TRUSTED_PROXIES", "proxy.example.com", "network"),
        ("BEZANT_LOG_LEVEL", "loud", "'debug'"),
        ("BEZANT_PORT", "65536", "65535"),
        ("BEZANT_WORKERS", "0", "1"),
        ("BEZANT_ALGORITHM", "none", "ES256"),
        ("BEZANT_CONFIG", "nowhere.toml", "nowhere.toml"),
    ],
)
def test_a_bad_setting_is_named_as_it_is_spelt(
    variable: str, value: str, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert refused.value.setting == variable
    assert problem in refused.value.problem
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["acess_token_ttl = 300", "port = ", "= 3"])
def test_a_bad_file_is_named(text: str) -> None:
    Path("bezant.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=r"^bezant\.toml: "):
        load_settings()


def test_a_bad_value_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_PASSWORD_MEMORY_KIB", "a-secret-in-the-wrong-place")
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert "wrong-place" not in str(refused.value)


def test_misspelt_variables_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BEZANT_ISUER", "https://id.example.com")
    monkeypatch.setenv("BEZANT_CONFIG", "")
    assert unknown_variables() == ["BEZANT_ISUER"]


@pytest.mark.parametrize(
    ("host", "issuer"),
    [
        ("127.0.0.1", "http://127.0.0.1:9000"),
        ("localhost", "http://localhost:9000"),
        ("::1", "http://[::1]:9000"),
    ],
)
def test_on_loopback_the_issuer_is_what_is_served(host: str, issuer: str) -> None:
    assert load_settings(host=host).public_url(9000) == issuer


def test_elsewhere_the_issuer_has_to_be_said() -> None:
    with pytest.raises(ConfigurationError, match=r"^BEZANT_ISSUER: "):
        load_settings(host="0.0.0.0").public_url()
    settings = load_settings(host="0.0.0.0", issuer="https://id.example.com")
    assert settings.public_url(9000) == "https://id.example.com"


def test_settings_do_not_show_their_secrets() -> None:
    settings = load_settings(
        secret_key="canary-of-the-ring-0123456789abcdef",
        database_url="postgresql://bezant:canary-of-the-database@db/bezant",
        redis_url="redis://:canary-of-redis@cache",
    )
    assert "canary" not in repr(settings) + str(settings)
