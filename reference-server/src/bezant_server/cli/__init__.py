"""The command `bezant`.

Exit codes: 0 done, 1 failed or refused, 2 used or configured wrongly. With `--json` a command
prints one JSON document on standard output and nothing else; notices and errors go to standard
error. Secrets are read from standard input or a prompt, never from arguments, and are shown once.

Modules of this package load nothing heavy before a command runs, so that `--help` and completion
answer at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from bezant_server import __version__
from bezant_server.cli import (
    client,
    db,
    demo,
    doctor,
    keys,
    provider,
    role,
    serve,
    sessions,
    token,
    user,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="bezant",
    help="An OAuth 2 authorization server: accounts, clients, keys, tokens.",
    epilog="Settings come from BEZANT_* variables or bezant.toml. Begin with `bezant demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # they show local variables, and those hold secrets
    rich_markup_mode="rich",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bezant {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say which version.")
    ] = False,
) -> None:
    pass


app.command()(serve.serve)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.add_typer(user.app, name="user")
app.add_typer(role.app, name="role")
app.add_typer(client.app, name="client")
app.add_typer(provider.app, name="provider")
app.add_typer(keys.app, name="keys")
app.add_typer(sessions.app, name="sessions")
app.add_typer(token.app, name="token")
app.add_typer(db.app, name="db")


def main() -> None:
    """Run a command, and tell what went wrong in one line."""
    try:
        app(prog_name="bezant")
    except Exception as error:
        code = _code(error)
        if code is None:
            raise
        typer.echo(f"bezant: {_told(error)}", err=True)
        sys.exit(code)


def _told(error: Exception) -> str:
    """What an error says. Core calls settings by other names than their users do."""
    from bezant.errors import ConfigurationError
    from bezant_server.settings import PREFIX, Settings

    if isinstance(error, ConfigurationError) and error.setting in Settings.model_fields:
        return f"{PREFIX}{error.setting.upper()}: {error.problem}"
    return str(error)


def _code(error: Exception) -> int | None:
    """The exit code of an expected error; None for a mistake in the software."""
    from bezant.errors import BezantError, ConfigurationError

    if isinstance(error, ConfigurationError):
        return 2
    return 1 if isinstance(error, BezantError) else None
