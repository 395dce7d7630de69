"""Bezant's own reference server as its users run it: the command `bezant`, with one worker.

Nothing is tuned: its SQLite default is WAL with synchronous=FULL.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sys
from pathlib import Path

from bench.load import HOST, basic
from bench.peers import (
    AUDIENCE,
    CLIENT,
    PASSWORD,
    SCOPE,
    SECRET,
    USERS,
    Missing,
    Peer,
    TokenServer,
    need,
)
from bench.servers import environment, free_port, serving

GRANTS = ("password", "refresh_token", "client_credentials")


def start(stack: contextlib.ExitStack, directory: Path, chains: int) -> TokenServer:
    need("bezant_server")
    command = shutil.which("bezant", path=str(Path(sys.executable).parent)) or shutil.which(
        "bezant"
    )
    if command is None:
        raise Missing("the command bezant is not installed")
    port = free_port()
    env = {
        "BEZANT_DATABASE_URL": f"sqlite:///{directory / 'bezant.db'}",
        "BEZANT_ISSUER": f"http://{HOST}:{port}",
    }

    def run(*arguments: str, secret: str | None = None) -> None:
        done = subprocess.run(
            [command, *arguments],
            input=secret,
            env=environment(env),
            cwd=directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-300:]
            raise Missing(f"bezant {' '.join(arguments)} failed: {said}")

    run("db", "upgrade")
    for user in USERS:
        run(
            "user",
            "add",
            user,
            "--email",
            f"{user}@example.com",
            "--password-stdin",
            secret=PASSWORD,
        )
    grants = [part for grant in GRANTS for part in ("--grant", grant)]
    run(
        *(
            "client",
            "add",
            CLIENT,
            "--secret-stdin",
            *grants,
            "--scope",
            SCOPE,
            "--audience",
            AUDIENCE,
        ),
        secret=SECRET,
    )
    serve = [command, "serve", "--host", HOST, "--port", str(port), "--workers", "1"]
    stack.enter_context(serving(serve, port=port, directory=directory, env=env))
    return TokenServer(port, "/oauth/token", basic(CLIENT, SECRET))


OURS = Peer("Bezant reference server, SQLite FULL", "FULL", start)
