"""`require`, `optional` and `principal`, as aiohttp's users write them."""

from __future__ import annotations

from functools import wraps
from inspect import iscoroutinefunction, signature
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web
from aiohttp.test_utils import make_mocked_request

from aiohttp_bezant import BEZANT, Bezant, get_principal, optional, principal, require, setup
from aiohttp_bezant.testing import as_principal
from bezant import ConfigurationError, Principal
from bezant.errors import InsufficientScope
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from pytest_bezant import ActAs
from tests.frameworks.aiohttp.calls import bearer, client, started

READ = frozenset({"items:read"})


@require("items:read")
async def who(request: web.Request) -> web.Response:
    """Says who asks."""
    return web.json_response(principal(request).subject)


@optional
async def maybe(request: web.Request) -> web.Response:
    found = get_principal(request)
    return web.json_response(found and found.subject)


async def anybody(request: web.Request) -> web.Response:
    return web.Response()


class Orders(web.View):
    @require("orders")
    async def get(self) -> web.Response:
        return web.json_response(principal(self.request).subject)

    async def post(self) -> web.Response:
        return web.json_response("open")


class Handlers:
    async def anybody(self, request: web.Request) -> web.Response:
        return web.Response()

    @require("items:read")
    async def show(self, request: web.Request) -> web.Response:
        return web.json_response([request.match_info["number"], principal(request).subject])


