"""Single-use values: what is handed out, and what the store knows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from bezant.codes import Codes
from bezant.errors import StoreUnavailable
from bezant.runtime import SYNC, run_sync
from bezant.stores import CodeKind, Taking
from bezant.stores.memory import MemoryCodeStore

if TYPE_CHECKING:
    from bezant.stores import Code

KINDS: tuple[CodeKind, ...] = get_args(CodeKind)


class Away(MemoryCodeStore):
    """A store that nobody should ask."""

    def take(self, *_: object) -> tuple[Taking, str | None]:
        raise StoreUnavailable("away")

    def peek(self, *_: object) -> str | None:
        raise StoreUnavailable("away")


def rows(store: MemoryCodeStore) -> list[Code]:
    return [code for code, _ in store._rows.values()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_is_taken_once_and_seen_after(kind: CodeKind) -> None:
    codes = Codes(MemoryCodeStore())
    code = run_sync(codes.issue(kind, {"a": [1]}, expires_at=10.0, runtime=SYNC))
    assert run_sync(codes.peek(kind, code, 9.9, SYNC)) == {"a": [1]}
    assert run_sync(codes.take(kind, code, 9.9, SYNC)) == (Taking.TAKEN, {"a": [1]})
    run_sync(codes.replace(kind, code, {"b": 2}, 9.9, SYNC))
    assert run_sync(codes.take(kind, code, 9.9, SYNC)) == (Taking.SPENT, {"b": 2})
    assert run_sync(codes.take(kind, code, 10.0, SYNC)) == (Taking.UNKNOWN, {})
    assert run_sync(codes.peek(kind, code, 10.0, SYNC)) is None


def test_r13_each_kind_has_a_name_space_of_its_own() -> None:
    store = MemoryCodeStore()
    codes = Codes(store)
    for kind in KINDS:
        assert run_sync(codes.first_use(kind, "name", expires_at=10.0, runtime=SYNC))
        assert not run_sync(codes.first_use(kind, "name", expires_at=10.0, runtime=SYNC))
    # Not even a store that mixed them up would take one for another.
    assert len({row.digest for row in rows(store)}) == len(KINDS) > 3
    code = run_sync(codes.issue("code", {}, expires_at=10.0, runtime=SYNC))
    for kind in set(KINDS) - {"code"}:
        assert run_sync(codes.take(kind, code, 0.0, SYNC)) == (Taking.UNKNOWN, {})


def test_d06_the_store_knows_digests_of_what_cannot_be_guessed() -> None:
    store = MemoryCodeStore()
    codes = Codes(store)
    issued = {run_sync(codes.issue("code", {}, expires_at=1.0, runtime=SYNC)) for _ in range(50)}
    assert len(issued) == 50
    assert {len(code) for code in issued} == {43}
    assert {len(row.digest) for row in rows(store)} == {43}
    assert not issued & {row.digest for row in rows(store)}


def test_what_is_too_long_is_not_asked_for() -> None:
    codes = Codes(Away())
    assert run_sync(codes.take("code", "x" * 129, 0.0, SYNC)) == (Taking.UNKNOWN, {})
    assert run_sync(codes.peek("code", "x" * 129, 0.0, SYNC)) is None
    with pytest.raises(StoreUnavailable):
        run_sync(codes.take("code", "x" * 128, 0.0, SYNC))
