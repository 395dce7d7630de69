"""The account area: what people see and change of their own account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bezant.errors import InvalidGrant, InvalidRequest, Refused, TooManyAttempts
from bezant.login import Login
from bezant.server import AuthorizationServer
from bezant.users import User
from bezant_server.accounts import AccountStore
from bezant_server.accounts.directory import checked_name
from bezant_server.accounts.session_store import Session
from bezant_server.consents import withdraw
from bezant_server.events import PasswordChanged
from bezant_server.history import History
from bezant_server.pages.forms import Forms
from bezant_server.pages.site import Site, see_other
from bezant_server.sessions import Browser, Sessions
from fastapi_bezant import RUNTIME

__all__ = ["AccountPages"]

_DONE: Final = frozenset(
    {"profile.saved", "password.saved", "sessions.ended", "applications.withdrawn"}
)


@dataclass(frozen=True, slots=True)
class _Visit:
    """A request of somebody who is signed in."""

    request: Request
    browser: Browser
    session: Session

    @property
    def subject(self) -> str:
        return self.session.subject


_Answer: TypeAlias = Callable[[_Visit], Awaitable[Response]]


class AccountPages:
    """`/account` and what is below.

    Args:
        site: The pages.
        forms: Their forms.
        sessions: Who is signed in.
        server: The authorization server.
        login: Checks the current password.
        accounts: Where names and passwords are.
        history: What happened to the account.
        password_min_length: Characters that a new password needs.
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
        password_min_length: int,
    ) -> None:
        self._site = site
        self._forms = forms
        self._sessions = sessions
        self._server = server
        self._login = login
        self._accounts = accounts
        self._history = history
        self._min_length = password_min_length

    @property
    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            self._route("GET", "/account", self.profile),
            self._route("POST", "/account", self.save_profile),
            self._route("GET", "/account/password", self.password),
            self._route("POST", "/account/password", self.change_password),
            self._route("GET", "/account/sessions", self.sessions),
            self._route("POST", "/account/sessions", self.end_sessions),
            self._route("GET", "/account/applications", self.applications),
            self._route("POST", "/account/applications", self.withdraw),
            self._route("GET", "/account/activity", self.activity),
        ]

    def _route(self, method: str, path: str, answer: _Answer) -> Route:
        """A page for people who are signed in; all others sign in first."""

        async def handle(request: Request) -> Response:
            browser = await self._sessions.browser(request)
            if browser.current is None:
                return see_other(self._site.url("/login", next=self._site.url(path)))
            return await answer(_Visit(request, browser, browser.current))

        return Route(path, self._site.page(handle), methods=[method])

    # Profile

    async def profile(self, visit: _Visit) -> Response:
        """Who one is."""
        return await self._profile(visit)

    async def save_profile(self, visit: _Visit) -> Response:
        """Change one's name. Nothing else is one's own to say."""
        form = await self._forms.of(visit.request, visit.browser)
        try:
            name = checked_name(form.get("name", ""))
        except Refused:
            return await self._profile(visit, problem="profile.bad")
        await RUNTIME.call(self._accounts.set_name, visit.subject, name)
        return self._done("/account", "profile.saved")

    async def _profile(self, visit: _Visit, problem: str | None = None) -> Response:
        user = await self._user(visit)
        return self._page(visit, "profile", problem=problem, user=user, profile=user.profile)

    # Password

    async def password(self, visit: _Visit) -> Response:
        """The form."""
        user = await self._user(visit)
        return self._password(visit, user)

    async def change_password(self, visit: _Visit) -> Response:
        """Replace the password, and end all that was begun with the one before."""
        form = await self._forms.of(visit.request, visit.browser)
        user, now = await self._user(visit), self._server.clock()
        current, new = form.get("current", ""), form.get("new", "")
        if new != form.get("again", ""):
            return self._password(visit, user, 400, "password.mismatch")
        if len(new) < self._min_length:
            return self._password(visit, user, 400, "password.short")
        address = visit.request.client.host if visit.request.client is not None else ""
        try:
            proven = await self._login.authenticate(
                user.username, current, address=address, now=now, runtime=RUNTIME
            )
        except TooManyAttempts as error:
            wait = self._site.language(visit.request).duration(error.retry_after)
            return self._password(
                visit, user, 429, "sign_in.throttled", wait=wait, headers=dict(error.headers)
            )
        except (InvalidGrant, InvalidRequest):
            self._history.failed(visit.subject, address)
            return self._password(visit, user, 400, "password.wrong")
        if proven.subject != visit.subject:
            return self._password(visit, user, 400, "password.wrong")
        try:
            hashing = self._server.hashing_pool.submit(self._server.hasher.hash, new)
            hashed = await RUNTIME.wait(hashing)
        except InvalidRequest:
            return self._password(visit, user, 400, "password.bad")
        await RUNTIME.call(self._accounts.set_password_hash, visit.subject, hashed)
        self._server.events.emit(PasswordChanged(at=now, subject=visit.subject, address=address))
        await self._sessions.end_all_of(visit.subject, self._server.logouts, but=visit.session.id)
        await self._server.authorizations.revoke_for_subject(
            visit.subject, now=now, runtime=RUNTIME
        )
        response = self._done("/account/password", "password.saved")
        await self._sessions.start(visit.request, response, visit.subject, amr=("pwd",))
        return response

    def _password(
        self,
        visit: _Visit,
        user: User,
        status: int = 200,
        problem: str | None = None,
        **values: Any,
    ) -> Response:
        return self._page(
            visit,
            "password",
            status=status,
            problem=problem,
            username=user.username,
            has_password=user.password_hash is not None,
            min_length=self._min_length,
            **values,
        )

    # Sign-ins

    async def sessions(self, visit: _Visit) -> Response:
        """Where one is signed in."""
        found = await self._sessions.of_subject(visit.subject)
        return self._page(visit, "sessions", sessions=found, current=visit.session.id)

    async def end_sessions(self, visit: _Visit) -> Response:
        """Sign out somewhere, or everywhere else."""
        form = await self._forms.of(visit.request, visit.browser)
        which, logouts = form.get("session", ""), self._server.logouts
        if which == "others":
            await self._sessions.end_all_of(visit.subject, logouts, but=visit.session.id)
            return self._done("/account/sessions", "sessions.ended")
        found = await self._sessions.of_subject(visit.subject)
        await self._sessions.end([one.sign_in for one in found if one.id == which], logouts)
        if which != visit.session.id:
            return self._done("/account/sessions", "sessions.ended")
        response = see_other(self._site.url("/signed-out"))
        if len(visit.browser.sessions) == 1:
            self._sessions.forget_cookie(response)
        return response

    # What applications may do

    async def applications(self, visit: _Visit) -> Response:
        """What one has consented to."""
        consents = await RUNTIME.call(self._server.stores.consents.list_for_subject, visit.subject)
        t = self._site.language(visit.request)
        shown = [
            (
                consent,
                await self._client_name(consent.client_id),
                [self._site.scope(t, scope) for scope in consent.scopes],
            )
            for consent in consents
        ]
        return self._page(visit, "applications", consents=shown)

    async def withdraw(self, visit: _Visit) -> Response:
        """Take a consent back."""
        form = await self._forms.of(visit.request, visit.browser)
        await withdraw(self._server, visit.subject, form.get("client", ""), RUNTIME)
        return self._done("/account/applications", "applications.withdrawn")

    # What happened

    async def activity(self, visit: _Visit) -> Response:
        """What happened to the account."""
        incidents = await self._history.latest(visit.subject)
        clients = {one.client_id for one in incidents if one.client_id}
        names = {client: await self._client_name(client) for client in sorted(clients)}
        return self._page(visit, "activity", incidents=incidents, names={**names, "": ""})

    # What they share

    async def _user(self, visit: _Visit) -> User:
        user = await RUNTIME.call(self._accounts.get, visit.subject)
        assert user is not None  # a sign-in without an account is none
        return user

    async def _client_name(self, client_id: str) -> str:
        client = await RUNTIME.call(self._server.stores.clients.get, client_id)
        return client.name or client_id if client is not None else client_id

    def _done(self, path: str, words: str) -> Response:
        return see_other(self._site.url(path, done=words))

    def _page(
        self,
        visit: _Visit,
        name: str,
        *,
        status: int = 200,
        problem: str | None = None,
        headers: dict[str, str] | None = None,
        wait: object = "",
        **context: Any,
    ) -> Response:
        t = self._site.language(visit.request)
        done = visit.request.query_params.get("done")
        return self._site.render(
            visit.request,
            f"account/{name}.html",
            status=400 if problem is not None and status == 200 else status,
            headers=headers,
            area=name,
            who=visit.session.name or visit.session.username,
            csrf=self._forms.token(visit.browser.secret),
            problem=None if problem is None else t(problem, wait=wait),
            done=t(done) if done in _DONE and problem is None else None,
            **context,
        )
