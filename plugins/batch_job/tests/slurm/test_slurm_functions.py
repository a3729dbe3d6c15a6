"""Functions on a real Slurm: the same as on this machine, and one array for a map."""

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
    from slurm_jobs import SlurmJobs

pytestmark = pytest.mark.timeout(120)

CONFIG = BatchJobConfig(backend="slurm", python=sys.executable, memory="200Mi", timeout_seconds=60)
env = TaskEnvironment("etl", plugin_config=CONFIG)


@pytest.fixture(autouse=True)
def _state(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))


@pytest.mark.slow
@pytest.mark.usefixtures("jobs")
def test_a_function_runs_unchanged(tmp_path: Path) -> None:
    """With its files, its package, and its exceptions."""
    (tmp_path / "rows.txt").write_text("one\n")
    stored, size = env.task(etl.clean.function)(File(str(tmp_path / "rows.txt")))
    assert size == 4
    with stored.open_sync("r") as file:
        assert file.read() == "ONE\n"
    with pytest.raises(TaskFailedError, match=r"ValueError: .* \(etl/rows\.py:8 in parsed"):
        env.task(etl.total.function)(["x"])


def names_of(jobs: SlurmJobs) -> set[str]:
    """Names of all jobs; those of an array have one."""
    return {row[3] for row in jobs.cluster.jobs()}


@pytest.mark.slow
def test_a_map_is_one_array(jobs: SlurmJobs, tmp_path: Path) -> None:
    """Of as many jobs as there are values, each with one of them."""
    doubled, clean = env.task(etl.doubled.function), env.task(etl.clean.function)
    before = names_of(jobs)
    assert doubled.map(range(4), seconds=0.1) == [0, 2, 4, 6]
    assert len(names_of(jobs) - before) == 1
    files = []
    for name in ("a", "bb"):
        path = tmp_path / f"{name}.txt"
        path.write_text(name)
        files.append(File(str(path)))
    (first, one), (second, two) = clean.map(files)
    assert (one, two) == (1, 2)
    assert Path(first.path.removeprefix("file://")).read_text() == "A"
    assert Path(second.path.removeprefix("file://")).read_text() == "BB"


@pytest.mark.parametrize("name", [*NAMES, pytest.param("batch_script", marks=pytest.mark.slow)])
def test_an_example_runs_unchanged(name: str, jobs: SlurmJobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The operator chooses where, and with which interpreter."""
    monkeypatch.setenv("FLYTE_BATCH_JOB_PYTHON", sys.executable)
    before = names_of(jobs)
    run_example(name, tmp_path)
    assert len(names_of(jobs) - before) == {"function_map_reduce": 5, "function_pydantic": 2}.get(name, 1)


@pytest.mark.slow
def test_what_a_function_reports_is_seen_while_it_runs(jobs: SlurmJobs, tmp_path: Path) -> None:
    """The job copies it to its output prefix, where any replica reads it."""
    gate, prefix = tmp_path / "gate", str(tmp_path / "stored")
    template = env.task(etl.waiting.function).to_proto()
    meta = jobs.connector.create(template, prefix, {"gate": str(gate)}, idempotency_key=jobs.key("reporting"))
    assert wait_for(lambda: jobs.connector.get(meta).message == "50%, waiting")
    assert jobs.connector.get(meta).custom_info["progress"] == 0.5
    gate.touch()
    assert wait_for(lambda: jobs.connector.get(meta).phase is Phase.SUCCEEDED)
