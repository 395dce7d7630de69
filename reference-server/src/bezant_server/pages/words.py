"""The languages of the pages: one catalogue each, in `languages/*.toml`, with the same names."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any, Final

from markupsafe import Markup

__all__ = ["LANGUAGES", "Language", "choose_language"]


class Language:
    """The words of one language.

    Args:
        code: Its tag (BCP 47), as in the `lang` attribute.
        words: By name. They are HTML, and what goes into their places is escaped.
    """

    def __init__(self, code: str, words: Mapping[str, str]) -> None:
        self.code: str = code
        self.words: Mapping[str, str] = words

    def __call__(self, name: str, **values: object) -> Markup:
        """The words with this name.

        Raises:
            KeyError: There are none, or a value is missing.
        """
        return Markup(self.words[name]).format(**values)  # noqa: S704 (a catalogue, no input)

    def __contains__(self, name: str) -> bool:
        return name in self.words

    def count(self, name: str, count: int) -> Markup:
        """The words for a number of things."""
        return self(f"{name}.{'one' if count == 1 else 'other'}", count=count)

    def ago(self, moment: float, now: float) -> Markup:
        """How long a moment is past."""
        seconds = int(now - moment)
        for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
            if seconds >= size:
                return self.count(f"time.{unit}", seconds // size)
        return self("time.now")

    def duration(self, seconds: int) -> Markup:
        """How long to wait, rounded up."""
        for unit, size in (("hours", 3600), ("minutes", 60)):
            if seconds > size:
                return self.count(f"wait.{unit}", -(-seconds // size))
        return self.count("wait.seconds", seconds)


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, str):
            yield prefix + name, value
        else:
            yield from _flat(value, f"{prefix}{name}.")


def _load(code: str) -> Language:
    text = files("bezant_server.pages").joinpath(f"languages/{code}.toml").read_text("utf-8")
    return Language(code, dict(_flat(tomllib.loads(text))))


LANGUAGES: Final[Mapping[str, Language]] = {code: _load(code) for code in ("en", "zh-Hans")}
"""All languages by their tags, the default first."""


def choose_language(chosen: Iterable[str | None], asked: Iterable[str], accepts: str) -> Language:
    """The language of a page.

    Args:
        chosen: Tags that a person chose by hand, the strongest first.
        asked: Tags that the application asked for (`ui_locales`), the most wanted first.
        accepts: The header `Accept-Language`.
    """
    for tag in (*chosen, *asked, *_accepted(accepts)):
        if tag and (language := _match(tag)) is not None:
            return language
    return next(iter(LANGUAGES.values()))


def _match(tag: str) -> Language | None:
    """The language whose primary subtag is that of a tag."""
    primary = tag[:35].partition("-")[0].lower()
    return next((one for code, one in LANGUAGES.items() if code.partition("-")[0] == primary), None)


def _accepted(header: str) -> list[str]:
    """The tags of `Accept-Language` (RFC 9110 section 12.5.4), the most wanted first."""
    weighed = []
    for part in header[:500].split(","):
        tag, _, parameter = part.strip().partition(";")
        try:
            weight = float(parameter.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag and weight > 0:
            weighed.append((weight, tag.strip()))
    return [tag for _, tag in sorted(weighed, key=lambda pair: -pair[0])]
