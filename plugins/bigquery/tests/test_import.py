"""What importing costs: a connector service pays for BigQuery when it is asked for it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import entry_points

import flyte_connectors_bigquery as package
import pytest
from flyte_connectors_bigquery.settings import EMULATOR_VARIABLE

HEAVY = ("google.cloud", "google.auth", "google.api_core", "requests", "pyarrow", "pandas")


def test_entry_points_import_nothing_of_googles() -> None:
    """Loading the plugin imports neither the vendor's client nor a frame library."""
    own = [
        entry_point
        for entry_point in entry_points(group="flyte.connectors")
        if entry_point.module.startswith(package.__name__)
    ]
    assert len(own) == 6
    program = "import sys, importlib\n"
    for entry_point in own:
        program += f"importlib.import_module('{entry_point.module}').{entry_point.attr}()\n"
    program += f"print(*[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("name", package.__all__)
def test_public_names_are_there(name: str) -> None:
    """Every exported name is found where the package says it is."""
    assert getattr(package, name).__name__ == name


def test_a_service_that_is_warm_has_imported_what_calls_need() -> None:
    """After `warm_up` a query imports nothing more of Google's."""
    program = (
        "import sys\n"
        "from flyte_connectors._registry.discovery import load_plugins\n"
        "from flyte_connectors._registry.table import Registry\n"
        "registry = Registry()\n"
        "load_plugins(registry, allow=['flyte-connectors-bigquery'])\n"
        "for warm_up in registry.hooks['warm_up']: warm_up()\n"
        "before = set(sys.modules)\n"
        "from flyte_connectors_bigquery.jobs.verbs import connect\n"
        "connect('p1', None, None)\n"
        "print(*sorted(name for name in set(sys.modules) - before if name.startswith('google')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, EMULATOR_VARIABLE: "http://127.0.0.1:1"},
    )
    assert done.stdout.strip() == ""
