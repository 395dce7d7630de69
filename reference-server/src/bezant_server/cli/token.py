"""`bezant token`: looking into tokens."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from bezant_server.cli.options import AsJson, ask_secret, read_secret
from bezant_server.cli.output import table, tell

if TYPE_CHECKING:
    from rich.console import Console

    from bezant_server.inspection import Inspection

app = typer.Typer(help="Tokens: what is in them, and whether they are good.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    pass


@app.command()
def inspect(
    audience: Annotated[
        str | None, typer.Option(help="Say whether this API would take the token.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Explain a token from standard input or a prompt, and say whether it would be refused.

    Nothing is sent anywhere. With a database, signature and revocation are checked too.
    """
    from bezant_server.inspection import inspect as look
    from bezant_server.settings import load_settings

    token = ask_secret("token", None, twice=False) if sys.stdin.isatty() else read_secret("token")
    found = look(token.strip(), load_settings(), audience=audience)
    tell(json, found.document(), lambda on: _render(found, on))
    if found.refused:
        raise typer.Exit(1)


def _render(found: Inspection, on: Console) -> None:
    on.print(f"[bold]{found.kind}[/]")
    rows = [(claim.name, claim.text, claim.meaning) for claim in found.claims]
    on.print(table(("", "value", "meaning"), rows, "Nothing in it can be read."))
    style = {True: "bold red", False: "bold green", None: "bold yellow"}[found.refused]
    on.print(found.verdict, style=style, markup=False)
    for note in found.notes:
        on.print(f"- {note}", markup=False)
