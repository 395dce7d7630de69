"""What a resource server says of itself (RFC 9728): whose tokens it takes, and how."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import urlsplit

from bezant.config import check_issuer
from bezant.endpoints import Endpoint
from bezant.endpoints.handling import answering
from bezant.errors import ConfigurationError
from bezant.http import Request, Response, json_response
from bezant.runtime import Runtime

__all__ = ["ResourceMetadata"]

WELL_KNOWN: Final = "/.well-known/oauth-protected-resource"
MAX_AGE: Final = 3600
"""Seconds that others may keep the document."""


class ResourceMetadata:
    """The metadata document of one protected resource.

    Args:
        resource: The resource server's URL, as its clients know it: https, no trailing slash. Plain
            http on loopback only.
        authorization_servers: Issuers whose tokens it takes.
        scopes: Scopes that requests for tokens may name.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: ``resource`` is no such URL, or there is no authorization server.
    """

    def __init__(
        self,
        resource: str,
        authorization_servers: Iterable[str],
        *,
        scopes: Iterable[str] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        check_issuer("resource", resource)
        self._document: dict[str, object] = {
            "resource": resource,
            "authorization_servers": list(authorization_servers),
            "bearer_methods_supported": ["header"],
        }
        if not self._document["authorization_servers"]:
            raise ConfigurationError("authorization_servers", "name the issuers of the tokens")
        if names := sorted(scopes):
            self._document["scopes_supported"] = names
        url = urlsplit(resource)
        # The path of the resource comes after the well-known part (RFC 9728 section 3.1).
        path = WELL_KNOWN + url.path
        self.url: str = f"{url.scheme}://{url.netloc}{path}"
        self.endpoint: Endpoint = Endpoint(
            "resource_metadata",
            ("GET",),
            path,
            answering(("GET",), self._answer, clock),
            well_known=True,
            summary="Metadata of this resource (RFC 9728)",
        )

    async def _answer(self, request: Request, now: float, runtime: Runtime) -> Response:
        return json_response(200, self._document, (("cache-control", f"max-age={MAX_AGE}"),))
