"""Every job of the workspace. `nox -l` lists them; `python3 dev.py test` runs the whole suite."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from uuid import uuid4

import nox
from nox.command import CommandFailed

nox.needs_version = ">=2026.8.10"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
# A missing interpreter is told in the closing table; CI that has them all turns this into an error.
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["test"]
nox.options.allow_parallel = True  # for whoever says -j; tools/suite.py does

ROOT = Path(__file__).parent
RESULTS = ROOT / ".nox" / "results"
COVERAGE = RESULTS / "coverage"
SUITE = ["suite"]  # the tag of what `test` runs

CORE = ["packages/core"]
EXTENSIONS = [f"packages/{name}-ext" for name in ("fastapi", "flask", "django", "aiohttp")]
SERVER = [*CORE, *EXTENSIONS, "reference-server"]  # the demo has an API of each framework
ALL = [*CORE, *EXTENSIONS, "packages/pytest-ext", "reference-server"]
SOURCES = [f"{package}/src" for package in ALL]
PUBLIC = [
    *("bezant", "fastapi_bezant", "flask_bezant", "django_bezant", "aiohttp_bezant"),
    "pytest_bezant",
]
DISTRIBUTIONS = [
    *("bezant", "fastapi-bezant", "flask-bezant", "django-bezant", "aiohttp-bezant"),
    *("pytest-bezant", "bezant-server"),
]
LOCKS = ["tests", "core", "server", "bench", "lint", "typing", "e2e", "nox", "build"]

# Third parties at the oldest versions that the packages claim to support, instead of the lock.
LOWEST = "--resolution=lowest-direct"
# What a cell runs: every case, with stores of one kind, or the first case of each test.
DEF, ASYNC = ["--stores=def"], ["--stores=async-def"]
BRIEF = [*DEF, "--brief"]

# The matrix: a framework, the point in its history, the Python, what to install over the lock, and
# what to run. Every version is in it, and every Python with every framework. The oldest and the
# newest run all cases, each with another kind of stores: what breaks in between breaks in many.
CELLS = [  # the longest first
    ("django", "6.1", "3.13", ["django~=6.1.0"], ASYNC),
    ("django", "5.2.8", "3.11", [LOWEST, "django==5.2.8"], DEF),
    ("django", "5.2", "3.13", ["django~=5.2.19"], BRIEF),
    ("django", "6.0", "3.12", ["django~=6.0.0"], BRIEF),
    ("django", "newest", "3.14", [], BRIEF),
    ("django", "newest", "3.15", [], BRIEF),
    ("fastapi", "0.124.4", "3.11", [LOWEST, "fastapi==0.124.4"], DEF),
    ("fastapi", "0.136.3", "3.12", ["fastapi==0.136.3"], BRIEF),
    ("fastapi", "newest", "3.13", [], ASYNC),
    ("fastapi", "newest", "3.14", [], BRIEF),
    ("fastapi", "newest", "3.15", [], BRIEF),
    ("flask", "3.0.3", "3.11", [LOWEST, "flask==3.0.3"], DEF),
    ("flask", "3.1.3", "3.12", ["flask==3.1.3"], BRIEF),
    ("flask", "3.1.3", "3.13", ["flask==3.1.3"], DEF),
    ("flask", "newest", "3.14", [], BRIEF),
    ("flask", "newest", "3.15", [], BRIEF),
    ("aiohttp", "3.11.18", "3.11", [LOWEST, "aiohttp==3.11.18"], DEF),
    ("aiohttp", "3.13.5", "3.12", ["aiohttp==3.13.5"], BRIEF),
    ("aiohttp", "newest", "3.13", [], ASYNC),
    ("aiohttp", "newest", "3.14", [], BRIEF),
    ("aiohttp", "newest", "3.15", [], BRIEF),
]
# Further pairs of versions, for a release: `nox -t further`. Nobody waits for them each time.
FURTHER = [
    ("fastapi", "newest", "3.11", [], DEF),
    ("fastapi", "newest", "3.12", [], DEF),
    ("flask", "3.0.3", "3.13", ["flask==3.0.3"], DEF),
    ("flask", "3.1.3", "3.11", ["flask==3.1.3"], DEF),
    ("django", "5.2", "3.11", ["django~=5.2.19"], DEF),
    ("aiohttp", "newest", "3.11", [], DEF),
]
IN_WHEELS = ["authorize", "discovery", "protect", "token_endpoint"]
FRAMEWORKS = [f"--framework={name}" for name in ("fastapi", "flask", "django", "aiohttp")]
PYTHONS = sorted({python for _, _, python, *_ in CELLS})


def find_pythons() -> None:
    """Put pyenv's interpreters before its shims, which answer only for the active version."""
    roots = [Path(os.environ.get("PYENV_ROOT") or os.path.expanduser("~/.pyenv"))]  # noqa: PTH111
    path = os.environ.get("PATH", os.defpath).split(os.pathsep)
    roots += [Path(entry).parent for entry in path if entry.endswith("/.pyenv/shims")]
    found = [
        str(python.parent)
        for root in roots
        if os.access(root / "versions", os.X_OK)
        for version in PYTHONS
        for python in sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
    ]
    os.environ["PATH"] = os.pathsep.join(dict.fromkeys([*found, *path]))


