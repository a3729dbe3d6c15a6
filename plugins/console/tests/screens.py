"""The sizes of screens, and pictures of pages for those who look at them: `SCREENSHOTS=folder nox -s browser`."""

from __future__ import annotations

import os
from typing import Any

SCREENS = {"desktop": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


def picture(page: Any, name: str, *, whole: bool = False) -> None:
    """Take one, if they are wanted."""
    if folder := os.environ.get("SCREENSHOTS"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=whole)
