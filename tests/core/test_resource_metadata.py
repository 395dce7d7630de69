"""What a resource server says of itself (RFC 9728), and how its challenges lead there."""

from __future__ import annotations

import pytest

from bezant import ConfigurationError, ResourceMetadata, guard_for
from bezant.errors import MissingToken
from bezant.http import Request
from bezant.runtime import SYNC, run_sync
from bezant.testing import TokenFactory

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@pytest.mark.rfc("9728", "2")
@pytest.mark.rfc("9728", "3.2")
def test_the_document() -> None:
    metadata = ResourceMetadata(
        "https://api.example.com", ["https://id.example.com"], scopes=["items:write", "items:read"]
    )
    answer = run_sync(metadata.endpoint.handler(Request("GET"), SYNC))
    assert answer.status == 200
    assert answer.header("content-type") == "application/json"
    assert answer.json() == {
        "resource": "https://api.example.com",
        "authorization_servers": ["https://id.example.com"],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["items:read", "items:write"],
    }


@pytest.mark.rfc("9728", "3.1")
@pytest.mark.parametrize("path", ["", "/v1", "/a/b"])
def test_it_is_where_the_resources_path_says(path: str) -> None:
    metadata = ResourceMetadata("https://api.example.com" + path, ["https://id.example.com"])
    assert metadata.endpoint.path == WELL_KNOWN + path
    assert metadata.url == f"https://api.example.com{WELL_KNOWN}{path}"


def test_it_is_only_read() -> None:
    metadata = ResourceMetadata("https://api.example.com", ["https://id.example.com"])
    answer = run_sync(metadata.endpoint.handler(Request("POST"), SYNC))
    assert (answer.status, answer.header("allow")) == (405, "GET")


@pytest.mark.rfc("9728", "5.1")
def test_every_challenge_names_it() -> None:
    guard = guard_for(TokenFactory().verifier(), SYNC, resource="https://api.example.com")
    assert [endpoint.path for endpoint in guard.endpoints] == [WELL_KNOWN]
    challenge = guard.refuse(MissingToken()).header("www-authenticate")
    url = f"https://api.example.com{WELL_KNOWN}"
    assert challenge == f'Bearer realm="api", resource_metadata="{url}"'


@pytest.mark.parametrize("resource", ["http://api.example.com", "api", "https://api.example.com/"])
def test_a_resource_that_is_no_https_url_is_refused(resource: str) -> None:
    with pytest.raises(ConfigurationError, match=r"^resource:"):
        ResourceMetadata(resource, ["https://id.example.com"])


def test_a_resource_without_an_authorization_server_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^authorization_servers:"):
        ResourceMetadata("https://api.example.com", [])


def test_contradicting_settings_of_a_guard_are_refused() -> None:
    verifier = TokenFactory().verifier()
    with pytest.raises(ConfigurationError, match=r"^resource_metadata:"):
        guard_for(
            verifier,
            SYNC,
            resource="https://api.example.com",
            resource_metadata="https://api.example.com/about",
        )
    with pytest.raises(ConfigurationError, match=r"^audience:"):
        guard_for(verifier, SYNC, audience="https://api.example.com")
