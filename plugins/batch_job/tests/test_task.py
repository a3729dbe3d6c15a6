"""The task class, run as its users run it: through the core, to a real process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flyte_connectors import Dir, File, SerializationContext, TaskEnvironment, run
from flyte_connectors.errors import InvalidRequestError, TaskFailedError

from flyte_connectors_batch_job import BatchJobConfig, BatchJobTask

if TYPE_CHECKING:
    from pathlib import Path

    from batch_jobs import Jobs


@pytest.fixture(autouse=True)
def _state(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", f"{jobs.spool.root}/.runs")


def test_a_task_without_a_command_answers_with_its_job_id() -> None:
    """The documentation's first task, as it stands there."""
    batch_job = BatchJobTask(
        name="my_batch_job",
        plugin_config=BatchJobConfig(timeout_seconds=60),
        inputs={"name": str},
        outputs={"result": str},
    )
    TaskEnvironment.from_task("batch-job-env", batch_job)
    assert run(batch_job, name="hello").url
    assert batch_job(name="hello").startswith("output-from-")


def test_outputs_have_their_declared_types() -> None:
    """JSON has one kind of number; the interface says which was meant."""
    task = BatchJobTask(
        name="typed",
        plugin_config=BatchJobConfig(script='echo \'{"x": 3, "n": 4}\' > "$BATCH_JOB_OUTPUTS"'),
        outputs={"x": float, "n": int},
    )
    x, n = task()
    assert (x, type(x), n, type(n)) == (3.0, float, 4, int)


def test_inputs_reach_the_job_by_name() -> None:
    """With defaults where the interface has them."""
    task = BatchJobTask(
        name="greet",
        plugin_config=BatchJobConfig(script='echo "$BATCH_JOB_INPUT_GREETING, $BATCH_JOB_INPUT_NAME"'),
        inputs={"name": str, "greeting": (str, "hello")},
        outputs={"text": str},
    )
    assert task(name="you") == "hello, you"


def test_a_failed_job_raises_with_its_last_line_of_stderr() -> None:
    """The author reads what the job said."""
    task = BatchJobTask(name="broken", plugin_config=BatchJobConfig(script="echo why >&2; exit 2"))
    with pytest.raises(TaskFailedError, match="exit code 2: why"):
        task()


def test_a_wrong_config_is_refused_before_anything_runs() -> None:
    """By the name of its field."""
    task = BatchJobTask(name="wrong", plugin_config=BatchJobConfig(timeout_seconds=-1))
    with pytest.raises(InvalidRequestError, match=r"custom\.timeout_seconds"):
        task()


def test_the_task_says_in_custom_what_the_connector_reads() -> None:
    """The template alone carries the job, for a service far away."""
    config = BatchJobConfig(command=["ls", "-l"], env={"A": "b"}, timeout_seconds=5)
    template = BatchJobTask(name="listing", plugin_config=config).to_proto(SerializationContext())
    assert template.type == "batch_job"
    assert BatchJobConfig.from_custom(template.custom) == config


def test_files_go_in_and_out_of_a_task(tmp_path: Path) -> None:
    """As references; what the job has stored can be read."""
    (tmp_path / "words.txt").write_text("one two\n")
    task = BatchJobTask(
        name="pack",
        plugin_config=BatchJobConfig(
            script='tr a-z A-Z < "$BATCH_JOB_INPUT_FILE" > "$BATCH_JOB_OUTPUT_LOUD";'
            ' cp "$BATCH_JOB_INPUT_FILE" "$BATCH_JOB_OUTPUT_ALL/a b"'
        ),
        inputs={"file": File},
        outputs={"loud": File, "all": Dir},
    )
    loud, everything = task(file=File(str(tmp_path / "words.txt")))
    assert isinstance(loud, File)
    with loud.open_sync("r") as file:
        assert file.read() == "ONE TWO\n"
    assert [file.name for file in everything.list_files_sync()] == ["a b"]
