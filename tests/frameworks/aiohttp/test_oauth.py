"""An authorization server in an application: its endpoints, their places, its start."""

from __future__ import annotations

import asyncio
import gzip
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from aiohttp_bezant import (
    BEZANT,
    closing,
    get_principal,
    oauth_app,
    oauth_routes,
    principal,
    require,
    setup,
    well_known_routes,
)
from bezant import AuthorizationServer, ConfigurationError, ServerConfig, TokenVerifier
from bezant.errors import StoreUnavailable
from bezant.stores.sql import SQLStores
from bezant.testing.challenges import assert_challenge
from tests.frameworks.aiohttp.calls import Client, bearer, client, started
from tests.harness import Awaited, Blocking
from tests.world import PASSWORD, SECRET_KEY, make_server, make_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from bezant.testing import TokenFactory

HERE = "https://api.example.com"
METADATA = "/.well-known/oauth-authorization-server"
RESOURCE = "/.well-known/oauth-protected-resource"
LOGIN = {"grant_type": "password", "client_id": "spa", "username": "alice", "password": PASSWORD}


@require()
async def me(request: web.Request) -> web.Response:
    return web.json_response(principal(request).subject)


async def sign_in(http: Client, path: str = "/oauth/token") -> str:
    answer = await http.post(path, data=LOGIN)
    assert answer.status == 200, await answer.text()
    return str((await answer.json())["access_token"])


# ---- ready out of the box ----


async def test_nothing_is_forgotten_when_only_the_routes_are_there() -> None:
    server = make_server()
    app = web.Application()
    app.add_routes(oauth_routes(server))
    async with client(app) as http:
        # Nothing was set up or prepared; and many come at once.
        tokens = await asyncio.gather(*(sign_in(http) for _ in range(8)))
    assert len(set(tokens)) == 8
    assert len(server.keys.published().jwks()["keys"]) == 1


@pytest.mark.parametrize("way", ["setup", "oauth_app"])
async def test_an_application_that_starts_prepares_the_server(way: str) -> None:
    server = make_server()
    app = oauth_app(server) if way == "oauth_app" else web.Application()
    if way == "setup":
        setup(app, server)
    await started(app)
    assert server.keys.signing_key().kid