find_pythons()
# Local packages are built by the locked, hash-checked build tools.
os.environ["UV_BUILD_CONSTRAINT"] = str(ROOT / "requirements" / "build.txt")


def prepare(session: nox.Session, *locks: str, packages: list[str]) -> None:
    """Bring the environment to exactly these locks, then lay the local packages on top."""
    files = [f"requirements/{lock}.txt" for lock in locks]
    session.run_install("uv", "pip", "sync", "--quiet", "--require-hashes", *files)
    if packages:  # on their own, for what comes from no index has no hash to require
        editable = [part for package in packages for part in ("--editable", package)]
        session.install("--quiet", "--no-deps", *editable)


def prepare_lowest(session: nox.Session, *versions: str) -> None:
    """Bring the environment to the oldest versions that the packages claim to support."""
    session.run_install(
        *("uv", "pip", "install", "--quiet", "--exact", "--group=tests"),
        *dict.fromkeys([LOWEST, *versions]),  # which a cell says, and uv takes once
        *(f"--reinstall-package={name}" for name in DISTRIBUTIONS),
    )


def build_wheels(session: nox.Session, *which: str) -> Path:
    """Build wheels into a folder of the session's own, and install those of core or all."""
    dist = Path(session.create_tmp()).resolve() / "dist"
    session.run_install("uv", "build", "--quiet", "--clear", f"--out-dir={dist}", *which)
    session.install("--quiet", "--no-deps", *map(str, sorted(dist.glob("*.whl"))))
    session.run("uv", "pip", "check")
    return dist


def pytest(session: nox.Session, *arguments: str, measure: bool = False) -> None:
    """Run tests and leave their count where tools/suite.py sums it up."""
    options = [
        "--quiet",
        f"--junit-xml={RESULTS}/{uuid4().hex}.xml",
        f"--override-ini=junit_suite_name={session.name}",
    ]
    if not session.parallel:  # beside another session, a second process would only be in its way
        options.append("--numprocesses=auto")
    if measure:
        options += ["--cov", "--cov-report="]
    session.env["COVERAGE_FILE"] = str(COVERAGE / f".coverage.{session.name}")
    session.run("python", "-m", "pytest", *options, *arguments, *session.posargs)


def each(session: nox.Session, *commands: list[str]) -> None:
    """Run every command, then fail if any did: one round shows all there is to mend."""
    failed = []
    for command in commands:
        try:
            session.run(*command)
        except CommandFailed:
            failed.append(" ".join(command))
    if failed:
        session.error("failed: " + "; ".join(failed))


# ---- the two commands ----------------------------------------------------------------------


@nox.session
def demo(session: nox.Session) -> None:
    """The whole story on real parts, step by step; then serve until Ctrl-C (-- --once: exit)."""
    prepare(session, "server", packages=SERVER)
    # A server that is told to stop finishes the requests it has.
    session.run("bezant", "demo", *session.posargs, interrupt_timeout=10, terminate_timeout=5)


@nox.session(venv_backend="none")
def test(session: nox.Session) -> None:
    """Every check and every test, a table of them, and the count."""
    session.run(sys.executable, "tools/suite.py", *session.posargs)


# ---- the suite, the longest first ----------------------------------------------------------


@nox.session(tags=SUITE)
def server(session: nox.Session) -> None:
    """The reference server, in process and as a process; browser tests where there is one."""
    prepare(session, "tests", "e2e", packages=SERVER)
    pytest(session, "tests/server", "tests/e2e")


@nox.session(tags=SUITE)
def core(session: nox.Session) -> None:
    """Core on its own: its wheel, in an environment that holds no framework."""
    prepare(session, "core", packages=[])
    build_wheels(session, "--package=bezant")
    pytest(session, "--framework=bare", "tests/core", "tests/contract", measure=True)


@nox.session(tags=SUITE)
def build(session: nox.Session) -> None:
    """Build the wheels, install them where no source tree is, and test what a user would get."""
    # No more than the packages ask for, and what runs tests: a need left unsaid shows here.
    prepare(session, "core", "server", packages=[])
    session.env["BEZANT_DIST"] = str(build_wheels(session, "--all-packages"))
    pytest(session, "tests/packaging")
    # The whole contract is for the cells; tests/core is for `core`, with the same wheel.
    pytest(session, *FRAMEWORKS, *BRIEF, *(f"tests/contract/test_{name}.py" for name in IN_WHEELS))


