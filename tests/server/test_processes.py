"""The command as a process: the forms that scripts rely on, several workers, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest

from bezant_server.settings import Settings
from tests.server.installation import API, PASSWORD, SECRET, furnish
from tests.server.processes import Served, environment, run, serving

SIGN_IN = {"grant_type": "password", "username": "alice", "password": PASSWORD}
POSTGRES = {"BEZANT_SECRET_KEY": "0123456789abcdef0123456789abcdef"}


def settings_of(database: str, request: pytest.FixtureRequest) -> dict[str, str]:
    if database == "sqlite":
        return {}
    return {"BEZANT_DATABASE_URL": request.getfixturevalue("postgres_url"), **POSTGRES}


def sign_in(http: httpx2.Client) -> Any:
    answer = http.post("/oauth/token", data=SIGN_IN, auth=("web", SECRET))
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_the_exact_forms(database: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    env = settings_of(database, request)

    def bezant(command: str, stdin: str = "") -> str:
        done = run(*command.split(), cwd=tmp_path, env=env, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    bezant("db upgrade")
    bezant("role add editor --permission items.delete")
    bezant(
        "user add alice --email alice@example.com --role editor --password-stdin", PASSWORD + "\n"
    )
    bezant(
        "client add web --secret-stdin --grant password --grant refresh_token "
        "--scope items:read --scope items:write --audience https://api.example.com",
        SECRET + "\n",
    )
    env["BEZANT_ACCESS_TOKEN_TTL"] = "120"
    with serving(cwd=tmp_path, env=env) as served, served.http() as http:
        tokens = sign_in(http)
        assert tokens["expires_in"] == 120
        token = {"token": tokens["access_token"]}
        claims = http.post("/oauth/introspect", data=token, auth=("web", SECRET)).json()
        assert (claims["iss"], claims["aud"]) == (served.url, API)
        assert claims["scope"] == "items:read items:write"
        assert claims["permissions"] == ["items.delete"]
        if database == "sqlite":
            # What a command revokes, the running server knows within a moment.
            document = json.loads(bezant("user disable alice --json"))
            assert document["sessions_ended"] == 1
            answer = http.post("/oauth/introspect", data=token, auth=("web", SECRET))
            assert answer.json() == {"active": False}
            assert http.post("/oauth/token", data=SIGN_IN, auth=("web", SECRET)).status_code == 400
        assert served.stop() == 0


def test_serving_makes_all_that_is_missing(tmp_path: Path) -> None:
    with serving(cwd=tmp_path) as served, served.http() as http:
        assert http.get("/readyz").status_code == 200
        assert served.stop() == 0
    assert {"bezant.db", "bezant.db.key"} <= {path.name for path in tmp_path.iterdir()}
    log = "".join(served.log)
    assert "made the secret key file" in log and "made sqlite:///bezant.db" in log
    assert "Traceback" not in log
    assert (tmp_path / "bezant.db.key").read_text().strip() not in log


def test_many_that_begin_at_once_agree(tmp_path: Path) -> None:
    """Four servers on one empty database: one set of tables, one key of each kind, and all serve
    with them.
    """
    with ThreadPoolExecutor(4) as pool:
        opened = [serving(cwd=tmp_path) for _ in range(4)]
        servers: list[Served] = list(pool.map(lambda one: one.__enter__(), opened))
        try:
            keys = set()
            for served in servers:
                with served.http() as http:
                    assert http.get("/readyz").status_code == 200
                    keys.add(http.get("/oauth/jwks.json").text)
            assert len(keys) == 1
            kinds = [key["alg"] for key in json.loads(keys.pop())["keys"]]
            assert sorted(kinds) == ["ES256", "EdDSA", "RS256"]
        finally:
            list(pool.map(lambda one: one.__exit__(None, None, None), opened))


@pytest.fixture
def furnished(installed: Settings) -> Settings:
    furnish(installed)
    return installed


def test_several_workers_serve_one_port_and_count_together(
    furnished: Settings, tmp_path: Path
) -> None:
    with serving("--workers", "2", cwd=tmp_path) as served:
        children = children_of(served.process.pid)
        answered = 0
        for _ in range(20):
            with served.http() as http:  # a new connection, to whichever worker is free
                tokens = sign_in(http)
                form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
                assert http.post("/oauth/token", data=form, auth=("web", SECRET)).status_code == 200
                answered += 2
        with served.http() as http:
            text = http.get("/metrics").text
        assert f'bezant_http_requests_total{{endpoint="token",status="200"}} {answered}.0' in text
        assert served.stop() == 0
    assert "Traceback" not in "".join(served.log)
    assert not any(map(alive, children))


def test_workers_end_with_their_supervisor(furnished: Settings, tmp_path: Path) -> None:
    with serving("--workers", "2", cwd=tmp_path, env={"TMPDIR": str(tmp_path)}) as served:
        children = children_of(served.process.pid)
        assert len(children) >= 2
        served.kill()
        deadline = time.monotonic() + 30
        while any(map(alive, children)) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not any(map(alive, children))
    assert not list(tmp_path.glob("bezant-metrics-*"))


def test_a_worker_that_is_killed_is_replaced(furnished: Settings, tmp_path: Path) -> None:
    with serving("--workers", "2", cwd=tmp_path) as served:
        workers = [pid for pid in children_of(served.process.pid) if "spawn_main" in command(pid)]
        os.kill(workers[0], signal.SIGKILL)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            now = {pid for pid in children_of(served.process.pid) if "spawn_main" in command(pid)}
            if len(now) == 2 and workers[0] not in now:
                break
            time.sleep(0.05)
        else:
            pytest.fail("no new worker came")
        with served.http() as http:
            sign_in(http)


def test_what_is_under_way_is_finished_before_the_end(furnished: Settings, tmp_path: Path) -> None:
    # Hashing takes a moment, so that the request is still being answered when the signal comes.
    env = {"BEZANT_PASSWORD_MEMORY_KIB": "65536", "BEZANT_PASSWORD_ITERATIONS": "3"}
    with serving(cwd=tmp_path, env=env) as served, served.http() as http:
        form = {**SIGN_IN, "username": "nobody"}
        request = http.build_request("POST", "/oauth/token", data=form)
        credentials = httpx2.BasicAuth("web", SECRET)
        next(credentials.auth_flow(request))
        lines = ["POST /oauth/token HTTP/1.1", *(f"{k}: {v}" for k, v in request.headers.items())]
        with socket.create_connection((request.url.host, request.url.port)) as connection:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + request.content)
            for _ in range(2):  # when these are answered, that one has long been begun
                assert http.get("/healthz").status_code == 200
            assert served.stop() == 0
            answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"invalid_grant" in answer


def test_the_address_of_a_client_is_believed_from_named_proxies_only(
    furnished: Settings, tmp_path: Path
) -> None:
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    for env, address in (
        ({}, "127.0.0.1"),
        ({"BEZANT_TRUSTED_PROXIES": "127.0.0.1"}, "203.0.113.7"),
    ):
        with serving(cwd=tmp_path, env=env) as served, served.http() as http:
            form = {**SIGN_IN, "password": "wrong password"}
            http.post("/oauth/token", data=form, auth=("web", SECRET), headers=forwarded)
            served.stop()
        lines = [json.loads(line) for line in served.log if line.startswith("{")]
        failed = [line for line in lines if line["event"] == "LoginFailed"]
        assert [line["address"] for line in failed] == [address]


def test_a_start_that_cannot_be_is_refused_in_one_line(tmp_path: Path) -> None:
    env = {"BEZANT_DATABASE_URL": "postgresql://bezant:canary@db/bezant"}
    done = run("serve", "--port", "0", cwd=tmp_path, env=env)
    assert done.returncode == 2
    assert done.stderr.startswith("bezant: BEZANT_SECRET_KEY: set it")
    assert done.stderr.count("\n") == 1 and "canary" not in done.stderr
    assert done.stdout == ""


def test_a_port_in_use_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == (
        f"bezant: BEZANT_HOST, BEZANT_PORT: cannot listen on 127.0.0.1:{port}: "
        "Address already in use\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_help_answers_without_loading_what_commands_need(tmp_path: Path) -> None:
    code = (
        "import sys; sys.argv = ['bezant', *sys.argv[1:]]\n"
        "from bezant_server.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'bezant', 'sqlalchemy', 'alembic', 'fastapi', 'pydantic_settings', 'uvicorn'}\n"
        "sys.exit(', '.join(heavy & set(sys.modules)) or 0)\n"
    )
    for arguments in (["--help"], ["user", "--help"], ["client", "add", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def alive(pid: int) -> bool:
    return bool(command(pid))
