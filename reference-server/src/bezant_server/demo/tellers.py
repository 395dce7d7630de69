"""Telling the demo's story: to people, and to scripts."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Mapping
from html import unescape
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl

import httpx2
from rich.console import Console
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from bezant.inspection import explain

__all__ = ["ForPeople", "ForScripts", "shortened"]

_TOKENS: Final = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+|bzr_[\w-]+|[\w-]{43,}")
"""JWTs, refresh tokens, and whatever else is 256 random bits."""

_TITLE: Final = re.compile(r"<title>([^<]*)</title>")
_SHOWN_HEADERS: Final = ("WWW-Authenticate", "Retry-After")


def shortened(text: str) -> str:
    """A text whose tokens are cut in the middle, visibly."""
    return _TOKENS.sub(lambda found: f"{found[0][:10]}...{found[0][-6:]}", text)


class ForPeople:
    """Tells the story on a console, whatever its width.

    Args:
        console: The console.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._step = 0

    def step(self, title: str, text: str) -> None:
        """A new step begins."""
        self._step += 1
        self._console.print()
        self._console.print(Rule(f"[bold]{self._step}. {title}[/]", align="left", style="dim"))
        self._console.print(Padding(text, (0, 2)))

    def exchange(self, response: httpx2.Response) -> None:
        """A request was answered."""
        request = response.request
        self._console.print()
        self._print(f"{request.method} {request.url}", "bold cyan", 2)
        for line in _request_lines(request):
            self._print(line, "cyan", 4)
        phrase = HTTPStatus(response.status_code).phrase
        self._print(f"{response.status_code} {phrase}", "bold magenta", 2)
        for line in _response_lines(response):
            self._print(line, "magenta", 4)

    def hop(self, response: httpx2.Response) -> None:
        """A browser was answered."""
        request = response.request
        self._console.print()
        self._print(f"{request.method} {_place(request)}", "bold cyan", 2)
        for name, value in _fields(request):
            self._print(f"{name}={shortened(value)}", "cyan", 4)
        phrase = HTTPStatus(response.status_code).phrase
        self._print(f"{response.status_code} {phrase}{_shown_as(response)}", "bold magenta", 2)

    def claims(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        """What a token says."""
        rows = Table.grid(padding=(0, 2))
        rows.add_column(style="bold")
        rows.add_column(overflow="fold", style="magenta")
        rows.add_column(style="dim")
        for part in (header, claims):
            for line in explain(part):
                rows.add_row(line.name, Text(line.text), line.meaning)
        self._console.print()
        self._console.print(Padding(rows, (0, 2)))

    def outcome(self, good: bool, text: str) -> None:
        """The step ended as it should, or not."""
        mark, style = ("ok", "bold green") if good else ("FAILED", "bold red")
        self._print(f"{mark}: {text}", style, 2)

    def _print(self, text: str, style: str, indent: int) -> None:
        self._console.print(Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, indent)))


class ForScripts:
    """Takes the story down as JSON."""

    def __init__(self) -> None:
        self.steps: list[dict[str, Any]] = []

    def step(self, title: str, text: str) -> None:
        """A new step begins."""
        self.steps.append({"title": title, "text": text, "exchanges": [], "outcomes": []})

    def exchange(self, response: httpx2.Response) -> None:
        """A request was answered."""
        request = response.request
        self.steps[-1]["exchanges"].append(
            {
                "request": [f"{request.method} {request.url}", *_request_lines(request)],
                "status": response.status_code,
                "response": list(_response_lines(response)),
            }
        )

    def hop(self, response: httpx2.Response) -> None:
        """A browser was answered."""
        request = response.request
        fields = [f"{name}={shortened(value)}" for name, value in _fields(request)]
        self.steps[-1]["exchanges"].append(
            {
                "request": [f"{request.method} {_place(request)}", *fields],
                "status": response.status_code,
                "response": [_shown_as(response).removeprefix(": ")],
            }
        )

    def claims(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
        """What a token says."""
        self.steps[-1]["claims"] = {**header, **claims}

    def outcome(self, good: bool, text: str) -> None:
        """The step ended as it should, or not."""
        self.steps[-1]["outcomes"].append({"ok": good, "text": text})


def _request_lines(request: httpx2.Request) -> Iterable[str]:
    authorization = request.headers.get("authorization", "")
    scheme, _, credentials = authorization.partition(" ")
    if scheme == "Basic":
        yield f"Authorization: Basic base64({base64.b64decode(credentials).decode()})"
    elif scheme:
        yield f"Authorization: {scheme} {shortened(credentials)}"
    for name, value in parse_qsl(request.content.decode()):
        yield f"{name}={shortened(value)}"


def _place(request: httpx2.Request) -> str:
    """Where a request went, without its query."""
    return str(request.url.copy_with(query=None))


def _fields(request: httpx2.Request) -> Iterable[tuple[str, str]]:
    """What a browser sent, in the URL or in a form."""
    yield from parse_qsl(request.url.query.decode())
    if request.method == "POST":
        yield from parse_qsl(request.content.decode())


def _shown_as(response: httpx2.Response) -> str:
    """The title of a page; nothing for a redirect, for the next request tells where it led."""
    found = _TITLE.search(response.text)
    return f": {unescape(found[1])}" if found is not None and not response.is_redirect else ""


def _response_lines(response: httpx2.Response) -> Iterable[str]:
    for name in _SHOWN_HEADERS:
        if name in response.headers:
            yield f"{name}: {response.headers[name]}"
    document = response.json()
    for name, value in document.items():
        yield f"{name}: {shortened(value if isinstance(value, str) else json.dumps(value))}"
    if not document:
        yield "{}"