@nox.session(tags=SUITE, python="3.11")
def minimums(session: nox.Session) -> None:
    """Core with the oldest versions that the packages claim to support; cells have the rest."""
    prepare_lowest(session)
    pytest(session, "--framework=bare", "tests/core", "tests/contract", "tests/frameworks/pytest")


@nox.session(tags=SUITE)
def stores(session: nox.Session) -> None:
    """The store contract on memory, SQLite and a real PostgreSQL."""
    prepare(session, "tests", packages=SERVER)
    pytest(session, "tests/stores", measure=True)


@nox.session
@nox.parametrize(
    "python, framework, versions, cases",
    [
        nox.param(
            *(python, framework, versions, cases),
            id=f"{framework}-{label}-{python}",
            tags=[framework, label, *tags],
        )
        for cells, tags in ((CELLS, SUITE), (FURTHER, ["further"]))
        for framework, label, python, versions, cases in cells
    ],
)
def tests(session: nox.Session, framework: str, versions: list[str], cases: list[str]) -> None:
    """The contract, and what is particular to one framework, in one cell of the matrix."""
    if LOWEST in versions:
        prepare_lowest(session, *versions)
    else:
        packages = [*CORE, f"packages/{framework}-ext", "packages/pytest-ext"]
        prepare(session, "tests", packages=packages)
        if versions:
            session.install("--quiet", *versions)
    where = ["tests/contract", f"tests/frameworks/{framework}"]
    pytest(session, f"--framework={framework}", *cases, *where)


@nox.session(tags=[*SUITE, "quick"])
def typing(session: nox.Session) -> None:
    """mypy --strict on all sources and on a user's code; pyright on the public names."""
    prepare(session, "tests", "typing", packages=ALL)
    verify = ["pyright", "--ignoreexternal", "--verifytypes"]
    each(
        session,
        ["mypy", *SOURCES, "tests/typing"],
        *([*verify, package] for package in PUBLIC),
    )


@nox.session(tags=SUITE)
def docs(session: nox.Session) -> None:
    """Snippets run, generated pages are up to date, links lead somewhere; the test kit."""
    prepare(session, "tests", packages=ALL)
    pytest(session, "tests/docs", "tests/frameworks/pytest")


@nox.session(tags=[*SUITE, "quick"])
def lint(session: nox.Session) -> None:
    """ruff, its formatter, and the arrows between packages."""
    prepare(session, "lint", packages=ALL)
    each(session, ["ruff", "check"], ["ruff", "format", "--check"], ["lint-imports", "--no-cache"])


@nox.session(tags=SUITE, requires=["core", "stores"])
def coverage(session: nox.Session) -> None:
    """Branch coverage of core, from what `core` and `stores` measured."""
    prepare(session, "core", packages=[])
    session.env["COVERAGE_FILE"] = str(COVERAGE / ".coverage")
    session.run("coverage", "combine", "--quiet", "--keep", str(COVERAGE))
    session.run("coverage", "report", "--fail-under=97")


# ---- by hand -------------------------------------------------------------------------------


@nox.session
def contract(session: nox.Session) -> None:
    """The contract in every harness, and a table of what it proves: rules, attacks, harnesses."""
    prepare(session, "tests", packages=ALL)
    pytest(session, "--framework=bare", *FRAMEWORKS, "-p", "tests.contract_table", "tests/contract")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Pictures of every page in light, dark and phone width, to look at (-- FOLDER)."""
    prepare(session, "server", "e2e", packages=SERVER)
    folder = session.posargs[0] if session.posargs else str(ROOT / ".nox" / "screenshots")
    session.run("python", "-m", "tests.e2e.screenshots", folder)


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmarks against peers, as ratios within one run."""
    prepare(session, "bench", packages=SERVER)
    session.run("python", "-m", "bench", *session.posargs)


@nox.session(venv_backend="none")
def bump(session: nox.Session) -> None:
    """Set the version of every package and of the pins between them: nox -s bump -- 0.2.0."""
    session.run(sys.executable, "tools/bump.py", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Lock the dependency groups into requirements/: hashes, no addresses (-- --upgrade)."""
    # Only names and versions may come out, so a machine's own places to look must not go in.
    session.env.update(UV_FIND_LINKS=None, UV_BUILD_CONSTRAINT=None)
    for group in LOCKS:
        session.run(
            *("uv", "pip", "compile", "--quiet", "--universal", "--python-version=3.11"),
            *("--generate-hashes", "--no-header", "--no-annotate"),
            # All agree with the tests, so that locks can be installed on top of each other.
            *(() if group == "tests" else ("--constraints=requirements/tests.txt",)),
            *(f"--no-emit-package={name}" for name in DISTRIBUTIONS),
            *(f"--group={group}", f"--output-file=requirements/{group}.txt"),
            *session.posargs,
        )
