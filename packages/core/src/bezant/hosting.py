"""What an application's pages call, in its framework's own terms.

`Interactions` and `Logouts` want a runtime and answer with values of core. Here they are bound to a
framework: every method that ends a page returns that framework's response, and what goes wrong
meanwhile (a sign-in that was finished in another tab, a store that is away) is a page too. Adapters
make these objects; the two kinds have the same verbs.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol, TypeVar

from bezant.authorization_response import error_page, see_other
from bezant.errors import (
    ConfigurationError,
    InvalidRequest,
    KeyUnavailable,
    OAuthError,
    StoreUnavailable,
    TemporarilyUnavailable,
)
from bezant.http import Request, Response
from bezant.interactions import Interaction
from bezant.logouts import Logout
from bezant.runtime import Runtime
from bezant.server import AuthorizationServer
from bezant.sign_in import SignIn
from bezant.users import User

__all__ = ["AsyncInteractions", "AsyncLogouts", "SyncInteractions", "SyncLogouts"]

R = TypeVar("R")
T = TypeVar("T")


class Drive(Protocol):
    """Runs a flow to its end from synchronous code, with a runtime that suits."""

    def __call__(self, flow: Callable[[Runtime], Coroutine[Any, Any, T]], /) -> T: ...


async def _answer(step: Coroutine[Any, Any, Response | str]) -> Response:
    """The answer to a form: where to go on, or why not."""
    try:
        answer = await step
    except OAuthError as error:
        return _refused(error)
    except (StoreUnavailable, KeyUnavailable):
        return _refused(TemporarilyUnavailable())
    return see_other(answer) if isinstance(answer, str) else answer


def _refused(error: OAuthError) -> Response:
    return error_page(error, Request("POST"))


_GONE = InvalidRequest("this page has been answered already, or has waited too long")


class _Bound(Generic[R]):
    """To a framework.

    Args:
        server: Finds the server.
        respond: Makes the framework's response.
    """

    def __init__(
        self, server: Callable[[], AuthorizationServer], respond: Callable[[Response], R]
    ) -> None:
        self._server = server
        self._respond = respond

    def gone(self) -> R:
        """The page for a browser whose interaction is not waiting any more (`get` returned
        None).
        """
        return self._respond(_refused(_GONE))


class _Resuming(_Bound[R]):
    def resume(self, interaction_id: str) -> R:
        """Go on, after a login."""
        return self._respond(see_other(self._server().interactions.resume(interaction_id)))


async def _sign_in(
    server: AuthorizationServer, username: str, password: str, address: str, runtime: Runtime
) -> User:
    if server.login is None:
        raise ConfigurationError("users", "this server has no accounts")
    return await server.login.authenticate(
        username, password, address=address, now=server.clock(), runtime=runtime
    )


class AsyncInteractions(_Resuming[R]):
    """For login, consent and account pages.

    Args:
        server: Finds the server.
        runtime: How the framework runs flows.
        respond: Makes the framework's response.
    """

    def __init__(
        self,
        server: Callable[[], AuthorizationServer],
        runtime: Runtime,
        respond: Callable[[Response], R],
    ) -> None:
        super().__init__(server, respond)
        self._runtime = runtime

    async def get(self, interaction_id: str) -> Interaction | None:
        """What a page is asked for; None when that was answered, or waited too long."""
        return await self._server().interactions.get(interaction_id, self._runtime)

    async def authenticate(self, username: str, password: str, *, address: str) -> User:
        """Whom a name and a password prove, behind the throttle that the password grant has too. An
        application with a login of its own has no use for this.

        Args:
            username: As typed.
            password: As typed.
            address: The browser's; empty when unknown.

        Raises:
            InvalidGrant: Wrong, disabled, or tried too often; ``description`` may be shown.
            TemporarilyUnavailable: Too many logins at once.
            StoreUnavailable: The accounts or the counters cannot be read.
        """
        return await _sign_in(self._server(), username, password, address, self._runtime)

    async def selected(self, interaction_id: str) -> R:
        """Go on, after an account was chosen and signed in."""
        step = self._server().interactions.selected(interaction_id, self._runtime)
        return self._respond(await _answer(step))

    async def consent(self, interaction_id: str, sign_in: SignIn, scopes: Iterable[str]) -> R:
        """Go on: who is signed in lets the client have these scopes, of those it asked for."""
        step = self._server().interactions.consent(interaction_id, sign_in, scopes, self._runtime)
        return self._respond(await _answer(step))

    async def deny(self, interaction_id: str) -> R:
        """Go back to the client with a refusal."""
        step = self._server().interactions.deny(interaction_id, self._runtime)
        return self._respond(await _answer(step))


class AsyncLogouts(_Bound[R]):
    """For the logout page, and for whatever else ends a sign-in.

    Args:
        server: Finds the server.
        runtime: How the framework runs flows.
        respond: Makes the framework's response.
    """

    def __init__(
        self,
        server: Callable[[], AuthorizationServer],
        runtime: Runtime,
        respond: Callable[[Response], R],
    ) -> None:
        super().__init__(server, respond)
        self._runtime = runtime

    async def get(self, interaction_id: str) -> Logout | None:
        """What the page is asked for; None when that was answered, or waited too long."""
        return await self._server().logouts.get(interaction_id, self._runtime)

    async def end(self, sign_in: SignIn) -> int:
        """End all that was given in a sign-in, and tell the clients. Returns how many
        authorizations ended.

        Raises:
            StoreUnavailable: It could not be recorded; call again.
        """
        return await self._server().logouts.end(sign_in, self._runtime)

    async def finish(self, interaction_id: str) -> R | None:
        """Go back to the client, after `end`; None when there is nowhere to go back to."""
        answer = await self._server().logouts.finish(interaction_id, self._runtime)
        return None if answer is None else self._respond(answer)


class SyncInteractions(_Resuming[R]):
    """`AsyncInteractions` for synchronous code.

    Args:
        server: Finds the server.
        drive: How the framework runs flows.
        respond: Makes the framework's response.
    """

    def __init__(
        self,
        server: Callable[[], AuthorizationServer],
        drive: Drive,
        respond: Callable[[Response], R],
    ) -> None:
        super().__init__(server, respond)
        self._drive = drive

    def get(self, interaction_id: str) -> Interaction | None:
        """What a page is asked for; None when that was answered, or waited too long."""
        return self._drive(lambda runtime: self._server().interactions.get(interaction_id, runtime))

    def authenticate(self, username: str, password: str, *, address: str) -> User:
        """Whom a name and a password prove, behind the throttle that the password grant has too. An
        application with a login of its own has no use for this.

        Args:
            username: As typed.
            password: As typed.
            address: The browser's; empty when unknown.

        Raises:
            InvalidGrant: Wrong, disabled, or tried too often; ``description`` may be shown.
            TemporarilyUnavailable: Too many logins at once.
            StoreUnavailable: The accounts or the counters cannot be read.
        """
        server = self._server()
        return self._drive(lambda runtime: _sign_in(server, username, password, address, runtime))

    def selected(self, interaction_id: str) -> R:
        """Go on, after an account was chosen and signed in."""
        core = self._server().interactions
        return self._page(lambda runtime: core.selected(interaction_id, runtime))

    def consent(self, interaction_id: str, sign_in: SignIn, scopes: Iterable[str]) -> R:
        """Go on: who is signed in lets the client have these scopes, of those it asked for."""
        core = self._server().interactions
        return self._page(lambda runtime: core.consent(interaction_id, sign_in, scopes, runtime))

    def deny(self, interaction_id: str) -> R:
        """Go back to the client with a refusal."""
        core = self._server().interactions
        return self._page(lambda runtime: core.deny(interaction_id, runtime))

    def _page(self, step: Callable[[Runtime], Coroutine[Any, Any, Response | str]]) -> R:
        return self._respond(self._drive(lambda runtime: _answer(step(runtime))))


class SyncLogouts(_Bound[R]):
    """`AsyncLogouts` for synchronous code.

    Args:
        server: Finds the server.
        drive: How the framework runs flows.
        respond: Makes the framework's response.
    """

    def __init__(
        self,
        server: Callable[[], AuthorizationServer],
        drive: Drive,
        respond: Callable[[Response], R],
    ) -> None:
        super().__init__(server, respond)
        self._drive = drive

    def get(self, interaction_id: str) -> Logout | None:
        """What the page is asked for; None when that was answered, or waited too long."""
        return self._drive(lambda runtime: self._server().logouts.get(interaction_id, runtime))

    def end(self, sign_in: SignIn) -> int:
        """End all that was given in a sign-in, and tell the clients. Returns how many
        authorizations ended.

        Raises:
            StoreUnavailable: It could not be recorded; call again.
        """
        return self._drive(lambda runtime: self._server().logouts.end(sign_in, runtime))

    def finish(self, interaction_id: str) -> R | None:
        """Go back to the client, after `end`; None when there is nowhere to go back to."""
        answer = self._drive(lambda runtime: self._server().logouts.finish(interaction_id, runtime))
        return None if answer is None else self._respond(answer)
