"""node oidc-provider, installed by npm into the cache, on SQLite through `oidc_provider.mjs`."""

from __future__ import annotations

import contextlib
import functools
import json
import shutil
import subprocess
from pathlib import Path

from bench.load import basic
from bench.machine import CACHE
from bench.peers import AUDIENCE, CLIENT, SCOPE, SECRET, Missing, Peer, TokenServer
from bench.servers import free_port, serving

PACKAGES = ("oidc-provider@9.13.3", "better-sqlite3@12.11.1")
SCRIPT = Path(__file__).with_suffix(".mjs")


def install() -> Path:
    """The folder with the packages; npm is asked once per version."""
    if not shutil.which("node") or not shutil.which("npm"):
        raise Missing("node and npm are not on PATH")
    folder = CACHE / "node"
    stamp = folder / "installed.json"
    if not stamp.exists() or json.loads(stamp.read_text()) != list(PACKAGES):
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Missing(f"npm install failed: {done.stderr.strip()[-300:]}")
        stamp.write_text(json.dumps(PACKAGES))
    shutil.copy(SCRIPT, folder / SCRIPT.name)  # a module finds its packages beside itself
    return folder


def start(
    stack: contextlib.ExitStack, directory: Path, chains: int, *, synchronous: str
) -> TokenServer:
    folder = install()
    port = free_port()
    tokens = directory / f"oidc-provider-{port}.json"
    options = {
        "port": port,
        "database": str(directory / f"oidc-provider-{port}.db"),
        "synchronous": synchronous,
        "client": CLIENT,
        "secret": SECRET,
        "audience": AUDIENCE,
        "scope": SCOPE,
        "seeds": chains,
        "tokens": str(tokens),
    }
    command = ["node", str(folder / SCRIPT.name), json.dumps(options)]
    stack.enter_context(
        serving(command, port=port, directory=directory, env={"NODE_ENV": "production"})
    )
    return TokenServer(
        port,
        "/token",
        basic(CLIENT, SECRET),
        refresh_tokens=json.loads(tokens.read_text()),
        password=False,
    )


PEERS = tuple(
    Peer(f"node oidc-provider, SQLite {mode}", mode, functools.partial(start, synchronous=mode))
    for mode in ("NORMAL", "FULL")
)
