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


def test_every_snippet_is_on_a_page() -> None:
    quoted = {name for page in PAGES for _, name in reference.QUOTED.findall(page.read_text())}
    code = [*ROOT.glob("docs/snippets/*.py"), *ROOT.glob("examples/*.py")]
    assert {str(file.relative_to(ROOT)) for file in code} <= quoted


@pytest.mark.parametrize("name", ["fastapi", "flask", "django", "aiohttp"])
def test_the_oldest_version_and_the_line_to_install(name: str) -> None:
    package = ROOT / "packages" / f"{name}-ext"
    needs = re.search(rf'"{name}>=([\d.]+)"', (package / "pyproject.toml").read_text())
    assert needs is not None
    assert f" {needs[1]} or newer. MIT" in (package / "README.md").read_text()
    quickstart = f"quickstart-{name}.md"
    (row,) = (
        row
        for row in (ROOT / "README.md").read_text().splitlines()
        if name + "-bez" in row and quickstart in row
    )
    assert f" {needs[1]} and newer | `{name}-bezant` |" in row
    for page in (package / "README.md", ROOT / "docs" / quickstart):
        assert re.search(rf"^pip install '?{name}-bezant\b", page.read_text(), re.MULTILINE)
    assert f"../../docs/{quickstart}" in (package / "README.md").read_text()


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
