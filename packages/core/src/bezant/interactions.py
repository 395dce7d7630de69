"""What core needs a person for, and the application's side of it.

Core decides what has to happen: a login, a consent, a choice of account. The application shows the
page, in its own look and with its own login, and says how it ended. The request of the client waits
here meanwhile, so that nothing of it passes through forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlencode, urlsplit

from bezant.authorization_request import AuthorizationRequest, still_proven
from bezant.authorization_response import refused
from bezant.clients import Client
from bezant.codes import Codes
from bezant.errors import AccessDenied, ConfigurationError, InvalidRequest, OAuthError
from bezant.events import ConsentGiven, Events
from bezant.http import Request, Response
from bezant.redirects import is_plain
from bezant.runtime import Runtime
from bezant.sign_in import SignIn, SignInCallable
from bezant.stores import ClientStore, Consent, ConsentStore, Taking

__all__ = [
    "Interaction",
    "InteractionConfig",
    "InteractionKind",
    "Interactions",
    "Waiting",
    "gone",
]

TTL: Final = 1800.0
"""Seconds that a request waits for a person."""

InteractionKind: TypeAlias = Literal["login", "consent", "select_account", "logout"]


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionConfig:
    """The application's pages: paths below the origin of the issuer, or whole URLs. Each is opened
    with ``?interaction=...``.

    Raises:
        ConfigurationError: One of them is neither.
    """

    login_url: str
    """Signs a person in, even when somebody is signed in, and as well as ``essential_acr`` of the
    request says; then sends the browser to `Interactions.resume`."""
    consent_url: str
    """Asks what the client may have, and tells `Interactions.consent` or `Interactions.deny`."""
    select_account_url: str | None = None
    """Lets a person choose whom to be; ``login_url`` when there is none."""
    logout_url: str | None = None
    """Ends the application's own session, tells `Logouts.end`, and goes on with `Logouts.finish`.
    None: there is no logout endpoint."""
    sign_in: SignInCallable
    """Says who is signed in in the browser that a request comes from."""
    error_page: Callable[[OAuthError, Request], Response] | None = None
    """Shows an error that no client may be told of; a plain page by default."""

    def __post_init__(self) -> None:
        for name in ("login_url", "consent_url", "select_account_url", "logout_url"):
            url = getattr(self, name)
            if url is None:
                continue
            if not _is_page(url):
                raise ConfigurationError(
                    f"interaction.{name}",
                    "give a path that begins with one slash, or a whole URL; in ASCII, and without "
                    "a fragment",
                )


def _is_page(url: str) -> bool:
    if not is_plain(url):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    if not parts.scheme:
        return url.startswith("/") and not url.startswith("//")
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request that waits, and what has happened for it."""

    request: AuthorizationRequest
    created_at: float
    """From when on a login counts as one for this request."""
    selected: bool = False
    """Whether an account was chosen."""
    consented: str | None = None
    """The subject that has consented."""
    granted: tuple[str, ...] = ()
    """The scopes that they have consented to."""

    def asked_of(self, subject: str) -> AuthorizationRequest:
        """What is asked of a resource owner: less, once they have consented to less. What one
        consents to is nothing to another.
        """
        if self.consented != subject:
            return self.request
        return replace(self.request, scopes=self.granted)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "request": self.request.document(),
            "created_at": self.created_at,
            "selected": self.selected,
            "consented": self.consented,
            "granted": self.granted,
        }

    @classmethod
    def of(cls, document: dict[str, Any]) -> Waiting | None:
        """Read what `document` made; None when it is something else that waits for a person, or
        nothing does any more.
        """
        if "request" not in document:
            return None
        return cls(
            AuthorizationRequest.of(document["request"]),
            document["created_at"],
            document["selected"],
            document["consented"],
            tuple(document["granted"]),
        )


@dataclass(frozen=True, slots=True)
class Interaction:
    """What a page has to know."""

    id: str = field(repr=False)
    client: Client
    request: AuthorizationRequest = field(repr=False)
    created_at: float
    """A login counts for this request when it is not older, in seconds since the epoch."""

    @property
    def login_hint(self) -> str | None:
        """A name to begin with in the login form."""
        return self.request.login_hint


