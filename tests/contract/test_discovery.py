"""What the server says of itself, and that it is true."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.api import (
    AUTHORIZE,
    FEED,
    INTROSPECT,
    JWKS,
    METADATA,
    METHODS,
    OPENID_CONFIGURATION,
    PAR,
    REVOKE,
    TOKEN,
    answer_of,
    client_refusal,
    error_of,
    form_of,
    page_of,
)
from tests.jose import parts
from tests.world import API, ISSUER, PASSWORD, SCOPES, configured

if TYPE_CHECKING:
    from bezant.http import Response
    from tests.api import Api
    from tests.world import World

PUBLIC_FOR_FIVE_MINUTES = "public, max-age=300"
BY_METHOD = {
    "client_secret_basic": "web",
    "client_secret_post": "mobile",
    "private_key_jwt": "prover",
    "none": "spa",
}
SIGNATURES = ["ES256", "EdDSA", "RS256", "PS256"]


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
        "token_endpoint_auth_methods_supported": list(BY_METHOD),
        "token_endpoint_auth_signing_alg_values_supported": SIGNATURES,
        "revocation_endpoint": ISSUER + REVOKE,
        "revocation_endpoint_auth_methods_supported": list(BY_METHOD),
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNATURES,
        "introspection_endpoint": ISSUER + INTROSPECT,
        "introspection_endpoint_auth_methods_supported": list(BY_METHOD)[:-1],
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNATURES,
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


# ---- where people sign in in browsers --------------------------------------------------------

code_flow = configured(code_flow=True)


@code_flow
@pytest.mark.rfc("8414", "2")
@pytest.mark.openid("oidcc-discovery-endpoint-verification")
def test_the_metadata_of_an_openid_provider(api: Api) -> None:
    answer = api.get(OPENID_CONFIGURATION)
    assert (answer.status, answer.header("content-type")) == (200, "application/json")
    assert answer.header("cache-control") == PUBLIC_FOR_FIVE_MINUTES
    assert answer.header("access-control-allow-origin") == "*"
    document = answer.json()
    assert api.get(METADATA).body == answer.body
    claims = document.pop("claims_supported")
    assert {"sub", "iss", "aud", "auth_time", "acr", "amr", "sid", "name", "email"} <= set(claims)
    assert len(set(claims)) == len(claims)
    assert document == {
        "issuer": ISSUER,
        "authorization_endpoint": ISSUER + AUTHORIZE,
        "token_endpoint": ISSUER + TOKEN,
        "userinfo_endpoint": f"{ISSUER}/oauth/userinfo",
        "jwks_uri": ISSUER + JWKS,
        "end_session_endpoint": f"{ISSUER}/oauth/logout",
        "pushed_authorization_request_endpoint": ISSUER + PAR,
        "revocation_endpoint": ISSUER + REVOKE,
        "introspection_endpoint": ISSUER + INTROSPECT,
        "revocation_feed_endpoint": ISSUER + FEED,
        "token_endpoint_auth_methods_supported": list(BY_METHOD),
        "token_endpoint_auth_signing_alg_values_supported": SIGNATURES,
        "revocation_endpoint_auth_methods_supported": list(BY_METHOD),
        "revocation_endpoint_auth_signing_alg_values_supported": SIGNATURES,
        "introspection_endpoint_auth_methods_supported": list(BY_METHOD)[:-1],
        "introspection_endpoint_auth_signing_alg_values_supported": SIGNATURES,
        "grant_types_supported": [
            *("authorization_code", "client_credentials", "password", "refresh_token")
        ],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "prompt_values_supported": ["consent", "login", "none", "select_account"],
        "scopes_supported": [
            *("openid", "profile", "email", "address", "phone", "offline_access", *SCOPES)
        ],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "userinfo_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "claims_parameter_supported": True,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }


@code_flow
@pytest.mark.openid("oidcc-discovery-endpoint-verification")
def test_every_advertised_endpoint_is_there(api: Api) -> None:
    document = metadata(api)
    found = {
        name: api.get(urlsplit(url).path, method="PUT").status
        for name, url in document.items()
        if name.endswith(("_endpoint", "_uri"))
    }
    assert len(found) == 9
    assert found == dict.fromkeys(found, 405)
    keys = api.get(JWKS).json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) == 3
    assert {key["alg"] for key in keys} == set(document["id_token_signing_alg_values_supported"])


@code_flow
@pytest.mark.rfc("8414", "2")
@pytest.mark.openid("oidcc-discovery-endpoint-verification")
def test_every_advertised_value_of_a_request_works_and_no_other(api: Api, world: World) -> None:
    document = metadata(api)
    asked = api.authorize(prompt="none")
    for value in document["prompt_values_supported"]:
        answer = api.authorize(prompt=value)
        assert error_of(answer) == "login_required" if value == "none" else page_of(answer)
    world.sign_in()

    def works(name: str, value: str) -> bool:
        answer = api.authorize("portal", **{name: value})
        sent = form_of(answer)[1] if answer.status == 200 else answer_of(answer)
        return "code" in sent

    tried = {
        "response_type": ["code", "token", "id_token", "code id_token", "none"],
        "response_mode": ["query", "fragment", "form_post", "query.jwt"],
        "code_challenge_method": ["S256", "plain"],
    }
    for name, values in tried.items():
        offered = document[f"{name}s_supported"]
        assert [value for value in values if works(name, value)] == offered
    # And what is said about all answers is true.
    assert document["authorization_response_iss_parameter_supported"]
    assert "iss=" in (asked.header("location") or "")
    assert not document["request_parameter_supported"]
    assert error_of(api.authorize(request="x")) == "request_not_supported"
    assert not document["request_uri_parameter_supported"]
    assert error_of(api.authorize(request_uri="https://x")) == "request_uri_not_supported"


@code_flow
@pytest.mark.rfc("8414", "2")
@pytest.mark.openid("oidcc-scope-all")
def test_every_advertised_scope_of_a_sign_in_can_be_had(api: Api, world: World) -> None:
    scopes = metadata(api)["scopes_supported"]
    world.change_client("portal", scopes=tuple(scopes))
    world.sign_in()
    for scope in (*scopes, " ".join(scopes)):
        assert api.redeem(api.code("portal", scope=scope)).json()["scope"] == scope


@code_flow
@pytest.mark.openid("oidcc-idtoken-signature")
def test_every_advertised_signature_of_id_tokens_works(api: Api, world: World) -> None:
    world.sign_in()
    keys = {key["kid"]: key for key in api.get(JWKS).json()["keys"]}
    used = []
    for algorithm in metadata(api)["id_token_signing_alg_values_supported"]:
        world.change_client("portal", id_token_signed_response_alg=algorithm)
        token = api.redeem(api.code("portal")).json()["id_token"]
        key = keys[parts(token)[0]["kid"]]
        options = {"verify_exp": False, "verify_iat": False}
        claims = jwt.decode(token, jwt.PyJWK(key), [algorithm], audience="portal", options=options)
        assert claims["iss"] == ISSUER
        used.append(key["alg"])
    assert used == ["RS256", "ES256", "EdDSA"]


@configured(code_flow=True, issuer=f"{ISSUER}/tenant", endpoint_prefix="")
@pytest.mark.rfc("8414", "3.1")
@pytest.mark.openid("oidcc-discovery-endpoint-verification")
def test_an_openid_provider_with_a_path(api: Api) -> None:
    """OpenID Connect has its document below the path, RFC 8414 beside it."""
    document = api.get(OPENID_CONFIGURATION)
    assert document.json()["issuer"] == f"{ISSUER}/tenant"
    assert document.json()["authorization_endpoint"] == f"{ISSUER}/tenant/authorize"
    assert api.get(f"{METADATA}/tenant").body == document.body


def test_without_pages_nothing_of_them_is_there(api: Api, world: World) -> None:
    assert METADATA in {endpoint.path for endpoint in world.server.endpoints}
    names = {endpoint.name for endpoint in world.server.endpoints}
    assert not {"authorize", "par", "userinfo", "end_session", "openid_configuration"} & names
    answer = api.token("web", "authorization_code", code="x", redirect_uri="x", code_verifier="x")
    assert client_refusal(answer) == (400, "unsupported_grant_type")


@code_flow
@pytest.mark.parametrize(
    "header",
    [("host", "evil.example.com"), ("x-forwarded-host", "evil.example.com")],
    ids=lambda header: header[0],
)
def test_h04_no_header_changes_the_urls_of_an_openid_provider(
    api: Api, header: tuple[str, str]
) -> None:
    answer = api.get(OPENID_CONFIGURATION, header)
    assert answer.body == api.get(METADATA).body
    assert b"evil" not in answer.body


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
