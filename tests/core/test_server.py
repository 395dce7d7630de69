"""The server as a whole: what it is made of, what it refuses to be made of, and its upkeep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bezant import (
    AuthorizationServer,
    Client,
    ConfigurationError,
    SecretKeyRing,
    ServerConfig,
    User,
)
from bezant.clients import ClientSecret
from bezant.errors import InvalidScope
from bezant.events import KeyRotated, PasswordRehashed, TokenIssued
from bezant.grants import Decision, TokenContext
from bezant.http import Request
from bezant.runtime import SYNC, Runtime, run_sync
from bezant.stores.memory import MemoryStores, MemoryUserStore
from bezant.testing import FrozenClock
from bezant.tokens import RESERVED
from tests.api import METADATA, TOKEN, Api, client_refusal, refusal
from tests.harness.bare import App
from tests.jose import parts
from tests.world import API, ISSUER, PASSWORD, SECRET_KEY, configured, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.world import World

OLD_SECRET, NEW_SECRET = (f"{letter}0123456789-abcdefghijklmnopqrstuvwxyz" for letter in "ON")


def build(**parts_: Any) -> AuthorizationServer:
    settings = {
        "stores": MemoryStores(),
        "secret_key": SECRET_KEY,
        "clock": FrozenClock(),
        **parts_,
    }
    return AuthorizationServer(ServerConfig(issuer=ISSUER, algorithm="EdDSA"), **settings)


def anybody(*args: Any) -> User:
    return User("user-1")


async def later(*args: Any) -> None: ...


# ---- what it is made of ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parts_", "setting"),
    [
        pytest.param({"users": MemoryUserStore(), "authenticate": anybody}, "users", id="both"),
        pytest.param({"users": MemoryUserStore(), "get_user": anybody}, "users", id="both-in-part"),
        pytest.param({"authenticate": anybody}, "authenticate", id="no-get-user"),
        pytest.param({"get_user": anybody}, "authenticate", id="no-authenticate"),
        pytest.param({"subscribers": [later]}, "subscribers", id="async-subscriber"),
        pytest.param({"secret_key": ""}, "secret_key", id="no-secret"),
        pytest.param({"secret_key": "changeme"}, "secret_key", id="poor-secret"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(parts_: dict[str, Any], setting: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(**parts_)
    assert caught.value.setting == setting


def test_without_accounts_clients_act_for_themselves_only() -> None:
    server = build()
    assert server.login is None
    api = Api(App(server))
    assert api.get(METADATA).json()["grant_types_supported"] == ["client_credentials"]
    server.stores.clients.add(
        Client("web", frozenset({"password"}), secrets=(ClientSecret.of("a secret"),))
    )
    answer = api.post(
        TOKEN, [("grant_type", "password")], ("authorization", "Basic d2ViOmEgc2VjcmV0")
    )
    assert client_refusal(answer) == (400, "unsupported_grant_type")


@pytest.mark.parametrize("kind", ["def", "async-def"])
def test_an_application_brings_its_own_users(kind: str) -> None:
    people = {"user-7": User("user-7", roles=("editor",), claims={"tenant": "acme"})}

    def authenticate(username: str, password: str) -> User | None:
        return people.get("user-7") if (username, password) == ("gwen", PASSWORD) else None

    def get_user(subject: str) -> User | None:
        return people.get(subject)

    async def authenticate_async(username: str, password: str) -> User | None:
        return authenticate(username, password)

    async def get_user_async(subject: str) -> User | None:
        return get_user(subject)

    callables = (authenticate, get_user) if kind == "def" else (authenticate_async, get_user_async)
    given = dict(zip(["authenticate", "get_user"], callables, strict=True), users=None)
    world = make_world(server=given)
    runtime = Runtime(io=SYNC._io, wait=SYNC.wait, loop=True)
    world.server.check(runtime)
    handlers = {endpoint.name: endpoint.handler for endpoint in world.server.endpoints}

    class Looped:
        def send(self, path: str, request: Request) -> Any:
            return run_sync(handlers["token"](request, runtime))

    api = Api(Looped())
    assert client_refusal(api.login(username="gwen", password="wrong")) == (400, "invalid_grant")
    document = api.login(username="gwen").json()
    claims = parts(document["access_token"])[1]
    assert (claims["sub"], claims["roles"], claims["tenant"]) == ("user-7", ["editor"], "acme")
    assert api.refresh(document["refresh_token"]).status == 200
    people.clear()
    assert client_refusal(api.refresh(document["refresh_token"])) == (400, "invalid_grant")
    world.server.close()


class GiftGrant:
    """A grant of one's own."""

    grant_type = "urn:example:gift"

    async def decide(self, context: TokenContext, /) -> Decision:
        if context.form.get("scope") == "too-much":
            raise InvalidScope("that would be too much")
        return Decision(context.client, "a-stranger", ("items:read",), (API,))


