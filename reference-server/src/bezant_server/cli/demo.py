"""`bezant demo`: the whole story."""

from __future__ import annotations

from typing import Annotated

import typer

from bezant_server.cli.options import AsJson

__all__ = ["demo"]


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the story.")] = False,
    host: Annotated[str, typer.Option(help="A loopback address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65535, help="Port of the server; 8000 by default, if it is free."),
    ] = None,
    json: AsJson = False,
) -> None:
    """Show it all on real parts: a server, a protected API, a client, two users. Then serve."""
    from bezant_server.cli.output import console
    from bezant_server.demo.run import run_demo

    raise typer.Exit(run_demo(console(), once=once, host=host, port=port, as_json=json))
