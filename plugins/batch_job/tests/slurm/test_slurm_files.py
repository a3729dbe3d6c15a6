"""Files on a real Slurm, copied on the node by the wrapper that comes with the job; and the README's task."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bad_outputs import BAD_OUTPUTS, task_with_output
from flyte_connectors import File, run
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from slurm_jobs import SlurmJobs, shared_folder, use

from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

if TYPE_CHECKING:
    from slurm_cluster import SlurmCluster

pytestmark = pytest.mark.timeout(120)

GIGABYTE = 1024**3
README = Path(__file__).parents[2] / "README.md"


def test_a_file_goes_in_and_out(jobs: SlurmJobs, tmp_path: Path) -> None:
    """By its local path on the node."""
    source = tmp_path / "words.txt"
    source.write_text("one two\n")
    task = BatchJobTask(
        "upper",
        BatchJobConfig(script='tr a-z A-Z < "$BATCH_JOB_INPUT_TEXT" > "$BATCH_JOB_OUTPUT_UPPER"', memory="50Mi"),
        inputs={"text": File},
        outputs={"upper": File},
    )
    template = task.to_proto()
    meta = jobs.connector.create(
        template,
        f"file://{tmp_path}/out",
        {"text": File(path=f"file://{source}")},
        idempotency_key=jobs.key("files"),
    )
    resource = jobs.end(meta)
    assert resource.phase == Phase.SUCCEEDED, resource.message
    [stored] = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert stored.read_text() == "ONE TWO\n"


def test_the_task_of_the_readme_runs_unchanged(jobs: SlurmJobs, tmp_path: Path) -> None:
    """But for the operator's configuration."""
    text = re.search(r"```python\n# tasks.py\n(.*?)```", README.read_text(), re.DOTALL)
    assert text
    names: dict[str, Any] = {}
    exec(text[1], names)
    words = tmp_path / "words.txt"
    words.write_text("three little words")
    assert run(names["count_words"], file=str(words)).outputs() == 3
    assert any(row[3].startswith("flyte-") for row in jobs.cluster.jobs())


@pytest.mark.slow
@pytest.mark.parametrize("what", BAD_OUTPUTS)
def test_a_bad_output_fails_a_job_on_slurm(jobs: SlurmJobs, tmp_path: Path, what: str) -> None:
    """In one line, and nothing is stored."""
    script, message = BAD_OUTPUTS[what]
    task = task_with_output(script, memory="50Mi")
    key = jobs.key(what.replace(" ", "-"))
    resource = jobs.end(jobs.connector.create(task, str(tmp_path / "out"), {}, idempotency_key=key))
    assert (resource.phase, resource.message) == (Phase.FAILED, message)
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.slow
def test_a_gigabyte_passes_through_a_small_job_on_slurm(
    confined_cluster: SlurmCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Its node ends a job that needs more memory than it has asked for."""
    folder = shared_folder(confined_cluster)
    use(monkeypatch, confined_cluster, folder)
    jobs = SlurmJobs(confined_cluster, folder)
    source, stored = tmp_path / "large", tmp_path / "out"
    with source.open("wb") as file:
        file.truncate(GIGABYTE)
    task = task_with_output('cp "$BATCH_JOB_INPUT_LARGE" "$BATCH_JOB_OUTPUT_F"', memory="100Mi")
    inputs = {"large": File(str(source))}
    meta = jobs.connector.create(task, str(stored), inputs, idempotency_key=jobs.key("large"))
    while (resource := jobs.connector.get(meta)).phase not in TERMINAL_PHASES:
        time.sleep(0.5)  # for at most the timeout of these tests
    assert resource.phase == Phase.SUCCEEDED, resource.message
    (copy,) = [path for path in stored.rglob("f") if path.is_file()]
    assert copy.stat().st_size == GIGABYTE
    copy.unlink()
