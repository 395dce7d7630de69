"""The pages are true: their code is files that tests run, their links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tools import reference

ROOT = Path(__file__).parent.parent.parent
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted(ROOT.glob("docs/**/*.md")),
    *sorted(ROOT.glob("packages/*/README.md")),
    *sorted(ROOT.glob("reference-server/README.md")),
    *sorted(ROOT.glob("bench/*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def each_page() -> list[object]:
    return [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]


@pytest.mark.parametrize("page", each_page())
def test_python_on_a_page_is_a_file_that_tests_run(page: Path) -> None:
    text = page.read_text()
    python = [code for language, code in BLOCK.findall(text) if language == "python"]
    assert len(python) == len(reference.QUOTED.findall(text)), "name a file above each block"
    assert text == reference.quote(text), "run `python -m tools.reference`"


@pytest.mark.parametrize("page", each_page())
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(re.sub(BLOCK, "", page.read_text())):
        target, _, anchor = link.partition("#")
        if target.startswith(("https:", "mailto:")):
            continue
        found = (page.parent / target).resolve() if target else page
        assert found.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in anchors(found), f"{link}: no such heading"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in headings}


def test_the_configuration_page_is_up_to_date() -> None:
    assert reference.PAGE.read_text() == reference.page(), "run `python -m tools.reference`"


@pytest.mark.parametrize(("cls", "name"), [(reference.ServerConfig, "ServerConfig")])
def test_every_setting_is_documented(cls: type, name: str) -> None:
    assert set(reference.field_texts(cls)) == set(cls.__dataclass_fields__), name
