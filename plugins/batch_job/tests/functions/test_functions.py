"""Functions as jobs, run as their authors run them: through the core, in a real process."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from batch_jobs import wait_for
from etl import jobs as etl
from flyte_connectors import Dir, File, run
from flyte_connectors.errors import TaskFailedError

from flyte_connectors_batch_job.backends.local import turns
from flyte_connectors_batch_job.backends.local.job import ENDED
from flyte_connectors_batch_job.functions.task import BatchFunctionTask

if TYPE_CHECKING:
    from batch_jobs import Jobs


def test_an_environment_makes_jobs_of_functions() -> None:
    """By the type of its configuration, whose plugin is installed."""
    assert isinstance(etl.clean, BatchFunctionTask)
    assert etl.clean.to_proto().type == "batch_job"


def test_values_of_all_types_arrive_and_come_back() -> None:
    """As what they were sent as."""
    at = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.timezone.utc)
    point = etl.Point(1, ["a"])
    values = (
        2**40, 0.5, "ü\n", True, b"\0\xff", at, dt.timedelta(seconds=1.5), etl.Color.RED, point,
        etl.Order(item="tea", at=at), [point, point], {"a": [1, 2]}, "text", None, {"deep": [{"x": 1}]},
    )  # fmt: skip
    assert tuple(etl.everything(*values)) == values


def test_files_are_copied_in_and_out(tmp_path: Path) -> None:
    """Wherever they lie in the inputs and outputs; what is returned outlives the job."""
    (tmp_path / "rows.txt").write_text("one\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "two.txt").write_text("two\n")
    stored, size = etl.clean(File(str(tmp_path / "rows.txt")), factor=2)
    assert size == 8
    assert stored.path.endswith("/files/o0/clean.txt")
    with stored.open_sync("r") as file:
        assert file.read() == "ONE\n"
    folder, by_name, missing = etl.split([stored], Dir(str(tmp_path / "more")))
    assert [file.name for file in folder.list_files_sync()] == ["clean.txt", "two.txt"]
    assert by_name["first"].exists_sync()
    assert missing is None


def test_defaults_and_async_functions() -> None:
    """From plain code, and from async code in parallel."""
    assert etl.doubled(3) == 6
    assert run(etl.doubled, n=4).outputs() == 8

    async def both() -> list[Any]:
        return await asyncio.gather(etl.doubled(1), etl.doubled(2))  # type: ignore[call-overload]

    assert asyncio.run(both()) == [2, 4]


def test_outputs_have_the_names_of_a_named_tuple() -> None:
    """Whatever the function prints."""
    result: Any = etl.summarized("a\nb\n")
    assert (result.rows, result.text) == (2, "a\nb\n")


def test_a_function_without_outputs() -> None:
    """Returns None."""
    assert etl.nothing() is None  # type: ignore[func-returns-value]


def test_an_exception_arrives_with_the_users_own_frames(jobs: Jobs) -> None:
    """In one line; the log has all of it."""
    with pytest.raises(TaskFailedError) as caught:
        etl.total(["1", "x"])
    text = str(caught.value)
    assert "ValueError: invalid literal for int() with base 10: 'x' (etl/rows.py:8 in parsed" in text
    assert "in total)" in text
    assert "runner.py" not in text
    assert caught.value.phase == "FAILED"
    (log,) = Path(jobs.spool.root).glob("[!.]*/log")
    assert "Traceback (most recent call last):" in log.read_text()


def test_a_retryable_error_is_tried_again(tmp_path: Path) -> None:
    """As a new attempt, which the function can see."""
    marks = tmp_path / "marks"
    marks.mkdir()
    assert etl.second_time(str(marks)) == 1
    assert sorted(path.name for path in marks.iterdir()) == ["0", "1"]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (etl.mistyped, "output 'o0' of task 'etl.mistyped': expected int, got 'seven' (str)"),
        (etl.exits, "SystemExit: over"),
    ],
)
def test_what_a_function_may_not_do(task: Any, message: str) -> None:
    """Each is said in one line."""
    with pytest.raises(TaskFailedError) as caught:
        task()
    assert message in str(caught.value)


def test_the_package_of_the_function_is_there_with_its_data(jobs: Jobs) -> None:
    """In the job's own folder, and not from here; no copy of it is left in each of many jobs."""
    assert etl.packaged() == "hello"
    assert not [path for path in Path(jobs.spool.root).rglob("*") if path.name == "greeting.txt"]
    assert not list(Path(jobs.spool.root).glob("[!.]*/job/inputs/**/*.zip"))


def test_a_task_that_a_job_calls_runs_in_its_process() -> None:
    """A job that waited for another would hold its slots."""
    assert etl.nested(3) == 12


def test_a_function_is_mapped_over_a_list() -> None:
    """In order, with the other inputs the same for each."""
    assert etl.doubled.map(range(5), seconds=0.01) == [0, 2, 4, 6, 8]
    assert etl.doubled.map([]) == []


def test_the_first_failure_of_a_map_ends_it(jobs: Jobs) -> None:
    """Its error is raised, and no job runs on."""
    with pytest.raises(TaskFailedError, match="invalid literal"):
        etl.total.map([["1"], ["x"], ["2"]])
    folders = [path for path in Path(jobs.spool.root).glob("[!.]*") if path.is_dir()]
    assert folders
    for folder in folders:
        job = jobs.spool.job(folder.name)
        assert wait_for(lambda job=job: turns.state_of(job)["state"] in ENDED)


def test_a_function_knows_its_run() -> None:
    """By `task_context()`; it is for jobs only."""
    task, name, prefix, attempt, job_id = etl.where()
    assert (task, attempt) == ("etl.where", "0")
    assert name.startswith("r")
    assert name in prefix
    assert job_id
