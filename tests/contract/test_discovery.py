"""What the server says of itself, and that it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.api import FEED, INTROSPECT, JWKS, METADATA, METHODS, REVOKE, TOKEN, client_refusal
from tests.world import API, ISSUER, PASSWORD, configured

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

PUBLIC_FOR_FIVE_MINUTES = "public, max-age=300"
BY_METHOD = {"client_secret_basic": "web", "client_secret_post": "mobile", "none": "spa"}


def metadata(api: Api) -> dict[str, Any]:
    document: dict[str, Any] = api.get(METADATA).json()
    return document


# ---- metadata --------------------------------------------------------------------------------


@pytest.mark.rfc("8414", "2")
@pytest.mark.rfc("8414", "3.2")
def test_the_metadata_document(api: Api) -> None:
    answer = api.get(METADATA)
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == PUBLIC_FOR_FIVE_MINUTES
    assert answer.json() == {
        "issuer": ISSUER,
        "token_endpoint": ISSUER + TOKEN,
        "token_endpoint_auth_methods_supported": [
            *("client_secret_basic", "client_secret_post", "none")
        ],
        "revocation_endpoint": ISSUER + REVOKE,
        "revocation_endpoint_auth_methods_supported": [
            *("client_secret_basic", "client_secret_post", "none")
        ],
        "introspection_endpoint": ISSUER + INTROSPECT,
        "introspection_endpoint_auth_methods_supported": [
            *("client_secret_basic", "client_secret_post")
        ],
        "grant_types_supported": ["client_credentials", "password", "refresh_token"],
        "response_types_supported": [],
        "jwks_uri": ISSUER + JWKS,
        "revocation_feed_endpoint": ISSUER + FEED,
        "scopes_supported": ["items:read", "items:write"],
    }


@pytest.mark.rfc("8414", "2")
def test_every_advertised_grant_works(api: Api) -> None:
    requests: dict[str, Any] = {
        "client_credentials": lambda: api.token("machine", "client_credentials"),
        "password": api.login,
        "refresh_token": lambda: api.refresh(api.tokens()[1]),
    }
    grants = metadata(api)["grant_types_supported"]
    assert {grant: requests[grant]().status for grant in grants} == dict.fromkeys(requests, 200)


@pytest.mark.rfc("8414", "2")
@pytest.mark.parametrize("endpoint", ["token", "revocation", "introspection"])
def test_every_advertised_authentication_method_works_and_no_other(api: Api, endpoint: str) -> None:
    document = metadata(api)
    path = urlsplit(document[f"{endpoint}_endpoint"]).path
    login = {"grant_type": "password", "username": "alice", "password": PASSWORD, "token": "x"}
    working = {
        method
        for method, client in BY_METHOD.items()
        if METHODS[client] == method and api.ask(client, path, **login).status == 200
    }
    assert working == set(document[f"{endpoint}_endpoint_auth_methods_supported"])


@pytest.mark.rfc("8414", "2")
def test_every_advertised_scope_can_be_had(api: Api) -> None:
    for scope in metadata(api)["scopes_supported"]:
        assert api.login(scope=scope).json()["scope"] == scope


@pytest.mark.rfc("8414", "3")
@pytest.mark.rfc("8414", "3.1")
@configured(issuer=f"{ISSUER}/tenant", endpoint_prefix="")
def test_an_issuer_with_a_path(api: Api, world: World) -> None:
    """Its well-known part comes before the path; the plain place is for what is mounted there."""
    at_origin = api.get(f"{METADATA}/tenant")
    assert at_origin.json()["issuer"] == f"{ISSUER}/tenant"
    assert at_origin.json()["token_endpoint"] == f"{ISSUER}/tenant/token"
    assert api.get(METADATA).body == at_origin.body
    assert world.server.endpoints[0].path == "/token"


@configured(scopes={})
def test_without_described_scopes_none_are_listed(api: Api) -> None:
    assert "scopes_supported" not in metadata(api)


@pytest.mark.parametrize(
    "header",
    [
        ("host", "evil.example.com"),
        ("x-forwarded-host", "evil.example.com"),
        ("x-forwarded-proto", "http"),
        ("forwarded", "host=evil.example.com;proto=http"),
    ],
    ids=lambda header: header[0],
)
def test_h04_no_header_changes_the_urls(api: Api, header: tuple[str, str]) -> None:
    assert api.get(METADATA, header).body == api.get(METADATA).body


# ---- keys ------------------------------------------------------------------------------------


@pytest.mark.rfc("7517", "5")
@pytest.mark.rfc("7517", "9.2")
@pytest.mark.parametrize(
    ("config", "members"),
    [
        ({"algorithm": "ES256"}, {"crv", "x", "y"}),
        ({"algorithm": "EdDSA"}, {"crv", "x"}),
        ({"algorithm": "RS256"}, {"n", "e"}),
        ({"algorithm": "PS256"}, {"n", "e"}),
    ],
    ids=lambda value: value.get("algorithm") if isinstance(value, dict) else "",
)
def test_x04_whoever_has_the_public_keys_can_verify(
    api: Api, config: dict[str, Any], members: set[str]
) -> None:
    answer = api.get(JWKS)
    assert answer.header("cache-control") == PUBLIC_FOR_FIVE_MINUTES
    (jwk,) = answer.json()["keys"]
    # Nothing private among them.
    assert jwk.keys() == members | {"kty", "kid", "alg", "use"}
    assert (jwk["alg"], jwk["use"]) == (config["algorithm"], "sig")
    claims = jwt.decode(
        api.tokens()[0],
        jwt.PyJWK(jwk),
        [config["algorithm"]],
        audience=API,
        issuer=ISSUER,
        options={"verify_exp": False, "verify_iat": False},
    )
    assert claims["sub"] == "user-alice"


@pytest.mark.rfc("7517", "9.2")
@configured(algorithm="HS256")
def test_x04_a_symmetric_key_is_never_published(api: Api) -> None:
    assert not {"jwks_uri", "revocation_feed_endpoint"} & set(metadata(api))
    assert api.get(JWKS).json() == {"keys": []}
    assert api.get("/whoami", token=api.tokens()[0]).status == 200


# ---- both ------------------------------------------------------------------------------------

documents = pytest.mark.parametrize("path", [METADATA, JWKS, FEED])


@documents
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_documents_are_only_read(api: Api, path: str, method: str) -> None:
    answer = api.get(path, method=method)
    assert client_refusal(answer) == (405, "invalid_request")
    assert answer.header("allow") == "GET"


@documents
def test_head_answers_like_get_without_content(api: Api, path: str) -> None:
    answer = api.get(path, method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.header("cache-control") == api.get(path).header("cache-control")


@pytest.mark.parametrize("path", [TOKEN, REVOKE, INTROSPECT, METADATA, JWKS, FEED])
@pytest.mark.parametrize("origin", ["https://spa.example.com", "null"])
def test_o01_other_origins_may_read_and_send_no_cookies(api: Api, path: str, origin: str) -> None:
    def shares(answer: Response) -> bool:
        return (
            answer.header("access-control-allow-origin") == "*"
            and answer.header("access-control-allow-credentials") is None
        )

    method = "GET" if path in {METADATA, JWKS, FEED} else "POST"
    preflight = api.get(path, ("origin", origin), method="OPTIONS")
    assert (preflight.status, preflight.body) == (204, b"")
    assert shares(preflight)
    assert preflight.header("access-control-allow-methods") == method
    assert preflight.header("access-control-allow-headers") == "authorization, content-type"
    assert shares(api.get(path, ("origin", origin), method=method))
