"""docs/plugin-settings.md is what the installed plugins declare."""

from __future__ import annotations

import importlib.util

from tests.docs.markdown import DOCS


def test_the_page_is_up_to_date() -> None:
    """It is written by `python docs/plugin_settings.py`."""
    spec = importlib.util.spec_from_file_location("page", DOCS / "plugin_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page()
