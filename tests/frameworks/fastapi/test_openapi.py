"""What OpenAPI says of protected routes, and the page that shows it."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter, FastAPI, Security

from bezant import ConfigurationError, Principal
from bezant.testing import TokenFactory
from fastapi_bezant import Bezant, _openapi
from tests.frameworks.fastapi.calls import client
from tests.world import make_world


def security(app: FastAPI, path: str) -> Any:
    return app.openapi()["paths"][path]["get"].get("security")


def scheme(app: FastAPI) -> Any:
    return app.openapi()["components"]["securitySchemes"]["Bezant"]


def test_each_operation_lists_the_scopes_it_demands(bezant: Bezant) -> None:
    app = FastAPI()
    router = APIRouter(prefix="/team", dependencies=[bezant.require("team")])

    def current(who: Annotated[Principal, bezant.require("profile")]) -> Principal:
        return who

    @app.get("/open")
    @app.get("/any", dependencies=[bezant.principal])
    @app.get("/one", dependencies=[bezant.require("items:read", role="editor")])
    @app.get("/nested", dependencies=[Security(current, scopes=["accounts"])])
    @router.get("/items", dependencies=[bezant.require("items:write", "items:read")])
    def nothing() -> None: ...

    app.include_router(router)
    assert security(app, "/open") is None
    assert security(app, "/any") == [{"Bezant": []}]
    assert security(app, "/one") == [{"Bezant": ["items:read"]}]
    assert [sorted(*s.values()) for s in security(app, "/nested")] == [["accounts", "profile"]]
    [both] = security(app, "/team/items")
    assert sorted(both["Bezant"]) == ["items:read", "items:write", "team"]


def test_a_server_describes_its_flows() -> None:
    bezant = Bezant(make_world(issuer="https://example.com/id").server)
    app = FastAPI()

    @app.get("/", dependencies=[bezant.require("reports")])
    def root() -> None: ...

    scopes = {"items:read": "read items", "items:write": "change items", "reports": ""}
    url = "/id/oauth/token"
    assert scheme(app) == {
        "type": "oauth2",
        "flows": {
            "password": {"tokenUrl": url, "refreshUrl": url, "scopes": scopes},
            "clientCredentials": {"tokenUrl": url, "scopes": scopes},
        },
    }


def test_a_server_without_accounts_offers_no_password_flow() -> None:
    bezant = Bezant(make_world(server={"users": None}).server)
    app = FastAPI()
    app.get("/", dependencies=[bezant.principal])(lambda: None)
    assert set(scheme(app)["flows"]) == {"clientCredentials"}


def test_a_verifier_is_plain_bearer_until_told_whence_tokens_come(tokens: TokenFactory) -> None:
    app = FastAPI()
    bezant = Bezant(tokens.verifier())
    app.get("/", dependencies=[bezant.principal])(lambda: None)
    assert scheme(app) == {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}

    app = FastAPI()
    url = "https://id.example.com/oauth/token"
    bezant = Bezant(tokens.verifier(), token_url=url, scopes={"a": "All of it"})
    app.get("/", dependencies=[bezant.principal])(lambda: None)
    assert scheme(app)["flows"]["password"]["tokenUrl"] == url
    assert scheme(app)["flows"]["password"]["scopes"] == {"a": "All of it"}


def test_the_endpoints_of_a_server_are_not_operations() -> None:
    bezant = Bezant(make_world().server)
    app = FastAPI()
    app.include_router(bezant.router())
    assert app.openapi()["paths"] == {}


# ---- Swagger UI ----


@pytest.mark.parametrize("root_path", ["", "/behind"])
async def test_swagger_ui_comes_from_this_machine(bezant: Bezant, root_path: str) -> None:
    app = FastAPI(title="Shop")
    bezant.docs(app, client_id="swagger")
    async with client(app, root_path=root_path) as http:
        page = await http.get("/docs")
        assert "<title>Shop - Swagger UI</title>" in page.text
        assert '"clientId": "swagger"' in page.text
        assert "https://" not in page.text
        assert f"url: '{root_path}/openapi.json'" in page.text
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            assert f'"{root_path}/docs/{name}"' in page.text
            assert (await http.get(f"/docs/{name}")).status_code == 200
        assert (await http.get("/redoc")).status_code == 200


async def test_settings_of_the_application_reach_swagger_ui(bezant: Bezant) -> None:
    parameters = {"tryItOutEnabled": True}
    oauth = {"clientId": "other", "appName": "Shop"}
    app = FastAPI(docs_url=None, swagger_ui_parameters=parameters, swagger_ui_init_oauth=oauth)
    bezant.docs(app, path="/api/docs", client_id="swagger")
    async with client(app) as http:
        page = await http.get("/api/docs")
    assert '"tryItOutEnabled": true' in page.text
    assert '"clientId": "other"' in page.text


def test_swagger_ui_needs_its_files_and_a_schema(
    bezant: Bezant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_openapi, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"fastapi-bezant\[docs\]"):
        bezant.docs(FastAPI())
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="openapi_url"):
        bezant.docs(FastAPI(openapi_url=None))
