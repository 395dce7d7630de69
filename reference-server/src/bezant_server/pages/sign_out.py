"""The sign-out pages."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.logouts import Logout
from bezant.server import AuthorizationServer
from bezant_server.accounts.session_store import Session
from bezant_server.pages.forms import Forms
from bezant_server.pages.site import Problem, Site, answered, see_other
from bezant_server.sessions import Browser, Sessions
from fastapi_bezant import RUNTIME

__all__ = ["SignOutPage"]


class SignOutPage:
    """`/signout`: asks, but when a client's ID token shows that it was asked in this very sign-in;
    and `/signed-out`.

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
        """Where they are."""
        page = self._site.page
        return [
            Route("/signout", page(self.show), methods=["GET"]),
            Route("/signout", page(self.submit), methods=["POST"]),
            Route("/signed-out", page(self.done), methods=["GET"]),
        ]

    async def show(self, request: Request) -> Response:
        """The question, if there is one."""
        logout = await self._logout(request)
        browser = await self._sessions.browser(request)
        session = _meant(logout, browser)
        if session is None:
            return await self._finish(logout)
        if logout is not None and not logout.must_ask(session.sign_in):
            return await self._end(browser, [session], logout)
        return self._site.render(
            request,
            "sign_out.html",
            leads_away=logout is not None,
            client=logout.client if logout is not None else None,
            user=session.name or session.username,
            session=session,
            several=len(browser.sessions) > 1,
            interaction=logout.id if logout is not None else None,
            csrf=self._forms.token(browser.secret),
        )

    async def submit(self, request: Request) -> Response:
        """Sign out."""
        logout = await self._logout(request)
        browser = await self._sessions.browser(request)
        if browser.current is None:
            return await self._finish(logout)
        form = await self._forms.of(request, browser)
        if form.get("which") == "all":
            return await self._end(browser, browser.sessions, logout)
        chosen = [one for one in browser.sessions if one.id == form.get("which")]
        return await self._end(browser, chosen, logout)

    async def done(self, request: Request) -> Response:
        """What is shown afterwards, when there is nowhere to go back to."""
        return self._site.render(request, "signed_out.html")

    async def _end(
        self, browser: Browser, sessions: Sequence[Session], logout: Logout | None
    ) -> Response:
        logouts = self._server.logouts
        await self._sessions.end([session.sign_in for session in sessions], logouts)
        response = await self._finish(logout)
        if len(sessions) == len(browser.sessions):
            self._sessions.forget_cookie(response)
        return response

    async def _finish(self, logout: Logout | None) -> Response:
        """Back to the client, if it may be; else a page of ours."""
        if logout is not None:
            answer = await self._server.logouts.finish(logout.id, RUNTIME)
            if answer is not None:
                return answered(answer)
        return see_other(self._site.url("/signed-out"))

    async def _logout(self, request: Request) -> Logout | None:
        name = request.query_params.get("interaction")
        if name is None:
            return None
        logout = await self._server.logouts.get(name, RUNTIME)
        if logout is None:
            raise Problem(400, "error.title", "error.gone")
        return logout


def _meant(logout: Logout | None, browser: Browser) -> Session | None:
    """The sign-in that a client means, if it is one of this browser's; else the one in use."""
    if logout is not None and logout.hinted_session is not None:
        for session in browser.sessions:
            if session.id == logout.hinted_session:
                return session
    return browser.current
