"""Functions as jobs of a connector that knows only this library; each in a process of its own."""

from __future__ import annotations

from pathlib import Path

import process_jobs
import pytest
import squares
import work
from flyte_connectors import Dir, File
from flyte_connectors.connector import Phase
from flyte_connectors.errors import InvalidRequestError, TaskFailedError

from flyte_connectors_functions import JobFunctionTask, ended, function_call, reported


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_jobs, "JOBS", tmp_path / "jobs")
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "state"))
    # The connector is not in the folder of the tests, whose modules travel.
    monkeypatch.setenv("PYTHONPATH", str(Path(process_jobs.__file__).parent))


def test_the_example_runs_its_function() -> None:
    """Its file is stored, and the call leaves nothing else behind."""
    assert isinstance(squares.squares, JobFunctionTask)
    file, total = squares.squares(3)
    assert total == 14
    with file.open_sync("r") as opened:
        assert opened.read() == "0\n1\n4\n9"


def test_files_and_folders_are_read_and_stored(tmp_path: Path) -> None:
    """Where they are, by the job itself."""
    (tmp_path / "a").write_text("one")
    (tmp_path / "b").write_text("two")
    first, folder = work.joined([File(str(tmp_path / "a")), File(str(tmp_path / "b"))])
    assert [file.name for file in folder.list_files_sync()] == ["0.txt", "1.txt"]
    second, _ = work.joined([first], Dir(str(tmp_path / "none")) if first is None else None)
    with second.open_sync("r") as opened:
        assert opened.read() == "one+two"


def test_an_exception_is_the_reason_of_the_failure() -> None:
    """With the lines of the function's own code."""
    with pytest.raises(TaskFailedError, match=r"ZeroDivisionError: .* \(work\.py:\d+ in fails\)"):
        work.fails(0)
    with pytest.raises(TaskFailedError, match=r"output 'o0' .*: expected int, got 'seven' \(str\)"):
        work.returns_text()


def test_a_retryable_error_is_tried_again() -> None:
    """As another job."""
    attempt, job_id = work.second_time()
    assert attempt == 1
    assert job_id in {path.name for path in process_jobs.JOBS.iterdir()}
    assert len(list(process_jobs.JOBS.iterdir())) == 2


def test_what_a_function_reports_can_be_read_under_its_prefix() -> None:
    """By any connector that can read what is stored."""
    found = reported(work.reports())
    assert found.message == "50%, half"
    assert found.details == {"progress": 0.5, "text": "half", "metrics": {"loss": 0.25}}


def test_a_job_that_has_left_nothing_has_failed(tmp_path: Path) -> None:
    """Such as one that was killed."""
    prefix = str(tmp_path)
    assert reported(prefix).message == ""
    found = ended(prefix, "exit code 137")
    assert (found.phase, found.message) == (Phase.FAILED, "exit code 137")
    assert "ended before" in (ended(prefix).message or "")


def test_a_call_without_an_output_prefix_is_refused() -> None:
    """Before a job starts."""
    reference = work.fails.reference()  # type: ignore[attr-defined]
    call = function_call(work.fails.to_proto(), reference, {"n": 1}, "", None)
    with pytest.raises(InvalidRequestError, match="output_prefix: empty"):
        call.store("a-job")
