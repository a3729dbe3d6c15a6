"""What importing costs: a connector service pays for BigQuery when it is asked for it."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import flyte_connectors_bigquery as package
import pytest

HEAVY = ("google.cloud", "google.auth", "google.api_core", "requests", "pyarrow", "pandas")


@pytest.mark.parametrize(
    "entry_point", entry_points(group="flyte.connectors"), ids=lambda e: e.name
)
def test_entry_points_import_nothing_of_googles(entry_point: object) -> None:
    """Loading the plugin imports neither the vendor's client nor a frame library."""
    if not getattr(entry_point, "module", "").startswith(package.__name__):
        pytest.skip("another distribution's")
    program = (
        f"import sys, {entry_point.module} as module; module.{entry_point.attr}()\n"  # type: ignore[attr-defined]
        f"print(*[name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", package.__all__)
def test_public_names_are_there(name: str) -> None:
    """Every exported name is found where the package says it is."""
    assert getattr(package, name).__name__ == name
