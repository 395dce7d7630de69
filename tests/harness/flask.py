"""Flask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import Flask, Response
from werkzeug.routing import Rule

from bezant import AuthorizationServer
from flask_bezant import Bezant, get_principal, optional, require
from tests.harness import ROUTES, Route, show
from tests.harness.wsgi import WSGIClient

if TYPE_CHECKING:
    from bezant import Verifier
    from bezant.logout_receiver import LogoutReceiver


_builders: dict[Any, Any] = {}


class Compiled(Rule):
    """What makes the URLs of a rule is compiled once for all applications: that is most of the time
    that it takes to make one.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Any:
        key = (self.rule, repr(self.defaults), append_unknown)
        if key not in _builders:
            _builders[key] = super()._compile_builder(append_unknown)
        return _builders[key]


class App(WSGIClient):
    def __init__(
        self, source: AuthorizationServer | Verifier, receiver: LogoutReceiver | None = None
    ) -> None:
        self._source = source
        app, bezant = Flask(__name__), Bezant(source, logout_receiver=receiver)
        app.url_rule_class = Compiled
        bezant.init_app(app)
        if isinstance(source, AuthorizationServer):
            app.register_blueprint(bezant.blueprint())
        for number, (path, route) in enumerate(ROUTES.items()):
            # One after the other, ``def`` and ``async def``.
            view = _protected((_plain, _awaited)[number % 2](), route)
            app.add_url_rule(path, endpoint=path, view_func=view)
        super().__init__(app)

    def close(self) -> None:
        self._source.close()


def _protected(view: Any, route: Route) -> Any:
    return (optional if route.optional else require(*route.scopes, **route.options))(view)


def _plain() -> Any:
    def view() -> Response:
        return Response(show(get_principal()), mimetype="application/json")

    return view


def _awaited() -> Any:
    async def view() -> Response:
        return Response(show(get_principal()), mimetype="application/json")

    return view
