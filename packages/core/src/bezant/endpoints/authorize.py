"""The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)."""

from __future__ import annotations

from bezant.authorization_request import (
    AuthorizationRequest,
    proven_redirect,
    response_mode,
)
from bezant.authorization_response import answer_error, granted, refused, see_other
from bezant.codes import Codes
from bezant.config import ServerConfig
from bezant.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    OAuthError,
)
from bezant.grants.authorization_code import GivenCode
from bezant.http import Form, Request, Response, parse_form, read_form
from bezant.id_token_hints import IDTokenHints
from bezant.interactions import InteractionKind, Interactions, Waiting
from bezant.pushed_requests import PushedRequests
from bezant.runtime import Runtime
from bezant.sign_in import SignIn
from bezant.stores import ClientStore, ConsentStore

__all__ = ["AuthorizeEndpoint"]

LONGEST_QUERY = 16384
"""Characters of the query string that are looked at."""


class AuthorizeEndpoint:
    """Sends a resource owner to a page of the application, or back to the client with a code.

    A request that comes by POST, or that needs a person, waits under a random name. What the
    browser sends is looked at again each time: only what the store keeps counts.

    Args:
        config: The issuer and audiences.
        clients: Who may ask.
        consents: What people have consented to.
        codes: Where codes are.
        interactions: The application's pages, and the requests that wait for them.
        pushed: Requests that clients pushed.
        hints: Reads ``id_token_hint``.
    """

    def __init__(
        self,
        config: ServerConfig,
        clients: ClientStore,
        consents: ConsentStore,
        codes: Codes,
        interactions: Interactions,
        pushed: PushedRequests,
        hints: IDTokenHints,
    ) -> None:
        self._config = config
        self._clients = clients
        self._consents = consents
        self._codes = codes
        self._interactions = interactions
        self._pushed = pushed
        self._hints = hints

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a browser. What is raised is for the person in front of it."""
        form = self._parameters(request)
        if "interaction" in form:
            return await self._resume(form["interaction"], request, now, runtime)
        form = await self._pushed.resolve(form, now, runtime)
        client, redirect_uri = proven_redirect(
            form, await runtime.call(self._clients.get, form.get("client_id", ""))
        )
        try:
            asked = AuthorizationRequest.read(
                form,
                client,
                redirect_uri,
                audience=client.audience or self._config.default_audience,
                hinted_subject=self._hints.subject(form.get("id_token_hint"), client),
            )
        except OAuthError as error:
            return answer_error(
                redirect_uri, _mode(form), form.get("state"), error, self._config.issuer
            )
        waiting = Waiting(asked, created_at=now)
        if request.method == "POST":
            # Cookies that are SameSite=Lax do not come with a POST from elsewhere.
            return see_other(
                self._interactions.resume(await self._interactions.wait(waiting, runtime))
            )
        return await self._go_on(waiting, None, request, now, runtime)

    async def _resume(
        self, interaction_id: str, request: Request, now: float, runtime: Runtime
    ) -> Response:
        waiting = await self._interactions.waiting(interaction_id, runtime)
        if waiting is None:
            raise InvalidRequest(
                "this sign-in has been finished, or has waited too long; go back to the "
                "application and begin again"
            )
        return await self._go_on(waiting, interaction_id, request, now, runtime)

    async def _go_on(
        self,
        waiting: Waiting,
        interaction_id: str | None,
        request: Request,
        now: float,
        runtime: Runtime,
    ) -> Response:
        """A code when nobody need be asked any more; else the page where somebody is."""
        sign_in = await runtime.call(self._interactions.config.sign_in, request.native)
        asked = waiting.request
        anew = interaction_id is not None and (
            sign_in is not None and sign_in.auth_time >= waiting.created_at
        )
        needed = await self._needed(waiting, sign_in, anew, now, runtime)
        if needed is None:
            assert sign_in is not None
            if interaction_id is not None:
                taken = await self._interactions.take(interaction_id, runtime)
                if taken is None:
                    raise InvalidRequest("this sign-in has been finished already")
            given = GivenCode.of(asked, sign_in, now)
            code = await self._codes.issue(
                "code",
                given.document(),
                expires_at=now + self._config.code_ttl,
                runtime=runtime,
            )
            return granted(asked, code, self._config.issuer)
        if "none" in asked.prompts:
            if interaction_id is not None:
                await self._interactions.take(interaction_id, runtime)
            return refused(asked, _SILENCE[needed], self._config.issuer)
        if interaction_id is None:
            interaction_id = await self._interactions.wait(waiting, runtime)
        return see_other(self._interactions.page(needed, interaction_id))

    async def _needed(
        self, waiting: Waiting, sign_in: SignIn | None, anew: bool, now: float, runtime: Runtime
    ) -> InteractionKind | None:
        """What a person has to do first (OpenID Connect Core section 3.1.2.3 and 3.1.2.4).
        ``anew`` says whether they have signed in for this very request.
        """
        asked = waiting.request
        if "select_account" in asked.prompts and not waiting.selected:
            return "select_account"
        if sign_in is None:
            return "login"
        if "login" in asked.prompts and not anew:
            return "login"
        if asked.max_age is not None and now - sign_in.auth_time > asked.max_age and not anew:
            return "login"
        if asked.hinted_subject not in {None, sign_in.subject}:
            return "login"
        client = await runtime.call(self._clients.get, asked.client_id)
        if client is None or not client.active:
            raise InvalidRequest("the application that sent you here is not known to this server")
        if client.first_party:
            return None
        if "consent" in asked.prompts and waiting.consented != sign_in.subject:
            return "consent"
        consent = await runtime.call(self._consents.get, sign_in.subject, asked.client_id)
        remembered = consent.scopes if consent is not None else ()
        return None if set(asked.scopes) <= set(remembered) else "consent"

    def _parameters(self, request: Request) -> Form:
        if request.method == "POST":
            return read_form(request, limit=self._config.max_body_size)
        if len(request.query) > LONGEST_QUERY:
            raise InvalidRequest("the request is too long; the application can push it (RFC 9126)")
        return Form(parse_form(request.query.encode("latin-1")))


_SILENCE = {
    "login": LoginRequired("nobody is signed in, or not recently enough"),
    "select_account": AccountSelectionRequired("an account has to be chosen"),
    "consent": ConsentRequired("the resource owner has to be asked"),
}


def _mode(form: Form) -> str:
    try:
        return response_mode(form)
    except OAuthError:
        return "query"
