"""The words of the pages: complete in each language, and the right language for each person."""

from __future__ import annotations

import ast
import re
import string
from importlib.resources import files
from pathlib import Path

import pytest

from bezant_server.history import TOLD
from bezant_server.pages.words import LANGUAGES, choose_language
from bezant_server.settings import Settings
from tests.server.browsing import world

PAGES = Path(str(files("bezant_server.pages")))


def places(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


def test_all_languages_have_all_words_with_the_same_places() -> None:
    first, *others = LANGUAGES.values()
    for other in others:
        assert other.words.keys() == first.words.keys()
        for name, words in first.words.items():
            if not name.endswith(".one"):
                assert places(other.words[name]) == places(words), name


def test_words_hold_no_markup_but_emphasis_and_code() -> None:
    for language in LANGUAGES.values():
        for name, words in language.words.items():
            plain = re.sub(r"</?(?:strong|code)>", "", words)
            assert not set("<>&") & set(plain), name


def test_what_goes_into_the_words_is_escaped() -> None:
    for language in LANGUAGES.values():
        said = language("consent.lead", client="<script>{x}</script>")
        assert "<script>" not in said and "&lt;script&gt;{x}" in said


def test_words_that_pages_name_exist_and_none_is_left_over() -> None:
    known = set(LANGUAGES["en"].words)
    named: set[str] = set()
    prefixes: set[str] = set()
    called: set[str] = set()
    for file in PAGES.rglob("*.html"):
        for found in re.finditer(r"'([a-z_]+\.[A-Za-z_.]*)'", file.read_text()):
            named.add(found[1])
        called |= set(re.findall(r"t(?:\.count)?\('([a-z_]+\.[A-Za-z_.]*)'[,)]", file.read_text()))
        prefixes |= set(re.findall(r"t\('([a-z_]+\.)' ~", file.read_text()))
        prefixes |= {"profile.", "password."} if "area ~ '" in file.read_text() else set()
    sources = [*PAGES.rglob("*.py"), *PAGES.parent.joinpath("federation").rglob("*.py")]
    for file in sources:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                named.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                prefixes.add(str(node.values[0].value))
    assert {name for name in called if f"{name}.other" not in known} <= known
    for name in known:
        stem = re.sub(r"\.(?:one|other)$", "", name)
        area = re.fullmatch(r"[a-z]+\.(?:title|lead)", name)
        built = any(name.startswith(prefix) for prefix in prefixes if "." in prefix)
        assert name in named or stem in named or area or built or name == "language", name


@pytest.mark.parametrize("event", TOLD)
def test_every_event_that_is_told_has_words(event: type) -> None:
    for language in LANGUAGES.values():
        assert f"activity.{event.__name__}" in language


@pytest.mark.parametrize(
    ("chosen", "asked", "accepts", "code"),
    [
        ((), (), "", "en"),
        ((), (), "zh-CN,zh;q=0.9,en;q=0.8", "zh-Hans"),
        ((), (), "de, en;q=0.5, zh;q=0.9", "zh-Hans"),
        ((), (), "zh;q=0, en", "en"),
        ((), (), "zh;q=nonsense", "en"),
        ((), (), "fr, de", "en"),
        ((), ("zh-CN",), "en", "zh-Hans"),
        ((), ("tlh", "en"), "zh", "en"),
        (("zh-Hans",), ("en",), "en", "zh-Hans"),
        ((None, "en"), ("zh",), "zh", "en"),
        (("<script>",), (), "zh", "zh-Hans"),
    ],
)
def test_the_language_of_a_page(
    chosen: tuple[str | None, ...], asked: tuple[str, ...], accepts: str, code: str
) -> None:
    assert choose_language(chosen, asked, accepts).code == code


def test_times_and_durations_are_in_words() -> None:
    english = LANGUAGES["en"]
    assert [str(english.ago(1000, 1000 + seconds)) for seconds in (0, 59, 60, 7200, 86400 * 3)] == [
        *("just now", "just now", "1 minute ago", "2 hours ago", "3 days ago")
    ]
    assert [str(english.duration(seconds)) for seconds in (1, 60, 61, 3601, 7200)] == [
        *("1 second", "60 seconds", "2 minutes", "2 hours", "2 hours")
    ]


def test_a_language_that_was_chosen_stays(installed: Settings) -> None:
    with world() as here:
        visitor = here.visitor()
        assert "Sign in" in visitor.get("/login").text
        page = visitor.get("/login?lang=zh-Hans")
        assert "登录" in page.text
        assert page.headers["content-language"] == "zh-Hans"
        assert ("html", {"lang": "zh-Hans"}) in page.tags
        assert "登录" in visitor.get("/login").text
        # An application's wish is weaker than a person's, and stronger than the browser's.
        asking = here.request(ui_locales="en")
        assert "登录" in visitor.open(asking).text
        other = here.visitor()
        other.http.headers["accept-language"] = "zh"
        assert "Sign in" in other.open(asking).text


def test_switching_the_language_keeps_what_the_page_was_opened_for(installed: Settings) -> None:
    with world() as here:
        visitor = here.visitor()
        page = visitor.open(here.request())
        (switch,) = [link for link in page.links if "lang=zh-Hans" in link]
        page = visitor.get(switch)
        assert "以继续使用 The <b>Shop</b>" in page.text


def test_files_are_kept_for_ever_under_a_name_of_their_content(installed: Settings) -> None:
    with world() as here:
        visitor = here.visitor()
        links = [given["href"] for tag, given in visitor.get("/").tags if tag == "link"]
        assert len(links) == 2
        for link in links:
            answer = visitor.get(link)
            assert answer.status == 200
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["x-content-type-options"] == "nosniff"
            again = visitor.get(link, **{"if-none-match": answer.headers["etag"]})
            assert (again.status, again.html) == (304, "")
        style = links[1]
        assert visitor.get(style.replace("style.css", "../app.py")).status == 404
        assert visitor.get(re.sub(r"/static/\w+/", "/static/0/", style)).status == 404
        mark = visitor.get(style.replace("style.css", "mark.svg"))
        assert mark.headers["content-type"].startswith("image/svg+xml")
