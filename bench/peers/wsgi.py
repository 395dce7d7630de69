"""The Python peers: Authlib on Flask and django-oauth-toolkit, under gunicorn."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

from bench.load import basic
from bench.peers import CLIENT, SECRET, Peer, TokenServer, need
from bench.servers import free_port, gunicorn, serving


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
    env = {"BENCH_DATABASE": str(directory / f"{port}.db")}
    command = gunicorn(application, port)
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
