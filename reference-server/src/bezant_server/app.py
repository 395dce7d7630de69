"""The server as an ASGI application."""

from __future__ import annotations

from fastapi import FastAPI

from bezant.secret_key import SecretKeyRing
from bezant_server import __version__
from bezant_server.assembly import assemble
from bezant_server.background import closing, purging
from bezant_server.database import open_database_for_loop
from bezant_server.events import log_event
from bezant_server.metrics import Metrics
from bezant_server.pages import add_pages
from bezant_server.requests import RequestMiddleware
from bezant_server.settings import Settings
from bezant_server.status import Status
from bezant_server.throttle import open_throttle
from fastapi_bezant import Bezant, lifespans

__all__ = ["create_app"]


def create_app(settings: Settings, ring: SecretKeyRing) -> FastAPI:
    """The application.

    Args:
        settings: How it behaves; the issuer is known.
        ring: The secret key ring.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    database = open_database_for_loop(settings)
    throttle = open_throttle(settings)
    server = assemble(settings, database, ring, throttle=throttle, subscribers=[log_event])
    metrics = None
    if settings.metrics:
        grant_types = [grant.grant_type for grant in server.grants]
        metrics = Metrics([endpoint.name for endpoint in server.endpoints], grant_types)
        server.events.subscribe(metrics.count_event)
    app = FastAPI(
        title="Bezant",
        version=__version__,
        openapi_url=None,
        lifespan=lifespans(closing(server, database), purging(server, settings.purge_interval)),
    )
    app.state.authorization_server = server
    bezant = Bezant(server)
    app.include_router(bezant.router(server))
    bezant.install(app)
    add_pages(app, server)
    app.router.routes += Status(server, database, metrics).routes
    app.add_middleware(
        RequestMiddleware,
        names={endpoint.path: endpoint.name for endpoint in server.endpoints},
        metrics=metrics,
        access_log=settings.access_log,
        behind_proxy=bool(settings.trusted_proxies),
    )
    return app
