"""Functions on a real API server: the same as on this machine, and one Job for a map."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from batch_jobs import wait_for
from etl import jobs as etl
from flyte_connectors import File, TaskEnvironment
from flyte_connectors.connector import Phase
from flyte_connectors.errors import TaskFailedError
from function_examples import NAMES, run_example

from flyte_connectors_batch_job import BatchJobConfig

if TYPE_CHECKING:
    from kube_jobs import KubernetesJobs

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180), pytest.mark.usefixtures("namespace")]

env = TaskEnvironment(
    "etl",
    image="python:3",
    plugin_config=BatchJobConfig(backend="kubernetes", python=sys.executable, timeout_seconds=60),
)


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))


def test_a_function_runs_unchanged(tmp_path: Path) -> None:
    """With its files, its package, and its exceptions."""
    (tmp_path / "rows.txt").write_text("one\n")
    stored, size = env.task(etl.clean.function)(File(str(tmp_path / "rows.txt")))
    assert size == 4
    with stored.open_sync("r") as file:
        assert file.read() == "ONE\n"
    with pytest.raises(TaskFailedError, match=r"ValueError: .* \(etl/rows\.py:8 in parsed"):
        env.task(etl.total.function)(["x"])


def test_a_map_is_one_job(tmp_path: Path) -> None:
    """With an index for each value."""
    assert env.task(etl.doubled.function).map(range(3), seconds=0.1) == [0, 2, 4]
    files = []
    for name in ("a", "bb"):
        path = tmp_path / f"{name}.txt"
        path.write_text(name)
        files.append(File(str(path)))
    (first, one), (second, two) = env.task(etl.clean.function).map(files)
    assert (one, two) == (1, 2)
    assert Path(first.path.removeprefix("file://")).read_text() == "A"
    assert Path(second.path.removeprefix("file://")).read_text() == "BB"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_runs_unchanged(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator chooses where, and with which interpreter."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_PYTHON", sys.executable)
    assert "succeeded after" in run_example(name, tmp_path)


def test_what_a_function_reports_is_seen_while_it_runs(jobs: KubernetesJobs, tmp_path: Path) -> None:
    """The job copies it to its output prefix, where any replica reads it."""
    gate, prefix = tmp_path / "gate", str(tmp_path / "stored")
    template = env.task(etl.waiting.function).to_proto()
    meta = jobs.connector.create(template, prefix, {"gate": str(gate)}, idempotency_key="reporting")
    assert wait_for(lambda: jobs.connector.get(meta).message == "50%, waiting")
    assert jobs.connector.get(meta).custom_info["progress"] == 0.5
    gate.touch()
    assert wait_for(lambda: jobs.connector.get(meta).phase is Phase.SUCCEEDED)
