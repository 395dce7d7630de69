"""Flows run the same, awaited or driven by hand."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from bezant.errors import ConfigurationError, StoreUnavailable, SuspendedError
from bezant.runtime import SYNC, MaybeAwaitable, Runtime, nonblocking, run_sync

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


class Suspension:
    """Waits for an event loop, without one."""

    def __await__(self) -> Generator[str, None, None]:
        yield "waiting"


class Gets(Protocol):
    def get(self, key: str, /) -> MaybeAwaitable[str]: ...


class PlainStore:
    limit = 10

    def get(self, key: str, *, default: str = "") -> str:
        return key or default

    def _reconnect(self) -> None: ...


class AsyncStore:
    async def get(self, key: str, *, default: str = "") -> str:
        return key or default

    async def slow(self) -> None:
        await Suspension()


@nonblocking
class MemoryStore(PlainStore):
    def find(self, key: str) -> str:
        return key

    async def aget(self, key: str) -> str:
        return key

    def _private(self) -> None: ...


class LazyStore:
    def get(self, key: str) -> Any:
        return AsyncStore().get(key)


class Callback:
    async def __call__(self, username: str, password: str) -> None: ...


# ---- driving by hand -----------------------------------------------------------------------


def test_a_flow_that_never_waits_returns_its_result() -> None:
    async def inner(value: int) -> int:
        return value + 1

    async def flow(value: int) -> int:
        return await inner(await inner(value))

    assert run_sync(flow(1)) == 3
    assert run_sync(flow(-2)) == 0


def test_an_error_of_a_flow_comes_through() -> None:
    async def flow() -> None:
        raise StoreUnavailable("down")

    with pytest.raises(StoreUnavailable, match="down"):
        run_sync(flow())


def test_a_flow_that_waits_is_closed_and_named() -> None:
    steps = []

    async def a_flow() -> None:
        try:
            steps.append("begun")
            await Suspension()
            steps.append("resumed")
        finally:
            steps.append("cleaned up")

    coroutine = a_flow()
    with pytest.raises(SuspendedError, match=r"a_flow.*plain 'def'"):
        run_sync(coroutine)
    assert steps == ["begun", "cleaned up"]
    with pytest.raises(RuntimeError, match="cannot reuse"):
        coroutine.send(None)


# ---- calling stores ------------------------------------------------------------------------


@pytest.fixture
def offloaded() -> list[str]:
    return []


@pytest.fixture
def runtime(offloaded: list[str]) -> Runtime:
    """A runtime with an event loop, that notes what it keeps off it."""

    async def io(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        offloaded.append(getattr(function, "__name__", "?"))
        return function(*args, **kwargs)

    async def wait(future: Future[Any], /) -> Any:
        return future.result()

    return Runtime(io=io, wait=wait, loop=True)


def test_a_plain_method_is_kept_off_the_event_loop(runtime: Runtime, offloaded: list[str]) -> None:
    assert run_sync(runtime.call(PlainStore().get, "key")) == "key"
    assert run_sync(runtime.call(PlainStore().get, "", default="other")) == "other"
    assert offloaded == ["get", "get"]


def test_an_async_method_is_awaited_in_place(runtime: Runtime, offloaded: list[str]) -> None:
    assert run_sync(runtime.call(AsyncStore().get, "key")) == "key"
    assert run_sync(runtime.call(AsyncStore().get, "", default="other")) == "other"
    assert offloaded == []


def test_a_nonblocking_method_is_called_in_place(runtime: Runtime, offloaded: list[str]) -> None:
    store = MemoryStore()
    assert run_sync(runtime.call(store.find, "key")) == "key"
    assert run_sync(runtime.call(store.aget, "key")) == "key"
    assert offloaded == []
    # What another class defines may block for all this one knows.
    assert run_sync(runtime.call(store.get, "key")) == "key"
    assert offloaded == ["get"]


def test_nonblocking_marks_public_plain_methods_only() -> None:
    assert nonblocking(MemoryStore) is MemoryStore
    members = {name: getattr(MemoryStore, name) for name in dir(MemoryStore)}
    marked = [name for name, member in members.items() if hasattr(member, "__nonblocking__")]
    assert marked == ["find"]


@pytest.mark.parametrize(
    "method",
    [
        LazyStore().get,
        lambda key: AsyncStore().get(key),
        partial(AsyncStore().get),
        partial(PlainStore().get),
    ],
    ids=["a plain method that returns an awaitable", "a lambda", "a partial", "a plain partial"],
)
def test_whatever_is_given_its_result_is_settled(
    method: Callable[[str], Any], runtime: Runtime
) -> None:
    assert run_sync(runtime.call(method, "key")) == "key"
    assert run_sync(SYNC.call(method, "key")) == "key"


def test_an_error_of_a_store_comes_through(runtime: Runtime) -> None:
    def fail() -> None:
        raise StoreUnavailable

    for each in runtime, SYNC:
        with pytest.raises(StoreUnavailable):
            run_sync(each.call(fail))


def test_synchronously_everything_runs_in_place() -> None:
    assert run_sync(SYNC.call(PlainStore().get, "key")) == "key"
    assert run_sync(SYNC.call(AsyncStore().get, "key")) == "key"
    with pytest.raises(SuspendedError):
        run_sync(SYNC.call(AsyncStore().slow))


def test_synchronously_a_future_is_waited_for() -> None:
    future: Future[int] = Future()
    future.set_result(7)
    assert run_sync(SYNC.wait(future)) == 7


# ---- refusing at set-up --------------------------------------------------------------------


async def check_password(username: str, password: str) -> None: ...


@pytest.mark.parametrize(
    ("store", "protocol", "name"),
    [
        (AsyncStore(), Gets, "AsyncStore.get"),
        (check_password, None, "check_password"),
        (AsyncStore().slow, None, "AsyncStore.slow"),
        (Callback(), None, "Callback.__call__"),
    ],
)
def test_an_async_store_without_an_event_loop_is_refused_by_name(
    store: object, protocol: type | None, name: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        SYNC.check("stores.users", store, protocol)
    assert caught.value.setting == "stores.users"
    assert caught.value.problem.startswith(f"{name} is 'async def'")


@pytest.mark.parametrize("function", [PlainStore().get, str, lambda a, b: None])
def test_a_plain_function_is_taken(function: object) -> None:
    SYNC.check("get_user", function)


@pytest.mark.parametrize("store", [PlainStore(), MemoryStore()])
def test_a_store_may_have_more_than_its_protocol(store: object) -> None:
    SYNC.check("users", store, Gets)


def test_an_event_loop_takes_both_kinds(runtime: Runtime) -> None:
    for store in AsyncStore(), PlainStore():
        runtime.check("users", store, Gets)
    for function in check_password, Callback():
        runtime.check("get_user", function)
