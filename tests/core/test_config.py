"""Settings: each mistake is refused at set-up, by the name of the setting."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from bezant import ConfigurationError, ServerConfig
from bezant.config import ALGORITHMS

GOOD = "https://id.example.com"


@pytest.mark.rfc("8414", "2")
@pytest.mark.parametrize(
    "issuer",
    [
        GOOD,
        f"{GOOD}:8443",
        f"{GOOD}/tenant/1",
        "http://localhost:8000",
        "http://127.0.0.1:8000",
        "http://127.8.8.8",
        "http://[::1]:8000",
    ],
)
def test_a_good_issuer(issuer: str) -> None:
    assert ServerConfig(issuer=issuer).issuer == issuer


@pytest.mark.rfc("8414", "2")
@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "id.example.com",
        "//id.example.com",
        "https://",
        "ftp://id.example.com",
        "http://id.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1.example.com",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://127.0.0.1@evil.example.com",
        f"{GOOD}/",
        f"{GOOD}/tenant/",
        f"{GOOD}?x=1",
        f"{GOOD}?",
        f"{GOOD}#x",
        f"{GOOD}#",
        "https://user@id.example.com",
        "https://user:password@id.example.com",
        f"{GOOD}:port",
        f"{GOOD}:99999",
        "https://[::1",
    ],
)
def test_a_bad_issuer(issuer: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerConfig(issuer=issuer)
    assert caught.value.setting == "issuer"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("audience", "https://api.example.com"),
        ("audience", ("https://api.example.com", "")),
        ("scopes", {"items read": "x"}),
        ("scopes", {"": "x"}),
        ("scopes", {'"': "x"}),
        ("endpoint_prefix", "oauth"),
        ("endpoint_prefix", "/oauth/"),
        ("endpoint_prefix", "/"),
        ("algorithm", "none"),
        ("algorithm", "RS512"),
        ("algorithm", "es256"),
        ("access_token_ttl", 0),
        ("access_token_ttl", -1),
        ("access_token_ttl", 3601),
        ("refresh_token_ttl", 0),
        ("refresh_idle_ttl", 0),
        ("max_body_size", 0),
        ("max_token_size", 0),
        ("refresh_retry_window", -1),
        ("refresh_retry_window", 61),
        ("leeway", -1),
        ("leeway", 61),
        ("jwks_max_age", -1),
        ("key_refresh", -0.1),
        ("revocation_refresh", -0.1),
        ("revocation_max_stale", -1),
        ("client_cache_ttl", -1),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_bad_setting_is_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerConfig(issuer=GOOD, **{name: value})
    assert caught.value.setting == name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_can_be_chosen(algorithm: str) -> None:
    assert ServerConfig(issuer=GOOD, algorithm=algorithm).algorithm == algorithm


def test_tokens_are_for_the_issuer_when_no_audience_is_named() -> None:
    assert ServerConfig(issuer=GOOD).default_audience == (GOOD,)
    assert ServerConfig(issuer=GOOD, audience=("a", "b")).default_audience == ("a", "b")


def test_a_key_outlives_every_token_that_it_signed() -> None:
    config = ServerConfig(issuer=GOOD, max_access_token_ttl=1000, leeway=30, key_refresh=5)
    assert config.key_retention == 1000 + 30 + 5


def test_settings_are_frozen_and_given_by_name() -> None:
    config = ServerConfig(issuer=GOOD)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.issuer = "https://evil.example.com"
    with pytest.raises(TypeError):
        ServerConfig(GOOD)
