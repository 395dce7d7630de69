"""The system's browser, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from playwright.sync_api import Browser

__all__ = ["ARGUMENTS", "EXECUTABLE", "chromium", "missing"]

EXECUTABLE: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
ARGUMENTS: Final = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def missing() -> str | None:
    """What keeps a browser from being driven here, and how to get it."""
    if find_spec("playwright") is None:
        return "Playwright is not installed; to run these: pip install playwright"
    if EXECUTABLE is None:
        return "no chromium is on PATH; to run these: install it (Debian: apt install chromium)"
    return None


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser that runs for as long as a block lasts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
