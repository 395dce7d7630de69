"""A user's code over the Flask extension, as mypy --strict sees it."""

from __future__ import annotations

from typing import assert_type

from flask import Blueprint, Flask, Response
from flask.views import MethodView

from bezant import AuthorizationServer, Principal, TokenVerifier
from bezant.events import Event
from bezant.interactions import Interaction
from bezant.logout_receiver import LogoutReceiver
from bezant.sign_in import SignIn
from flask_bezant import (
    Bezant,
    current_principal,
    get_principal,
    optional,
    require,
    security_event,
)
from flask_bezant.testing import as_principal


def protect(verifier: TokenVerifier) -> Flask:
    app = Flask(__name__)
    bezant = Bezant(verifier, realm="shop", scopes=["items:read"])
    bezant.init_app(app)

    @app.get("/items/<int:number>")
    @require("items:read")
    async def item(number: int) -> str:
        return assert_type(current_principal.subject, str)

    @app.get("/hello")
    @optional
    def hello() -> str:
        who = assert_type(get_principal(), Principal | None)
        return who.subject if who else "stranger"

    class Items(MethodView):
        decorators = [require("items:read")]  # noqa: RUF012

        @require("items:write", permission=["items.delete"], fresh=60)
        def delete(self, number: int) -> str:
            return f"{number}"

    app.add_url_rule("/items", view_func=Items.as_view("items"))
    assert_type(Items().delete(7), str)

    admin = Blueprint("admin", __name__)
    admin.before_request(require(role="admin"))
    app.before_request(optional)
    assert_type(hello(), str)
    app.register_blueprint(admin)

    with as_principal(app, Principal("alice")):
        app.test_client().get("/hello")
    return app


def issue(server: AuthorizationServer) -> Flask:
    app = Flask(__name__)
    bezant = Bezant()
    bezant.init_app(app, server)
    app.register_blueprint(bezant.blueprint(), url_prefix="/id")

    @security_event.connect
    def audit(sender: Flask, event: Event) -> None:
        sender.logger.info("%s", event)

    return app


def pages(server: AuthorizationServer, receiver: LogoutReceiver, who: SignIn) -> None:
    bezant = Bezant(server, logout_receiver=receiver)
    assert_type(bezant.interactions.get("id"), Interaction | None)
    assert_type(bezant.interactions.resume("id"), Response)
    assert_type(bezant.interactions.consent("id", who, ["openid"]), Response)
    assert_type(bezant.logouts.finish("id"), Response | None)
