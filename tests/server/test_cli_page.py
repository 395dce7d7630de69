"""The page about the commands is what the commands say of themselves."""

from __future__ import annotations

from tools import cli_page


def test_the_page_is_up_to_date() -> None:
    assert cli_page.PAGE.read_text() == cli_page.page(), "run `python -m tools.cli_page`"
