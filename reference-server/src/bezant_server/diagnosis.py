"""An examination of an installation: what is well, what deserves a thought, what will not work."""

from __future__ import annotations

import stat
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import Connection, text

from bezant.clients import Client
from bezant.errors import BezantError, ConfigurationError
from bezant.runtime import SYNC, run_sync
from bezant.secret_key import SecretKeyRing
from bezant.stores.sql import SyncDatabase
from bezant.stores.sql.units import reads
from bezant.urls import is_loopback
from bezant_server.administration import Administration
from bezant_server.assembly import hasher
from bezant_server.database import described, open_database, sqlite_file
from bezant_server.schema import Schema, read_schema
from bezant_server.secret_file import open_ring, secret_source
from bezant_server.settings import Settings, config_file, unknown_variables
from bezant_server.throttle import check_throttle

__all__ = ["Finding", "Level", "examine"]

MAX_KEY_AGE = 90 * 86400
MAX_CLOCK_ERROR = 5.0
OLDEST_NOW = 1_767_225_600
"""2026: this software is not older than that."""


class Level(Enum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    level: Level
    subject: str
    text: str

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return {"level": self.level.value, "subject": self.subject, "text": self.text}


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything, and change nothing.

    Args:
        settings: Where everything is.
    """
    yield from _settings(settings)
    yield from _issuer(settings)
    yield from _network(settings)
    ring = yield from _secret_key(settings)
    yield from _clock()
    yield from _passwords(settings)
    yield from _redis(settings)
    yield from _database(settings, ring)


def _ok(subject: str, text: str) -> Finding:
    return Finding(Level.OK, subject, text)


def _warn(subject: str, text: str) -> Finding:
    return Finding(Level.WARN, subject, text)


def _fail(subject: str, text: str) -> Finding:
    return Finding(Level.FAIL, subject, text)


def _settings(settings: Settings) -> Iterator[Finding]:
    file = config_file()
    yield _ok(
        "settings", f"from variables and {file}" if file else "from variables; no bezant.toml"
    )
    if unknown := unknown_variables():
        yield _warn("settings", f"{', '.join(unknown)}: no such setting; misspelt?")
    if file is not None and settings.secret_key and _others_may_read(file):
        yield _warn("settings", f"others may read {file}; keep BEZANT_SECRET_KEY out of it")
    if settings.max_access_token_ttl > 3600:
        yield _warn(
            "settings",
            "access tokens may live longer than an hour; APIs that do not poll revocations accept "
            "them that long",
        )


def _issuer(settings: Settings) -> Iterator[Finding]:
    try:
        issuer = settings.public_url()
    except ConfigurationError as error:
        yield _fail("issuer", str(error))
        return
    if urlsplit(issuer).scheme == "https":
        yield _ok("issuer", issuer)
    else:
        yield _warn(
            "issuer", f"{issuer} works on this machine only; set BEZANT_ISSUER to an https URL"
        )


def _network(settings: Settings) -> Iterator[Finding]:
    wide = [
        proxy
        for proxy in settings.trusted_proxies
        if ip_network(proxy, strict=False).prefixlen == 0
    ]
    if wide:
        yield _fail("proxies", f"BEZANT_TRUSTED_PROXIES trusts everybody ({', '.join(wide)})")
    elif settings.issuer and settings.issuer.startswith("https:") and not settings.trusted_proxies:
        yield _warn(
            "proxies",
            "if a reverse proxy is in front, name it in BEZANT_TRUSTED_PROXIES: else all login "
            "attempts seem to come from it, and are slowed down together",
        )
    if settings.metrics and not is_loopback(settings.host):
        yield _warn(
            "metrics", "/metrics answers whoever reaches the server; keep it behind the proxy"
        )


def _secret_key(settings: Settings) -> Generator[Finding, None, SecretKeyRing | None]:
    """Yields findings, returns the ring if there is one."""
    try:
        source = secret_source(settings)
        if source.ours and source.file is not None and not source.file.exists():
            yield _warn("secret key", f"{source.file} will be made at the first start")
            return None
        ring = open_ring(settings, notify=lambda _: None)
    except ConfigurationError as error:
        yield _fail("secret key", str(error))
        return None
    count = len(ring.keys("doctor"))
    yield _ok(
        "secret key", f"{count} in {source}, the newest is used" if count > 1 else f"in {source}"
    )
    if source.file is not None and not source.ours and _others_may_read(source.file):
        yield _warn("secret key", f"others may read {source.file}")
    if source.ours and settings.issuer and settings.issuer.startswith("https:"):
        yield _warn(
            "secret key",
            "it lies beside the database: who copies both has everything; see BEZANT_SECRET_KEY",
        )
    return ring


def _clock() -> Iterator[Finding]:
    if time.time() < OLDEST_NOW:
        yield _fail("clock", "it is far behind: every token would look expired or not yet valid")
    else:
        yield _ok("clock", "plausible")


def _passwords(settings: Settings) -> Iterator[Finding]:
    try:
        hashing = hasher(settings)
    except ConfigurationError as error:
        yield _fail("passwords", str(error))
        return
    started = time.perf_counter()
    hashed = hashing.hash("a password to measure with")
    took = (time.perf_counter() - started) * 1000
    told = f"one hash takes {took:.0f} ms ({hashed.split('$')[1]})"
    weak = settings.password_memory_kib < 7168
    yield (
        _warn("passwords", f"{told}: too cheap to stand against guessing")
        if weak
        else _ok("passwords", told)
    )


def _redis(settings: Settings) -> Iterator[Finding]:
    if settings.redis_url is None:
        return
    try:
        check_throttle(settings)
    except BezantError as error:
        yield _fail("redis", str(error))
    else:
        yield _ok("redis", "counts login attempts")


def _database(settings: Settings, ring: SecretKeyRing | None) -> Iterator[Finding]:
    try:
        file = sqlite_file(settings)
        name = described(settings)
        if file is not None and not file.exists():
            yield _warn("database", f"{name} does not exist yet; `bezant db upgrade` makes it")
            return
        database = open_database(settings)
    except ConfigurationError as error:
        yield _fail("database", str(error))
        return
    try:
        yield from _tables(settings, database, name)
        if file is not None:
            yield from _sqlite(settings, file)
        if database.run(read_schema) is Schema.CURRENT:
            at = Administration(settings, database, notify=lambda _: None)
            yield from _keys(at, ring)
            yield from _clients(at)
    except ConfigurationError:
        pass  # what is wrong with the settings was told before
    except BezantError as error:
        yield _fail("database", f"{name}: {error}")
    finally:
        database.close()


def _tables(settings: Settings, database: SyncDatabase, name: str) -> Iterator[Finding]:
    schema = database.run(read_schema)
    if schema is Schema.CURRENT:
        yield _ok("database", f"{name} {schema.value}")
    else:
        hint = "; run `bezant db upgrade`" if schema is not Schema.AHEAD else ""
        yield _fail("database", f"{name} {schema.value}{hint}")
    theirs = database.run(_database_clock)
    if theirs is not None and abs(theirs - time.time()) > max(settings.leeway, MAX_CLOCK_ERROR):
        yield _warn("clock", f"the database's differs by {abs(theirs - time.time()):.0f} s")


@reads
def _database_clock(connection: Connection) -> float | None:
    if connection.dialect.name == "sqlite":
        return None
    return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0)


def _sqlite(settings: Settings, file: Path) -> Iterator[Finding]:
    if _others_may_read(file):
        yield _warn("database", f"others may read {file}, password hashes too; `chmod 600 {file}`")
    if settings.workers > 1:
        yield _warn(
            "workers",
            f"{settings.workers} workers take turns to write one SQLite file; for more than one "
            "machine, or many refreshes at once, use PostgreSQL",
        )


def _keys(at: Administration, ring: SecretKeyRing | None) -> Iterator[Finding]:
    if ring is None:
        return
    at.ring = ring
    server = at.server
    try:
        run_sync(server.keys.refresh(SYNC))
    except BezantError as error:
        yield _fail("keys", str(error))
        return
    infos = server.keys.describe()
    active = [i for i in infos if i.state == "active" and i.algorithm == at.settings.algorithm]
    now = time.time()
    if any(info.created_at > now + MAX_CLOCK_ERROR for info in infos):
        yield _warn(
            "clock", "a signing key was made in the future: a clock is wrong, here or there"
        )
    if not active:
        yield _warn("keys", f"no active {at.settings.algorithm} key; `bezant serve` makes one")
        return
    age = now - active[-1].activates_at
    told = f"{active[-1].algorithm} key {active[-1].kid}, {age / 86400:.0f} days old"
    old = age > MAX_KEY_AGE and not any(info.state == "next" for info in infos)
    yield (
        _warn("keys", f"{told}; `bezant keys rotate` brings a new one")
        if old
        else _ok("keys", told)
    )
    if at.settings.algorithm == "HS256":
        yield _warn("keys", "HS256: an API that verifies tokens could also make them; prefer ES256")


def _clients(at: Administration) -> Iterator[Finding]:
    clients = [client for client in at.clients() if client.active]
    if not clients:
        yield _warn("clients", "none yet; `bezant client add` adds one")
        return
    yield _ok("clients", f"{len(clients)} active")
    if with_password := [client for client in clients if "password" in client.grants]:
        yield _warn(
            "clients",
            f"{_names(with_password)} may use the password grant, which shows them "
            "the users' passwords; RFC 9700 section 2.4 says not to use it: first-party only",
        )
        if public := [client for client in with_password if client.public]:
            yield _warn("clients", f"{_names(public)} may do so without any secret")


def _names(clients: list[Client]) -> str:
    return ", ".join(client.client_id for client in clients)


def _others_may_read(file: Path) -> bool:
    try:
        return bool(file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH))
    except OSError:
        return False
