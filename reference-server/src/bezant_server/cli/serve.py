"""`bezant serve`: the server."""

from __future__ import annotations

from typing import Annotated

import typer

from bezant_server.cli.output import notice

__all__ = ["serve"]


def serve(
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1 by default.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65535, help="Port to listen on, 8000 by default; 0 takes a free one."
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes that serve; 1 by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Log JSON, even on a terminal.")] = False,
) -> None:
    """Serve. Migrates the database, and makes a signing key when there is none."""
    from bezant_server.serving import serve as run
    from bezant_server.settings import load_settings

    log_format = "json" if json else None
    settings = load_settings(host=host, port=port, workers=workers, log_format=log_format)
    raise typer.Exit(run(settings, notice))
