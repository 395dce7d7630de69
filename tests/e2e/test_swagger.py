"""Swagger UI in a real browser: sign in with the button, then call a protected route."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.running import running

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser


def test_authorize_works_at_the_first_try(browser: Browser, tmp_path: Path) -> None:
    page = browser.new_page()
    elsewhere: list[str] = []
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))

    with running("fastapi_issue") as http:
        home = str(http.base_url).rstrip("/")
        page.on("request", lambda request: elsewhere.append(request.url))
        page.goto(f"{home}/docs")

        page.click("button.authorize")
        page.screenshot(path=tmp_path / "dialog.png")
        form = page.locator(".auth-container", has_text="(OAuth2, password)")
        assert form.locator("[data-name=clientId], #client_id_password").input_value() == "web"
        form.locator("#oauth_username").fill("alice")
        form.locator("#oauth_password").fill("wonderland")
        form.locator("button.authorize").click()
        form.get_by_text("Logout").wait_for()
        page.screenshot(path=tmp_path / "authorized.png")
        page.click(".btn-done")

        operation = page.locator(".opblock", has_text="/me")
        operation.click()
        operation.get_by_text("Try it out").click()
        operation.get_by_text("Execute").click()
        answer = operation.locator(".live-responses-table .response")
        answer.wait_for()
        page.screenshot(path=tmp_path / "answer.png", full_page=True)
        assert answer.locator(".response-col_status").inner_text().split()[0] == "200"
        assert '"subject": "1"' in answer.inner_text()

        assert problems == []
        assert [url for url in elsewhere if not url.startswith((home, "data:"))] == []
