"""Pages that are generated from the installed packages are up to date."""

from __future__ import annotations

import importlib.util

import pytest

from tests.docs.markdown import DOCS


@pytest.mark.parametrize("generator", ["catalogue", "plugin_settings"])
def test_a_generated_page_is_up_to_date(generator: str) -> None:
    """It is written by `python docs/catalogue.py`, or `python docs/plugin_settings.py`."""
    spec = importlib.util.spec_from_file_location("page", DOCS / f"{generator}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text() == module.page()
