"""The Python peers: Authlib on Flask and django-oauth-toolkit, under gunicorn.

One worker of four threads; not gunicorn's `sync` worker, which closes every connection and would
be charged for it.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from pathlib import Path

from bench.load import basic
from bench.peers import CLIENT, SECRET, Peer, TokenServer, need
from bench.servers import free_port, serving


def start(
    stack: contextlib.ExitStack,
    directory: Path,
    chains: int,
    *,
    application: str,
    modules: tuple[str, ...],
) -> TokenServer:
    need("gunicorn", *modules)
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "gunicorn",
        "--worker-class",
        "gthread",
        "--workers",
        "1",
        "--threads",
        "4",
    ]
    command += [
        "--bind",
        f"127.0.0.1:{port}",
        "--keep-alive",
        "60",
        "--log-level",
        "error",
        application,
    ]
    env = {"BENCH_DATABASE": str(directory / f"{port}.db")}
    stack.enter_context(serving(command, port=port, directory=directory, env=env))
    server = TokenServer(
        port, "/token", basic(CLIENT, SECRET), service_headers=basic("service", SECRET)
    )
    server.ask(
        {"grant_type": "client_credentials", **server.fields}, service=True
    )  # the worker is up once it answers
    return server


PEERS = (
    Peer(
        "Authlib on Flask, SQLAlchemy, SQLite FULL",
        "FULL",
        functools.partial(
            start,
            application="bench.peers.authlib_app:application()",
            modules=("authlib", "flask", "sqlalchemy"),
        ),
    ),
    Peer(
        "django-oauth-toolkit, SQLite FULL",
        "FULL",
        functools.partial(
            start,
            application="bench.peers.toolkit_app:application()",
            modules=("django", "oauth2_provider"),
        ),
    ),
)
