"""Logout: what waits for the application's page, and what ends with a sign-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Final
from urllib.parse import urlencode

from bezant.authorization_response import see_other
from bezant.authorizations import Authorizations
from bezant.backchannel_logout import BackchannelLogout
from bezant.clients import Client
from bezant.codes import Codes
from bezant.errors import ConfigurationError
from bezant.events import Events, SessionEnded
from bezant.http import Response
from bezant.logout_sender import LogoutSender
from bezant.runtime import Runtime
from bezant.sign_in import SignIn
from bezant.stores import ClientStore, Taking

__all__ = ["Logout", "Logouts", "WaitingLogout"]

TTL: Final = 1800.0
"""Seconds that a logout waits for a person."""

CODE_LIFE: Final = 3600.0
"""Seconds for which a sign-in that ended is remembered: longer than any code lives."""


@dataclass(frozen=True, slots=True)
class WaitingLogout:
    """What a client, or nobody in particular, asked of the end session endpoint."""

    client_id: str | None
    redirect_uri: str | None
    state: str | None = field(default=None, repr=False)
    hinted_session: str | None = None
    hinted_subject: str | None = None


@dataclass(frozen=True, slots=True)
class Logout:
    """What the application's page has to know."""

    id: str = field(repr=False)
    client: Client | None
    hinted_session: str | None
    hinted_subject: str | None

    def must_ask(self, sign_in: SignIn | None) -> bool:
        """Whether a person has to say that they want it: any page can send a browser here, and only
        an ID token of this very sign-in shows that a client of theirs did (section 2).
        """
        return sign_in is not None and self.hinted_session != sign_in.session_id


class Logouts:
    """The application's side of the end session endpoint, and the end of sign-ins.

    Args:
        logout_url: The application's page.
        codes: Where requests wait.
        clients: Who they come from.
        authorizations: What was given in a sign-in.
        notices: Tells clients.
        events: Told of sign-ins that end.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        logout_url: str | None,
        codes: Codes,
        clients: ClientStore,
        authorizations: Authorizations,
        notices: BackchannelLogout,
        events: Events,
        clock: Callable[[], float],
    ) -> None:
        self._logout_url = logout_url
        self._codes = codes
        self._clients = clients
        self._authorizations = authorizations
        self.notices: BackchannelLogout = notices
        self.sender: LogoutSender = LogoutSender(notices)
        self._events = events
        self._clock = clock

    # For the application

    async def get(self, interaction_id: str, runtime: Runtime) -> Logout | None:
        """What the logout page is asked for; None when it was answered, or waited too long."""
        document = await self._codes.peek("logout", interaction_id, self._clock(), runtime)
        if not document:
            return None
        waiting = WaitingLogout(**document)
        client = await self._client(waiting, runtime)
        return Logout(interaction_id, client, waiting.hinted_session, waiting.hinted_subject)

    async def finish(self, interaction_id: str, runtime: Runtime) -> Response | None:
        """The logout is done, the sign-in has been ended. Returns the answer that sends the browser
        back to the client; None when there is nowhere to go back to.
        """
        now = self._clock()
        taking, document = await self._codes.take("logout", interaction_id, now, runtime)
        if taking is not Taking.TAKEN:
            return None
        await self._codes.replace("logout", interaction_id, {}, now, runtime)
        waiting = WaitingLogout(**document)
        client, uri = await self._client(waiting, runtime), waiting.redirect_uri
        if uri is None or client is None or uri not in client.post_logout_redirect_uris:
            return None
        if waiting.state is not None:
            separator = "&" if "?" in uri else "?"
            uri += separator + urlencode({"state": waiting.state})
        return see_other(uri)

    async def end(self, sign_in: SignIn, runtime: Runtime) -> int:
        """End all that was given in a sign-in, but what was given for longer (``offline_access``),
        and tell the clients that want to know. Returns how many authorizations ended.

        To be called whenever a browser's session ends: on logout, when it is ended from elsewhere,
        when the password was changed.

        Raises:
            StoreUnavailable: It could not be recorded; call again.
        """
        now = self._clock()
        # First: a code that is redeemed meanwhile finds this, or its authorization is found below.
        await self._codes.first_use(
            "ended", sign_in.session_id, expires_at=now + CODE_LIFE, runtime=runtime
        )
        clients = await self._authorizations.clients_of_session(sign_in.session_id, runtime)
        told = await self.notices.queue(clients, sign_in.subject, sign_in.session_id, runtime)
        ended = await self._authorizations.revoke_for_session(
            sign_in.session_id, now=now, runtime=runtime
        )
        if told:  # now that what they were given has ended
            self.sender.hurry()
        self._events.emit(
            SessionEnded(
                at=now, subject=sign_in.subject, session_id=sign_in.session_id, clients=told
            )
        )
        return ended

    # For the endpoint

    async def wait(self, waiting: WaitingLogout, now: float, runtime: Runtime) -> str:
        """Let a request wait. Returns the URL of the application's page."""
        if self._logout_url is None:
            raise ConfigurationError("interaction.logout_url", "there is no logout page")
        name = await self._codes.issue(
            "logout", asdict(waiting), expires_at=now + TTL, runtime=runtime
        )
        separator = "&" if "?" in self._logout_url else "?"
        return f"{self._logout_url}{separator}{urlencode({'interaction': name})}"

    async def _client(self, waiting: WaitingLogout, runtime: Runtime) -> Client | None:
        """Who asked, as registered now; None also for a client that was disabled meanwhile."""
        if waiting.client_id is None:
            return None
        client = await runtime.call(self._clients.get, waiting.client_id)
        return client if client is not None and client.active else None