class Interactions:
    """The application's side of the authorization endpoint.

    Args:
        config: The application's pages.
        codes: Where requests wait.
        clients: Who they come from.
        consents: What people have consented to.
        events: Told of consents.
        authorize_url: The authorization endpoint.
        issuer: ``iss`` of answers.
        clock: Seconds since the epoch.
    """

    def __init__(
        self,
        config: InteractionConfig,
        codes: Codes,
        clients: ClientStore,
        consents: ConsentStore,
        events: Events,
        *,
        authorize_url: str,
        issuer: str,
        clock: Callable[[], float],
    ) -> None:
        self.config: InteractionConfig = config
        self._codes = codes
        self._clients = clients
        self._consents = consents
        self._events = events
        self._authorize_url = authorize_url
        self._issuer = issuer
        self._clock = clock

    # For the application's pages

    async def get(self, interaction_id: str, runtime: Runtime) -> Interaction | None:
        """What a page is asked for; None when the request has been answered, or waited too long."""
        waiting = await self.waiting(interaction_id, runtime)
        if waiting is None:
            return None
        client = await runtime.call(self._clients.get, waiting.request.client_id)
        try:
            client = still_proven(waiting.request, client)
        except InvalidRequest:
            return None
        return Interaction(interaction_id, client, waiting.request, waiting.created_at)

    def resume(self, interaction_id: str) -> str:
        """Where to send the browser (303) after a login."""
        return f"{self._authorize_url}?{urlencode({'interaction': interaction_id})}"

    async def selected(self, interaction_id: str, runtime: Runtime) -> str:
        """An account was chosen, and is signed in. Returns where to send the browser (303).

        Raises:
            InvalidRequest: The request has been answered, or waited too long.
        """
        waiting = await self._still_waiting(interaction_id, runtime)
        await self._keep(interaction_id, replace(waiting, selected=True), runtime)
        return self.resume(interaction_id)

    async def consent(
        self, interaction_id: str, sign_in: SignIn, scopes: Iterable[str], runtime: Runtime
    ) -> str:
        """The resource owner lets the client have these scopes, now and later. Returns where to
        send the browser (303).

        Args:
            interaction_id: Which request.
            sign_in: Who consents.
            scopes: Some of those asked for, or all.
            runtime: How to call stores.

        Raises:
            InvalidRequest: The request has been answered, or waited too long; a scope was not asked
                for, or there is none: to refuse is `deny`.
        """
        waiting = await self._still_waiting(interaction_id, runtime)
        request, given = waiting.request, set(scopes)
        if not given <= set(request.scopes):
            raise InvalidRequest("a consent is to scopes that were asked for")
        if request.scopes and not given:
            raise InvalidRequest("a consent is to one scope at least")
        kept = tuple(scope for scope in request.scopes if scope in given)
        before = await runtime.call(self._consents.get, sign_in.subject, request.client_id)
        remembered = dict.fromkeys((*(before.scopes if before is not None else ()), *kept))
        await runtime.call(
            self._consents.put,
            Consent(sign_in.subject, request.client_id, tuple(remembered), self._clock()),
        )
        self._events.emit(
            ConsentGiven(
                at=self._clock(),
                client_id=request.client_id,
                subject=sign_in.subject,
                scopes=kept,
            )
        )
        waiting = replace(waiting, consented=sign_in.subject, granted=kept)
        await self._keep(interaction_id, waiting, runtime)
        return self.resume(interaction_id)

    async def deny(self, interaction_id: str, runtime: Runtime) -> Response:
        """The resource owner refuses. Returns the answer that tells the client.

        Raises:
            InvalidRequest: The request has been answered, or waited too long; or nothing may be
                sent to its client any more.
        """
        waiting = await self._still_waiting(interaction_id, runtime)
        still_proven(
            waiting.request, await runtime.call(self._clients.get, waiting.request.client_id)
        )
        await self.finish(interaction_id, runtime)
        return refused(waiting.request, AccessDenied("the resource owner refused"), self._issuer)

    # For the authorization endpoint

    async def wait(self, waiting: Waiting, runtime: Runtime) -> str:
        """Let a request wait. Returns the id of the interaction."""
        return await self._codes.issue(
            "interaction", waiting.document(), expires_at=self._clock() + TTL, runtime=runtime
        )

    async def waiting(self, interaction_id: str, runtime: Runtime) -> Waiting | None:
        """A request that waits; None when it has been answered, or waited too long."""
        document = await self._codes.peek("interaction", interaction_id, self._clock(), runtime)
        return None if document is None else Waiting.of(document)

    async def finish(self, interaction_id: str, runtime: Runtime) -> None:
        """End the waiting, once.

        Raises:
            InvalidRequest: Somebody was faster.
        """
        now = self._clock()
        taking, _ = await self._codes.take("interaction", interaction_id, now, runtime)
        if taking is not Taking.TAKEN:
            raise gone()
        # What was taken can still be looked at. Nothing is left to see, so that no page goes on
        # with it.
        await self._codes.replace("interaction", interaction_id, {}, now, runtime)

    def page(self, kind: InteractionKind, interaction_id: str) -> str:
        """The URL of the application's page."""
        urls = {
            "login": self.config.login_url,
            "consent": self.config.consent_url,
            "select_account": self.config.select_account_url or self.config.login_url,
            "logout": self.config.logout_url or self.config.login_url,
        }
        url = urls[kind]
        separator = "&" if "?" in url else "?"
        return f"{url}{separator}{urlencode({'interaction': interaction_id})}"

    async def _still_waiting(self, interaction_id: str, runtime: Runtime) -> Waiting:
        waiting = await self.waiting(interaction_id, runtime)
        if waiting is None:
            raise gone()
        return waiting

    async def _keep(self, interaction_id: str, waiting: Waiting, runtime: Runtime) -> None:
        await self._codes.replace(
            "interaction", interaction_id, waiting.document(), self._clock(), runtime
        )


def gone() -> InvalidRequest:
    """The error for whoever comes too late."""
    return InvalidRequest(
        "this sign-in has been finished, or has waited too long; go back to the application and "
        "begin again"
    )
