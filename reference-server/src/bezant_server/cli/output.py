"""How commands answer: tables and sentences for people, JSON for scripts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

__all__ = ["console", "notice", "print_json", "table", "tell"]


def console() -> Console:
    """Standard output for people."""
    from rich.console import Console

    return Console(highlight=False)


def notice(text: str) -> None:
    """Say something beside the answer."""
    print(f"bezant: {text}", file=sys.stderr, flush=True)  # noqa: T201


def print_json(document: Any) -> None:
    """Print one JSON document on standard output."""
    print(json.dumps(document, indent=2, ensure_ascii=False), flush=True)  # noqa: T201


def tell(
    as_json: bool, document: Any, human: str | Callable[[Console], RenderableType | None]
) -> None:
    """Answer.

    Args:
        as_json: For whom.
        document: The whole answer.
        human: A sentence, or what prints or returns something for people.
    """
    if as_json:
        print_json(document)
    elif isinstance(human, str):
        console().print(human, markup=False, soft_wrap=True)
    else:
        on = console()
        rendered = human(on)
        if rendered is not None:
            on.print(rendered)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], empty: str, *, whole: str = ""
) -> RenderableType:
    """Rows under headings. Nothing is cut off, but may be broken into lines.

    Args:
        columns: The headings.
        rows: As many values each.
        empty: What to say when there are none.
        whole: The column that stays in one line, to be copied from.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return Text(empty)
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns:
        made.add_column(name, overflow="fold", no_wrap=name == whole)
    for row in rows:
        made.add_row(*(_cell(value) for value in row))
    return made


def _cell(value: object) -> Any:
    from rich.text import Text

    match value:
        case None:
            return Text("-", style="dim")
        case True:
            return Text("yes")
        case False:
            return Text("no", style="yellow")
        case list() | tuple() | set() | frozenset():
            return Text("\n".join(map(str, value)) or "-")
        case _:
            return Text(str(value))
