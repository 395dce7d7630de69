"""Standard client libraries against `bezant serve`: no special care, on either side."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bezant_server.serving import prepare
from bezant_server.settings import load_settings
from tests.server.installation import API, PASSWORD, SECRET, furnish
from tests.server.processes import Served, serving

with warnings.catch_warnings():  # theirs, not ours
    warnings.simplefilter("ignore")
    from authlib.integrations.base_client import OAuthError as AuthlibError
    from authlib.integrations.requests_client import OAuth2Session
    from oauthlib.oauth2 import LegacyApplicationClient, OAuth2Error
    from requests_oauthlib import OAuth2Session as LegacySession

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:authlib", "ignore:::authlib")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """`bezant serve`, with alice and the client web."""
    directory = tmp_path_factory.mktemp("served")
    settings = load_settings(database_url=f"sqlite:///{directory}/bezant.db")
    prepare(settings, lambda _: None)
    furnish(settings)
    with serving(cwd=directory) as server:
        yield server


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the libraries ask for before they speak http, which they do here on loopback only."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def metadata(served: Served) -> Any:
    with served.http() as http:
        return http.get("/.well-known/oauth-authorization-server").json()


def is_active(metadata: Any, token: str, session: Any) -> bool:
    answer = session.post(
        metadata["introspection_endpoint"], data={"token": token}, auth=("web", SECRET)
    )
    assert answer.status_code == 200
    return bool(answer.json()["active"])


def test_requests_oauthlib(metadata: Any) -> None:
    client = LegacyApplicationClient(client_id="web")
    with LegacySession(client=client) as session:
        token = session.fetch_token(
            metadata["token_endpoint"],
            username="alice",
            password=PASSWORD,
            client_id="web",
            client_secret=SECRET,
        )
        assert token["token_type"] == "Bearer"
        assert token["scope"] == ["items:read", "items:write"]
        first = token["access_token"]
        assert is_active(metadata, first, session)

        token = session.refresh_token(
            metadata["token_endpoint"], auth=("web", SECRET), client_id="web"
        )
        second = token["access_token"]
        assert second != first
        assert is_active(metadata, second, session)

        url, headers, body = client.prepare_token_revocation_request(
            metadata["revocation_endpoint"], token["refresh_token"], "refresh_token"
        )
        answer = session.post(url, headers=headers, data=body, auth=("web", SECRET))
        assert answer.status_code == 200
        assert not is_active(metadata, second, session)
        with pytest.raises(OAuth2Error, match="invalid_grant"):
            session.refresh_token(metadata["token_endpoint"], auth=("web", SECRET))


def test_requests_oauthlib_understands_our_refusals(metadata: Any) -> None:
    with (
        LegacySession(client=LegacyApplicationClient(client_id="web")) as session,
        pytest.raises(OAuth2Error, match="invalid_grant"),
    ):
        session.fetch_token(
            metadata["token_endpoint"],
            username="alice",
            password="not her password",
            client_id="web",
            client_secret=SECRET,
        )


def test_authlib(metadata: Any) -> None:
    with OAuth2Session("web", SECRET, token_endpoint=metadata["token_endpoint"]) as session:
        token = session.fetch_token(
            metadata["token_endpoint"],
            grant_type="password",
            username="alice",
            password=PASSWORD,
            scope="items:read",
        )
        assert token["scope"] == "items:read"
        first = token["access_token"]
        assert (
            session.introspect_token(
                metadata["introspection_endpoint"], token=first, token_type_hint="access_token"
            ).json()["aud"]
            == API
        )

        token = session.refresh_token(
            metadata["token_endpoint"], refresh_token=token["refresh_token"]
        )
        assert token["access_token"] != first

        answer = session.revoke_token(
            metadata["revocation_endpoint"],
            token=token["refresh_token"],
            token_type_hint="refresh_token",
        )
        assert answer.status_code == 200
        answer = session.introspect_token(
            metadata["introspection_endpoint"], token=token["access_token"]
        )
        assert answer.json() == {"active": False}
        with pytest.raises(AuthlibError, match="invalid_grant"):
            session.refresh_token(metadata["token_endpoint"], refresh_token=token["refresh_token"])


def test_authlib_for_a_client_that_acts_for_itself(metadata: Any) -> None:
    with OAuth2Session("web", SECRET) as session:
        token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials")
        answer = session.introspect_token(
            metadata["introspection_endpoint"], token=token["access_token"]
        )
        assert answer.json()["sub"] == "web"
        assert "refresh_token" not in token
