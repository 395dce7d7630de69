"""What a guard asks: is this access token good, and whose is it?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from bezant.principal import Principal
from bezant.runtime import Runtime

__all__ = ["Source", "Verifier"]


class Source(ABC):
    """Something that is read again from time to time: keys, revocations."""

    @property
    @abstractmethod
    def due(self) -> bool:
        """Whether `refresh` must run before a token is verified. Asked for every token."""

    @abstractmethod
    async def refresh(self, runtime: Runtime) -> None:
        """Read it again.

        Raises:
            StoreUnavailable: It cannot be read, and what is known is too old to be trusted.
        """

    def start(self) -> None:  # noqa: B027 (most have nothing to start)
        """Begin what runs in the background; see `Verifier.start`."""

    def close(self) -> None:  # noqa: B027
        """End what runs in the background."""


class Verifier(ABC):
    """What tells good access tokens from bad ones, and whose they are.

    Several threads and event loops use one verifier at a time.
    """

    issuers: tuple[str, ...]
    """The issuers whose tokens are taken."""
    clock: Callable[[], float]
    """Seconds since the epoch."""

    @abstractmethod
    async def averify(self, token: str, runtime: Runtime) -> Principal:
        """Verify an access token.

        Args:
            token: As it stands in the header.
            runtime: How to wait and how to call stores.

        Raises:
            InvalidToken: The token is not good.
            StoreUnavailable: What must be known to trust a token cannot be read.
        """

    def verify_now(self, token: str, /) -> Principal | None:
        """Verify an access token when nothing has to be waited for, as for most of them. None says
        nothing about the token: `averify` tells. By default it always does.

        Raises:
            InvalidToken: The token is not good.
        """
        return None

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "averify" in vars(cls) and "verify_now" not in vars(cls):
            # What a subclass demands in one of them is not to be gone around by the other.
            cls.verify_now = Verifier.verify_now  # type: ignore[method-assign]

    async def check_revoked(  # noqa: B027 (most know of none)
        self, principal: Principal, runtime: Runtime
    ) -> None:
        """Refuse somebody whose tokens this verifier knows to be revoked, though another one has
        verified theirs. By default it knows of none.

        Args:
            principal: What that token says.
            runtime: How to wait and how to call stores.

        Raises:
            InvalidToken: They are revoked.
            StoreUnavailable: What is revoked cannot be read.
        """

    def check(self, runtime: Runtime) -> None:  # noqa: B027 (most can be used anywhere)
        """Refuse what a framework cannot call; adapters do this at set-up.

        Raises:
            ConfigurationError: Names the setting and the function.
        """

    def start(self) -> None:  # noqa: B027 (most have nothing to start)
        """Begin what runs in the background, without waiting for it. Adapters call this when an
        application starts; otherwise the first token does it. It may be called several times.
        """

    def close(self) -> None:  # noqa: B027
        """End what runs in the background. The verifier may be started again."""