@pytest.mark.rfc("6749", "4.5")
def test_a_grant_of_ones_own() -> None:
    world = make_world(server={"grants": [GiftGrant()]})
    world.change_client("web", grants=frozenset({"password", GiftGrant.grant_type}))
    api = Api(App(world.server))
    assert GiftGrant.grant_type in api.get(METADATA).json()["grant_types_supported"]
    document = api.token("web", GiftGrant.grant_type).json()
    assert parts(document["access_token"])[1]["sub"] == "a-stranger"
    assert "refresh_token" not in document
    refused = api.token("web", GiftGrant.grant_type, scope="too-much")
    assert client_refusal(refused) == (400, "invalid_scope")
    assert client_refusal(api.token("spa", GiftGrant.grant_type)) == (400, "unauthorized_client")
    world.server.close()


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("clients", "get"),
        ("authorizations", "rotate"),
        ("keys", "load"),
        ("revocations", "since"),
        ("throttle", "spend"),
    ],
)
def test_an_async_store_is_refused_where_there_is_no_event_loop(name: str, method: str) -> None:
    stores = MemoryStores()
    setattr(getattr(stores, name), method, later)
    server = build(stores=stores)
    with pytest.raises(ConfigurationError, match=rf"\.{method} is 'async def'") as caught:
        server.check(SYNC)
    assert caught.value.setting == f"stores.{name}"
    server.check(Runtime(io=SYNC._io, wait=SYNC.wait, loop=True))


@pytest.mark.parametrize("setting", ["authenticate", "get_user"])
def test_async_callables_are_refused_where_there_is_no_event_loop(setting: str) -> None:
    given = {"authenticate": anybody, "get_user": anybody, setting: later}
    with pytest.raises(ConfigurationError, match="async def") as caught:
        build(**given).check(SYNC)
    assert caught.value.setting == setting


def test_a_replaced_hash_is_an_event(world: World, api: Api) -> None:
    slow = replace(world.server.hasher, iterations=2)
    world.change_user("user-alice", password_hash=slow.hash(PASSWORD))
    assert api.login().status == 200
    assert [event.subject for event in world.seen(PasswordRehashed)] == ["user-alice"]


# ---- its upkeep ------------------------------------------------------------------------------


@pytest.fixture
def fresh() -> Iterator[World]:
    """A world whose server has never answered."""
    world = make_world()
    world.stores.keys._keys.clear()
    yield world
    world.server.close()


def test_the_first_request_makes_a_key_when_nobody_has(fresh: World) -> None:
    api = Api(App(fresh.server))
    assert len(api.get("/oauth/jwks.json").json()["keys"]) == 1
    assert api.login().status == 200
    assert len(fresh.seen(KeyRotated)) == 1


def test_preparing_twice_makes_one_key(fresh: World) -> None:
    for _ in range(2):
        run_sync(fresh.server.prepare(SYNC))
    assert len(fresh.stores.keys.load()) == 1


def test_without_its_secret_a_server_answers_503(world: World) -> None:
    other = another(world, secret_key=NEW_SECRET)
    answer = Api(App(other)).get("/oauth/jwks.json")
    assert refusal(answer) == (503, "temporarily_unavailable")


