"""What OpenAPI says of token authentication, and Swagger UI from local files."""

from collections.abc import Collection
from importlib.util import find_spec
from pathlib import Path

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.models import (
    HTTPBearer,
    OAuth2,
    OAuthFlowClientCredentials,
    OAuthFlowPassword,
    OAuthFlows,
    SecurityBase,
)
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bezant import ConfigurationError

_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"


def security_scheme(
    token_url: str | None, grants: Collection[str], scopes: dict[str, str]
) -> SecurityBase:
    """OAuth 2 with its flows, or plain Bearer where nobody said whence tokens come."""
    if token_url is None:
        return HTTPBearer(bearerFormat="JWT")
    flows = OAuthFlows()
    if "password" in grants:
        flows.password = OAuthFlowPassword(tokenUrl=token_url, refreshUrl=token_url, scopes=scopes)
    if "client_credentials" in grants:
        flows.clientCredentials = OAuthFlowClientCredentials(tokenUrl=token_url, scopes=scopes)
    return OAuth2(flows=flows)


def add_docs(app: FastAPI, path: str, client_id: str) -> None:
    """Serve Swagger UI at ``path``, in place of the page that FastAPI has there."""
    spec = find_spec("fastapi_offline")  # only its files are of use
    if spec is None or not spec.submodule_search_locations:
        raise ConfigurationError("docs", "install fastapi-bezant[docs], which brings Swagger UI")
    if app.openapi_url is None:
        raise ConfigurationError("docs", "Swagger UI needs FastAPI(openapi_url=...)")
    files = Path(spec.submodule_search_locations[0], "static")
    openapi_url = app.openapi_url

    async def page(request: Request) -> Response:
        root = request.scope.get("root_path", "").rstrip("/")
        return get_swagger_ui_html(
            openapi_url=root + openapi_url,
            title=f"{app.title} - Swagger UI",
            swagger_js_url=f"{root}{path}/{_SCRIPT}",
            swagger_css_url=f"{root}{path}/{_STYLE}",
            swagger_favicon_url=f"{root}{path}/{_ICON}",
            init_oauth={"clientId": client_id, **(app.swagger_ui_init_oauth or {})},
            swagger_ui_parameters=app.swagger_ui_parameters,
        )

    async def file(request: Request) -> Response:
        return FileResponse(files / request.url.path.rpartition("/")[2])

    # In front of the routes that FastAPI made for itself.
    app.router.routes[:0] = [
        Route(path, page, include_in_schema=False),
        *(Route(f"{path}/{name}", file) for name in (_SCRIPT, _STYLE, _ICON)),
    ]
