"""Setting up: factories, configuration, and what is refused before a request comes."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from bezant import AuthorizationServer, ConfigurationError
from bezant.stores.memory import MemoryStores
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from bezant.testing.issuer import FakeIssuer
from flask_bezant import Bezant, get_principal, require
from tests.frameworks.flask.calls import HERE, get, sign_in
from tests.harness import Awaited
from tests.world import API, SECRET_KEY, make_server, make_world

ISSUER = "https://id.example.com"


def factory(bezant: Bezant, source: Any = None, **config: Any) -> Flask:
    """An application as its factory makes it."""
    app = Flask(__name__)
    app.config.from_mapping(config)
    bezant.init_app(app, source)

    @app.get("/")
    @require()
    def root() -> str:
        principal = get_principal()
        assert principal is not None
        return principal.subject

    return app


# ---- one object, many applications ----


def test_one_object_serves_many_applications_and_mixes_nothing() -> None:
    bezant = Bezant()
    red, blue = TokenFactory("https://red.example.com"), TokenFactory("https://blue.example.com")
    apps = [
        factory(bezant, tokens.verifier(), BEZANT_REALM=realm)
        for tokens, realm in ((red, "red"), (blue, "blue"))
    ]
    for app, own, other in ((apps[0], red, blue), (apps[1], blue, red)):
        assert get(app, "/", own.mint()).text == "alice"
        assert get(app, "/", other.mint()).status_code == 401
    assert_challenge(get(apps[0], "/"), 401, realm="red")
    assert_challenge(get(apps[1], "/"), 401, realm="blue")


def test_an_application_inside_another_does_not_take_its_principal(tokens: TokenFactory) -> None:
    others = TokenFactory("https://partner.example.com")
    inner = factory(Bezant(others.verifier()))
    outer = factory(Bezant(tokens.verifier()))

    @outer.get("/in")
    @require()
    def pass_on() -> Any:
        from flask import request

        environ = {**request.environ, "PATH_INFO": "/"}
        return outer.response_class.from_app(inner, environ)

    assert get(outer, "/in", tokens.mint()).status_code == 401


def test_a_second_init_is_refused(tokens: TokenFactory) -> None:
    bezant = Bezant(tokens.verifier())
    app = factory(bezant)
    for again in (bezant, Bezant(tokens.verifier())):
        with pytest.raises(ConfigurationError, match="init_app"):
            again.init_app(app)


def test_an_application_without_one_protects_nothing_and_says_so(tokens: TokenFactory) -> None:
    app = Flask(__name__)
    app.testing = True
    app.get("/")(require()(lambda: "secret"))
    with pytest.raises(ConfigurationError, match="init_app"):
        get(app, "/", tokens.mint())
    app.testing = False
    answer = get(app, "/", tokens.mint())
    assert (answer.status_code, "secret" in answer.text) == (500, False)


# ---- configuration ----


def test_issuer_and_audience_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASK_BEZANT_ISSUER", ISSUER)
    monkeypatch.setenv("FLASK_BEZANT_AUDIENCE", API)
    monkeypatch.setenv("FLASK_BEZANT_REALM", "shop")
    app = Flask(__name__)
    app.config.from_prefixed_env()
    Bezant().init_app(app)  # nothing is asked of the issuer yet
    guard = app.extensions["bezant"].guard
    assert guard.verifier.issuers == (ISSUER,)
    assert guard.realm == "shop"


def test_tokens_of_the_configured_issuer_are_taken(bezant_issuer: FakeIssuer) -> None:
    config = {"BEZANT_ISSUER": bezant_issuer.url, "BEZANT_AUDIENCE": bezant_issuer.audience}
    app = factory(Bezant(), **config)
    assert bezant_issuer.requests == []  # setting up asks nobody
    try:
        assert get(app, "/", bezant_issuer.mint()).text == "alice"
        foreign = bezant_issuer.mint(aud="https://other.example.com")
        assert_challenge(get(app, "/", foreign), 401, error="invalid_token")
        bezant_issuer.rotate()
        assert get(app, "/", bezant_issuer.mint()).text == "alice"
        bezant_issuer.fail("down")
        assert get(app, "/", bezant_issuer.mint()).text == "alice"
    finally:
        app.extensions["bezant"].guard.verifier.close()


def test_several_audiences_are_a_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(
        "FLASK_BEZANT_AUDIENCE", '["https://a.example.com", "https://b.example.com"]'
    )
    app = Flask(__name__)
    app.config.from_prefixed_env()
    server = make_server()
    Bezant(server).init_app(app)
    audience = app.extensions["bezant"].guard.verifier.profile.audience
    assert audience == {"https://a.example.com", "https://b.example.com"}


def test_how_the_issuer_is_followed_is_configured_too(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeIssuer(API) as issuer:
        monkeypatch.setenv("FLASK_BEZANT_ISSUER", issuer.url)
        monkeypatch.setenv("FLASK_BEZANT_AUDIENCE", API)
        monkeypatch.setenv("FLASK_BEZANT_VERIFIER__when_stale", "refuse")
        monkeypatch.setenv("FLASK_BEZANT_VERIFIER__revocation_bound", "null")
        issuer.fail("error", "/oauth/revocations")
        app = Flask(__name__)
        app.config.from_prefixed_env()
        Bezant().init_app(app)
        app.get("/")(require()(lambda: get_principal().subject))  # type: ignore[union-attr]
        try:
            assert get(app, "/", issuer.mint()).text == "alice"
        finally:
            app.extensions["bezant"].guard.verifier.close()
        assert issuer.count("/oauth/revocations") == 0


FOLLOWED = {"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": API}


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "BEZANT_ISSUER"),
        ({**FOLLOWED, "BEZANT_VERIFIER": "refuse"}, "BEZANT_VERIFIER"),
        ({**FOLLOWED, "BEZANT_VERIFIER": {"stale": "refuse"}}, "BEZANT_VERIFIER"),
        ({**FOLLOWED, "BEZANT_VERIFIER": {"audience": "x"}}, "BEZANT_VERIFIER"),
        ({**FOLLOWED, "BEZANT_VERIFIER": {"timeout": -1}}, "BEZANT_VERIFIER['timeout']"),
        (
            {**FOLLOWED, "BEZANT_VERIFIER": {"when_stale": "introspect"}},
            "BEZANT_VERIFIER['when_stale']",
        ),
        ({"BEZANT_AUDIENCE": API}, "BEZANT_ISSUER"),
        ({"BEZANT_ISSUER": ISSUER}, "BEZANT_AUDIENCE"),
        ({"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": ""}, "BEZANT_AUDIENCE"),
        ({"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": [""]}, "BEZANT_AUDIENCE"),
        ({"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": 7}, "BEZANT_AUDIENCE"),
        ({"BEZANT_ISSUER": "http://id.example.com", "BEZANT_AUDIENCE": API}, "BEZANT_ISSUER"),
        (
            {"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": API, "BEZANT_REALM": 'a"b'},
            "BEZANT_REALM",
        ),
        (
            {"BEZANT_ISSUER": ISSUER, "BEZANT_AUDIENCE": API, "BEZANT_RESOURCE": "nowhere"},
            "BEZANT_RESOURCE",
        ),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(config: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        factory(Bezant(), **config)
    assert caught.value.setting == named


def test_what_is_given_in_code_goes_before_the_configuration() -> None:
    server = make_server()
    config = {"BEZANT_REALM": "shop", "BEZANT_AUDIENCE": "https://other.example.com"}
    app = factory(Bezant(server, realm="code", audience=iter(["https://mine"])), **config)
    guard = app.extensions["bezant"].guard
    assert (guard.realm, guard.verifier.profile.audience) == ("code", {"https://mine"})
    with pytest.raises(ConfigurationError) as caught:
        factory(Bezant(server, realm='"'), **config)
    assert caught.value.setting == "realm"


def test_the_settings_may_have_made_the_verifier(tokens: TokenFactory) -> None:
    config = {"BEZANT_ISSUER": tokens.issuer, "BEZANT_AUDIENCE": tokens.audience}
    assert get(factory(Bezant(tokens.verifier()), **config), "/", tokens.mint()).text == "alice"
    with pytest.raises(ConfigurationError, match="audience"):
        factory(Bezant(tokens.verifier(), audience="https://other.example.com"))


def test_a_resource_says_whose_tokens_it_takes(tokens: TokenFactory) -> None:
    app = factory(Bezant(tokens.verifier(), scopes=["items:read"]), BEZANT_RESOURCE=HERE)
    url = f"{HERE}/.well-known/oauth-protected-resource"
    assert_challenge(get(app, "/"), 401, resource_metadata=url)
    answer = get(app, url.removeprefix(HERE))
    assert answer.get_json() == {
        "resource": HERE,
        "authorization_servers": [tokens.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["items:read"],
    }


# ---- what cannot work ----


def test_an_async_store_is_refused_by_name() -> None:
    world = make_world(wrap=lambda name, store: Awaited(store) if name == "keys" else store)
    with pytest.raises(ConfigurationError, match=r"stores\.keys: .*Awaited\.load is 'async def'"):
        Bezant(world.server).init_app(Flask(__name__))
    app = factory(Bezant(TokenFactory().verifier()))
    with pytest.raises(ConfigurationError, match=r"stores\.keys"):
        app.register_blueprint(Bezant().blueprint(world.server))


def test_an_async_callable_is_refused_by_name() -> None:
    async def authenticate(name: str, password: str) -> None: ...

    server = AuthorizationServer(
        make_server().config,
        stores=MemoryStores(),
        secret_key=SECRET_KEY,
        authenticate=authenticate,
        get_user=lambda subject: None,
    )
    with pytest.raises(ConfigurationError, match="authenticate"):
        Bezant(server).init_app(Flask(__name__))


def test_a_server_given_at_the_last_moment() -> None:
    bezant = Bezant()
    app = factory(bezant, make_server())
    app.register_blueprint(bezant.blueprint())
    assert get(app, "/", sign_in(app)).text == "user-alice"