def test_a_secret_can_be_replaced_without_losing_anything() -> None:
    old = make_world(server={"secret_key": OLD_SECRET})
    old.stores.keys._keys.clear()
    before = Api(App(old.server))
    access, refresh = before.tokens()

    def restarted(secret_key: str) -> Api:
        server = another(old, secret_key=secret_key)
        old.server.close()
        old.server = server
        return Api(App(server))

    both = restarted(f"{NEW_SECRET},{OLD_SECRET}")
    assert both.get("/whoami", token=access).status == 200
    renewed = both.refresh(refresh).json()["refresh_token"]
    assert both.refresh(refresh).json()["refresh_token"] == renewed  # a retry, too
    # Once the keys have rotated as well, the old secret is not needed.
    run_sync(old.server.keys.rotate(SYNC, immediately=True))
    old.clock.advance(4000)
    run_sync(old.server.purge(SYNC))
    alone = restarted(NEW_SECRET)
    assert alone.refresh(renewed).status == 200
    old.server.close()


def another(world: World, **parts_: Any) -> AuthorizationServer:
    """Another process, or this one after a restart."""
    settings = {"stores": world.stores, "users": world.users, "secret_key": SECRET_KEY, **parts_}
    return AuthorizationServer(world.server.config, clock=world.clock, **settings)


def test_r04_a_restart_does_not_forget_what_was_spent(world: World, api: Api) -> None:
    first = api.tokens()[1]
    second = api.refresh(first).json()["refresh_token"]
    world.clock.advance(11)
    restarted = Api(App(another(world)))
    assert client_refusal(restarted.refresh(first)) == (400, "invalid_grant")
    assert client_refusal(restarted.refresh(second)) == (400, "invalid_grant")
    assert client_refusal(api.refresh(second)) == (400, "invalid_grant")


def test_r12_reuse_costs_the_same_after_ten_thousand_generations(world: World, api: Api) -> None:
    access, first = api.tokens()
    tokens = world.server.authorizations.tokens
    session, _ = tokens.read(first)
    store = world.stores.authorizations
    store._rows[session] = replace(store._rows[session], generation=10_000)
    calls: list[str] = []
    rotate = store.rotate
    store.rotate = lambda *args: calls.append("rotate") or rotate(*args)
    assert client_refusal(api.refresh(first)) == (400, "invalid_grant")
    assert calls == ["rotate"]
    assert client_refusal(api.refresh(tokens.mint(session, 10_000))) == (400, "invalid_grant")
    assert api.get("/whoami", token=access).status == 401


@configured(refresh_token_ttl=1000, refresh_idle_ttl=1000)
def test_purging_forgets_what_has_ended(world: World, api: Api) -> None:
    def purge() -> int:
        return run_sync(world.server.purge(SYNC))

    access, refresh = api.tokens()
    api.revoke(access)
    api.login(username="nobody")
    assert purge() == 0
    world.clock.advance(3611)
    # The revocation, and the counters of one address and two names.
    assert purge() == 4
    world.clock.advance(1000 + 86400)
    assert purge() == 1
    assert client_refusal(api.refresh(refresh)) == (400, "invalid_grant")
    world.clock.advance(30 * 86400)
    assert purge() == 1  # what the known address was allowed


def test_a_server_that_is_closed_takes_no_more_logins(world: World, api: Api) -> None:
    refresh = api.tokens()[1]
    world.server.close()
    assert refusal(api.login()) == (503, "temporarily_unavailable")
    assert api.refresh(refresh).status == 200


def test_a_verifier_is_for_the_servers_audience_unless_told(world: World, api: Api) -> None:
    token = api.tokens()[0]
    verify = world.server.verifier()
    run_sync(verify.averify(token, SYNC))
    assert verify.profile.audience == {API}
    assert world.server.verifier("https://x.example.com").profile.audience == {
        "https://x.example.com"
    }
    assert world.server.verifier(cache_size=0).verify(token)


