"""The sign-in page."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.errors import (
    InvalidGrant,
    InvalidRequest,
    TemporarilyUnavailable,
    TooManyAttempts,
)
from bezant.http import Form
from bezant.interactions import Interaction
from bezant.login import Login
from bezant.server import AuthorizationServer
from bezant_server.accounts import AccountStore
from bezant_server.history import History
from bezant_server.pages.forms import Forms, local_path
from bezant_server.pages.site import Problem, Site, see_other
from bezant_server.pages.words import Language
from bezant_server.sessions import Sessions
from fastapi_bezant import RUNTIME

__all__ = ["SignInPage", "waiting_request"]


class SignInPage:
    """`/login`: a name and a password.

    Opened with `?interaction=` it goes on with a client's request, with `?next=` to a path of ours.

    Args:
        site: The pages.
        forms: Their forms.
        sessions: Who is signed in.
        server: The authorization server, which checks and throttles.
        login: Checks names and passwords.
        accounts: Where accounts are.
        history: What happened to them.
    """

    def __init__(
        self,
        site: Site,
        forms: Forms,
        sessions: Sessions,
        server: AuthorizationServer,
        login: Login,
        accounts: AccountStore,
        history: History,
    ) -> None:
        self._site = site
        self._forms = forms
        self._sessions = sessions
        self._server = server
        self._login = login
        self._accounts = accounts
        self._history = history

    @property
    def routes(self) -> list[Route]:
        """Where it is."""
        page = self._site.page
        return [
            Route("/login", page(self.show), methods=["GET"]),
            Route("/login", page(self.submit), methods=["POST"]),
        ]

    async def show(self, request: Request) -> Response:
        """The form."""
        interaction = await waiting_request(request, self._server)
        browser = await self._sessions.browser(request)
        if interaction is None and browser.current and "add" not in request.query_params:
            return see_other(self._next(request))
        hint = interaction.login_hint if interaction is not None else None
        return self._page(
            request, interaction, username=hint or "", accounts=bool(browser.sessions)
        )

    async def submit(self, request: Request) -> Response:
        """Sign in. Nothing that is answered tells accounts apart."""
        form = await self._forms.read(request)
        if self._forms.before_login(request) is None:
            return await self._again(request, form, 403, "sign_in.cookies")
        self._forms.check(form, self._forms.before_login(request))
        username, password = form.get("username", "").strip(), form.get("password", "")
        if not username or not password:
            return await self._again(request, form, 400, "sign_in.missing")
        address = request.client.host if request.client is not None else ""
        try:
            user = await self._login.authenticate(
                username,
                password,
                address=address,
                now=self._server.clock(),
                runtime=RUNTIME,
            )
        except TooManyAttempts as error:
            interaction = await waiting_request(request, self._server)
            wait = self._language(request, interaction).duration(error.retry_after)
            return await self._again(
                request, form, 429, "sign_in.throttled", headers=error.headers, wait=wait
            )
        except TemporarilyUnavailable as error:
            return await self._again(request, form, 503, "sign_in.busy", headers=error.headers)
        except (InvalidGrant, InvalidRequest):
            known = await RUNTIME.call(self._accounts.find, username)
            if known is not None and known.active:
                self._history.failed(known.subject, address)
            return await self._again(request, form, 400, "sign_in.wrong")
        response = see_other(await self._onward(request, form))
        await self._sessions.start(request, response, user.subject, amr=("pwd",))
        return response

    async def _onward(self, request: Request, form: Form) -> str:
        interaction = request.query_params.get("interaction")
        if interaction is None:
            return self._next(request)
        if "selects" in form:  # whoever typed a name has chosen an account
            return await self._server.interactions.selected(interaction, RUNTIME)
        return self._server.interactions.resume(interaction)

    def _next(self, request: Request) -> str:
        return local_path(request.query_params.get("next"), self._site.url("/account"))

    async def _again(
        self,
        request: Request,
        form: Form,
        status: int,
        problem: str,
        headers: Iterable[tuple[str, str]] = (),
        **values: object,
    ) -> Response:
        """The form once more, with what was wrong."""
        interaction = await waiting_request(request, self._server)
        words = self._language(request, interaction)(problem, **values)
        return self._page(
            request,
            interaction,
            username=form.get("username", ""),
            problem=words,
            status=status,
            headers=dict(headers),
        )

    def _page(
        self,
        request: Request,
        interaction: Interaction | None,
        *,
        username: str,
        accounts: bool = False,
        problem: str | None = None,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        known = self._forms.before_login(request)
        secret = known or self._forms.new_secret()
        prompts = interaction.request.prompts if interaction is not None else ()
        response = self._site.render(
            request,
            "sign_in.html",
            status=status,
            headers=headers,
            asked=interaction.request.ui_locales if interaction is not None else (),
            leads_away=interaction is not None,
            client=interaction.client if interaction is not None else None,
            action=self._here(request, "/login"),
            chooser=self._here(request, "/accounts") if accounts else None,
            selects="select_account" in prompts,
            elsewhere=[
                (label, self._here(request, f"/login/with/{name}"))
                for name, label in self._site.providers.items()
            ],
            csrf=self._forms.token(secret),
            username=username[:255],
            problem=problem,
        )
        if known is None:
            self._forms.give(response, secret)
        return response

    def _here(self, request: Request, path: str) -> str:
        kept = {name: request.query_params.get(name) for name in ("interaction", "next", "add")}
        return self._site.url(path, **kept)

    def _language(self, request: Request, interaction: Interaction | None) -> Language:
        asked = interaction.request.ui_locales if interaction is not None else ()
        return self._site.language(request, asked)


async def waiting_request(request: Request, server: AuthorizationServer) -> Interaction | None:
    """The client's request that a page was opened for; None when it was opened for none.

    Raises:
        Problem: It has been answered, or waited too long.
    """
    name = request.query_params.get("interaction")
    if name is None:
        return None
    interaction = await server.interactions.get(name, RUNTIME)
    if interaction is None:
        raise Problem(400, "error.title", "error.gone")
    return interaction
