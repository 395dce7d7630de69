"""The scripts that run the workspace: dev.py, tools/bump.py, tools/suite.py."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tools import bump, suite

ROOT = Path(__file__).parents[2]


@pytest.fixture
def dev(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """dev.py, with a folder of its own to make its environment in."""
    spec = importlib.util.spec_from_file_location("dev", ROOT / "dev.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "ENV", tmp_path / "env")
    monkeypatch.setattr(module, "STAMP", tmp_path / "env" / "stamp.txt")
    monkeypatch.setattr(module, "NEEDS", tmp_path / "nox.txt")
    module.NEEDS.write_text("nox==1\n")
    return module


class TestDev:
    def test_old_python_is_refused_in_a_sentence(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "version_info", (3, 10, 13, "final", 0))
        with pytest.raises(SystemExit, match=r"needs Python 3\.11 or newer; this is 3\.10"):
            runpy.run_path(str(ROOT / "dev.py"), run_name="__main__")

    @pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
    def test_help_names_both_commands(
        self, dev: ModuleType, arguments: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        dev.main(arguments)
        text = capsys.readouterr().out
        assert "python3 dev.py demo" in text
        assert "python3 dev.py test" in text

    def test_environment_is_scrubbed_of_other_environments(self, dev: ModuleType) -> None:
        leaks = {"PYTHONPATH": "x", "PYTHONHOME": "x", "VIRTUAL_ENV": "x", "PIP_USER": "1"}
        kept = {"PATH": os.defpath, "PIP_CERT": "cert.pem"}
        assert kept.items() <= dev.clean(leaks | kept).items()
        assert not leaks.keys() & dev.clean(leaks | kept).keys()

    def test_cache_moves_in_where_there_is_no_home(
        self, dev: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        assert "XDG_CACHE_HOME" not in dev.clean({})
        monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
        assert Path(dev.clean({})["XDG_CACHE_HOME"]).is_relative_to(ROOT)
        assert dev.clean({"XDG_CACHE_HOME": "mine"})["XDG_CACHE_HOME"] == "mine"

    @pytest.mark.parametrize(
        ("arguments", "command"),
        [
            (["demo", "--once"], ["-m", "nox", "-s", "demo", "--", "--once"]),
            (["core", "-k", "x"], ["-m", "nox", "-s", "core", "--", "-k", "x"]),
            (["-t", "fastapi"], ["-m", "nox", "-t", "fastapi"]),
            (["test", "-x"], ["tools/suite.py", "-x"]),
        ],
    )
    def test_arguments_find_their_way(
        self, dev: ModuleType, arguments: list[str], command: list[str]
    ) -> None:
        assert dev.command(arguments) == command

    def test_environment_is_made_once(
        self, dev: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tried = []
        monkeypatch.setattr(dev, "attempt", lambda installer, _: tried.append(installer))
        assert not dev.is_ready()
        dev.make({})
        assert dev.is_ready()
        assert len(tried) == 1

    def test_environment_is_made_anew_for_other_needs(
        self, dev: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dev, "attempt", lambda *_: None)
        dev.make({})
        dev.NEEDS.write_text("nox==2\n")
        assert not dev.is_ready()

    def test_every_way_to_install_is_tried_and_told(
        self, dev: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(dev, "attempt", lambda installer, _: f"no {installer[0][0]}")
        with pytest.raises(SystemExit) as stop:
            dev.make({})
        assert "no uv" in str(stop.value)
        assert f"no {sys.executable}" in str(stop.value)
        assert "apt install python3-pip" in str(stop.value)
        assert not dev.is_ready()

    def test_failed_command_is_quoted(self, dev: ModuleType) -> None:
        loud = [sys.executable, "-c", "print('no such index'); raise SystemExit(1)"]
        assert "no such index" in dev.attempt([loud], dict(os.environ))
        assert "no-such-program" in dev.attempt([["no-such-program"]], dict(os.environ))
        assert dev.attempt([[sys.executable, "-c", ""]], dict(os.environ)) is None


class TestBump:
    METADATA = """\