def test_several_servers_may_share_a_process() -> None:
    one, other = make_world(), make_world(issuer="https://other.example.com")
    token = Api(App(one.server)).tokens()[0]
    assert refusal(Api(App(other.server)).get("/whoami", token=token)) == (401, "invalid_token")
    for world in one, other:
        world.server.close()


# ---- clients are remembered for a moment -----------------------------------------------------


@configured(client_cache_ttl=0.25)
def test_a_registration_is_remembered_for_a_moment(world: World, api: Api) -> None:
    reads: list[str] = []
    genuine = world.stores.clients.get

    def get(client_id: str) -> Client | None:
        reads.append(client_id)
        return genuine(client_id)

    world.stores.clients.get = get
    for _ in range(3):
        assert api.token("machine", "client_credentials").status == 200
    assert reads == ["machine"]
    world.change_client("machine", active=False)
    reads.clear()
    assert api.token("machine", "client_credentials").status == 200
    world.clock.advance(0.25)
    assert api.token("machine", "client_credentials").status == 401
    # A clock that is set back does not make it last.
    world.change_client("machine", active=True)
    world.clock.advance(0.25)
    assert api.token("machine", "client_credentials").status == 200
    world.change_client("machine", active=False)
    world.clock.advance(-3600)
    assert api.token("machine", "client_credentials").status == 401


@configured(client_cache_ttl=60)
def test_what_is_remembered_is_bounded_and_never_unknown(
    world: World, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bezant.client_authentication.MAX_REMEMBERED", 2)
    assert api.token("late", "client_credentials").status == 401
    late = replace(world.stores.clients.get("machine"), client_id="late")
    world.stores.clients.add(late)
    assert client_refusal(api.token("late", "client_credentials")) == (401, "invalid_client")
    for client in "machine", "kiosk", "api", "web":
        assert api.token(client, "client_credentials").status in {200, 400}
    assert api.token("machine", "client_credentials").status == 200


# ---- tokens ----------------------------------------------------------------------------------


def test_an_application_adds_claims_of_its_own(world: World, api: Api) -> None:
    world.change_user("user-alice", claims={"tenant": "acme", "né": {"a": [1]}})
    claims = parts(api.tokens()[0])[1]
    assert claims["tenant"] == "acme"
    assert claims["né"] == {"a": [1]}


@pytest.mark.rfc("7519", "4.1")
@pytest.mark.rfc("9068", "2.2")
@pytest.mark.parametrize("name", sorted(RESERVED))
def test_an_application_cannot_set_the_protocols_claims(
    world: World, api: Api, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    world.change_user("user-alice", claims={name: "x", "fine": 1})
    assert refusal(api.login()) == (500, "server_error")
    assert f"the protocol owns {name}" in caplog.text
    assert not world.seen(TokenIssued)


def test_a_token_that_no_verifier_would_take_is_not_issued(
    world: World, api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    world.change_user("user-alice", permissions=tuple(f"permission.{n}" for n in range(1000)))
    assert refusal(api.login()) == (500, "server_error")
    assert "max_token_size: an access token would have" in caplog.text
    assert not world.seen(TokenIssued)


@pytest.mark.parametrize("name", ["active", "token_type", "username"])
def test_no_claim_of_ones_own_changes_what_introspection_says(
    world: World, api: Api, name: str
) -> None:
    world.change_user("user-alice", claims={name: False})
    document = api.introspect(api.tokens()[0]).json()
    assert document["active"] is True
    assert document["token_type"] == "Bearer"


def test_every_token_has_an_id_of_its_own(api: Api) -> None:
    made = [api.token("machine", "client_credentials").json() for _ in range(50)]
    assert len({parts(document["access_token"])[1]["jti"] for document in made}) == 50


def test_the_ring_may_be_given_ready_made() -> None:
    server = build(secret_key=SecretKeyRing(NEW_SECRET, OLD_SECRET))
    assert len(Api(App(server)).get("/oauth/jwks.json").json()["keys"]) == 1
