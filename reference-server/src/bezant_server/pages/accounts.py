"""The account chooser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.server import AuthorizationServer
from bezant_server.pages.forms import Forms
from bezant_server.pages.sign_in import waiting_request
from bezant_server.pages.site import Site, see_other
from bezant_server.sessions import Sessions
from fastapi_bezant import RUNTIME

__all__ = ["AccountsPage"]


class AccountsPage:
    """`/accounts`: whom to be, of those who are signed in in this browser.

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
            Route("/accounts", page(self.show), methods=["GET"]),
            Route("/accounts", page(self.submit), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The accounts."""
        interaction = await waiting_request(request, self._server)
        browser = await self._sessions.browser(request)
        name = interaction.id if interaction is not None else None
        if not browser.sessions:
            return see_other(self._site.url("/login", interaction=name))
        return self._site.render(
            request,
            "accounts.html",
            asked=interaction.request.ui_locales if interaction is not None else (),
            leads_away=interaction is not None,
            interaction=interaction,
            sessions=browser.sessions,
            csrf=self._forms.token(browser.secret),
            other=self._site.url("/login", interaction=name, add="1"),
        )

    async def submit(self, request: Request) -> Response:
        """Go on as one of them."""
        interaction = await waiting_request(request, self._server)
        browser = await self._sessions.browser(request)
        form = await self._forms.of(request, browser)
        name = interaction.id if interaction is not None else None
        response = see_other(
            self._site.url("/account") if name is None else self._server.interactions.resume(name)
        )
        if not await self._sessions.choose(browser, response, form.get("session", "")):
            return see_other(self._site.url("/accounts", interaction=name))
        if name is not None:
            await self._server.interactions.selected(name, RUNTIME)
        return response
