"""The server as an ASGI application."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bezant.secret_key import SecretKeyRing
from bezant.server import AuthorizationServer
from bezant_server import __version__
from bezant_server.accounts import AccountStore
from bezant_server.accounts.history_store import HistoryStore
from bezant_server.assembly import assemble, browser_sessions
from bezant_server.background import closing, purging
from bezant_server.database import open_database_for_loop
from bezant_server.events import log_event
from bezant_server.history import History
from bezant_server.metrics import Metrics
from bezant_server.pages import Site, add_pages
from bezant_server.requests import Front
from bezant_server.sessions import Sessions
from bezant_server.settings import Settings
from bezant_server.status import Status
from bezant_server.throttle import open_throttle
from fastapi_bezant import RUNTIME, Bezant, lifespans

__all__ = ["Application", "create_app"]


@dataclass(frozen=True, slots=True)
class Application:
    """What is served."""

    server: AuthorizationServer
    """The authorization server within."""
    routes: FastAPI
    """The application, for whoever adds to it."""
    front: Front
    """What requests meet first."""
    sessions: Sessions
    """Who is signed in in browsers."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer (ASGI)."""
        await self.front(scope, receive, send)


def create_app(
    settings: Settings, ring: SecretKeyRing, *, clock: Callable[[], float] = time.time
) -> Application:
    """The application.

    Args:
        settings: How it behaves; the issuer is known.
        ring: The secret key ring.
        clock: Seconds since the epoch.

    Raises:
        ConfigurationError: The settings contradict each other.
    """
    database = open_database_for_loop(settings)
    throttle = open_throttle(settings)
    sessions = browser_sessions(settings, database, RUNTIME, clock)
    history = History(
        HistoryStore(database), ttl=settings.history_ttl, runtime=RUNTIME, clock=clock
    )
    site = Site(
        name=settings.display_name,
        issuer=settings.public_url(),
        scopes=settings.scopes,
        providers={name: one.label or name for name, one in settings.providers.items()},
        clock=clock,
    )
    server = assemble(
        settings,
        database,
        ring,
        throttle=throttle,
        subscribers=[log_event, history.note],
        sessions=sessions,
        error_page=site.error_page,
        clock=clock,
    )
    names = {endpoint.path: endpoint.name for endpoint in server.endpoints}
    metrics = None
    if settings.metrics:
        metrics = Metrics(names.values(), [grant.grant_type for grant in server.grants])
        server.events.subscribe(metrics.count_event)
    app = FastAPI(
        title="Bezant",
        version=__version__,
        openapi_url=None,
        lifespan=lifespans(
            closing(server, database, throttle),
            history.writing,
            purging(server, sessions, history, settings.purge_interval),
        ),
    )
    bezant = Bezant(server)
    router = bezant.router(server)
    app.include_router(router)
    bezant.install(app)
    add_pages(app, site, server, sessions, AccountStore(database), history, settings)
    app.router.routes += Status(server, database, metrics).routes
    endpoints = [route for route in router.routes if isinstance(route, Route)]
    front = Front(
        app,
        endpoints={route.path: (names[route.path], route.app) for route in endpoints},
        metrics=metrics,
        access_log=settings.access_log,
        behind_proxy=bool(settings.trusted_proxies),
    )
    return Application(server, app, front, sessions)
