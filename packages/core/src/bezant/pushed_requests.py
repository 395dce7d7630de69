"""Pushed authorization requests (RFC 9126): what a client has sent directly, under a random URI."""

from __future__ import annotations

from typing import Final

from bezant.codes import Codes
from bezant.errors import InvalidRequest, InvalidRequestURI
from bezant.http import Form
from bezant.runtime import Runtime
from bezant.stores import Taking

__all__ = ["TTL", "PushedRequests", "without_credentials"]

URN: Final = "urn:ietf:params:oauth:request_uri:"
TTL: Final = 90
"""Seconds that a pushed request waits for the browser."""


class PushedRequests:
    """Keeps pushed requests, and gives each back once.

    Args:
        codes: Where they are.
    """

    def __init__(self, codes: Codes) -> None:
        self._codes = codes

    async def keep(self, form: Form, now: float, runtime: Runtime) -> str:
        """Keep the parameters of a request. Returns its ``request_uri``."""
        parameters = [list(pair) for pair in form.pairs()]
        return URN + await self._codes.issue(
            "par", {"parameters": parameters}, expires_at=now + TTL, runtime=runtime
        )

    async def resolve(self, form: Form, now: float, runtime: Runtime) -> Form:
        """The parameters that count: those pushed, or those of the request itself.

        What stands beside the URI of a pushed request is not looked at (RFC 9126 section 4).

        Raises:
            InvalidRequestURI: The URI is unknown, expired, used before, or another client's.
        """
        uri = form.get("request_uri", "")
        if not uri.startswith(URN):
            return form
        client_id = form.require("client_id")
        document = await self._codes.peek("par", uri.removeprefix(URN), now, runtime)
        pushed = None
        if document is not None:
            pushed = Form(tuple((name, value) for name, value in document["parameters"]))
        if pushed is None or pushed["client_id"] != client_id:
            raise InvalidRequestURI(_GONE)
        taking, _ = await self._codes.take("par", uri.removeprefix(URN), now, runtime)
        if taking is not Taking.TAKEN:
            raise InvalidRequestURI(_GONE)
        return pushed


_GONE: Final = "request_uri is unknown, has expired or was used; begin again in the application"


def without_credentials(form: Form, client_id: str) -> Form:
    """The parameters of a pushed request, less those that proved the client.

    Raises:
        InvalidRequest: It names another request.
    """
    if "request_uri" in form:
        raise InvalidRequest("request_uri cannot be pushed (RFC 9126 section 2.1)")
    credentials = {"client_id", "client_secret", "client_assertion", "client_assertion_type"}
    kept = tuple(pair for pair in form.pairs() if pair[0] not in credentials)
    return Form((*kept, ("client_id", client_id)))
