"""Settings: variables `BEZANT_*` and a TOML file. Every field's text is in the reference."""

from __future__ import annotations

import os
import re
from dataclasses import fields
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BeforeValidator, Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from bezant.config import ServerConfig, check_issuer
from bezant.errors import ConfigurationError
from bezant.urls import is_loopback
from bezant_server.federation.settings import ProviderSettings

__all__ = ["PREFIX", "Settings", "load_settings", "unknown_variables"]

PREFIX = "BEZANT_"
CONFIG_VARIABLE = "BEZANT_CONFIG"
CONFIG_FILE = Path("bezant.toml")


def _split(value: Any) -> Any:
    """Lists are written with commas or spaces in variables, and as lists in TOML."""
    return tuple(re.split(r"[,\s]+", value.strip(", \t"))) if isinstance(value, str) else value


def _named(value: Any) -> Any:
    """Scopes are names in a variable, and names with their meaning in TOML."""
    if isinstance(value, str) and not value.lstrip().startswith("{"):
        return dict.fromkeys(_split(value), "")
    return dict.fromkeys(value, "") if isinstance(value, list) else value


Names: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Meanings: TypeAlias = Annotated[dict[str, str], NoDecode, BeforeValidator(_named)]
_CORE = ServerConfig(issuer="http://127.0.0.1")


class Settings(BaseSettings):
    """Everything that can be set. A variable goes before the file, the file before the default."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    # Where things are
    database_url: str = Field(default="sqlite:///bezant.db", repr=False)
    """Where everything is kept: `sqlite:///relative/path.db`, `sqlite:////absolute/path.db`, or
    `postgresql://user:password@host/database` (`postgresql+asyncpg://` for the other driver)."""
    issuer: str | None = None
    """The URL under which clients reach the server, exactly as it stands in `iss`: https, no
    trailing slash. Plain http on loopback only; there it defaults to the address that is served."""
    secret_key: str | None = Field(default=None, repr=False)
    """Secrets for encryption at rest and refresh tokens, newest first, separated by commas; each 32
    random characters or more (`openssl rand -base64 32`). Without it, SQLite gets a key file."""
    secret_key_file: Path | None = None
    """A file that holds what `BEZANT_SECRET_KEY` would. With SQLite it defaults to the database's
    path with `.key` added, and is made when it is missing."""
    redis_url: str | None = Field(default=None, repr=False)
    """Redis or Valkey, `redis://host:6379/0`: login attempts are then counted there, for all nodes
    together, instead of in the database."""

    # What it listens on
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """The port to listen on; 0 takes a free one."""
    workers: int = Field(default=1, ge=1, le=256)
    """Processes that serve."""
    trusted_proxies: Names = ()
    """Addresses or networks of reverse proxies whose `X-Forwarded-For` is believed. None by
    default: anybody could write anything there, and login attempts are counted per address."""
    shutdown_timeout: int = Field(default=10, ge=0, le=600)
    """Seconds that requests get to finish when the server is told to stop."""

    # What it says
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """What is logged from. `debug` has a line for each token issued, and never a secret."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`auto`: for people on a terminal, JSON elsewhere."""
    access_log: bool = False
    """One line for each request, without its query string."""
    metrics: bool = True
    """Whether `/metrics` answers. It names no user and no client; still keep it from the world."""

    # Whom tokens are for
    audience: Names = ()
    """Resource servers that tokens are for when a client names none; the issuer by default."""
    scopes: Meanings = Field(default_factory=dict)
    """Scopes for the metadata; in TOML a table of names and what they allow, in words."""
    endpoint_prefix: str = _CORE.endpoint_prefix
    """Where the endpoints are, below the issuer."""
    algorithm: Literal["ES256", "EdDSA", "RS256", "PS256", "HS256"] = "ES256"
    """What access tokens are signed with."""

    # Lifetimes and windows, in seconds
    access_token_ttl: int = _CORE.access_token_ttl
    """Seconds that an access token lives, unless its client says otherwise."""
    max_access_token_ttl: int = _CORE.max_access_token_ttl
    """Seconds; no client's access tokens live longer."""
    refresh_token_ttl: int = _CORE.refresh_token_ttl
    """Seconds after which one has to sign in again, however often the token was refreshed."""
    refresh_idle_ttl: int = _CORE.refresh_idle_ttl
    """Seconds without a refresh after which one has to sign in again."""
    refresh_retry_window: int = _CORE.refresh_retry_window
    """Seconds, 0 to 60, in which a client that missed the answer may send the last refresh token
    again."""
    leeway: int = _CORE.leeway
    """Seconds, 0 to 60, that clocks may differ."""
    jwks_max_age: int = _CORE.jwks_max_age
    """Seconds that others may cache the public keys; a new key signs only after them."""
    key_refresh: float = _CORE.key_refresh
    """Seconds after which a process looks for keys that another made or retired."""
    revocation_refresh: float = _CORE.revocation_refresh
    """Seconds after which a process looks for revocations that another recorded."""
    revocation_max_stale: float = _CORE.revocation_max_stale
    """Seconds that tokens are still accepted while revocations cannot be read."""
    client_cache_ttl: float = _CORE.client_cache_ttl
    """Seconds that a client's registration is remembered; 0 reads it for every request."""
    purge_interval: float = Field(default=300.0, gt=0)
    """Seconds between two rounds of forgetting what has ended."""

    # Signing in in browsers
    display_name: str = Field(default="Bezant", min_length=1, max_length=60)
    """What the pages call this server."""
    session_ttl: int = Field(default=7 * 86400, ge=60)
    """Seconds after which one has to sign in again in a browser. What applications were given in a
    sign-in ends with it, unless it was given for longer (`offline_access`)."""
    session_idle_ttl: int = Field(default=3 * 86400, ge=60)
    """Seconds after which a browser that was not here is signed out."""
    history_ttl: int = Field(default=90 * 86400, ge=60)
    """Seconds that people are shown what happened to their accounts."""
    providers: dict[str, ProviderSettings] = Field(default_factory=dict)
    """Other places to sign in at: in TOML a table `[providers.NAME]` for each; see
    [third-party login](third-party-login.md)."""

    # Passwords
    password_min_length: int = Field(default=8, ge=1, le=1024)
    """Characters that a new password needs."""
    password_memory_kib: int = 19456
    """Argon2id: KiB of memory for one hash."""
    password_iterations: int = 2
    """Argon2id: passes over the memory."""
    password_lanes: int = 1
    """Argon2id: lanes."""

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            ip_network(entry, strict=False)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then the TOML file."""
        file = config_file()
        toml = (TomlConfigSettingsSource(settings_cls, toml_file=file),) if file else ()
        return (init_settings, env_settings, *toml)

    def public_url(self, port: int | None = None) -> str:
        """The issuer: as set, or the address that is served if that is a loopback one.

        Args:
            port: The port that is really listened on.

        Raises:
            ConfigurationError: It has to be set.
        """
        if self.issuer is not None:
            return self.issuer
        if not is_loopback(self.host):
            raise ConfigurationError(
                "BEZANT_ISSUER",
                f"say under which https URL clients reach the server that listens on {self.host}",
            )
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port if port is None else port}"

    def server_config(self, issuer: str) -> ServerConfig:
        """What core makes of these settings.

        Raises:
            ConfigurationError: They contradict each other.
        """
        own = set(type(self).model_fields)
        shared = [field.name for field in fields(ServerConfig) if field.name in own - {"issuer"}]
        try:
            check_issuer("issuer", issuer)
            return ServerConfig(issuer=issuer, **{name: getattr(self, name) for name in shared})
        except ConfigurationError as error:
            raise ConfigurationError(_spelled(error.setting), _respelled(error.problem)) from None


def load_settings(**overrides: Any) -> Settings:
    """Read the settings.

    Args:
        overrides: Options of a command line; None leaves a setting alone.

    Raises:
        ConfigurationError: A setting cannot be used; the message names it as its user spells it.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        raise _explained(error) from None
    except ConfigurationError:
        raise
    except ValueError as error:  # a TOML file, or a variable, that cannot be read at all
        raise ConfigurationError(str(config_file() or "settings"), str(error)) from None
    settings.server_config(settings.issuer or "http://127.0.0.1")
    return settings


