"""The demo: it runs, it is right, and what it tells people to type works."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import httpx2
import pytest

from bezant_server.demo.resources import FRAMEWORKS
from bezant_server.demo.story import Story
from tests.server.processes import environment, run


def test_it_runs_once_in_80_columns_and_leaves_nothing_behind(tmp_path: Path) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary), "BEZANT_ISSUER": "https://not.for.the.demo"}
    done = run("demo", "--once", cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "Every step ended as it should." in done.stdout
    assert "FAILED" not in done.stdout
    assert not re.search(r"eyJ[\w-]{20}|bzr_[\w-]{20}", done.stdout), "tokens are cut"
    assert [path.name for path in tmp_path.iterdir()] == ["tmp"]
    assert list(temporary.iterdir()) == []


def test_it_tells_its_story_to_scripts(tmp_path: Path) -> None:
    done = run("demo", "--once", "--json", "--port", "0", cwd=tmp_path)
    story = json.loads(done.stdout)
    assert (done.returncode, story["ok"]) == (0, True)
    statuses = [exchange["status"] for step in story["steps"] for exchange in step["exchanges"]]
    assert {200, 303, 400, 401, 403} == set(statuses)
    outcomes = [outcome for step in story["steps"] for outcome in step["outcomes"]]
    assert len(outcomes) >= 20 and all(outcome["ok"] for outcome in outcomes)
    assert story["applications"].keys() == {"Shop", "Notes"}
    assert not re.search(r"=[\w-]{43}", done.stdout), "codes, states and the like are cut"


def test_it_is_for_this_machine_only(tmp_path: Path) -> None:
    done = run("demo", "--once", "--host", "0.0.0.0", cwd=tmp_path)
    assert done.returncode == 2
    assert "loopback only" in done.stderr


@pytest.mark.parametrize("api", FRAMEWORKS.values())
def test_an_api_shares_nothing_with_the_server(api: str) -> None:
    code = (
        f"import sys, bezant_server.demo.apis.{api}\n"
        "sys.exit(', '.join({'sqlalchemy', 'bezant_server.app'} & set(sys.modules)) or 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_step_that_goes_wrong_is_told_and_counts(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rich.console import Console

    from bezant_server.demo.run import run_demo

    monkeypatch.setattr(Story, "_enforce", lambda self, token: self._expect(False, "Bob got in."))
    console = Console(width=80)
    assert run_demo(console, once=False, host="127.0.0.1", port=0, as_json=False) == 1
    out = capsys.readouterr().out
    assert "FAILED: Bob got in." in out
    assert "At least one step FAILED." in out


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("ends_by", [signal.SIGINT, signal.SIGTERM])
def test_its_curl_lines_work_while_it_serves(ends_by: signal.Signals, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "bezant_server", "demo", "--port", "0"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    watchdog = threading.Timer(120, process.kill)
    watchdog.start()
    try:
        told = ""
        for line in process.stdout:
            told += line
            if line.startswith("Ctrl-C"):
                break
        for application in ("Shop", "Notes"):
            url = re.search(rf"^{application}\s+(http://\S+)$", told, re.MULTILINE)
            assert url and "Sign in" in httpx2.get(url[1], trust_env=False).text
        script = told.partition("To try it by hand:\n")[2].partition("Ctrl-C")[0]
        commands = [command.strip() for command in script.split("\n\n") if command.strip()]
        assert len(commands) == 7
        python = f'python3() {{ {sys.executable} "$@"; }}\n'
        done = subprocess.run(
            ["bash", "-euc", python + "\necho ---\n".join(commands)],
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers = [answer.strip() for answer in done.stdout.split("---")]
        assert "refresh_token" in json.loads(answers[0])
        assert answers[1] == ""
        assert json.loads(answers[2])["roles"] == ["editor"]
        assert json.loads(answers[3])["deleted"] == "a silver spoon"
        assert json.loads(answers[4]) == {}
        assert answers[5].startswith("HTTP/1.1 401")
        assert "access_token" in json.loads(answers[6])
        process.send_signal(ends_by)
        assert process.wait(30) == 0
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
