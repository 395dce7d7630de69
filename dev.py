#!/usr/bin/env python3
"""Every job of this workspace, from a bare Python 3.11 or newer.

    python3 dev.py demo             the whole story on real parts, then a server until Ctrl-C
    python3 dev.py demo --once      the story alone; exits 0 when every step succeeded
    python3 dev.py test             every check and every test; the last line is the count
    python3 dev.py SESSION [ARGS]   one nox session, as in: dev.py core -k scopes
    python3 dev.py -l               lists the sessions; any nox option works in this place

The first run makes a private environment in .dev/ holding nox and uv, in the versions and with
the hashes of requirements/nox.txt. Nothing is installed outside this folder. Whoever has nox
already may as well say `nox -s demo`.
"""

import os
import ssl
import subprocess
import sys
import tempfile
from pathlib import Path

# Before the first line that an older Python could not read.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit(
        "Bezant needs Python 3.11 or newer; this is {}.{}. "
        "Try python3.11, python3.12 or python3.13 in place of python3.".format(*sys.version_info)
    )

ROOT = Path(__file__).resolve().parent
ENV = ROOT / ".dev"
PYTHON = ENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = ENV / "stamp.txt"
NEEDS = ROOT / "requirements" / "nox.txt"

# What another environment, or a taste in where pip installs, would leak into ours. And without
# bytecode each of the many processes of the tests would compile all its libraries again.
LEAKS = (
    *("PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "__PYVENV_LAUNCHER__"),
    *("PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER"),
    *("UV_SYSTEM_PYTHON", "VIRTUAL_ENV"),
)


def main(arguments: list[str]) -> None:
    if not arguments or arguments[0] in {"-h", "--help"}:
        print(__doc__.strip())
        return
    environment = clean(os.environ)
    if not is_ready():
        make(environment)
    os.chdir(ROOT)
    # Replaces this process, so that Ctrl-C and the exit code belong to what runs.
    os.execve(PYTHON, [str(PYTHON), *command(arguments)], environment)


def clean(environ: os._Environ[str] | dict[str, str]) -> dict[str, str]:
    """The caller's environment, less what leaks, plus what uv does not find out by itself."""
    environment = {name: value for name, value in environ.items() if name not in LEAKS}
    # pip goes by the system's certificates, a company's own included; uv does so when told.
    trusted = ssl.get_default_verify_paths()
    if trusted.cafile or (trusted.capath and any(Path(trusted.capath).iterdir())):
        environment.setdefault("UV_SYSTEM_CERTS", "1")
    if not os.access(os.path.expanduser("~"), os.W_OK):  # noqa: PTH111 - never raises
        environment.setdefault("XDG_CACHE_HOME", str(ROOT / ".cache"))
    return environment


def command(arguments: list[str]) -> list[str]:
    """What our Python is to run: options go to nox, `test` to the suite, all else is a session."""
    session, *rest = arguments
    if session == "test":
        return ["tools/suite.py", *rest]
    if session.startswith("-"):
        return ["-m", "nox", *arguments]
    return ["-m", "nox", "-s", session, "--", *rest]


def stamp() -> str:
    """Names what the environment was made from: same text, same environment."""
    return "\n".join((sys.version, sys.base_prefix, str(ROOT), NEEDS.read_text(encoding="utf-8")))


def is_ready() -> bool:
    try:
        return STAMP.read_text(encoding="utf-8") == stamp()
    except OSError:
        return False


def make(environment: dict[str, str]) -> None:
    """Build the private environment; the stamp comes last, so half an environment never counts."""
    import venv  # some systems split it off, and only this path needs it

    say(f"Making {ENV} (once) ...")
    # No pip inside: some systems lack ensurepip, and nothing in here needs pip.
    venv.EnvBuilder(with_pip=False, clear=True).create(ENV)
    problems = []
    for installer in installers():
        problem = attempt(installer, environment)
        if problem is None:
            STAMP.write_text(stamp(), encoding="utf-8")
            return
        problems.append(problem)
    sys.exit(
        "\n\n".join(problems) + "\n\nNothing here could install nox and uv. Give this Python a pip "
        "(Debian: apt install python3-pip python3-venv), or put uv on PATH, and check that the "
        "package index can be reached; then run the same command again."
    )


def installers() -> list[list[list[str]]]:
    """Ways to fill the environment, best first; each is a list of commands."""
    requirements = ["--require-hashes", "--requirement", str(NEEDS)]
    pip = ["-m", "pip", "--disable-pip-version-check", "--quiet"]
    inside = [str(PYTHON), *pip, "install", *requirements]
    return [
        [["uv", "pip", "install", "--quiet", "--python", str(PYTHON), *requirements]],
        [[sys.executable, *pip, "--python", str(PYTHON), "install", *requirements]],
        [[str(PYTHON), "-m", "ensurepip"], inside],
    ]


def attempt(installer: list[list[str]], environment: dict[str, str]) -> str | None:
    """Run the commands; say nothing of success, and return the end of what a failure said."""
    for arguments in installer:
        try:
            done = subprocess.run(
                arguments,
                # Not the checkout: `python -m pip` would import whatever lies there first.
                cwd=tempfile.gettempdir(),
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
        except OSError as error:
            return f"{arguments[0]}: {error.strerror}"
        if done.returncode:
            return "$ {}\n{}".format(" ".join(arguments), done.stdout.strip()[-2000:])
    return None


def say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
