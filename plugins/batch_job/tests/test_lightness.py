"""What a job and an entry point may load."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest

from flyte_connectors_batch_job import BatchJobConnector


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a new interpreter has loaded after `statement`."""
    code = f"{statement}; import sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(answer.stdout.split())


def test_a_supervisor_loads_nothing_heavy() -> None:
    """Each job costs one such process."""
    loaded = modules_after("import flyte_connectors_batch_job.backends.local.keeper")
    heavy = {"grpc", "google", "flyteidl2", "flyte_connectors", "pluggy", "asyncio", "typing"}
    heavy |= {"dataclasses", "inspect", "tempfile", "logging"}
    assert not loaded & (heavy - modules_after("pass"))


def test_copying_files_on_this_machine_loads_nothing_heavy() -> None:
    """Each job with files does so twice, in a process of its own."""
    keeper = "import flyte_connectors_batch_job.backends.local.keeper"
    staging = "from flyte_connectors_batch_job.wrapper import copying, staging; copying.limit_bytes()"
    heavy = {"typing", "decimal", "shutil", "tempfile", "mimetypes", "urllib.request", "obstore"}
    loaded = modules_after(f"{keeper}; {staging}")
    assert not loaded & (heavy - modules_after("pass"))


def test_the_entry_point_loads_no_server() -> None:
    """Listing plugins must not start gRPC."""
    assert "grpc" not in modules_after("from flyte_connectors_batch_job import BatchJobConnector")


def test_the_entry_point_names_the_connector() -> None:
    """The installed metadata leads to the class."""
    (entry,) = entry_points(group="flyte.connectors", name="batch_job")
    assert entry.load() is BatchJobConnector


def test_a_service_that_is_warm_has_imported_the_back_ends_of_its_tasks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first job of each does not wait for their clients."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_BACKEND", "kubernetes")
    connector = "from flyte_connectors_batch_job import BatchJobConnector as C; c = C()"
    assert "httpx" not in modules_after(connector)
    assert "httpx" in modules_after(f"{connector}; c.warm_up()")
