"""What OpenAPI says of token authentication."""

from __future__ import annotations

from typing import Any

from django_bezant.conf import Site

__all__ = ["security_scheme"]


def security_scheme(site: Site) -> dict[str, Any]:
    """OAuth 2 with its flows where the project issues tokens, else plain Bearer."""
    if site.server is None:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    # No host: the same schema is right behind a proxy and on a developer's machine.
    token_url, scopes = site.server.public_path("token"), dict(site.scopes)
    grants = {grant.grant_type for grant in site.server.grants}
    flows: dict[str, Any] = {}
    if "password" in grants:
        flows["password"] = {"tokenUrl": token_url, "refreshUrl": token_url, "scopes": scopes}
    if "client_credentials" in grants:
        flows["clientCredentials"] = {"tokenUrl": token_url, "scopes": scopes}
    return {"type": "oauth2", "flows": flows}