def config_file() -> Path | None:
    """The TOML file in use.

    Raises:
        ConfigurationError: The one that is named does not exist.
    """
    if named := os.environ.get(CONFIG_VARIABLE):
        if not Path(named).is_file():
            raise ConfigurationError(CONFIG_VARIABLE, f"there is no file {named}")
        return Path(named)
    return CONFIG_FILE if CONFIG_FILE.is_file() else None


def unknown_variables() -> list[str]:
    """Variables that look like settings and are none: most likely misspelt."""
    known = {PREFIX + name.upper() for name in Settings.model_fields} | {CONFIG_VARIABLE}
    return sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)


def _spelled(name: str) -> str:
    return PREFIX + name.upper()


def _respelled(text: str) -> str:
    """A problem told in core's words, with the settings spelled as users do."""
    names = "|".join(sorted(Settings.model_fields, key=len, reverse=True))
    return re.sub(rf"\b(?:{names})\b", lambda found: _spelled(found[0]), text)


def _explained(error: ValidationError) -> ConfigurationError:
    """The first problem, without the value: it may be a secret."""
    problem = error.errors(include_input=False, include_url=False)[0]
    name = str(problem["loc"][0]) if problem["loc"] else "settings"
    if name == "providers" and len(problem["loc"]) > 1:  # which a table of TOML has
        name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return ConfigurationError(str(config_file() or CONFIG_FILE), f"{name} is no setting")
    text = problem["msg"].removeprefix("Value error, ")
    spelled = name if "." in name else _spelled(name)
    return ConfigurationError(spelled, text[:1].lower() + text[1:])
