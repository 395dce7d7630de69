"""Where the secret key comes from when nobody sets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bezant import ConfigurationError
from bezant_server.secret_file import open_ring
from bezant_server.settings import load_settings

SECRETS = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


def silent(text: str) -> None:
    raise AssertionError(f"said {text}")


def test_sqlite_gets_a_file_beside_the_database_with_a_notice() -> None:
    said: list[str] = []
    first = open_ring(load_settings(), said.append)
    file = Path("bezant.db.key")
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(said) == 1 and str(file) in said[0] and file.read_text().strip() not in said[0]
    again = open_ring(load_settings(), silent)
    assert again.open(first.seal(b"x", context="t"), context="t") == b"x"
    assert [path.name for path in Path().iterdir()] == [file.name]


def test_of_many_processes_that_begin_at_once_one_makes_it() -> None:
    settings = load_settings()
    said: list[str] = []
    with ThreadPoolExecutor(16) as pool:
        rings = list(pool.map(lambda _: open_ring(settings, said.append), range(64)))
    assert len(said) == 1
    sealed = rings[0].seal(b"x", context="t")
    assert all(ring.open(sealed, context="t") == b"x" for ring in rings)


def test_a_file_that_others_can_read_is_refused() -> None:
    open_ring(load_settings(), lambda _: None)
    Path("bezant.db.key").chmod(0o640)
    with pytest.raises(ConfigurationError, match=r"^BEZANT_SECRET_KEY: .*chmod 600"):
        open_ring(load_settings(), silent)


def test_a_place_that_cannot_be_written_is_told() -> None:
    settings = load_settings(database_url="sqlite:////proc/bezant.db")
    with pytest.raises(ConfigurationError, match=r"^BEZANT_SECRET_KEY: .*cannot be made"):
        open_ring(settings, silent)


def test_any_other_database_needs_the_setting() -> None:
    settings = load_settings(database_url="postgresql://bezant@db/bezant")
    with pytest.raises(ConfigurationError, match=r"^BEZANT_SECRET_KEY: set it"):
        open_ring(settings, silent)


def test_a_ring_in_the_settings_is_used_and_no_file_made() -> None:
    ring = open_ring(load_settings(secret_key=",".join(SECRETS)), silent)
    old = open_ring(load_settings(secret_key=SECRETS[1]), silent)
    assert ring.open(old.seal(b"x", context="t"), context="t") == b"x"
    assert len(ring.keys("anything")) == 2
    assert not list(Path().iterdir())


def test_a_file_can_be_named_and_has_to_be_there() -> None:
    Path("mounted").write_text("\n".join(SECRETS))
    assert len(open_ring(load_settings(secret_key_file="mounted"), silent).keys("x")) == 2
    with pytest.raises(ConfigurationError, match=r"^BEZANT_SECRET_KEY_FILE: cannot read"):
        open_ring(load_settings(secret_key_file="elsewhere"), silent)


@pytest.mark.parametrize("secret", ["short", "a" * 40, f"{SECRETS[0]},{SECRETS[0]}"])
def test_weak_secrets_are_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^BEZANT_SECRET_KEY: ") as refused:
        open_ring(load_settings(secret_key=secret), silent)
    assert secret not in str(refused.value)
