"""`Bezant`: protects an application's views, and issues tokens when it has a server."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from flask import Blueprint, Flask, Response

from bezant import (
    AuthorizationServer,
    ConfigurationError,
    OAuthError,
    TokenVerifier,
    Verifier,
    guard_for,
)
from bezant.hosting import SyncInteractions, SyncLogouts
from bezant.logout_receiver import LogoutReceiver
from bezant.runtime import SYNC
from flask_bezant._blueprint import blueprint_of
from flask_bezant._cli import commands
from flask_bezant._http import EndpointView, add_view, drive, respond
from flask_bezant._signals import send_events
from flask_bezant._state import EXTENSION, State, state_of

SETTINGS: Final = ("issuer", "audience", "realm", "resource", "resource_metadata", "verifier")
"""What may be in an application's configuration, as ``BEZANT_ISSUER`` and so on."""


class Bezant:
    """Token authentication for Flask applications.

    One object serves any number of applications; what belongs to one of them is in its
    ``extensions``. What is not given here is read from the application's configuration:
    ``BEZANT_AUDIENCE``, ``BEZANT_REALM``, ``BEZANT_RESOURCE`` and ``BEZANT_RESOURCE_METADATA``.

    Args:
        source: What tells good tokens: an `AuthorizationServer` in this process, or a
            `Verifier`. Without one, tokens of the issuer ``BEZANT_ISSUER`` are taken that are meant
            for ``BEZANT_AUDIENCE``; a dict ``BEZANT_VERIFIER`` may hold further options of
            `TokenVerifier.from_issuer`.
        audience: The application's name in ``aud``; for a server, in place of its default
            audience.
        realm: What the challenge calls the protected space.
        resource: The application's own URL: it then serves metadata about it (RFC 9728), which
            every challenge names.
        resource_metadata: URL of such metadata that is served elsewhere.
        scopes: Scopes named in that metadata; by default the server's.
        logout_receiver: Told of logouts at an issuer; `init_app` serves its endpoint.
    """

    def __init__(
        self,
        source: AuthorizationServer | Verifier | None = None,
        *,
        audience: str | Iterable[str] | None = None,
        realm: str | None = None,
        resource: str | None = None,
        resource_metadata: str | None = None,
        scopes: Iterable[str] | None = None,
        logout_receiver: LogoutReceiver | None = None,
    ) -> None:
        self._source = source
        given = {
            "audience": audience if audience is None or isinstance(audience, str) else [*audience],
            "realm": realm,
            "resource": resource,
            "resource_metadata": resource_metadata,
            "scopes": None if scopes is None else [*scopes],
            "logout_receiver": logout_receiver,
        }
        self._given = {name: value for name, value in given.items() if value is not None}
        self.interactions: SyncInteractions[Response] = SyncInteractions(
            self._issuing, drive, respond
        )
        self.logouts: SyncLogouts[Response] = SyncLogouts(self._issuing, drive, respond)

    def init_app(self, app: Flask, source: AuthorizationServer | Verifier | None = None) -> None:
        """Protect an application.

        Refused requests are answered just as core says, by the error handler of `OAuthError`, which
        an application may replace by its own afterwards; the commands ``flask bezant`` are there,
        and core's events are sent as `security_event`.

        Args:
            app: The application.
            source: For this application, in place of what the constructor was given.

        Raises:
            ConfigurationError: The settings contradict each other, one is missing, a store is
                async, or the application has a `Bezant` already.
        """
        if EXTENSION in app.extensions:
            raise ConfigurationError("init_app", "this application has a Bezant already")
        configured = _configured(app)
        try:
            state = self._state(source or self._source, configured)
        except ConfigurationError as error:
            name = error.setting
            if name in configured.get("verifier", ()):
                raise ConfigurationError(f"{_key('verifier')}[{name!r}]", error.problem) from None
            if name in configured.keys() - self._given.keys():
                raise ConfigurationError(_key(name), error.problem) from None
            raise
        app.extensions[EXTENSION] = state

        def refuse(error: OAuthError) -> Response:
            return respond(state.guard.refuse(error))

        app.register_error_handler(OAuthError, refuse)
        for endpoint in state.guard.endpoints:
            add_view(app, f"bezant_{endpoint.name}", endpoint.path, EndpointView(endpoint))
        send_events(state.guard.events, app)
        app.cli.add_command(commands)

    def blueprint(
        self, server: AuthorizationServer | None = None, *, name: str = "bezant"
    ) -> Blueprint:
        """All endpoints of a server, by default that of the application.

        Register it where the issuer's URL leads: ``url_prefix`` is the path of that URL. The
        well-known documents stay at the root, where clients look for them.

        A hook of the application that reads the body of such a request, or its form, takes it from
        the endpoint.

        Args:
            server: The server.
            name: Of the blueprint; each of an application needs its own.
        """
        return blueprint_of(name, lambda app: self._issuing(server, app))

    def well_known_blueprint(
        self, server: AuthorizationServer | None = None, *, name: str = "bezant_well_known"
    ) -> Blueprint:
        """The well-known documents alone, for the root of the outermost application (RFC 8615)
        when another one below it has the blueprint.
        """
        return blueprint_of(name, lambda app: self._issuing(server, app), origin=True)

    def _state(
        self, source: AuthorizationServer | Verifier | None, configured: dict[str, Any]
    ) -> State:
        settings = {**configured, **self._given}
        issuer, options = settings.pop("issuer", None), settings.pop("verifier", {})
        if source is None:
            for name, value in (("issuer", issuer), ("audience", settings.get("audience"))):
                if value is None:
                    raise ConfigurationError(
                        _key(name), "set it, or give Bezant a server or a verifier"
                    )
            try:
                source = TokenVerifier.from_issuer(
                    issuer, audience=settings.pop("audience"), **options
                )
            except TypeError as error:  # an option that is not there
                raise ConfigurationError("verifier", str(error)) from None
        server = source if isinstance(source, AuthorizationServer) else None
        if server is None and "audience" not in self._given:
            settings.pop("audience", None)  # a verifier may well have been made with the setting
        return State(guard_for(source, SYNC, **settings), server)

    def _issuing(
        self, server: AuthorizationServer | None = None, app: Flask | None = None
    ) -> AuthorizationServer:
        if server is None and isinstance(self._source, AuthorizationServer):
            server = self._source
        server = server or state_of(app).server
        if server is None:
            raise ConfigurationError("server", "this Bezant has none; give an AuthorizationServer")
        return server


def _key(name: str) -> str:
    return f"BEZANT_{name.upper()}"


def _configured(app: Flask) -> dict[str, Any]:
    """What the application's configuration says; what is empty there counts as absent."""
    found = {}
    for name in SETTINGS:
        value = app.config.get(_key(name))
        if value is None or value == "":
            continue
        several = name == "audience" and isinstance(value, list | tuple)
        # `from_prefixed_env` reads JSON: FLASK_BEZANT_REALM=7 is a number.
        if name == "verifier":
            if not isinstance(value, dict):
                raise ConfigurationError(_key(name), "give a dict")
        elif not all(isinstance(text, str) and text for text in (value if several else [value])):
            raise ConfigurationError(_key(name), "give a text")
        found[name] = value
    return found
