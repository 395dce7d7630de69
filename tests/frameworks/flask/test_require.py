"""`require` and `current_principal` as Flask's users write them."""

from __future__ import annotations

import inspect
import logging
from concurrent.futures import ThreadPoolExecutor
from functools import wraps
from threading import Barrier
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from flask import Blueprint, Flask, copy_current_request_context, g, jsonify, request
from flask.views import MethodView, View

from bezant import ConfigurationError, OAuthError, Principal
from bezant.errors import InsufficientScope
from bezant.testing import TokenFactory
from flask_bezant import Bezant, current_principal, get_principal, optional, require
from flask_bezant.testing import as_principal
from tests.frameworks.flask.calls import get, sign_in
from tests.world import make_server

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def verified(app: Flask, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tokens that were verified."""
    seen: list[str] = []
    verifier = app.extensions["bezant"].guard.verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda token: seen.append(token) or verify(token))
    return seen


# ---- views ----


def test_plain_and_async_views_keep_what_they_are(app: Flask, tokens: TokenFactory) -> None:
    @app.get("/plain/<int:number>")
    @require("items:read")
    def plain(number: int, *, more: str = "!") -> str:
        """Says who."""
        return f"{current_principal.subject} {number}{more}"

    @app.get("/async/<int:number>")
    @require("items:read")
    async def awaited(number: int) -> str:
        return f"{current_principal.subject} {number}"

    assert str(inspect.signature(plain)) == "(number: 'int', *, more: 'str' = '!') -> 'str'"
    assert (plain.__name__, plain.__doc__) == ("plain", "Says who.")
    assert inspect.iscoroutinefunction(awaited)
    assert not inspect.iscoroutinefunction(plain)
    reader = tokens.mint(scopes=["items:read"])
    assert get(app, "/plain/7", reader).text == "alice 7!"
    assert get(app, "/async/7", reader).text == "alice 7"
    for path in ("/plain/7", "/async/7"):
        assert get(app, path).status_code == 401
        assert get(app, path, "bad").status_code == 401
        assert get(app, path, tokens.mint()).status_code == 403


def test_methods_of_a_class(app: Flask, tokens: TokenFactory) -> None:
    class Items(MethodView):
        @require("items:read")
        def get(self, number: int) -> str:
            return f"{current_principal.subject} reads {number}"

        @require("items:write", permission="items.delete")
        async def delete(self, number: int) -> str:
            return f"{current_principal.subject} deletes {number}"

    app.add_url_rule("/items/<int:number>", view_func=Items.as_view("items"))
    http = app.test_client()

    def ask(method: str, **claims: Any) -> tuple[int, str]:
        headers = {"authorization": f"Bearer {tokens.mint(**claims)}"}
        answer = http.open("/items/7", method=method, headers=headers)
        return answer.status_code, answer.text

    assert ask("GET", scopes=["items:read"]) == (200, "alice reads 7")
    assert ask("GET", scopes=["items:write"])[0] == 403
    assert ask("DELETE", scopes=["items:write"])[0] == 403
    may = {"scopes": ["items:write"], "permissions": ["items.delete"]}
    assert ask("DELETE", **may) == (200, "alice deletes 7")
    assert http.delete("/items/7").status_code == 401


def test_all_of_a_class(app: Flask, tokens: TokenFactory) -> None:
    class Greeting(View):
        decorators: ClassVar[list[Callable[..., Any]]] = [require("a"), require("b")]

        async def dispatch_request(self) -> str:
            return current_principal.subject

    app.add_url_rule("/", view_func=Greeting.as_view("greeting"))
    assert get(app, "/", tokens.mint(scopes=["a"])).status_code == 403
    assert get(app, "/", tokens.mint(scopes=["b"])).status_code == 403
    assert get(app, "/", tokens.mint(scopes=["a", "b"])).text == "alice"


def test_a_class_itself_is_no_view() -> None:
    class Items(MethodView): ...

    with pytest.raises(ConfigurationError, match=r"decorators = .* in the class Items"):
        require("items:read")(Items)


@pytest.mark.parametrize(
    ("scopes", "options"),
    [(("a b",), {}), (("",), {}), ((lambda: "a view",), {}), ((), {"any_of": "a"})],
)
def test_a_demand_that_makes_no_sense_is_refused_at_set_up(
    scopes: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        require(*scopes, **options)


def test_a_refusal_names_the_scopes_of_all_that_stand_on_a_view(
    app: Flask, tokens: TokenFactory
) -> None:
    class Items(MethodView):
        decorators: ClassVar[list[Callable[..., Any]]] = [require("a"), require("c")]

        @require("b")
        def get(self) -> str:
            return current_principal.subject

    def logged(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return view(*args, **kwargs)

        return wrapper

    app.add_url_rule("/items", view_func=Items.as_view("items"))

    @app.get("/")
    @require("a")
    @logged
    @require("b", any_of=["c"])
    @optional
    @require("d")
    def root() -> str:
        return current_principal.subject

    def demanded(path: str, *scopes: str) -> str:
        answer = get(app, path, tokens.mint(scopes=scopes))
        assert answer.status_code == 403
        return str(answer.www_authenticate.get("scope"))

    assert demanded("/") == "a b d"
    assert demanded("/", "a", "b", "d") == "c"
    assert get(app, "/", tokens.mint(scopes=["a", "b", "c", "d"])).text == "alice"
    assert demanded("/items") == "a c"
    assert demanded("/items", "a", "c") == "b"


# ---- blueprints and applications ----


def test_a_whole_blueprint(app: Flask, tokens: TokenFactory, verified: list[str]) -> None:
    items = Blueprint("items", __name__, url_prefix="/items")
    items.before_request(require("items:read"))

    @items.get("/")
    def show() -> str:
        return current_principal.subject

    @items.delete("/")
    @require("items:write")
    def drop() -> str:
        return current_principal.subject

    app.register_blueprint(items)
    app.get("/")(lambda: "open")
    reader = tokens.mint(scopes=["items:read"])
    writer = tokens.mint(scopes=["items:read", "items:write"])
    http = app.test_client()
    assert get(app, "/items/", reader).text == "alice"
    assert get(app, "/items/").status_code == 401
    assert get(app, "/items/", tokens.mint()).status_code == 403
    assert http.delete("/items/", headers={"authorization": f"Bearer {reader}"}).status_code == 403
    verified.clear()
    assert http.delete("/items/", headers={"authorization": f"Bearer {writer}"}).text == "alice"
    assert len(verified) == 1
    assert get(app, "/").text == "open"


def test_a_whole_application_but_its_clients_get_in() -> None:
    bezant = Bezant(make_server(), resource="https://api.example.com")
    app = Flask(__name__)
    bezant.init_app(app)
    app.register_blueprint(bezant.blueprint())
    app.before_request(require("items:read"))
    app.get("/")(lambda: current_principal.subject)
    assert get(app, "/").status_code == 401
    assert get(app, "/", sign_in(app)).text == "user-alice"
    assert get(app, "/.well-known/oauth-protected-resource").status_code == 200
    # Browsers ask before a request with a token, and send none.
    assert app.test_client().options("/").status_code == 200
    assert get(app, "/nowhere").status_code == 401


def test_an_answer_to_options_of_ones_own_is_protected(app: Flask) -> None:
    app.before_request(require())
    app.add_url_rule("/", view_func=lambda: "secret", methods=["GET", "OPTIONS"])
    assert app.test_client().options("/").status_code == 401


# ---- who ----


def test_nobody_is_false_and_a_bad_token_is_refused(app: Flask, tokens: TokenFactory) -> None:
    @app.get("/")
    def greet() -> str:
        return current_principal.subject if current_principal else "stranger"

    @app.get("/async")
    async def greet_later() -> str:
        who = get_principal()
        return who.subject if who else "stranger"

    for path in ("/", "/async"):
        assert get(app, path).text == "stranger"
        assert get(app, path, tokens.mint()).text == "alice"
        assert get(app, path, tokens.mint(expires_in=-60)).status_code == 401


def test_optional_lets_nobody_pass_but_no_bad_token(app: Flask, tokens: TokenFactory) -> None:
    """Also where the view never looks."""

    @app.get("/")
    @optional
    def plain() -> str:
        return "open"

    @app.get("/async")
    @optional
    async def awaited() -> str:
        return "open"

    hooked = Blueprint("hooked", __name__)
    hooked.before_request(optional)
    hooked.get("/hooked")(lambda: "open")
    app.register_blueprint(hooked)
    for path in ("/", "/async", "/hooked"):
        assert get(app, path).text == "open"
        assert get(app, path, tokens.mint()).text == "open"
        assert get(app, path, tokens.mint(expires_in=-60)).status_code == 401


def test_a_token_is_verified_once_a_request(
    app: Flask, tokens: TokenFactory, verified: list[str]
) -> None:
    app.before_request(require())

    @app.get("/")
    @require("a")
    @require("b")
    async def root() -> list[bool]:
        return [get_principal() is get_principal(), current_principal == get_principal()]

    token = tokens.mint(scopes=["a", "b"])
    assert get(app, "/", token).get_json() == [True, True]
    assert verified == [token]
    get(app, "/", token)
    assert len(verified) == 2


def test_requests_in_one_application_context_do_not_share_a_principal(
    app: Flask, tokens: TokenFactory
) -> None:
    @app.get("/")
    @require()
    def root() -> str:
        g.seen = current_principal.subject
        return current_principal.subject

    with app.app_context():
        assert get(app, "/", tokens.mint(subject="alice")).text == "alice"
        assert g.seen == "alice"  # it is one context indeed
        assert get(app, "/", tokens.mint(subject="bob")).text == "bob"
        assert get(app, "/").status_code == 401
        assert get(app, "/", "bad").status_code == 401


def test_a_request_within_a_request_proves_itself(app: Flask, tokens: TokenFactory) -> None:
    """As in an endpoint for batches, which copies the environ and changes what differs."""

    @app.get("/batch")
    @require()
    def batch() -> str:
        environ = {**request.environ, "PATH_INFO": "/", "HTTP_AUTHORIZATION": "Bearer bad"}
        with app.request_context(environ):
            return app.full_dispatch_request().status

    app.get("/")(require()(lambda: "secret"))
    assert get(app, "/batch", tokens.mint()).text == "401 UNAUTHORIZED"


def test_threads_never_mix_principals(app: Flask, tokens: TokenFactory) -> None:
    barrier = Barrier(8)

    @app.get("/plain")
    @require("items:read")
    def plain() -> str:
        before = current_principal.subject
        barrier.wait(30)
        return f"{before} {current_principal.subject}"

    @app.get("/async")
    @require("items:read")
    async def awaited() -> str:
        before = current_principal.subject
        barrier.wait(30)
        return f"{before} {current_principal.subject}"

    def ask(number: int) -> None:
        path = ("/plain", "/async")[number % 2]
        name = f"user-{number}"
        token = tokens.mint(subject=name, scopes=["items:read"])
        assert get(app, path, token).text == f"{name} {name}"

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(64)))


def test_a_thread_of_the_request_knows_who_asked(app: Flask, tokens: TokenFactory) -> None:
    @app.get("/")
    @require()
    def root() -> str:
        @copy_current_request_context
        def later() -> str:
            return current_principal.subject

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(later).result()

    assert get(app, "/", tokens.mint()).text == "alice"


def test_outside_a_request_there_is_nobody_to_ask_for(app: Flask) -> None:
    with pytest.raises(RuntimeError):
        get_principal()
    with app.app_context(), pytest.raises(RuntimeError):
        get_principal()


# ---- refusals ----


def test_an_application_may_answer_in_its_own_way(app: Flask) -> None:
    @app.errorhandler(OAuthError)
    def own(error: OAuthError) -> Any:
        return jsonify(why=error.code), error.status

    app.get("/")(require()(lambda: ""))
    answer = get(app, "/", "bad")
    assert (answer.status_code, answer.get_json()) == (401, {"why": "invalid_token"})


def test_handlers_for_all_errors_do_not_answer_for_ours(app: Flask, tokens: TokenFactory) -> None:
    @app.errorhandler(401)
    @app.errorhandler(403)
    @app.errorhandler(Exception)
    def own(error: Exception) -> tuple[str, int]:
        return "something went wrong", 500

    app.get("/")(require("items:read")(lambda: ""))
    assert get(app, "/").headers["www-authenticate"] == 'Bearer realm="api"'
    assert get(app, "/", tokens.mint()).get_json()["error"] == "insufficient_scope"


def test_a_blueprint_that_answers_all_errors_lets_nobody_in(app: Flask) -> None:
    items = Blueprint("items", __name__)
    reached = []

    @items.errorhandler(Exception)
    def own(error: Exception) -> tuple[str, int]:
        return "something went wrong", 500

    items.get("/")(require()(lambda: reached.append(1) or ""))
    app.register_blueprint(items)
    assert get(app, "/").status_code == 500
    assert reached == []


@pytest.mark.parametrize("debug", [True, False])
def test_no_page_and_no_log_shows_a_token(
    app: Flask, tokens: TokenFactory, debug: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app.debug = debug
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/")
    @require()
    def root() -> str:
        raise ValueError(repr(get_principal()))

    token = tokens.mint()
    with caplog.at_level(logging.DEBUG):
        answers = [get(app, "/", each) for each in (token, token[:-8] + "AAAAAAAA")]
    assert [answer.status_code for answer in answers] == [500, 401]
    shown = caplog.text + "".join(f"{answer.text} {answer.headers}" for answer in answers)
    for part in token.split("."):
        assert part[:-8] not in shown


@pytest.mark.parametrize("testing", [True, False])
def test_a_view_may_refuse_by_itself(app: Flask, testing: bool) -> None:
    app.testing = testing

    @app.get("/")
    def root() -> str:
        raise InsufficientScope("not on Sundays", scopes=["sundays"])

    answer = get(app, "/")
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="not on Sundays", '
        'scope="sundays"'
    )
    assert answer.headers.getlist("content-type") == ["application/json"]


def test_hooks_of_the_application_see_refusals(app: Flask) -> None:
    @app.after_request
    def mark(response: Any) -> Any:
        response.headers["x-frame-options"] = "DENY"
        return response

    app.get("/")(require()(lambda: ""))
    assert get(app, "/").headers["x-frame-options"] == "DENY"


# ---- tests of applications ----


def test_as_principal_still_demands_what_the_view_demands(app: Flask) -> None:
    app.get("/")(require("items:read")(lambda: current_principal.subject))
    other = Flask(__name__)
    Bezant(TokenFactory().verifier()).init_app(other)
    other.get("/")(require()(lambda: ""))
    with as_principal(app, Principal("carol", scopes=frozenset({"items:read"}))):
        assert get(app, "/").text == "carol"
        assert get(app, "/", "bad").text == "carol"
        assert get(other, "/").status_code == 401
    with as_principal(app, Principal("carol")):
        assert get(app, "/").status_code == 403
    with as_principal(app, None):
        assert get(app, "/").get_json().get("error") is None
    assert get(app, "/", "bad").get_json()["error"] == "invalid_token"
