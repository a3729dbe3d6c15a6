"""The dashboards look like the console: they have its style and its charts."""

from __future__ import annotations

from pathlib import Path

import flyte_connectors_training_service as package
import pytest

CONSOLE = Path(__file__).parents[2] / "console/src/flyte_connectors_console/static"
OWN = Path(package.__file__).with_name("static")
SHARED = (
    "look.css",
    "charts.js",
    "icon.svg",
    "uPlot.LICENSE",
    "uPlot.iife.min.js",
    "uPlot.min.css",
)


@pytest.mark.parametrize("name", SHARED)
def test_a_shared_file_is_the_consoles(name: str) -> None:
    """A copy, since neither package needs the other: change it in the console, and copy it."""
    assert (OWN / name).read_bytes() == (CONSOLE / name).read_bytes()
