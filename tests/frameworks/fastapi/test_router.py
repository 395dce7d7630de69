"""The endpoints of a server as a router: where they are, and when they are ready."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Request

from bezant import AuthorizationServer, ConfigurationError, Principal
from bezant.testing import TokenFactory
from fastapi_bezant import Bezant, lifespans
from tests.frameworks.fastapi.calls import HERE, client, started
from tests.world import PASSWORD, SECRET_KEY, make_server, make_world

METADATA = "/.well-known/oauth-authorization-server"


def login() -> dict[str, str]:
    return {
        "grant_type": "password",
        "client_id": "spa",
        "username": "alice",
        "password": PASSWORD,
    }


async def sign_in(app: Any, path: str = "/oauth/token", **options: Any) -> str:
    async with client(app, **options) as http:
        answer = await http.post(path, data=login())
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])


# ---- ready out of the box ----


async def test_nothing_is_forgotten_when_only_the_routes_are_there() -> None:
    server = make_server()
    bezant = Bezant(server)
    app = FastAPI()
    app.include_router(bezant.router(server))

    @app.get("/me")
    def me(who: Annotated[Principal, bezant.principal]) -> str:
        return who.subject

    # No lifespan was run, nothing was installed; and many come at once.
    tokens = await asyncio.gather(*(sign_in(app) for _ in range(8)))
    for token in tokens:
        async with client(app, token) as http:
            assert (await http.get("/me")).json() == "user-alice"
    assert len(server.keys.published().jwks()["keys"]) == 1


async def test_a_fresh_process_takes_the_tokens_of_another_at_once() -> None:
    world = make_world(issuer=HERE)
    token = await sign_in(serving(world.server))
    second = AuthorizationServer(
        world.server.config, stores=world.stores, secret_key=SECRET_KEY, clock=world.clock
    )
    bezant = Bezant(second)
    app = FastAPI()
    app.get("/", dependencies=[bezant.principal])(lambda: None)
    async with client(app, token) as http:
        answers = await asyncio.gather(*(http.get("/") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}


@pytest.mark.parametrize("way", ["router", "install", "lifespan"])
async def test_an_application_that_starts_prepares_the_server(way: str) -> None:
    server = make_server()
    bezant = Bezant(server)
    app = FastAPI(lifespan=bezant.lifespan if way == "lifespan" else None)
    if way == "router":
        app.include_router(bezant.router())
    if way == "install":
        bezant.install(app)
    for _ in range(2):  # tests start applications again and again
        await started(app)
        assert server.keys.signing_key()
    app.include_router(bezant.router())
    await sign_in(app)


async def test_lifespans_are_combined_and_their_states_merged() -> None:
    steps = []

    def part(name: str, state: Mapping[str, Any] | None) -> Any:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[Mapping[str, Any] | None]:
            steps.append(f"start {name}")
            yield state
            steps.append(f"stop {name}")

        return lifespan

    server = make_server()
    bezant = Bezant(server)
    own = lifespans(part("a", {"a": 1}), bezant.lifespan, part("b", {"b": 2}))
    app = FastAPI(lifespan=own)
    bezant.install(app)
    async with app.router.lifespan_context(app) as state:
        assert state == {"a": 1, "b": 2}
        assert server.keys.signing_key()
    assert steps == ["start a", "start b", "stop b", "stop a"]


# ---- where they are ----


def serving(server: AuthorizationServer, prefix: str = "", *, origin: bool = False) -> FastAPI:
    bezant = Bezant(server)
    app = FastAPI()
    app.include_router(bezant.router(), prefix=prefix)
    if origin:
        app.include_router(bezant.well_known_router())
    return app


async def check_discovery(
    app: Any, issuer: str, *, strip: str = "", root_path: str = "", token: str | None = None
) -> None:
    """Follow a client from the issuer's URL to tokens and keys, through a proxy if need be."""
    path = issuer.removeprefix(HERE)
    async with client(app, root_path=root_path) as http:
        metadata = (await http.get(METADATA + path)).json()
        assert metadata["issuer"] == issuer
        keys = await http.get(metadata["jwks_uri"].replace(strip, "", 1))
        assert keys.json()["keys"]
        answer = await http.post(metadata["token_endpoint"].replace(strip, "", 1), data=login())
        assert answer.status_code == 200


async def test_at_the_origin() -> None:
    app = serving(make_server())
    await started(app)
    await check_discovery(app, HERE)


async def test_under_a_prefix_that_is_the_path_of_the_issuer() -> None:
    issuer = HERE + "/auth"
    app = serving(make_server(issuer), "/auth", origin=True)
    await started(app)
    await check_discovery(app, issuer)


async def test_under_another_endpoint_prefix() -> None:
    app = serving(make_server(endpoint_prefix="/auth"))
    await started(app)
    await sign_in(app, "/auth/token")
    await check_discovery(app, HERE)


@pytest.mark.parametrize("root_path", ["", "/auth"])
async def test_behind_a_proxy_that_takes_the_path_away(root_path: str) -> None:
    issuer = HERE + "/auth"
    app = serving(make_server(issuer))
    await started(app)
    await check_discovery(app, issuer, strip="/auth", root_path=root_path)


