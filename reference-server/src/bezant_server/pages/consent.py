"""The consent page."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.interactions import Interaction
from bezant.server import AuthorizationServer
from bezant_server.pages.forms import Forms
from bezant_server.pages.sign_in import waiting_request
from bezant_server.pages.site import Problem, Site, answered, see_other
from bezant_server.sessions import Sessions
from fastapi_bezant import RUNTIME

__all__ = ["ConsentPage"]


class ConsentPage:
    """`/consent`: what a client may have. The form says yes or no, and nothing else: what the
    client asked for waits in the store.

    Args:
        site: The pages.
        forms: Their forms.
        sessions: Who is signed in.
        server: The authorization server.
    """

    def __init__(
        self, site: Site, forms: Forms, sessions: Sessions, server: AuthorizationServer
    ) -> None:
        self._site = site
        self._forms = forms
        self._sessions = sessions
        self._server = server

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        page = self._site.page
        return [
            Route("/consent", page(self.show), methods=["GET"]),
            Route("/consent", page(self.submit), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The question."""
        interaction = await self._interaction(request)
        browser = await self._sessions.browser(request)
        if browser.current is None:  # meanwhile signed out
            return see_other(self._server.interactions.resume(interaction.id))
        language = self._site.language(request, interaction.request.ui_locales)
        return self._site.render(
            request,
            "consent.html",
            asked=interaction.request.ui_locales,
            leads_away=True,
            client=interaction.client,
            user=browser.current.name or browser.current.username,
            scopes=[self._site.scope(language, scope) for scope in interaction.request.scopes],
            host=_place(interaction.request.redirect_uri),
            interaction=interaction,
            csrf=self._forms.token(browser.secret),
        )

    async def submit(self, request: Request) -> Response:
        """The answer."""
        interaction = await self._interaction(request)
        browser = await self._sessions.browser(request)
        form = await self._forms.of(request, browser)
        interactions, current = self._server.interactions, browser.current
        if current is None:
            return see_other(interactions.resume(interaction.id))
        if form.get("decision") == "allow":
            scopes = interaction.request.scopes
            return see_other(
                await interactions.consent(interaction.id, current.sign_in, scopes, RUNTIME)
            )
        return answered(await interactions.deny(interaction.id, RUNTIME))

    async def _interaction(self, request: Request) -> Interaction:
        interaction = await waiting_request(request, self._server)
        if interaction is None:
            raise Problem(400, "error.title", "error.gone")
        return interaction


def _place(uri: str) -> str:
    """Where a redirect leads, for people: a host, or the scheme of an application's own."""
    parts = urlsplit(uri)
    return parts.hostname or f"{parts.scheme}:"
