"""The authorization endpoint (RFC 6749 section 3.1, OpenID Connect Core section 3.1.2)."""

from __future__ import annotations

from bezant.authorization_request import (
    AuthorizationRequest,
    proven_redirect,
    response_mode,
    sent_state,
    still_proven,
)
from bezant.authorization_response import answer_error, granted, refused, see_other
from bezant.clients import Client
from bezant.codes import Codes
from bezant.config import ServerConfig
from bezant.errors import (
    AccountSelectionRequired,
    ConsentRequired,
    InvalidRequest,
    LoginRequired,
    MethodNotAllowed,
    OAuthError,
    UnmetAuthenticationRequirements,
)
from bezant.grants.authorization_code import GivenCode
from bezant.http import Form, Request, Response, parse_form, read_form
from bezant.id_token_hints import IDTokenHints
from bezant.interactions import InteractionKind, Interactions, Waiting, gone
from bezant.pushed_requests import PushedRequests
from bezant.runtime import Runtime
from bezant.sign_in import SignIn
from bezant.stores import ClientStore, ConsentStore

__all__ = ["AuthorizeEndpoint"]

LONGEST_QUERY = 8000
"""Characters of the query string that are looked at: what every HTTP server lets through (RFC 9110
section 4.1)."""


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
        if request.method == "HEAD":  # a look would use up what only an answer may
            raise MethodNotAllowed(("GET", "POST"))
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
                redirect_uri, _mode(form), sent_state(form), error, self._config.issuer
            )
        waiting = Waiting(asked, created_at=now)
        if request.method == "POST":
            # Cookies that are SameSite=Lax do not come with a POST from elsewhere.
            return see_other(
                self._interactions.resume(await self._interactions.wait(waiting, runtime))
            )
        return await self._go_on(waiting, client, None, request, now, runtime)

    async def _resume(
        self, interaction_id: str, request: Request, now: float, runtime: Runtime
    ) -> Response:
        waiting = await self._interactions.waiting(interaction_id, runtime)
        if waiting is None:
            raise gone()
        client = still_proven(
            waiting.request, await runtime.call(self._clients.get, waiting.request.client_id)
        )
        return await self._go_on(waiting, client, interaction_id, request, now, runtime)

    async def _go_on(
        self,
        waiting: Waiting,
        client: Client,
        interaction_id: str | None,
        request: Request,
        now: float,
        runtime: Runtime,
    ) -> Response:
        """A code when nobody need be asked any more; else the page where somebody is, or an error
        for the client.
        """
        sign_in = await runtime.call(self._interactions.config.sign_in, request.native)
        anew = interaction_id is not None and (
            sign_in is not None and sign_in.auth_time >= waiting.created_at
        )
        step = await self._next(waiting, client, sign_in, anew, now, runtime)
        if isinstance(step, str) and "none" in waiting.request.prompts:
            step = _silence(step)
        if isinstance(step, str):
            if interaction_id is None:
                interaction_id = await self._interactions.wait(waiting, runtime)
            return see_other(self._interactions.page(step, interaction_id))
        if interaction_id is not None:
            await self._interactions.finish(interaction_id, runtime)
        if step is not None:
            return refused(waiting.request, step, self._config.issuer)
        assert sign_in is not None
        asked = waiting.asked_of(sign_in.subject)
        code = await self._codes.issue(
            "code",
            GivenCode.of(asked, sign_in, now).document(),
            expires_at=now + self._config.code_ttl,
            runtime=runtime,
        )
        return granted(asked, code, self._config.issuer)

    async def _next(
        self,
        waiting: Waiting,
        client: Client,
        sign_in: SignIn | None,
        anew: bool,
        now: float,
        runtime: Runtime,
    ) -> InteractionKind | OAuthError | None:
        """What a person has to do first (OpenID Connect Core section 3.1.2.3 and 3.1.2.4), or why
        nothing that they do will help; None when all is done.

        ``anew`` says whether they have signed in for this very request. Whoever has is not asked to
        do so again, or they would go round in circles.
        """
        asked = waiting.request
        if "select_account" in asked.prompts and not (waiting.selected or anew):
            return "select_account"
        if sign_in is None:
            return "login"
        if "login" in asked.prompts and not anew:
            return "login"
        if asked.max_age is not None and now - sign_in.auth_time > asked.max_age and not anew:
            return "login"
        if asked.hinted_subject not in {None, sign_in.subject}:
            return LoginRequired("somebody else signed in than was meant") if anew else "login"
        if asked.essential_acr and sign_in.acr not in asked.essential_acr:
            return UnmetAuthenticationRequirements(_TOO_WEAK) if anew else "login"
        return await self._consent(waiting, client, sign_in.subject, runtime)

    async def _consent(
        self, waiting: Waiting, client: Client, subject: str, runtime: Runtime
    ) -> InteractionKind | None:
        """Whether a resource owner has to be asked."""
        asked = waiting.asked_of(subject)
        if client.first_party:
            return None
        if "consent" in asked.prompts and waiting.consented != subject:
            return "consent"
        consent = await runtime.call(self._consents.get, subject, client.client_id)
        if consent is None or not set(asked.scopes) <= set(consent.scopes):
            return "consent"
        return None

    def _parameters(self, request: Request) -> Form:
        if request.method == "POST":
            return read_form(request, limit=self._config.max_body_size)
        if len(request.query) > LONGEST_QUERY:
            raise InvalidRequest("the request is too long; the application can push it (RFC 9126)")
        return Form(parse_form(request.query.encode("latin-1")))


_TOO_WEAK = "the resource owner did not sign in in a way that acr in claims allows"


def _silence(step: InteractionKind) -> OAuthError:
    """What to tell a client that does not want anybody asked (``prompt=none``)."""
    if step == "consent":
        return ConsentRequired("the resource owner has to be asked")
    if step == "select_account":
        return AccountSelectionRequired("an account has to be chosen")
    return LoginRequired("nobody is signed in, or not recently enough, or not well enough")


def _mode(form: Form) -> str:
    try:
        return response_mode(form)
    except OAuthError:
        return "query"
