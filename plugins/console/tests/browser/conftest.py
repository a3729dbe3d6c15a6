"""A real browser."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from processes import LONGEST_WAIT
from screens import SCREENS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

EXPECTED = re.compile(r"net::ERR|status of 401")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Debian's chromium, by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs the package playwright")
    if CHROMIUM is None:
        pytest.skip("needs the browser chromium")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page; whatever its console says fails the test, but for a lost connection or a missing token."""
    complaints: list[str] = []
    context = browser.new_context(viewport=SCREENS["desktop"])
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.set_default_timeout(1000 * LONGEST_WAIT)
    yield page
    context.close()
    assert [text for text in complaints if not EXPECTED.search(text)] == []