async def test_behind_a_proxy_that_leaves_the_path_in() -> None:
    issuer = HERE + "/auth"
    app = serving(make_server(issuer))
    app.root_path = "/auth"
    await started(app)
    await check_discovery(app, issuer)


async def test_in_a_mounted_application() -> None:
    issuer = HERE + "/auth"
    server = make_server(issuer)
    outer = FastAPI()
    outer.mount("/auth", serving(server))
    bezant = Bezant(server)
    outer.include_router(bezant.well_known_router())
    bezant.install(outer)
    await started(outer)
    await check_discovery(outer, issuer)


async def test_in_a_router_in_a_router() -> None:
    issuer = HERE + "/v1/auth"
    bezant = Bezant(make_server(issuer))
    middle = APIRouter()
    middle.include_router(bezant.router(), prefix="/auth")
    app = FastAPI()
    app.include_router(middle, prefix="/v1")
    app.include_router(bezant.well_known_router())
    await started(app)
    await check_discovery(app, issuer)


@pytest.mark.parametrize(
    ("issuer", "prefix", "match"),
    [
        (HERE, "/auth", "token endpoint at /oauth/token, but it is at /auth/oauth/token"),
        (HERE + "/id", "/auth", "token endpoint at /id/oauth/token"),
        (HERE + "/auth", "/auth", rf"well_known: .*{METADATA}/auth.*well_known_router"),
    ],
)
async def test_a_prefix_that_the_issuer_does_not_know_is_refused_at_start(
    issuer: str, prefix: str, match: str
) -> None:
    app = serving(make_server(issuer), prefix)
    with pytest.raises(ConfigurationError, match=match):
        await started(app)


async def test_two_servers_in_one_application() -> None:
    issuers = [HERE + "/red", HERE + "/blue"]
    app = FastAPI()
    for issuer in issuers:
        bezant = Bezant(make_server(issuer))
        app.include_router(bezant.router(), prefix=issuer.removeprefix(HERE))
        app.include_router(bezant.well_known_router())
    await started(app)
    for issuer in issuers:
        await check_discovery(app, issuer)


def test_a_verifier_issues_nothing(tokens: TokenFactory) -> None:
    bezant = Bezant(tokens.verifier())
    for build in (bezant.router, bezant.well_known_router):
        with pytest.raises(ConfigurationError, match="give an AuthorizationServer"):
            build()
    assert bezant.router(make_server())


# ---- raw routes ----


async def test_dependencies_of_the_application_do_not_lock_clients_out(
    tokens: TokenFactory,
) -> None:
    server = make_server()
    app = FastAPI(dependencies=[Bezant(server).require("everything")])
    app.include_router(Bezant(server).router())
    await sign_in(app)


async def test_every_method_reaches_core() -> None:
    app = serving(make_server())
    async with client(app) as http:
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            answer = await http.request(method, "/oauth/token")
            assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
            assert answer.json()["error"] == "invalid_request"
        preflight = await http.options("/oauth/token")
        assert preflight.status_code == 204
        assert "content-length" not in preflight.headers
        whole, head = await http.get(METADATA), await http.head(METADATA)
        assert head.content == b""
        assert head.headers == whole.headers


async def test_a_body_is_read_no_further_than_needed() -> None:
    app = serving(make_server(max_body_size=1000))
    sent, read = [], []

    async def receive() -> dict[str, Any]:
        read.append(1)
        return {"type": "http.request", "body": b"x" * 300, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/oauth/token",
        "root_path": "",
        "query_string": b"",
        "headers": [(b"content-type", b"application/x-www-form-urlencoded")],
    }
    await app(scope, receive, send)
    assert sent[0]["status"] == 413
    assert len(read) == 4


async def test_nothing_is_sent_to_those_who_hung_up() -> None:
    app = serving(make_server())
    sent = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/oauth/token", "headers": []}
    await app({**scope, "query_string": b"", "root_path": ""}, receive, send)
    assert sent == []


async def test_the_address_of_the_peer_reaches_core() -> None:
    world = make_world(issuer=HERE)
    app = serving(world.server)
    transport: Any = client(app)._transport
    transport.client = ("192.0.2.7", 1234)
    async with client(app) as http:
        http._transport = transport
        await http.post("/oauth/token", data=login())
    assert {event.address for event in world.events if hasattr(event, "address")} == {"192.0.2.7"}


async def test_the_address_of_the_peer_may_be_unknown() -> None:
    """As behind a Unix socket."""
    app = serving(make_server())

    async def anonymous(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "client": None}, receive, send)

    await sign_in(anonymous)


async def test_handlers_may_ask_the_server_themselves() -> None:
    server = make_server()
    bezant = Bezant(server)
    app = serving(server)

    @app.get("/who")
    async def who(request: Request) -> str | None:
        principal = await bezant.authenticate(request.scope)
        return principal and principal.subject

    async with client(app, await sign_in(app)) as http:
        assert (await http.get("/who")).json() == "user-alice"
