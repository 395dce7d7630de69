"""What the commands have in common: verbs, JSON or text, secrets, errors in one line.

Exit codes: 0 done, 1 failed or refused, 2 used or configured wrongly. With ``--json`` a command
prints one JSON document on standard output and nothing else. Secrets come from standard input or a
prompt, never from arguments, and are shown once.
"""

from __future__ import annotations

import getpass
import json
import re
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from bezant import BezantError, ConfigurationError
from bezant.administration import Administration
from bezant.descriptions import visible
from django_bezant import conf

__all__ = [
    "Options",
    "VerbCommand",
    "add_json",
    "column",
    "explained",
    "json_file",
    "read_secret",
]

SHOWN_BY: Final[Mapping[str, str]] = {
    "client": "bezant_client list",
    "key": "bezant_keys list",
}
"""Where to look for what was not found."""

Options: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[Options], None]

_ID: Final = re.compile(r"-[\w-]{21,}")
"""Ids are base64url, 22 or 43 characters, and may begin with a dash. No option is that long but
``--refresh-retry-window``."""
_MARK: Final = "\0"
"""What no argument of a process can hold."""


class _IdParser(CommandParser):
    """Takes ids that begin with a dash for what they are."""

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Namespace | None = None
    ) -> tuple[Namespace, list[str]]:
        options = self._option_string_actions
        marked = [
            _MARK + arg if _ID.fullmatch(arg) and arg not in options else arg for arg in args or ()
        ]
        found, rest = super().parse_known_args(marked, namespace)
        for name, value in vars(found).items():
            if isinstance(value, str):
                setattr(found, name, value.removeprefix(_MARK))
            elif isinstance(value, list):
                setattr(found, name, [each.removeprefix(_MARK) for each in value])
        return found, rest


class VerbCommand(BaseCommand):
    """A command with verbs, each of which answers for people or as JSON."""

    def add_arguments(self, parser: CommandParser) -> None:
        self._verbs: Any = parser.add_subparsers(
            required=True, metavar="VERB", parser_class=_IdParser
        )
        self.add_verbs()

    def add_verbs(self) -> None:
        """Call `verb` for each."""
        raise NotImplementedError

    def verb(self, name: str, handler: Handler) -> ArgumentParser:
        """Add a verb.

        Args:
            name: How it is called.
            handler: Does it; its docstring is the help.
        """
        text = handler.__doc__
        parser: ArgumentParser = self._verbs.add_parser(name, help=text, description=text)
        parser.set_defaults(handler=handler)
        add_json(parser)
        return parser

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says.

        Raises:
            CommandError: It failed; in one line.
        """
        with explained():
            options["handler"](options)

    @property
    def at(self) -> Administration:
        """The project's server, for looking after it.

        Raises:
            ConfigurationError: It has none.
        """
        return Administration(conf.server(), shown_by=SHOWN_BY)

    def tell(self, options: Options, document: Any, text: str) -> None:
        """Answer.

        Args:
            options: Of the command.
            document: The whole answer, as JSON.
            text: The same for people.
        """
        self.stdout.write(
            json.dumps(document, indent=2, ensure_ascii=False) if options["json"] else text
        )

    def tell_secret(
        self, options: Options, document: Mapping[str, Any], text: str, secret: str | None
    ) -> None:
        """Answer, and show a secret that was made, this once."""
        if secret is not None:
            document = {**document, "client_secret": secret}
            text += f"\nsecret, shown this once: {secret}"
        self.tell(options, document, text)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong into one line, with the exit code of its kind.

    Raises:
        CommandError: Something did.
    """
    try:
        yield
    except BezantError as error:
        code = 2 if isinstance(error, ConfigurationError) else 1
        raise CommandError(str(error), returncode=code) from None
    except DatabaseError as error:
        problem = f"the tables cannot be used ({type(error).__name__}); run `manage.py migrate`"
        raise CommandError(problem) from error


def add_json(parser: ArgumentParser) -> None:
    """Let a command answer as JSON."""
    parser.add_argument(
        "--json", action="store_true", help="Print JSON, and nothing else, on standard output."
    )


def json_file(path: str) -> Any:
    """What a JSON file holds, as an argument's type.

    Raises:
        ArgumentTypeError: It cannot be read, or holds something else.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except (OSError, ValueError):
        raise ArgumentTypeError(f"{path} cannot be read, or holds no JSON") from None


def read_secret(what: str) -> str:
    """What is typed at a prompt and not shown, or one line of standard input.

    Raises:
        CommandError: There is none, or it is no text.
    """
    if sys.stdin.isatty():
        secret = getpass.getpass(f"{what.capitalize()}: ")
    else:
        line = sys.stdin.buffer.readline()
        try:
            secret = line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")
        except UnicodeDecodeError:
            raise CommandError(f"the {what} on standard input is not UTF-8", returncode=2) from None
    if not secret:
        raise CommandError(f"there is no {what} on standard input", returncode=2)
    return secret


def column(columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str) -> str:
    """Rows under headings, in columns.

    Args:
        columns: The headings.
        rows: As many values each.
        empty: What to say when there are none.
    """
    if not rows:
        return empty
    table = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, cells)) for cells in zip(*table, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return visible(" ".join(map(str, value))) or "-"
    return visible(str(value)) or "-"
