"""The pages of third-party login: to a provider and back, and the account's other ways in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.events import Event, LoginFailed, LoginSucceeded
from bezant.fetch import HTTPFetch
from bezant.interactions import Interaction
from bezant.relying_party import new_browser_secret
from bezant.server import AuthorizationServer
from bezant.stores.sql import Database
from bezant.upstream import Identity, ProviderUnavailable, SignInDenied, SignInFailed
from bezant_server.federation.events import (
    AccountCreated,
    IdentityLinked,
    IdentityUnlinked,
    ProviderSignInFailed,
)
from bezant_server.federation.identities import (
    Admission,
    Admitted,
    IdentityStore,
    Linking,
    Unlinking,
)
from bezant_server.federation.providers import MAX_ANSWER, Provider, open_providers
from bezant_server.pages.forms import Forms, local_path
from bezant_server.pages.sign_in import waiting_request
from bezant_server.pages.site import Problem, Site, see_other
from bezant_server.sessions import Sessions, cookie_name
from bezant_server.settings import Settings
from fastapi_bezant import RUNTIME

__all__ = ["FederationPages", "federation_pages"]

ACCOUNT_PAGE: Final = "/account/providers"

_DONE: Final = frozenset({"providers.linked", "providers.unlinked"})
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_REFUSED: Final = {
    Admission.DISABLED: "providers.disabled",
    Admission.EMAIL_TAKEN: "providers.email_taken",
    Admission.UNKNOWN: "providers.unknown",
}
"""Why somebody who has proven who they are at a provider is not let in here."""


class FederationPages:
    """`/login/with/NAME`, where the provider sends the browser back to, and `/account/providers`.

    Args:
        site: The pages.
        forms: Their forms.
        sessions: Who is signed in.
        server: The authorization server.
        providers: Where people may sign in, by name.
        identities: Who is whom there.
    """

    def __init__(
        self,
        site: Site,
        forms: Forms,
        sessions: Sessions,
        server: AuthorizationServer,
        providers: Mapping[str, Provider],
        identities: IdentityStore,
    ) -> None:
        self._site = site
        self._forms = forms
        self._sessions = sessions
        self._server = server
        self._providers = providers
        self._identities = identities
        self._labels = {one.settings.issuer: one.label for one in providers.values()}
        self._cookie = cookie_name("bezant-with", secure=site.secure)

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        page = self._site.page
        return [
            Route("/login/with/{name}", page(self.begin), methods=["GET"]),
            Route("/login/with/{name}/callback", page(self.come_back), methods=["GET"]),
            Route(ACCOUNT_PAGE, page(self.show), methods=["GET"]),
            Route(f"{ACCOUNT_PAGE}/link", page(self.link), methods=["POST"]),
            Route(f"{ACCOUNT_PAGE}/unlink", page(self.unlink), methods=["POST"]),
        ]

    # To a provider and back

    async def begin(self, request: Request) -> Response:
        """Send the browser to a provider, to sign in here."""
        provider = self._provider(request.path_params["name"])
        interaction = await waiting_request(request, self._server)
        onward = local_path(request.query_params.get("next"), "")
        note = {
            "for": "sign-in",
            "interaction": interaction.id if interaction is not None else None,
            "next": onward or None,
        }
        return await self._leave(request, provider, note, interaction)

    async def come_back(self, request: Request) -> Response:
        """What a provider answers."""
        provider = self._provider(request.path_params["name"])
        secret = self._browser_secret(request) or ""
        try:
            identity, note = await provider.party.finish(request.url.query, secret, RUNTIME)
        except SignInFailed as error:
            return self._failed(request, provider, error)
        if note["for"] == "link":
            return await self._finish_link(request, provider, identity, note)
        return await self._finish_sign_in(request, provider, identity, note)

    async def _leave(
        self,
        request: Request,
        provider: Provider,
        note: dict[str, Any],
        interaction: Interaction | None = None,
    ) -> Response:
        known = self._browser_secret(request)
        secret = known or new_browser_secret()
        asked = interaction.request if interaction is not None else None
        prompts = asked.prompts if asked is not None else ()
        try:
            url = await provider.party.begin(
                secret,
                RUNTIME,
                note=note,
                # What the client demands of this server is demanded of the provider.
                max_age=0 if "login" in prompts else asked.max_age if asked is not None else None,
                select_account="select_account" in prompts,
                login_hint=asked.login_hint if asked is not None else None,
            )
        except SignInFailed as error:
            error.note = note
            return self._failed(request, provider, error)
        response = see_other(url)
        if known is None:
            response.set_cookie(
                self._cookie,
                secret,
                path="/",
                secure=self._site.secure,
                httponly=True,
                samesite="lax",  # it has to come along when the provider sends the browser back
            )
        return response

    async def _finish_sign_in(
        self, request: Request, provider: Provider, identity: Identity, note: Mapping[str, Any]
    ) -> Response:
        now = self._server.clock()
        admitted = await RUNTIME.call(self._identities.admit, provider.newcomer(identity), now)
        self._tell(request, provider, admitted, now)
        if refusal := _REFUSED.get(admitted.admission):
            return self._refuse(request, 403, refusal, note)
        assert admitted.account is not None
        response = see_other(self._onward(note))
        await self._sessions.start(request, response, admitted.account, amr=("fed",))
        return response

    def _tell(self, request: Request, provider: Provider, admitted: Admitted, now: float) -> None:
        address, account = _address(request), admitted.account
        about: dict[str, Any] = {"at": now, "provider": provider.name, "address": address}
        if admitted.admission in _REFUSED:
            self._emit(ProviderSignInFailed(reason=admitted.admission.value, **about))
            if account is not None:
                self._emit(LoginFailed(at=now, subject=account, address=address, reason="disabled"))
            return
        assert account is not None
        if admitted.admission is Admission.CREATED:
            self._emit(AccountCreated(subject=account, **about))
        elif admitted.admission is Admission.LINKED:
            self._emit(IdentityLinked(subject=account, rule="email", **about))
        self._emit(LoginSucceeded(at=now, subject=account, address=address))

    def _onward(self, note: Mapping[str, Any]) -> str:
        interaction: str | None = note["interaction"]
        if interaction is not None:
            return self._server.interactions.resume(interaction)
        return note["next"] or self._site.url("/account")

    # The account's other ways in

    async def show(self, request: Request) -> Response:
        """What is linked to the account, and what may be."""
        browser = await self._sessions.browser(request)
        if browser.current is None:
            return see_other(self._site.url("/login", next=self._site.url(ACCOUNT_PAGE)))
        held = await RUNTIME.call(self._identities.of_account, browser.current.subject)
        done = request.query_params.get("done")
        return self._site.render(
            request,
            "account/providers.html",
            leads_away=True,  # the forms that link
            area="providers",
            who=browser.current.name or browser.current.username,
            csrf=self._forms.token(browser.secret),
            problem=None,
            done=self._site.language(request)(done) if done in _DONE else None,
            linked=[(one, self._labels.get(one.issuer)) for one in held],
        )

    async def link(self, request: Request) -> Response:
        """Send the browser to a provider, to link who comes back to the account. Whoever it is
        there then owns the account, so this begins with a form of ours alone.
        """
        browser = await self._sessions.browser(request)
        form = await self._forms.of(request, browser)
        if browser.current is None:
            raise _signed_out()
        note = {
            "for": "link",
            "subject": browser.current.subject,
            "session": browser.current.id,
        }
        return await self._leave(request, self._provider(form.get("provider", "")), note)

    async def _finish_link(
        self, request: Request, provider: Provider, identity: Identity, note: Mapping[str, Any]
    ) -> Response:
        current = (await self._sessions.browser(request)).current
        if current is None or (current.subject, current.id) != (note["subject"], note["session"]):
            raise _signed_out()
        now = self._server.clock()
        linking = await RUNTIME.call(
            self._identities.link, provider.newcomer(identity), current.subject, now
        )
        if linking is Linking.TAKEN:
            return self._refuse(request, 409, "providers.taken", note)
        if linking is Linking.LINKED:
            self._emit(
                IdentityLinked(
                    at=now,
                    subject=current.subject,
                    provider=provider.name,
                    rule="owner",
                    address=_address(request),
                )
            )
        return see_other(self._site.url(ACCOUNT_PAGE, done="providers.linked"))

    async def unlink(self, request: Request) -> Response:
        """Take an identity from the account."""
        browser = await self._sessions.browser(request)
        form = await self._forms.of(request, browser)
        if browser.current is None:
            raise _signed_out()
        account, issuer = browser.current.subject, form.get("issuer", "")
        unlinking = await RUNTIME.call(
            self._identities.unlink,
            account,
            issuer,
            form.get("subject", ""),
            sorted(self._labels),
        )
        if unlinking is Unlinking.LAST:
            return self._refuse(request, 409, "providers.last", {"for": "link"})
        if unlinking is Unlinking.UNLINKED:
            self._emit(
                IdentityUnlinked(
                    at=self._server.clock(),
                    subject=account,
                    provider=self._name_of(issuer),
                    address=_address(request),
                )
            )
        return see_other(self._site.url(ACCOUNT_PAGE, done="providers.unlinked"))

    # What goes wrong

    def _failed(self, request: Request, provider: Provider, error: SignInFailed) -> Response:
        self._emit(
            ProviderSignInFailed(
                at=self._server.clock(),
                provider=provider.name,
                reason=error.detail or error.description,
                address=_address(request),
            )
        )
        if isinstance(error, SignInDenied):
            return self._refuse(request, 403, "providers.denied", error.note)
        if isinstance(error, ProviderUnavailable):
            return self._refuse(request, 503, "providers.unavailable", error.note)
        return self._refuse(request, 400, "providers.refused", error.note, detail=error.description)

    def _refuse(
        self,
        request: Request,
        status: int,
        words: str,
        note: Mapping[str, Any],
        *,
        detail: str | None = None,
    ) -> Response:
        """A page that says why, and where to try another way."""
        t = self._site.language(request)
        if note.get("for") == "link":
            again = self._site.url(ACCOUNT_PAGE)
        else:
            parameters = {name: note.get(name) for name in ("interaction", "next")}
            again = self._site.url("/login", **parameters)
        return self._site.render(
            request,
            "problem.html",
            status=status,
            title=t("providers.failed_title"),
            text=t(words),
            detail=detail,
            again=again,
            here={},  # its address holds the code
        )

    def _provider(self, name: str) -> Provider:
        provider = self._providers.get(name)
        if provider is None:
            raise Problem(404, "error.not_found_title", "error.not_found")
        return provider

    def _name_of(self, issuer: str) -> str:
        return next(
            (one.name for one in self._providers.values() if one.settings.issuer == issuer), ""
        )

    def _browser_secret(self, request: Request) -> str | None:
        secret = request.cookies.get(self._cookie, "")
        return secret if _SECRET.fullmatch(secret) else None

    def _emit(self, event: Event) -> None:
        self._server.events.emit(event)


def federation_pages(
    site: Site,
    forms: Forms,
    sessions: Sessions,
    server: AuthorizationServer,
    database: Database,
    settings: Settings,
) -> FederationPages:
    """The pages, for the providers that settings name.

    Args:
        site: The pages.
        forms: Their forms.
        sessions: Who is signed in.
        server: The authorization server.
        database: Where identities are.
        settings: Which providers.

    Raises:
        ConfigurationError: A provider's settings cannot be used.
    """
    providers = open_providers(
        settings.providers,
        issuer=server.config.issuer,
        codes=server.codes,
        fetch=HTTPFetch(max_size=MAX_ANSWER),
        leeway=server.config.leeway,
        clock=server.clock,
    )
    return FederationPages(site, forms, sessions, server, providers, IdentityStore(database))


def _signed_out() -> Problem:
    return Problem(403, "providers.failed_title", "providers.signed_out")


def _address(request: Request) -> str:
    return request.client.host[:64] if request.client is not None else ""