async def test_the_verifier_runs_while_the_application_does(
    tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    loop = asyncio.get_running_loop()

    def closing(self: TokenVerifier) -> None:
        with pytest.raises(RuntimeError):  # it may wait, so it does so elsewhere
            asyncio.get_running_loop()
        loop.call_soon_threadsafe(steps.append, "close")

    monkeypatch.setattr(TokenVerifier, "start", lambda self: steps.append("start"))
    monkeypatch.setattr(TokenVerifier, "close", closing)
    app = web.Application()
    setup(app, tokens.verifier())
    async with client(app):
        assert steps == ["start"]
    assert steps == ["start", "close"]


@pytest.mark.parametrize("kind", [Blocking, Awaited])
async def test_stores_of_either_kind(kind: Any) -> None:
    world = make_world(issuer=HERE, wrap=lambda name, store: kind(store))
    app = oauth_app(world.server)
    setup(app, world.server)
    app.router.add_get("/me", me)
    async with client(app) as http:
        token = await sign_in(http)
        assert await (await http.get("/me", headers=bearer(token))).json() == "user-alice"


async def test_the_loop_goes_on_while_a_store_blocks() -> None:
    """A store that waits for another request would wait forever."""
    loop, free = asyncio.get_running_loop(), asyncio.Event()

    class Slow(Blocking):
        def __getattr__(self, name: str) -> Any:
            if name != "get":
                return super().__getattr__(name)

            def get(*args: Any) -> Any:
                asyncio.run_coroutine_threadsafe(free.wait(), loop).result(timeout=20)
                return self._store.get(*args)

            return get

    world = make_world(
        issuer=HERE, wrap=lambda name, store: Slow(store) if name == "clients" else store
    )
    app = oauth_app(world.server)

    async def release(request: web.Request) -> web.Response:
        free.set()
        return web.Response()

    app.router.add_get("/release", release)
    async with client(app) as http:
        waiting = asyncio.ensure_future(sign_in(http))
        assert (await http.get("/release")).status == 200
        assert await waiting


async def test_stores_are_closed_when_the_application_ends() -> None:
    """After what uses them, whether they are async, blocking, or fail at it."""
    steps: list[str] = []
    loop = asyncio.get_running_loop()

    class Blocks:
        def close(self) -> None:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(20)
            steps.append("blocking")

    class Awaits:
        async def close(self) -> None:
            await asyncio.sleep(0)
            steps.append("async")

    class Fails:
        def close(self) -> None:
            raise OSError("the disk is gone")

    async def last(app: web.Application) -> AsyncIterator[None]:
        yield
        steps.append("application")

    app = web.Application()
    app.cleanup_ctx.append(closing(Awaits(), Fails(), Blocks()))
    app.cleanup_ctx.append(last)
    runner = web.AppRunner(app)
    await runner.setup()
    assert steps == []
    with pytest.raises(OSError, match="the disk is gone"):
        await runner.cleanup()
    assert steps == ["application", "blocking", "async"]


async def test_a_database_serves_until_the_end(tmp_path: Path) -> None:
    stores = SQLStores.open(f"sqlite:///{tmp_path}/app.db")
    config = ServerConfig(issuer=HERE, audience=(HERE,))
    server = AuthorizationServer(config, stores=stores, secret_key=SECRET_KEY)

    async def tables(app: web.Application) -> AsyncIterator[None]:
        await stores.database.create_all()
        yield
        assert await stores.keys.load()

    app = web.Application()
    app.cleanup_ctx.extend([closing(stores.database, server), tables])
    setup(app, server)
    async with client(app):
        assert server.keys.signing_key().kid
    with pytest.raises(StoreUnavailable):
        await stores.keys.load()


# ---- where they are ----


async def check_discovery(http: Client, issuer: str, *, strip: str = "") -> None:
    """Follow a client from the issuer's URL to tokens and keys, through a proxy if need be."""
    path = issuer.removeprefix(HERE)
    metadata = await (await http.get(METADATA + path)).json()
    assert metadata["issuer"] == issuer
    jwks, token = (
        metadata[name].removeprefix(HERE).replace(strip, "", 1)
        for name in ("jwks_uri", "token_endpoint")
    )
    assert (await (await http.get(jwks)).json())["keys"]
    assert await sign_in(http, token)


async def test_at_the_origin() -> None:
    server = make_server()
    app = web.Application()
    setup(app, server)
    app.add_routes(oauth_routes(server))
    async with client(app) as http:
        await check_discovery(http, HERE)


async def test_as_the_application_itself() -> None:
    async with client(oauth_app(make_server())) as http:
        await check_discovery(http, HERE)


@pytest.mark.parametrize("is_set_up", [True, False])
async def test_in_a_sub_application(is_set_up: bool) -> None:
    issuer = HERE + "/v1/auth"
    server = make_server(issuer)
    app, middle = web.Application(), web.Application()
    if is_set_up:
        setup(app, server)
    middle.add_subapp("/auth", oauth_app(server))
    app.add_subapp("/v1", middle)
    app.add_routes(well_known_routes(server))
    async with client(app) as http:
        await check_discovery(http, issuer)


async def test_behind_a_proxy_that_takes_the_path_away() -> None:
    issuer = HERE + "/auth"
    server = make_server(issuer)
    app = web.Application()
    setup(app, server)
    app.add_routes(oauth_routes(server))
    async with client(app) as http:
        await check_discovery(http, issuer, strip="/auth")


@pytest.mark.parametrize(
    ("issuer", "prefix", "match"),
    [
        (HERE, "/auth", "token endpoint at /oauth/token, but it is at /auth/oauth/token"),
        (HERE + "/id", "/auth", "token endpoint at /id/oauth/token"),
        (HERE + "/auth", "/auth", rf"well_known: .*{METADATA}/auth.*well_known_routes"),
    ],
)
@pytest.mark.parametrize("is_set_up", [True, False])
async def test_a_prefix_that_the_issuer_does_not_know_is_refused_at_start(
    issuer: str, prefix: str, match: str, is_set_up: bool, tokens: TokenFactory
) -> None:
    app = web.Application()
    if is_set_up:  # whosever tokens it takes
        setup(app, tokens.verifier())
    app.add_subapp(prefix, oauth_app(make_server(issuer)))
    with pytest.raises(ConfigurationError, match=match):
        await started(app)


async def test_documents_that_have_been_moved_are_missing_at_the_origin() -> None:
    server = make_server(HERE + "/v1/auth")
    app, middle = web.Application(), web.Application()
    middle.add_subapp("/auth", oauth_app(server))
    middle.add_routes(well_known_routes(server))
    app.add_subapp("/v1", middle)
    well_known_routes(server)  # and added nowhere
    with pytest.raises(ConfigurationError, match="a prefix must not move"):
        await started(app)


async def test_two_servers_in_one_application() -> None:
    issuers = [HERE + "/red", HERE + "/blue"]
    app = web.Application()
    for issuer in issuers:
        server = make_server(issuer)
        sub = oauth_app(server)
        setup(sub, server)
        sub.router.add_get("/me", me)
        app.add_subapp(issuer.removeprefix(HERE), sub)
        app.add_routes(well_known_routes(server))
    async with client(app) as http:
        for issuer in issuers:
            await check_discovery(http, issuer)
        token = await sign_in(http, "/red/oauth/token")
        assert (await http.get("/red/me", headers=bearer(token))).status == 200
        assert (await http.get("/blue/me", headers=bearer(token))).status == 401


# ---- metadata of the resource ----


@pytest.mark.parametrize("scopes", [None, ["a"]])
async def test_metadata_of_the_resource_are_served_and_named(scopes: list[str] | None) -> None:
    server = make_server(scopes={"items:read": "Read items"})
    app = web.Application()
    setup(app, server, resource=f"{HERE}/v1", scopes=scopes)
    app.router.add_get("/me", me)
    async with client(app) as http:
        document = await (await http.get(f"{RESOURCE}/v1")).json()
        assert document["resource"] == f"{HERE}/v1"
        assert document["scopes_supported"] == (scopes or ["items:read"])
        named = f"{HERE}{RESOURCE}/v1"
        assert_challenge(await http.get("/me"), 401, resource_metadata=named)
        assert (await http.post(f"{RESOURCE}/v1", data=b"x")).status == 405


async def test_metadata_of_a_sub_application_belong_in_the_outermost(tokens: TokenFactory) -> None:
    def build() -> tuple[web.Application, web.Application]:
        outer, sub = web.Application(), web.Application()
        setup(sub, tokens.verifier(), resource=f"{HERE}/v1")
        outer.add_subapp("/v1", sub)
        return outer, sub

    forgotten, _ = build()
    with pytest.raises(ConfigurationError, match=rf"resource: .*{RESOURCE}/v1.*well_known_routes"):
        await started(forgotten)
    outer, sub = build()
    outer.add_routes(well_known_routes(sub[BEZANT]))
    async with client(outer) as http:
        document = await (await http.get(f"{RESOURCE}/v1")).json()
        assert document["resource"] == f"{HERE}/v1"


# ---- raw routes ----


async def test_every_method_reaches_core() -> None:
    async with client(oauth_app(make_server())) as http:
        for method in ("GET", "PUT", "DELETE", "PATCH", "PROPFIND"):
            answer = await http.request(method, "/oauth/token")
            assert (answer.status, answer.headers["allow"]) == (405, "POST")
            assert (await answer.json())["error"] == "invalid_request"
        preflight = await http.options("/oauth/token")
        assert preflight.status == 204
        assert not {"content-length", "content-type"} & {name.lower() for name in preflight.headers}
        whole, head = await http.get(METADATA), await http.head(METADATA)
        assert await head.read() == b""
        assert {**head.headers, "Date": ""} == {**whole.headers, "Date": ""}


async def test_a_body_is_read_no_further_than_needed() -> None:
    app = oauth_app(make_server(max_body_size=1000))
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while True:
            sent += 300
            yield b"x" * 300
            await asyncio.sleep(0)

    async with client(app) as http:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = await http.post("/oauth/token", data=endless(), headers=form)
        assert answer.status == 413
        answer.close()
    assert sent < 10_000_000


async def test_core_says_what_is_too_large_and_not_aiohttp() -> None:
    app = web.Application(client_max_size=100)
    app.add_routes(oauth_routes(make_server(max_body_size=2000)))
    async with client(app) as http:
        form = {**LOGIN, "unused": "x" * 1000}
        assert (await http.post("/oauth/token", data=form)).status == 200
        answer = await http.post("/oauth/token", data={**form, "more": "x" * 1000})
        assert answer.status == 413
        assert "larger than 2000 bytes" in (await answer.json())["error_description"]


@pytest.mark.parametrize("way", ["read", "text", "post"])
async def test_a_middleware_may_have_read_the_body(way: str) -> None:
    @web.middleware
    async def log(request: web.Request, handler: Handler) -> web.StreamResponse:
        await getattr(request, way)()
        return await handler(request)

    app = oauth_app(make_server())
    app.middlewares.append(log)
    async with client(app) as http:
        assert await sign_in(http)


async def test_a_query_reaches_core_as_it_was_sent() -> None:
    """Also in letters that only aiohttp's parser in Python lets through."""
    [feed] = [r for r in oauth_routes(make_server()) if r.endpoint.name == "revocation_feed"]  # type: ignore[attr-defined]
    for query, problem in (
        ("%zz", "percent sign"),
        ("\udcff", "UTF-8"),
        ("\N{EURO SIGN}", "a number of seconds"),
    ):
        request = make_mocked_request("GET", f"/oauth/revocations?wait={query}")
        answer = await feed.handle(request)  # type: ignore[attr-defined]
        assert answer.status == 400
        assert problem in answer.text


async def test_a_body_that_cannot_be_decoded_is_a_bad_request() -> None:
    async with client(oauth_app(make_server())) as http:
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "content-encoding": "gzip",
        }
        broken = gzip.compress(b"grant_type=password")[:12] + b"x" * 20
        answer = await http.post("/oauth/token", data=broken, headers=headers, chunked=True)
        assert answer.status == 400
        assert (await answer.json())["error"] == "invalid_request"


async def test_the_address_of_the_peer_reaches_core() -> None:
    world = make_world(issuer=HERE)
    async with client(oauth_app(world.server)) as http:
        await http.post("/oauth/token", data=LOGIN)
    addresses = {event.address for event in world.events if hasattr(event, "address")}
    assert addresses == {"127.0.0.1"}


async def test_handlers_may_ask_the_server_themselves() -> None:
    server = make_server()
    app = oauth_app(server)
    bezant = setup(app, server)
    assert bezant.server is server

    async def who(request: web.Request) -> web.Response:
        found = await request.app[BEZANT].authenticate(request)
        assert get_principal(request) is found
        return web.json_response(found and found.subject)

    app.router.add_get("/who", who)
    async with client(app) as http:
        token = await sign_in(http)
        assert await (await http.get("/who", headers=bearer(token))).json() == "user-alice"
        assert await (await http.get("/who")).json() is None
