"""An authorization server's endpoints as a blueprint."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Blueprint, Flask
from flask.blueprints import BlueprintSetupState

from bezant import AuthorizationServer
from bezant.runtime import SYNC
from flask_bezant._http import EndpointView, add_view
from flask_bezant._logouts import tell_clients
from flask_bezant._signals import send_events


def blueprint_of(
    name: str, server_for: Callable[[Flask], AuthorizationServer], *, origin: bool = False
) -> Blueprint:
    """A blueprint that adds a server's endpoints to the application it is registered on.

    Args:
        name: Of the blueprint.
        server_for: Finds the server of an application.
        origin: Only the well-known ones, as they are at the origin of the issuer's URL.
    """
    blueprint = Blueprint(name, __name__)

    def register(state: BlueprintSetupState) -> None:
        app = cast("Flask", state.app)
        server = server_for(app)
        server.check(SYNC)
        send_events(server.events, app)
        prefix = (state.url_prefix or "").rstrip("/")
        rooted = server.origin_endpoints  # no prefix moves these (RFC 8615)
        paths = {e.name: e.path if e in rooted else prefix + e.path for e in server.endpoints}
        if not origin:
            tell_clients(app, server)
            server.check_place(paths["token"], {e.path for e in rooted}, "")
        for endpoint in rooted if origin else server.endpoints:
            add_view(
                app,
                f"{state.name_prefix}.{state.name}.{endpoint.name}".lstrip("."),
                paths[endpoint.name],
                EndpointView(endpoint),
                state.subdomain,
            )

    blueprint.record(register)
    return blueprint
