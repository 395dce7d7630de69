"""As much of a browser as the demo's story needs: it follows redirects, keeps cookies, and sends
the forms that it finds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import httpx2

__all__ = ["Browser", "FormElement", "Page"]


@dataclass(slots=True)
class FormElement:
    """A form of a page."""

    method: str
    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """What it sends as it stands, without any button."""
    names: set[str] = field(default_factory=set)
    """All fields."""
    buttons: list[tuple[str, str]] = field(default_factory=list)
    """Names and values of the buttons that have some."""


@dataclass(frozen=True, slots=True)
class Page:
    """What was come to in the end."""

    url: str
    status: int
    text: str

    def form(self, *names: str) -> FormElement:
        """The form that has these fields or buttons.

        Raises:
            LookupError: There is none.
        """
        reader = _Forms()
        reader.feed(self.text)
        for form in reader.forms:
            if form.names.union(name for name, _ in form.buttons).issuperset(names):
                return form
        raise LookupError(f"no form with {', '.join(names)} at {self.url}")


class Browser:
    """A browser of one person.

    Args:
        told: Told of each answer on the way.
    """

    def __init__(self, told: Callable[[httpx2.Response], None]) -> None:
        self._http = httpx2.Client(timeout=10, trust_env=False, follow_redirects=True)
        self._told = told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.close()

    def open(self, url: str) -> Page:
        """Go to a page."""
        return self._page(self._http.get(url))

    def peek(self, url: str) -> Page:
        """Go to a page and tell nobody."""
        answer = self._http.get(url)
        return Page(str(answer.url), answer.status_code, answer.text)

    def submit(self, page: Page, form: FormElement, values: Mapping[str, str]) -> Page:
        """Fill in a form and send it.

        Args:
            page: Where it is.
            form: The form.
            values: Changes to what it holds; the button that is pressed among them.
        """
        url, fields = urljoin(page.url, form.action), {**form.fields, **values}
        if form.method == "post":
            return self._page(self._http.post(url, data=fields))
        return self._page(self._http.get(url, params=fields))

    def _page(self, answer: httpx2.Response) -> Page:
        for step in (*answer.history, answer):
            self._told(step)
        return Page(str(answer.url), answer.status_code, answer.text)


class _Forms(HTMLParser):
    """Collects forms."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[FormElement] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = True
            method = values.get("method", "get").lower()
            self.forms.append(FormElement(method, values.get("action", "")))
        elif self._open and (name := values.get("name")):
            form = self.forms[-1]
            if tag == "button" or (tag == "input" and values.get("type") == "submit"):
                form.buttons.append((name, values.get("value", "")))
            elif tag == "input":
                form.names.add(name)
                form.fields[name] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = False
