"""The pages for people: signing in and out, consent, accounts. They work without JavaScript."""

from __future__ import annotations

from fastapi import FastAPI

from bezant.errors import ConfigurationError
from bezant.server import AuthorizationServer
from bezant_server.accounts import AccountStore
from bezant_server.federation.pages import federation_pages
from bezant_server.history import History
from bezant_server.pages.account import AccountPages
from bezant_server.pages.accounts import AccountsPage
from bezant_server.pages.consent import ConsentPage
from bezant_server.pages.forms import Forms
from bezant_server.pages.inspector import InspectorPage
from bezant_server.pages.landing import add_landing
from bezant_server.pages.sign_in import SignInPage
from bezant_server.pages.sign_out import SignOutPage
from bezant_server.pages.site import Site
from bezant_server.sessions import Sessions
from bezant_server.settings import Settings

__all__ = ["Site", "add_pages"]


def add_pages(
    app: FastAPI,
    site: Site,
    server: AuthorizationServer,
    sessions: Sessions,
    accounts: AccountStore,
    history: History,
    settings: Settings,
) -> None:
    """Add all pages.

    Args:
        app: The application.
        site: What they share.
        server: The authorization server.
        sessions: Who is signed in.
        accounts: Where accounts are.
        history: What happened to them.
        settings: How the server behaves.

    Raises:
        ConfigurationError: A provider's settings cannot be used.
    """
    signs_in = server.logout_sender is not None
    add_landing(app, site, accounts=signs_in)
    routes = [*site.routes, *InspectorPage(site).routes]
    if signs_in and server.login is not None:
        forms = Forms(site)
        routes += [
            *SignInPage(site, forms, sessions, server, server.login, accounts, history).routes,
            *ConsentPage(site, forms, sessions, server).routes,
            *AccountsPage(site, forms, sessions, server).routes,
            *SignOutPage(site, forms, sessions, server).routes,
            *federation_pages(site, forms, sessions, server, accounts.database, settings).routes,
            *AccountPages(
                site,
                forms,
                sessions,
                server,
                server.login,
                accounts,
                history,
                settings.password_min_length,
            ).routes,
        ]
    elif settings.providers:
        raise ConfigurationError(
            "BEZANT_PROVIDERS", "browsers cannot sign in where BEZANT_ALGORITHM is HS256"
        )
    app.router.routes += routes
