"""A real service with the console, and real batch jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from processes import Served, serving

hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")

PLUGINS = ("batch-job", "console", "doctor")


@pytest.fixture(scope="session")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of tasks."""
    path = tmp_path_factory.mktemp("tasks") / "tasks.py"
    path.write_text(Path(__file__).with_name("tasks.py").read_text())
    return path


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of all processes: state and spool of their own."""
    folder = tmp_path_factory.mktemp("state")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("FLYTE_")},
        "FLYTE_CONNECTORS_STATE_DIR": str(folder / "state"),
        "FLYTE_BATCH_JOB_SPOOL": str(folder / "spool"),
        "FLYTE_CONNECTORS_ALLOW": ",".join(f"flyte-connectors-{name}" for name in PLUGINS),
        "FLYTE_BATCH_JOB_SLOTS": "64",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture(scope="session")
def served(environment: dict[str, str]) -> Iterator[Served]:
    """A service that several tests use."""
    with serving(environment) as one:
        yield one
