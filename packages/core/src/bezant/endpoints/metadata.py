"""What the server says of itself: metadata (RFC 8414) and keys (RFC 7517)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bezant.authorization_request import PROMPTS, RESPONSE_MODES
from bezant.authorizations import OFFLINE_ACCESS
from bezant.claims import OPENID, SCOPES, STANDARD
from bezant.clients import AUTH_METHODS, ID_TOKEN_ALGORITHMS
from bezant.config import ALGORITHMS, ServerConfig
from bezant.http import Request, Response, json_response
from bezant.keyring import KeyRing
from bezant.pkce import METHOD
from bezant.runtime import Runtime

__all__ = ["JWKSEndpoint", "MetadataEndpoint"]

ASYMMETRIC = tuple(name for name in ALGORITHMS if name != "HS256")
"""What keys of clients may sign with."""


class MetadataEndpoint:
    """The metadata document (RFC 8414 section 3; OpenID Connect Discovery section 3 where people
    sign in in browsers). Its URLs come from the configured issuer, never from the request.

    Args:
        config: The issuer and its scopes.
        endpoints: Names of endpoints and their paths.
        grant_types: What the server offers.
    """

    def __init__(
        self, config: ServerConfig, endpoints: Mapping[str, str], grant_types: Iterable[str]
    ) -> None:
        confidential = [method for method in AUTH_METHODS if method != "none"]
        algorithms = list(ASYMMETRIC)
        self.document: dict[str, Any] = {
            "issuer": config.issuer,
            "token_endpoint": config.issuer + endpoints["token"],
            "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "token_endpoint_auth_signing_alg_values_supported": algorithms,
            "revocation_endpoint": config.issuer + endpoints["revocation"],
            "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
            "revocation_endpoint_auth_signing_alg_values_supported": algorithms,
            "introspection_endpoint": config.issuer + endpoints["introspection"],
            "introspection_endpoint_auth_methods_supported": confidential,
            "introspection_endpoint_auth_signing_alg_values_supported": algorithms,
            "grant_types_supported": sorted(grant_types),
            # Without an authorization endpoint there are none; the member itself is required.
            "response_types_supported": [],
        }
        if config.algorithm != "HS256":
            self.document["jwks_uri"] = config.issuer + endpoints["jwks"]
        if "revocation_feed" in endpoints:
            # Ours; who does not know it passes over it (RFC 8414 section 3.2).
            self.document["revocation_feed_endpoint"] = config.issuer + endpoints["revocation_feed"]
        scopes = list(config.scopes)
        if "authorize" in endpoints:
            self.document |= _of_sign_in(config.issuer, endpoints)
            scopes = list(dict.fromkeys((OPENID, *SCOPES, OFFLINE_ACCESS, *scopes)))
        if scopes:
            self.document["scopes_supported"] = scopes
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


def _of_sign_in(issuer: str, endpoints: Mapping[str, str]) -> dict[str, Any]:
    """What is there where people sign in in browsers."""
    members: dict[str, Any] = {
        "authorization_endpoint": issuer + endpoints["authorize"],
        "pushed_authorization_request_endpoint": issuer + endpoints["par"],
        "userinfo_endpoint": issuer + endpoints["userinfo"],
        "response_types_supported": ["code"],
        "response_modes_supported": list(RESPONSE_MODES),
        "code_challenge_methods_supported": [METHOD],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": sorted(PROMPTS),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "userinfo_signing_alg_values_supported": list(ID_TOKEN_ALGORITHMS),
        "claims_supported": ["sub", "iss", "aud", "auth_time", "acr", "amr", "sid", *STANDARD],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }
    if "end_session" in endpoints:
        members |= {
            "end_session_endpoint": issuer + endpoints["end_session"],
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": True,
        }
    return members
