"""Options that many commands share, and how they ask for secrets."""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

__all__ = ["AsJson", "ask_secret", "read_json", "read_secret"]

AsJson: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")
]


def read_json(file: Path) -> Any:
    """What a JSON file holds."""
    try:
        return json.loads(file.read_bytes())
    except (OSError, ValueError):
        raise typer.BadParameter(f"{file} holds no JSON") from None


def read_secret(what: str) -> str:
    """One line of standard input, without the newline that ends it."""
    line = sys.stdin.buffer.readline()
    try:
        secret = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
    except UnicodeDecodeError:
        raise typer.BadParameter(f"the {what} on standard input is not UTF-8") from None
    if not secret:
        raise typer.BadParameter(f"there is no {what} on standard input")
    return secret


def ask_secret(what: str, option: str | None, *, twice: bool = True) -> str:
    """What is typed at a prompt and not shown.

    Args:
        what: What to ask for.
        option: What to use where there is no terminal to ask on.
        twice: Whether to ask again, against slips.
    """
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"no terminal to ask for the {what} on; use {option}")
    secret = getpass.getpass(f"{what.capitalize()}: ")
    if twice and getpass.getpass(f"{what.capitalize()} again: ") != secret:
        raise typer.BadParameter("the two are not the same")
    if not secret:
        raise typer.BadParameter(f"the {what} is empty")
    return secret
