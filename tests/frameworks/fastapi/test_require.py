"""`Bezant.require` as FastAPI's users write it."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from bezant import ConfigurationError, Principal
from bezant.errors import InsufficientScope, MalformedCredentials
from bezant.testing import TokenFactory
from bezant.testing.challenges import assert_challenge
from fastapi_bezant import Bezant, Refused
from fastapi_bezant.testing import as_principal
from tests.frameworks.fastapi.calls import client


@pytest.fixture
def app(bezant: Bezant) -> FastAPI:
    app = FastAPI()
    bezant.install(app)
    return app


async def test_one_alias_serves_many_handlers_sync_and_async(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory
) -> None:
    reader = Annotated[Principal, bezant.require("items:read")]

    @app.get("/async")
    async def awaited(who: reader) -> str:  # type: ignore[valid-type]
        return who.subject  # type: ignore[attr-defined, no-any-return]

    @app.get("/sync/{number}")
    def plain(who: reader, number: int) -> str:  # type: ignore[valid-type]
        return f"{who.subject} {number}"  # type: ignore[attr-defined]

    async with client(app, tokens.mint(scopes=["items:read"])) as http:
        assert (await http.get("/async")).json() == "alice"
        assert (await http.get("/sync/7")).json() == "alice 7"


async def test_demands_of_application_routers_and_route_all_hold(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory
) -> None:
    inner = APIRouter(dependencies=[bezant.require("inner")])
    outer = APIRouter()

    @inner.delete("/items", dependencies=[bezant.require("items:write", permission="items.delete")])
    def drop(who: Annotated[Principal, bezant.principal]) -> str:
        return who.subject

    outer.include_router(inner, prefix="/in", dependencies=[bezant.require("between")])
    app.include_router(outer, prefix="/out", dependencies=[bezant.require("outer")])

    everything = ["between", "inner", "items:write", "outer"]
    for missing in everything:
        some = [scope for scope in everything if scope != missing]
        async with client(app, tokens.mint(scopes=some, permissions=["items.delete"])) as http:
            answer = await http.delete("/out/in/items")
        # All that the route demands, however far down: one sign-in is enough to get it.
        assert_challenge(answer, 403, error="insufficient_scope", scope=everything)

    async with client(app, tokens.mint(scopes=everything)) as http:
        answer = await http.delete("/out/in/items")
        assert answer.json()["error_description"] == "this needs the permission items.delete"
    async with client(app, tokens.mint(scopes=everything, permissions=["items.delete"])) as http:
        assert (await http.delete("/out/in/items")).json() == "alice"


async def test_scopes_that_fastapi_passes_down_are_demanded(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory
) -> None:
    def account(who: Annotated[Principal, bezant.require("items:read")]) -> str:
        return who.subject

    def maybe(who: Annotated[Principal | None, bezant.optional]) -> str | None:
        return who and who.subject

    @app.get("/account")
    def show(name: Annotated[str, Security(account, scopes=["accounts"])]) -> str:
        return name

    @app.get("/maybe")
    def guess(name: Annotated[str | None, Security(maybe, scopes=["accounts"])]) -> str | None:
        return name

    async with client(app, tokens.mint(scopes=["items:read"])) as http:
        refused = await http.get("/account")
        assert_challenge(refused, 403, error="insufficient_scope", scope="accounts items:read")
        assert (await http.get("/maybe")).status_code == 403
    async with client(app, tokens.mint(scopes=["items:read", "accounts"])) as http:
        assert (await http.get("/account")).json() == "alice"
        assert (await http.get("/maybe")).json() == "alice"
    async with client(app) as http:
        assert (await http.get("/maybe")).status_code == 401


async def test_optional_lets_nobody_in_but_no_bad_token(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory
) -> None:
    @app.get("/")
    async def greet(who: Annotated[Principal | None, bezant.optional]) -> str:
        return who.subject if who else "stranger"

    async with client(app) as http:
        assert (await http.get("/")).json() == "stranger"
    async with client(app, tokens.mint()) as http:
        assert (await http.get("/")).json() == "alice"
    async with client(app, tokens.mint(expires_in=-60)) as http:
        assert (await http.get("/")).status_code == 401


async def test_a_token_is_verified_once_a_request(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    verifier = bezant.guard.verifier
    verify = verifier.verify
    monkeypatch.setattr(verifier, "verify", lambda token: seen.append(token) or verify(token))

    @app.get("/", dependencies=[bezant.require("a"), bezant.require("b")])
    async def root(
        who: Annotated[Principal, bezant.principal],
        same: Annotated[Principal | None, bezant.optional],
    ) -> bool:
        return who is same

    async with client(app, tokens.mint(scopes=["a", "b"])) as http:
        assert (await http.get("/")).json() is True
        assert len(seen) == 1
        await http.get("/")
        assert len(seen) == 2


async def test_two_issuers_in_one_application_do_not_mix(tokens: TokenFactory) -> None:
    others = TokenFactory(issuer="https://partner.example.com")
    ours, theirs = Bezant(tokens.verifier(), realm="ours"), Bezant(others.verifier())
    app = FastAPI()
    ours.install(app)
    theirs.install(app)

    @app.get("/ours", dependencies=[ours.principal])
    @app.get("/theirs", dependencies=[theirs.principal])
    @app.get("/both", dependencies=[theirs.optional, ours.principal])
    def nothing() -> None: ...

    async with client(app, tokens.mint()) as http:
        codes = [(await http.get(path)).status_code for path in ("/ours", "/theirs", "/both")]
    assert codes == [200, 401, 401]
    async with client(app) as http:
        assert_challenge(await http.get("/ours"), 401, realm="ours")
        assert_challenge(await http.get("/theirs"), 401, realm="api")


# ---- refusals ----


async def test_without_install_status_and_challenge_are_right_all_the_same(bezant: Bezant) -> None:
    app, installed = FastAPI(), FastAPI()
    bezant.install(installed)

    @app.get("/")
    @installed.get("/")
    def root(who: Annotated[Principal, bezant.principal]) -> None: ...

    async with client(app, "bad") as bare, client(installed, "bad") as whole:
        forgotten, right = await bare.get("/"), await whole.get("/")
    assert forgotten.status_code == right.status_code == 401
    assert forgotten.json() == {"detail": right.json()}
    for name in ("www-authenticate", "cache-control", "content-type"):
        assert forgotten.headers[name] == right.headers[name]


async def test_an_application_may_answer_in_its_own_way(app: FastAPI, bezant: Bezant) -> None:
    @app.exception_handler(Refused)
    async def own(request: Request, error: Refused) -> JSONResponse:
        document = {"why": error.answer.json()["error"]}
        return JSONResponse(document, error.status_code, error.headers)

    @app.get("/")
    def root(who: Annotated[Principal, bezant.principal]) -> None: ...

    async with client(app, "bad") as http:
        answer = await http.get("/")
    assert (answer.status_code, answer.json()) == (401, {"why": "invalid_token"})
    assert answer.headers["www-authenticate"].startswith("Bearer ")


async def test_a_handler_may_refuse_by_itself(app: FastAPI, bezant: Bezant) -> None:
    @app.get("/")
    def root() -> None:
        raise InsufficientScope("not on Sundays", scopes=["sundays"])

    async with client(app) as http:
        answer = await http.get("/")
    assert answer.status_code == 403
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="api", error="insufficient_scope", error_description="not on Sundays", '
        'scope="sundays"'
    )


async def test_two_authorization_headers_are_refused(app: FastAPI, bezant: Bezant) -> None:
    @app.get("/", dependencies=[bezant.principal])
    def root() -> None: ...

    async with client(app) as http:
        headers = [("authorization", "Bearer a"), ("authorization", "Bearer b")]
        answer = await http.get("/", headers=headers)
    assert answer.status_code == MalformedCredentials.status


def test_a_refusal_shows_no_token(bezant: Bezant, tokens: TokenFactory) -> None:
    token = tokens.mint(expires_in=-60)
    with pytest.raises(Exception, match="expired") as caught:
        bezant.guard.verifier.verify(token)
    refusal = bezant.refusal(caught.value, {"type": "http"})  # type: ignore[arg-type]
    assert isinstance(refusal, HTTPException)
    assert token not in f"{refusal!r} {refusal} {vars(refusal)!r}"


# ---- set-up ----


def test_an_audience_beside_a_verifier_is_refused(tokens: TokenFactory) -> None:
    with pytest.raises(ConfigurationError, match="audience"):
        Bezant(tokens.verifier(), audience="https://other.example.com")


@pytest.mark.parametrize(
    ("scopes", "options"), [(("a b",), {}), (("",), {}), ((), {"any_of": "a"}), ((), {"fresh": 0})]
)
def test_a_demand_that_makes_no_sense_is_refused_at_set_up(
    bezant: Bezant, scopes: tuple[str, ...], options: dict[str, Any]
) -> None:
    with pytest.raises(ConfigurationError):
        bezant.require(*scopes, **options)


# ---- tests of applications ----


async def test_an_override_is_found_by_saying_the_same_again(app: FastAPI, bezant: Bezant) -> None:
    @app.get("/")
    def root(who: Annotated[Principal, bezant.require("items:read", role="editor")]) -> str:
        return who.subject

    needed = bezant.require("items:read", role=["editor"])
    app.dependency_overrides[needed.dependency] = lambda: Principal("bob")
    async with client(app) as http:
        assert (await http.get("/")).json() == "bob"


async def test_as_principal_still_demands_what_the_route_demands(
    app: FastAPI, bezant: Bezant
) -> None:
    @app.get("/")
    def root(who: Annotated[Principal, bezant.require("items:read")]) -> str:
        return who.subject

    async with client(app, "bad") as http:
        with as_principal(bezant, Principal("carol", scopes=frozenset({"items:read"}))):
            assert (await http.get("/")).json() == "carol"
        with as_principal(bezant, Principal("carol")):
            assert (await http.get("/")).status_code == 403
        with as_principal(bezant, None):
            assert (await http.get("/")).json().get("error") is None
        assert (await http.get("/")).json()["error"] == "invalid_token"


async def test_another_dependency_may_build_on_it(
    app: FastAPI, bezant: Bezant, tokens: TokenFactory
) -> None:
    def tenant(who: Annotated[Principal, bezant.principal]) -> str:
        return str(who.claims["tenant"])

    @app.get("/")
    def root(name: Annotated[str, Depends(tenant)]) -> str:
        return name

    async with client(app, tokens.mint(tenant="blue")) as http:
        assert (await http.get("/")).json() == "blue"