[project]
name = "fastapi-bezant"
version = "0.1.0"
dependencies = ["bezant[sql,redis]==0.1.0", "fastapi>=0.124.4", "bezant-server==0.1.0"]
"""

    def test_version_and_sibling_pins_move_together(self) -> None:
        bumped = bump.rewrite(self.METADATA, "0.2.0rc1")
        assert 'version = "0.2.0rc1"' in bumped
        assert '"bezant[sql,redis]==0.2.0rc1", "fastapi>=0.124.4"' in bumped
        assert '"bezant-server==0.2.0rc1"' in bumped
        assert "0.1.0" not in bumped

    def test_every_package_is_found(self) -> None:
        assert len(bump.packages(ROOT)) >= 3
        for path in bump.packages(ROOT):
            text = path.read_text(encoding="utf-8")
            version = tomllib.loads(text)["project"]["version"]
            assert f'"{version}"' in text
            assert not re.search(rf'"(\S+==)?{re.escape(version)}"', bump.rewrite(text, "9.8.7"))

    @pytest.mark.parametrize("arguments", [[], ["next"], ["1.0"], ["1.0.0", "2.0.0"]])
    def test_nonsense_is_refused(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit, match="usage"):
            bump.main(arguments)


class TestCI:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """All programs that there are: each says that it was called, and Python ends it."""
        for name in ("bash", "dirname", "env"):
            program = shutil.which(name)
            assert program is not None
            (tmp_path / name).symlink_to(program)
        self.put(tmp_path, "id", "echo 0")
        self.put(tmp_path, "timeout", 'shift; "$@"')
        self.put(tmp_path, "python3", 'echo "python3 $*"')
        return tmp_path

    def put(self, path: Path, name: str, script: str) -> None:
        (path / name).write_text(f"#!{path}/bash\n{script}\n")
        (path / name).chmod(0o755)

    def run(self, path: Path) -> tuple[str, str]:
        done = subprocess.run(
            [ROOT / ".ci" / "run"],
            env={"PATH": str(path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout, done.stderr

    def test_a_browser_is_installed_where_it_is_missing(self, path: Path) -> None:
        self.put(path, "apt-get", 'echo "apt-get $*" >&2; echo noise')
        out, err = self.run(path)
        assert out == "python3 dev.py test\n"
        update, install = err.splitlines()
        assert update.endswith(" update")
        assert " install " in install and install.endswith(" chromium")

    @pytest.mark.parametrize("command", ["update", "install"])
    def test_the_tests_run_when_it_cannot_be_installed(self, path: Path, command: str) -> None:
        self.put(path, "apt-get", f'case " $* " in *" {command} "*) exit 100;; esac')
        out, err = self.run(path)
        assert out == "python3 dev.py test\n"
        assert err.splitlines() == [
            "chromium cannot be installed: the tests in a browser are left out"
        ]

    @pytest.mark.parametrize("case", ["there", "not root", "not Debian"])
    def test_nothing_is_installed_where_it_need_not_or_may_not_be(
        self, path: Path, case: str
    ) -> None:
        if case != "not Debian":
            self.put(path, "apt-get", 'echo "apt-get $*" >&2')
        if case == "there":
            self.put(path, "chromium", "")
        if case == "not root":
            self.put(path, "id", "echo 1000")
        assert self.run(path) == ("python3 dev.py test\n", "")


class TestSuite:
    def session(self, result: str) -> dict[str, Any]:
        return {
            "name": "core",
            "signatures": ["core"],
            "result": result,
            "duration": 1.5,
            "reason": None,
        }

    def test_count_reads_as_one_line(self) -> None:
        assert str(suite.Count(3, 0)) == "3 passed, 0 failed"
        assert str(suite.Count(3, 1) + suite.Count(0, 0, 2)) == "3 passed, 1 failed, 2 skipped"

    def test_counts_are_summed_by_session(self, tmp_path: Path) -> None:
        counted = '<testsuite name="core" tests="9" errors="1" failures="2" skipped="3"/>'
        for name in ("a.xml", "b.xml"):
            (tmp_path / name).write_text(f"<testsuites>{counted}</testsuites>")
        (tmp_path / "c.xml").write_text(f"<testsuites>{counted}")
        assert suite.read_counts(tmp_path) == {"core": suite.Count(6, 6, 6)}

    def test_what_was_left_out_for_want_of_something_is_said_once(self, tmp_path: Path) -> None:
        reason = "there is no browser; to run these: install one"
        for name in ("a.xml", "b.xml"):
            (tmp_path / name).write_text(
                '<testsuites><testsuite name="server" tests="2" skipped="2">'
                f'<testcase><skipped type="pytest.skip" message="{reason}"/></testcase>'
                '<testcase><skipped type="pytest.skip" message="needs Linux"/></testcase>'
                "</testsuite></testsuites>"
            )
        assert suite.left_out(tmp_path) == [f"2 left out: {reason}"]

    @pytest.mark.parametrize(
        ("result", "count", "expected"),
        [
            ("success", suite.Count(5), suite.Count(5)),
            ("skipped", suite.Count(), suite.Count()),
            ("failed", suite.Count(5, 2), suite.Count(5, 2)),
            ("failed", suite.Count(5), suite.Count(5, 1)),
            ("aborted", suite.Count(), suite.Count(0, 1)),
        ],
    )
    def test_failed_session_counts_though_no_test_failed(
        self, result: str, count: suite.Count, expected: suite.Count
    ) -> None:
        assert suite.tally(self.session(result), {"core": count}) == expected

    def test_table_says_why_a_session_did_not_run(self) -> None:
        session = self.session("skipped") | {"reason": "Python interpreter 3.13 not found"}
        assert "Python interpreter 3.13 not found" in suite.table([(session, suite.Count())])