async def test_functions_views_and_methods(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    app.router.add_get("/who", who)
    app.router.add_view("/orders", Orders)
    app.router.add_get("/items/{number}", Handlers().show)
    async with client(app) as http:
        good = bearer(tokens.mint(scopes=["items:read", "orders"]))
        assert await (await http.get("/who", headers=good)).json() == "alice"
        assert await (await http.get("/orders", headers=good)).json() == "alice"
        assert await (await http.get("/items/7", headers=good)).json() == ["7", "alice"]
        assert await (await http.post("/orders")).json() == "open"
        for path in ("/who", "/orders", "/items/7"):
            assert (await http.get(path)).status == 401
            assert (await http.get(path, headers=bearer("bad"))).status == 401
            assert (await http.get(path, headers=bearer(tokens.mint()))).status == 403


def test_handlers_stay_what_they_are() -> None:
    assert (who.__name__, who.__doc__) == ("who", "Says who asks.")
    assert iscoroutinefunction(who)
    assert list(signature(who).parameters) == ["request"]
    assert list(signature(Handlers.show).parameters) == ["self", "request"]


async def test_head_is_answered_like_get(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    app.router.add_get("/", who)
    async with client(app) as http:
        whole, head = await http.get("/"), await http.head("/")
        assert (head.status, await head.read()) == (401, b"")
        for name in ("content-length", "content-type", "www-authenticate"):
            assert head.headers[name] == whole.headers[name]


async def test_optional_lets_nobody_in_but_no_bad_token(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    app.router.add_get("/", maybe)
    async with client(app) as http:
        assert await (await http.get("/")).json() is None
        assert await (await http.get("/", headers={"Authorization": "Basic Og=="})).json() is None
        assert await (await http.get("/", headers=bearer(tokens.mint()))).json() == "alice"
        assert (await http.get("/", headers=bearer(tokens.mint(expires_in=-60)))).status == 401


async def test_a_token_is_verified_once_a_request(
    app: web.Application, bezant: Bezant, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    verifier: Any = bezant.guard.verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda token: seen.append(token) or verify(token))
    app.router.add_get("/", require("a")(optional(require("items:read")(who))))
    async with client(app) as http:
        for number in (1, 2):
            token = tokens.mint(scopes=["a", "items:read"])
            assert (await http.get("/", headers=bearer(token))).status == 200
            assert len(seen) == number


async def test_a_clone_with_another_token_is_another_request(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    @optional
    async def swap(request: web.Request) -> web.StreamResponse:
        other = tokens.mint(subject="mallory", scopes=READ)
        return await who(request.clone(headers=bearer(other)))

    app.router.add_get("/", swap)
    async with client(app) as http:
        answer = await http.get("/", headers=bearer(tokens.mint(scopes=READ)))
        assert await answer.json() == "mallory"


async def test_a_clone_with_the_same_token_comes_from_the_same_person(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    @optional
    async def pass_on(request: web.Request) -> web.StreamResponse:
        clone = request.clone(headers={**request.headers, "X-Request-ID": "1"})
        return web.json_response(principal(clone).subject)

    app.router.add_get("/", pass_on)
    async with client(app) as http:
        answer = await http.get("/", headers=bearer(tokens.mint()))
        assert await answer.json() == "alice"


async def test_a_refusal_names_the_scopes_of_all_that_stand_on_a_handler(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    app.router.add_get("/", require("a")(optional(require("b", any_of=["c"])(who))))
    async with client(app) as http:

        async def demanded(*scopes: str) -> str:
            answer = await http.get("/", headers=bearer(tokens.mint(scopes=scopes)))
            assert answer.status == 403
            return answer.headers["www-authenticate"].rpartition("scope=")[2]

        assert await demanded() == '"a b items:read"'
        assert await demanded("a", "b", "items:read") == '"c"'
        good = bearer(tokens.mint(scopes=["a", "b", "c", "items:read"]))
        assert await (await http.get("/", headers=good)).json() == "alice"


# ---- applications in applications ----


async def test_a_handler_in_a_sub_application_finds_the_nearest_bezant(
    tokens: TokenFactory,
) -> None:
    partner = TokenFactory(issuer="https://partner.example.com")
    outer, plain, own, inner = (web.Application() for _ in range(4))
    setup(outer, tokens.verifier(), realm="outer")
    setup(own, partner.verifier(), realm="own")
    for sub in (outer, plain, own, inner):
        sub.router.add_get("/who", who)
    own.add_subapp("/inner", inner)
    outer.add_subapp("/plain", plain)
    outer.add_subapp("/own", own)
    async with client(outer) as http:
        for path, good, bad, realm in (
            ("/who", tokens, partner, "outer"),
            ("/plain/who", tokens, partner, "outer"),
            ("/own/who", partner, tokens, "own"),
            ("/own/inner/who", partner, tokens, "own"),
        ):
            token = good.mint(subject=path, scopes=READ)
            assert await (await http.get(path, headers=bearer(token))).json() == path
            refused = await http.get(path, headers=bearer(bad.mint(scopes=READ)))
            assert_challenge(refused, 401, error="invalid_token", realm=realm)


async def test_two_applications_in_one_process_do_not_mix(tokens: TokenFactory) -> None:
    partner = TokenFactory(issuer="https://partner.example.com")
    ours, theirs = web.Application(), web.Application()
    setup(ours, tokens.verifier())
    setup(theirs, partner.verifier())
    for app in (ours, theirs):
        app.router.add_get("/", who)
    async with client(ours) as first, client(theirs) as second:
        for http, status in ((first, 200), (second, 401)):
            answer = await http.get("/", headers=bearer(tokens.mint(scopes=READ)))
            assert answer.status == status


# ---- refusals ----


async def test_a_handler_may_refuse_by_itself(app: web.Application, bezant: Bezant) -> None:
    @optional
    async def closed(request: web.Request) -> web.Response:
        raise InsufficientScope("not on Sundays", scopes=["sundays"])

    app.router.add_get("/", closed)
    async with client(app) as http:
        answer = await http.get("/")
    assert answer.status == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="not on Sundays", '
        'scope="sundays"'
    )


async def test_an_answer_that_has_begun_is_not_mixed_with_a_refusal(
    app: web.Application, bezant: Bezant, caplog: pytest.LogCaptureFixture
) -> None:
    @optional
    async def late(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.content_length = 1000
        await answer.prepare(request)
        await answer.write(b"first line\n")
        raise InsufficientScope("too late")

    app.router.add_get("/", late)
    async with client(app) as http:
        answer = await http.get("/")
        assert answer.status == 200
        with pytest.raises(ClientPayloadError):
            await answer.read()
    assert "too late" in caplog.text


async def test_who_asks_is_not_known_where_nobody_looked(
    app: web.Application, bezant: Bezant, tokens: TokenFactory, caplog: pytest.LogCaptureFixture
) -> None:
    async def forgotten(request: web.Request) -> web.Response:
        return web.json_response(principal(request).subject)

    app.router.add_get("/", forgotten)
    async with client(app) as http:
        assert (await http.get("/", headers=bearer(tokens.mint()))).status == 500
    assert "put @require(...) or @optional on this handler" in caplog.text


async def test_principal_of_nobody_is_a_refusal(app: web.Application, bezant: Bezant) -> None:
    @optional
    async def strict(request: web.Request) -> web.Response:
        return web.json_response(principal(request).subject)

    app.router.add_get("/", strict)
    async with client(app) as http:
        answer = await http.get("/")
    assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Bearer realm="api"')


async def test_without_setup_nobody_comes_in(
    tokens: TokenFactory, caplog: pytest.LogCaptureFixture
) -> None:
    app = web.Application()
    app.router.add_get("/", who)
    async with client(app) as http:
        assert (await http.get("/", headers=bearer(tokens.mint(scopes=READ)))).status == 500
    assert "call aiohttp_bezant.setup(app, ...)" in caplog.text


# ---- set-up ----


async def test_a_route_that_got_past_its_protection_is_refused_at_start(
    app: web.Application, bezant: Bezant
) -> None:
    routes = web.RouteTableDef()

    @require("items:read")
    @routes.get("/")
    async def upside_down(request: web.Request) -> web.Response:
        return web.Response()

    inner = web.Application()
    inner.add_routes(routes)
    app.add_subapp("/inner", inner)
    with pytest.raises(ConfigurationError, match=r"upside_down.* without its protection"):
        await started(app)


async def test_a_handler_may_have_an_open_route_and_a_protected_one(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    app.router.add_get("/open", anybody)
    app.router.add_get("/closed", require("items:read")(anybody))
    app.router.add_get("/open/method", Handlers().anybody)
    app.router.add_get("/closed/method", require("items:read")(Handlers().anybody))
    async with client(app) as http:
        for path in ("", "/method"):
            assert (await http.get(f"/open{path}")).status == 200
            assert (await http.get(f"/closed{path}")).status == 401


async def test_other_decorators_may_stand_anywhere(
    app: web.Application, bezant: Bezant, tokens: TokenFactory
) -> None:
    def logged(handler: Any) -> Any:
        @wraps(handler)
        async def wrapper(request: web.Request) -> web.StreamResponse:
            answer: web.StreamResponse = await handler(request)
            return answer

        return wrapper

    async def plain(request: web.Request) -> web.Response:
        return web.json_response(principal(request).subject)

    for number, handler in enumerate(
        (
            logged(require("items:read")(plain)),
            require("items:read")(logged(plain)),
            require()(require("items:read")(plain)),
            require("items:read")(plain),
        )
    ):
        app.router.add_get(f"/{number}", handler)
    async with client(app) as http:
        for number in range(4):
            good = bearer(tokens.mint(scopes=READ))
            assert (await http.get(f"/{number}", headers=good)).status == 200
            assert (await http.get(f"/{number}", headers=bearer(tokens.mint()))).status == 403


def test_what_is_no_coroutine_function_is_refused_at_set_up() -> None:
    def plain(request: web.Request) -> web.Response:
        return web.Response()

    for handler in (plain, Orders):
        with pytest.raises(ConfigurationError, match="async def"):
            require("items:read")(handler)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="is not one scope"):
        require(plain)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scopes", "options"), [(("a b",), {}), (("",), {}), ((), {"any_of": "a"}), ((), {"fresh": 0})]
)
def test_a_demand_that_makes_no_sense_is_refused_at_set_up(
    scopes: tuple[str, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        require(*scopes, **options)


def test_settings_that_contradict_each_other_are_refused(
    app: web.Application, tokens: TokenFactory
) -> None:
    verifier = tokens.verifier()
    with pytest.raises(ConfigurationError, match="audience"):
        setup(app, verifier, audience="https://other.example.com")
    with pytest.raises(ConfigurationError, match="resource_metadata"):
        setup(app, verifier, resource="https://a.example", resource_metadata="https://b.example")
    bezant = setup(app, verifier)
    with pytest.raises(ConfigurationError, match="set up already"):
        setup(app, verifier)
    assert app[BEZANT] is bezant


async def test_a_handler_that_takes_no_request_is_told_so(
    app: web.Application, bezant: Bezant
) -> None:
    @require()
    async def odd(number: int) -> web.Response:
        return web.Response()

    with pytest.raises(TypeError, match="takes a request"):
        await odd(7)


# ---- tests of applications ----


async def test_as_principal_still_demands_what_the_route_demands(
    app: web.Application, bezant: Bezant
) -> None:
    app.router.add_get("/", who)
    async with client(app, headers=bearer("bad")) as http:
        for target in (app, bezant):
            with as_principal(target, Principal("carol", scopes=READ)):
                assert await (await http.get("/")).json() == "carol"
        with as_principal(app, Principal("carol")):
            assert (await http.get("/")).status == 403
        with as_principal(app, None):
            assert "error" not in await (await http.get("/")).json()
        assert (await (await http.get("/")).json())["error"] == "invalid_token"


async def test_handlers_can_be_called_without_a_server(
    app: web.Application, bezant: Bezant, bezant_as: ActAs
) -> None:
    request = make_mocked_request("GET", "/", app=app)
    with bezant_as("carol", app, scopes=READ):
        assert (await who(request)).status == 200
    assert (await who(make_mocked_request("GET", "/", app=app))).status == 401
