"""The end session endpoint (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

from bezant.authorization_response import see_other
from bezant.clients import Client
from bezant.config import ServerConfig
from bezant.errors import InvalidRequest
from bezant.http import Form, Request, Response, parse_form, read_form
from bezant.id_token_hints import IDTokenHints
from bezant.logouts import Logouts, WaitingLogout
from bezant.runtime import Runtime
from bezant.stores import ClientStore

__all__ = ["EndSessionEndpoint"]

LONGEST_QUERY = 16384
"""Characters of the query string that are looked at."""

LONGEST_STATE = 1024
"""Characters of ``state`` at most."""


class EndSessionEndpoint:
    """Sends a browser to the application's logout page, which asks when it has to.

    Nothing ends here: a link on any page of the world may lead to this endpoint.

    Args:
        config: Limits.
        clients: Who may have people sent back.
        hints: Reads ``id_token_hint``.
        logouts: The application's page, and the requests that wait for it.
    """

    def __init__(
        self, config: ServerConfig, clients: ClientStore, hints: IDTokenHints, logouts: Logouts
    ) -> None:
        self._config = config
        self._clients = clients
        self._hints = hints
        self._logouts = logouts

    async def __call__(self, request: Request, now: float, runtime: Runtime, /) -> Response:
        """Answer a browser. What is raised is for the person in front of it."""
        form = self._parameters(request)
        if len(form.get("state", "")) > LONGEST_STATE:
            raise InvalidRequest(f"state may have {LONGEST_STATE} characters")
        # People stay signed in for longer than keys are kept: a hint that nobody can read any more
        # is no reason to refuse, it only says nothing.
        hint = form.get("id_token_hint")
        claims = (self._hints.claims(hint) if hint is not None else None) or {}
        client = await self._client(form, claims.get("aud"), runtime)
        waiting = WaitingLogout(
            client_id=client.client_id if client is not None else None,
            redirect_uri=self._redirect_uri(form, client),
            state=form.get("state"),
            hinted_session=claims.get("sid"),
            hinted_subject=claims.get("sub"),
        )
        return see_other(await self._logouts.wait(waiting, now, runtime))

    async def _client(self, form: Form, audience: str | None, runtime: Runtime) -> Client | None:
        client_id = form.get("client_id")
        if client_id is not None and audience not in {None, client_id}:
            raise InvalidRequest("client_id is not the client of the id_token_hint")
        name = client_id or audience
        client = None if name is None else await runtime.call(self._clients.get, name)
        return client if client is not None and client.active else None

    @staticmethod
    def _redirect_uri(form: Form, client: Client | None) -> str | None:
        """Where to go afterwards: only where the client has registered it (section 3)."""
        uri = form.get("post_logout_redirect_uri")
        if uri is None:
            return None
        if client is None or uri not in client.post_logout_redirect_uris:
            raise InvalidRequest(
                "the application wants to go back to an address that is not registered for it "
                "(post_logout_redirect_uri)"
            )
        return uri

    def _parameters(self, request: Request) -> Form:
        if request.method == "POST":
            return read_form(request, limit=self._config.max_body_size)
        if len(request.query) > LONGEST_QUERY:
            raise InvalidRequest("the request is too long")
        return Form(parse_form(request.query.encode("latin-1")))
