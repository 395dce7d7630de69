"""What the server says of itself: metadata (RFC 8414) and keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bezant.clients import AUTH_METHODS
from bezant.config import ServerConfig
from bezant.http import Request, Response, json_response
from bezant.keyring import KeyRing
from bezant.runtime import Runtime

__all__ = ["JWKSEndpoint", "MetadataEndpoint"]


class MetadataEndpoint:
    """The metadata document (RFC 8414 section 3). Its URLs come from the configured issuer, never
    from the request.

    Args:
        config: The issuer and its scopes.
        endpoints: Names of endpoints and their paths.
        grant_types: What the server offers.
    """

    def __init__(
        self, config: ServerConfig, endpoints: Mapping[str, str], grant_types: Iterable[str]
    ) -> None:
        confidential = [method for method in AUTH_METHODS if method != "none"]
        self.document: dict[str, Any] = {
            "issuer": config.issuer,
            "token_endpoint": config.issuer + endpoints["token"],
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "revocation_endpoint": config.issuer + endpoints["revocation"],
            "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "introspection_endpoint": config.issuer + endpoints["introspection"],
            "introspection_endpoint_auth_methods_supported": confidential,
            "grant_types_supported": sorted(grant_types),
            # No authorization endpoint, so no response types; the member itself is required.
            "response_types_supported": [],
        }
        if config.algorithm != "HS256":
            self.document["jwks_uri"] = config.issuer + endpoints["jwks"]
        if "revocation_feed" in endpoints:
            # Ours; who does not know it passes over it (RFC 8414 section 3.2).
            self.document["revocation_feed_endpoint"] = config.issuer + endpoints["revocation_feed"]
        if config.scopes:
            self.document["scopes_supported"] = list(config.scopes)
        self._headers = (("cache-control", f"public, max-age={config.jwks_max_age}"),)

    async def __call__(self, _request: Request, _now: float, _runtime: Runtime, /) -> Response:
        """Answer with the document."""
        return json_response(200, self.document, self._headers)


class JWKSEndpoint:
    """The public keys (RFC 7517 section 5); an HS256 key is never among them.

    Args:
        keys: The key ring.
        config: How long others may cache the answer.
    """

    def __init__(self, keys: KeyRing, config: ServerConfig) -> None:
        self._keys = keys
        self._headers = (("cache-control", f"public, max-age={config.jwks_max_age}"),)

    async def __call__(self, _request: Request, _now: float, _runtime: Runtime, /) -> Response:
        """Answer with the keys, those included that do not sign yet."""
        return json_response(200, self._keys.published().jwks(), self._headers)
