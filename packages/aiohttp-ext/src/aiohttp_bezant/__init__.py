"""Token authentication for aiohttp, on Bezant."""

from aiohttp_bezant._bezant import BEZANT, Bezant, get_principal, principal, setup
from aiohttp_bezant._http import RUNTIME
from aiohttp_bezant._oauth import closing, oauth_app, oauth_routes, well_known_routes
from aiohttp_bezant._protect import bearer_middleware, optional, require

__all__ = [
    "BEZANT",
    "RUNTIME",
    "Bezant",
    "bearer_middleware",
    "closing",
    "get_principal",
    "oauth_app",
    "oauth_routes",
    "optional",
    "principal",
    "require",
    "setup",
    "well_known_routes",
]
