"""The application: its endpoints, its health, its counters, its pages."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, text
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bezant.errors import ConfigurationError
from bezant_server.app import create_app
from bezant_server.migrations import VERSION_TABLE
from bezant_server.secret_file import open_ring
from bezant_server.serving import prepare
from bezant_server.settings import Settings, load_settings
from tests.server.installation import API, PASSWORD, SECRET, furnish
from tests.services import Postgres

BASIC = ("web", SECRET)


def serving(settings: Settings) -> TestClient:
    """The application for these settings, to be entered."""
    ring = prepare(settings, lambda _: None)
    return TestClient(create_app(settings, ring), base_url=settings.public_url())


@pytest.fixture
def client(installed: Settings) -> Iterator[TestClient]:
    furnish(installed)
    with serving(installed) as client:
        yield client


def sign_in(client: TestClient) -> dict[str, Any]:
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
    answer = client.post("/oauth/token", data=form, auth=BASIC)
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def refresh(client: TestClient, tokens: dict[str, Any]) -> Any:
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    return client.post("/oauth/token", data=form, auth=BASIC)


@pytest.mark.parametrize("driver", ["sqlite", "psycopg", "asyncpg"])
def test_tokens_are_issued_used_renewed_and_revoked(
    driver: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if driver != "sqlite":
        url = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("BEZANT_DATABASE_URL", url.replace("://", f"+{driver}://"))
        monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    settings = load_settings()
    prepare(settings, lambda _: None)
    furnish(settings)
    with serving(settings) as client:
        tokens = sign_in(client)
        token = {"token": tokens["access_token"]}
        claims = client.post("/oauth/introspect", data=token, auth=BASIC).json()
        assert (claims["active"], claims["aud"]) == (True, API)
        assert (claims["roles"], claims["permissions"]) == (["editor"], ["items.delete"])
        renewed = refresh(client, tokens).json()
        revoked = {"token": renewed["refresh_token"]}
        assert client.post("/oauth/revoke", data=revoked, auth=BASIC).status_code == 200
        answer = client.post("/oauth/introspect", data=token, auth=BASIC)
        assert answer.json() == {"active": False}
        assert refresh(client, renewed).json()["error"] == "invalid_grant"


def test_clients_find_everything_in_the_metadata(client: TestClient) -> None:
    metadata = client.get("/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == "http://127.0.0.1:8000"
    keys = client.get(metadata["jwks_uri"]).json()["keys"]
    # Access tokens are signed with the first; ID tokens with what a client is registered for.
    assert [key["alg"] for key in keys] == ["ES256", "RS256", "EdDSA"]
    assert not any("d" in key for key in keys)


def test_settings_reach_the_tokens(installed: Settings) -> None:
    furnish(installed)
    with serving(load_settings(access_token_ttl=77, issuer="https://id.example.com")) as client:
        tokens = sign_in(client)
        assert tokens["expires_in"] == 77
        token = {"token": tokens["access_token"]}
        claims = client.post("/oauth/introspect", data=token, auth=BASIC).json()
        assert claims["iss"] == "https://id.example.com"


def test_headers_do_not_move_the_issuer(client: TestClient) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil"}
    for path in ("/", "/.well-known/oauth-authorization-server"):
        assert "evil" not in client.get(path, headers=headers).text


# Health


def test_alive_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "checks": {"database": "ok", "migrations": "ok", "keys": "ok"},
    }
    assert answer.headers["cache-control"] == "no-store"
    assert client.head("/readyz").status_code == 200
    assert client.post("/healthz").status_code == 405


@pytest.mark.parametrize(
    ("statement", "check", "problem"),
    [
        (f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "migrations", "newer version"),
        (f"DROP TABLE {VERSION_TABLE}", "migrations", "bezant db upgrade"),
        ("UPDATE bezant_keys SET retired_at = 1", "keys", "no active ES256 key"),
    ],
)
def test_not_ready_says_why(
    statement: str, check: str, problem: str, client: TestClient, installed: Settings
) -> None:
    engine = create_engine(installed.database_url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
    answer = client.get("/readyz")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert problem in checks.pop(check)
    assert set(checks.values()) == {"ok"}
    assert client.get("/healthz").status_code == 200


def test_a_database_that_is_away_is_told_and_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    postgres = Postgres()
    try:
        postgres.start()
        monkeypatch.setenv("BEZANT_DATABASE_URL", postgres.create_database())
        monkeypatch.setenv("BEZANT_SECRET_KEY", "0123456789abcdef0123456789abcdef")
        settings = load_settings()
        prepare(settings, lambda _: None)
        furnish(settings)
        with serving(settings) as client:
            tokens = sign_in(client)
            postgres.stop()
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "cannot answer" in answer.json()["checks"]["database"]
            answer = refresh(client, tokens)
            assert answer.status_code == 503
            assert answer.headers["retry-after"]
            postgres.start()
            assert client.get("/readyz").status_code == 200
            assert refresh(client, tokens).status_code == 200
    finally:
        postgres.remove()


# Counters


def samples(client: TestClient) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.name.startswith(("process_", "python_")) and "bucket" not in sample.name
    }


def test_what_happens_is_counted(client: TestClient) -> None:
    tokens = sign_in(client)
    newer = refresh(client, tokens).json()
    refresh(client, tokens)
    refresh(client, newer)
    refresh(client, tokens)
    client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=BASIC)
    client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=("web", "wrong"))
    wrong = {"grant_type": "password", "username": "alice", "password": "wrong"}
    client.post("/oauth/token", data=wrong, auth=BASIC)
    counted = samples(client)
    expected = {
        ("bezant_tokens_issued_total", "password"): 1,
        ("bezant_tokens_issued_total", "refresh_token"): 3,
        ("bezant_tokens_issued_total", "client_credentials"): 1,
        ("bezant_refreshes_total", "rotated"): 2,
        ("bezant_refreshes_total", "retried"): 1,
        ("bezant_logins_total", "succeeded"): 1,
        ("bezant_logins_total", "failed"): 1,
        ("bezant_events_total", "RefreshReuseDetected"): 1,
        ("bezant_events_total", "ClientAuthenticationFailed"): 1,
        ("bezant_http_requests_total", "token", "200"): 5,
        ("bezant_http_requests_total", "token", "400"): 2,
        ("bezant_http_requests_total", "token", "401"): 1,
        ("bezant_http_request_seconds_count", "token"): 8,
    }
    assert {name: counted.get(name) for name in expected} == expected


def test_labels_come_from_fixed_sets(client: TestClient) -> None:
    for number in range(50):
        client.get(f"/nowhere/{number}")
        client.request(f"VERB{number}", "/oauth/token")
        form = {"grant_type": f"grant-{number}", "client_id": f"client-{number}"}
        client.post("/oauth/token", data=form)
    samples(client)
    before = len(samples(client))
    for number in range(50, 100):
        client.get(f"/nowhere/{number}")
        client.request(f"VERB{number}", "/oauth/token")
        form = {"grant_type": f"grant-{number}", "client_id": f"client-{number}"}
        client.post("/oauth/token", data=form)
    assert len(samples(client)) == before
    assert not re.search(r"alice|grant-|client-|nowhere", client.get("/metrics").text)


def test_the_counters_can_be_switched_off(installed: Settings) -> None:
    with serving(load_settings(metrics=False)) as client:
        assert client.get("/metrics").status_code == 404
        assert client.get("/healthz").status_code == 200


# Requests


def test_every_answer_names_its_request(client: TestClient) -> None:
    ids = {client.get(path).headers["x-request-id"] for path in ("/", "/healthz", "/nowhere")}
    assert len(ids) == 3
    sent = {"x-request-id": "chosen-by-a-client"}
    assert client.get("/", headers=sent).headers["x-request-id"] != "chosen-by-a-client"


@pytest.mark.parametrize(
    ("sent", "kept"), [("0123456789", True), ("a b", False), ("x" * 99, False)]
)
def test_behind_a_proxy_a_request_keeps_its_id(sent: str, kept: bool, installed: Settings) -> None:
    with serving(load_settings(trusted_proxies=("127.0.0.1",))) as client:
        answer = client.get("/healthz", headers={"x-request-id": sent})
        assert (answer.headers["x-request-id"] == sent) is kept


def failing_app(settings: Settings) -> TestClient:
    """The application with two routes that fail, as by a mistake of ours."""
    app = create_app(settings, prepare(settings, lambda _: None))

    async def fail(request: Request) -> Any:
        raise RuntimeError("canary of the failure")

    async def fail_late(request: Request) -> Any:
        async def body() -> Any:
            yield b"half"
            raise RuntimeError("canary of the failure")

        return StreamingResponse(body())

    app.routes.router.routes += [Route("/fail", fail), Route("/fail-late", fail_late)]
    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize("accept", ["*/*", "text/html"])
def test_a_failure_is_answered_with_nothing_but_a_reference(
    accept: str, installed: Settings
) -> None:
    with failing_app(installed) as client:
        client.headers["accept"] = accept
        answer = client.get("/fail")
        assert answer.status_code == 500
        assert answer.headers["x-request-id"] in answer.text
        assert answer.headers["content-type"].startswith(
            "text/html" if accept == "text/html" else "application/json"
        )
        assert "canary" not in answer.text


def test_a_failure_half_way_ends_the_answer(installed: Settings) -> None:
    with failing_app(installed) as client, pytest.raises(RuntimeError):
        TestClient(client.app).get("/fail-late")


# Pages


def test_the_landing_page_is_for_people_and_for_programs(client: TestClient) -> None:
    page = client.get("/", headers={"accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert "authorization server" in page.text
    assert not re.search(r"<script|src=|@import|url\(", page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    links = re.findall(r'href="([^"]+)"', page.text)
    assert links
    for link in links:
        assert client.get(link).status_code == 200
    document = client.get("/").json()
    assert document["issuer"] == "http://127.0.0.1:8000"
    assert client.get(document["metadata"]).status_code == 200


def test_paths_that_lead_nowhere(client: TestClient) -> None:
    answer = client.get("/nowhere")
    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")
    page = client.get("/<script>alert(1)</script>", headers={"accept": "text/html"})
    assert page.status_code == 404
    assert "script" not in page.text
    assert client.get("/docs").status_code == 404
    assert client.get("/openapi.json").status_code == 404


# What surrounds it


def test_the_database_is_purged_from_time_to_time(
    installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    purges: list[float] = []

    async def purge(runtime: object) -> int:
        purges.append(0)
        if len(purges) == 1:
            raise RuntimeError("it fails once")
        return 0

    settings = load_settings(purge_interval=0.01)
    app = create_app(settings, prepare(settings, lambda _: None))
    monkeypatch.setattr(app.server, "purge", purge)
    with TestClient(app) as client:
        for _ in range(1000):
            client.get("/healthz")
            if len(purges) > 1:
                break
    assert len(purges) > 1


def test_b07_login_attempts_are_counted_in_redis_for_all_nodes(
    installed: Settings, valkey_url: str
) -> None:
    furnish(installed)
    settings = load_settings(redis_url=valkey_url)
    wrong = {"grant_type": "password", "username": "alice", "password": "wrong password"}
    with serving(settings) as one, serving(settings) as other:
        for _ in range(5):
            for node in (one, other):
                assert node.post("/oauth/token", data=wrong, auth=BASIC).status_code == 400
        for node in (one, other):
            answer = node.post("/oauth/token", data=wrong, auth=BASIC)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    with redis.Redis.from_url(valkey_url) as client:
        assert client.keys("bezant:*")
    engine = create_engine(settings.database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM bezant_attempts")) == 0
    engine.dispose()


def test_b07_without_redis_nobody_signs_in_but_all_else_goes_on(installed: Settings) -> None:
    furnish(installed)
    with serving(installed) as client:
        tokens = sign_in(client)
    with serving(load_settings(redis_url="redis://127.0.0.1:1/0")) as client:
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD}
        assert client.post("/oauth/token", data=form, auth=BASIC).status_code == 503
        assert refresh(client, tokens).status_code == 200
        assert client.get("/readyz").status_code == 200


def test_a_url_that_is_none_is_told(installed: Settings) -> None:
    settings = load_settings(redis_url="canary://nonsense")
    with pytest.raises(ConfigurationError, match=r"^BEZANT_REDIS_URL: write it like") as refused:
        create_app(settings, open_ring(settings, lambda _: None))
    assert "canary" not in str(refused.value)


def test_b07_a_restart_forgets_no_login_attempts(installed: Settings) -> None:
    furnish(installed)
    wrong = {"grant_type": "password", "username": "alice", "password": "wrong password"}
    statuses = []
    for attempts in (6, 5):
        with serving(installed) as client:
            for _ in range(attempts):
                answer = client.post("/oauth/token", data=wrong, auth=BASIC)
                statuses.append(answer.status_code)
    assert statuses == [400] * 10 + [429]


def test_without_redis_py_it_says_what_to_install(
    installed: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bezant.stores.redis", None)
    settings = load_settings(redis_url="redis://127.0.0.1:1/0")
    with pytest.raises(ConfigurationError, match=r"bezant-server\[redis\]"):
        create_app(settings, open_ring(settings, lambda _: None))
