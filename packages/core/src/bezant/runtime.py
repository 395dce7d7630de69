"""How flows run: natively awaited, or driven by hand from synchronous code.

Flows are written once as ``async def``. A store method may be ``def`` or ``async def``; a
`Runtime`, given by each adapter, says how a ``def`` method that may block is called and where
password hashing runs. Nothing here knows an event loop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from inspect import isawaitable, iscoroutinefunction
from typing import Any, ParamSpec, Protocol, TypeAlias, TypeVar, cast

from bezant.errors import ConfigurationError, SuspendedError

__all__ = ["SYNC", "MaybeAwaitable", "Runtime", "inline", "nonblocking", "result", "run_sync"]

P = ParamSpec("P")
T = TypeVar("T")
C = TypeVar("C", bound=type)

MaybeAwaitable: TypeAlias = T | Awaitable[T]


def run_sync(coroutine: Coroutine[Any, Any, T]) -> T:
    """Drive a coroutine that never waits to its end, without an event loop.

    Raises:
        SuspendedError: It did wait; the coroutine is closed first, so nothing is left half done in
            the background.
    """
    try:
        coroutine.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    coroutine.close()
    raise SuspendedError(
        f"{coroutine!r} waited for an event loop; "
        "synchronous code needs stores whose methods are plain 'def'"
    )


def nonblocking(cls: C) -> C:
    """Mark the public ``def`` methods of a store as finishing without I/O, so that they run in
    place.
    """
    for name, member in vars(cls).items():
        if not name.startswith("_") and callable(member) and not iscoroutinefunction(member):
            member.__nonblocking__ = True
    return cls


class Offload(Protocol):
    """Runs a blocking function where it hurts nobody and returns its result."""

    def __call__(
        self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Awaitable[T]: ...


class Waiter(Protocol):
    """Waits for a future of a thread pool."""

    def __call__(self, future: Future[T], /) -> Awaitable[T]: ...


class Runtime:
    """What differs between frameworks.

    Args:
        io: Calls a ``def`` store method that may block.
        wait: Waits for a future of a thread pool (password hashing runs in one).
        loop: Whether ``async def`` stores can be awaited.
        sleep: Waits for some seconds without holding a thread; None where that cannot be.
    """

    def __init__(
        self,
        *,
        io: Offload,
        wait: Waiter,
        loop: bool,
        sleep: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._io = io
        self.wait: Waiter = wait
        self.loop: bool = loop
        self.sleep: Callable[[float], Awaitable[None]] | None = sleep

    async def call(
        self, method: Callable[P, MaybeAwaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a store method of either kind and return its settled result."""
        if getattr(method, "__nonblocking__", False) or iscoroutinefunction(method):
            result = method(*args, **kwargs)
        else:
            result = await self._io(method, *args, **kwargs)
        if isawaitable(result):
            return await result
        return result

    def check(self, setting: str, store: object, protocol: type | None = None) -> None:
        """Refuse an async store under a synchronous framework.

        Args:
            setting: Where the user gave it.
            store: The store, or a single callable.
            protocol: What the store implements; None for a callable.

        Raises:
            ConfigurationError: Names the setting and the first method that is ``async def``.
        """
        if self.loop:
            return
        candidates = {getattr(store, "__qualname__", setting): store}
        for name in ("__call__",) if protocol is None else vars(protocol):
            if name == "__call__" or not name.startswith("_"):
                candidates[f"{type(store).__name__}.{name}"] = getattr(store, name)
        for name, method in candidates.items():
            if iscoroutinefunction(method):
                raise ConfigurationError(
                    setting,
                    f"{name} is 'async def', but this framework runs without an event loop; "
                    "give it plain 'def' methods",
                )


async def inline(function: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
    """Call in the calling thread."""
    return function(*args, **kwargs)


async def result(future: Future[T], /) -> T:
    """Wait in the calling thread."""
    return future.result()


SYNC = Runtime(io=inline, wait=result, loop=False)
"""For WSGI frameworks, scripts and tests: everything in the calling thread."""
