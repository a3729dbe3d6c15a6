"""Runs and jobs that were started are found again."""

from __future__ import annotations

import pathlib

import pytest
from fake_jobs import TASK_TYPE, create_request
from flyte_connectors.cli import history
from flyte_connectors.errors import InvalidRequestError, JobNotFoundError
from flyte_connectors.tasks.current_run import state_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_a_job_is_found_by_its_run(meta: bytes) -> None:
    """With everything that requests about it need."""
    saved = history.save_job(create_request(run="run7"), meta, endpoint="h:1", module="flow.py")
    (found,) = history.find_jobs("run7")
    assert found == saved
    assert found.meta == meta
    assert (found.category.name, found.category.version) == (TASK_TYPE, 0)
    assert (found.run, found.action, found.task, found.endpoint) == ("run7", "a0", "count", "h:1")


def test_jobs_come_in_the_order_they_were_started() -> None:
    """The tenth after the ninth."""
    for number in (10, 9, 0):
        request = create_request(run="run7")
        request.task_execution_metadata.task_execution_id.node_execution_id.node_id = f"a{number}"
        history.save_job(request, b"m")
    assert [job.action for job in history.find_jobs("run7")] == ["a0", "a9", "a10"]


def test_a_new_attempt_takes_the_place_of_the_last() -> None:
    """And no draft of the file is left."""
    history.save_job(create_request(run="run7"), b"first")
    history.save_job(create_request(run="run7", attempt=1), b"second")
    (found,) = history.find_jobs("run7")
    assert found.meta == b"second"
    assert [path.name for path in (state_dir() / "runs" / "run7").iterdir()] == ["a0.json"]


@pytest.mark.parametrize("name", ["unknown", "", "..", "../runs/run7x", "/etc"])
def test_an_unknown_run_says_where_it_was_looked_for(name: str) -> None:
    """And no path leads out of the state directory."""
    history.save_job(create_request(run="run7"), b"m")
    with pytest.raises(JobNotFoundError, match=r"^no run named .* in "):
        history.find_jobs(name)


def test_jobs_are_written_where_nothing_was(tmp_path: pathlib.Path) -> None:
    """The first run makes the directory."""
    assert not state_dir().exists()
    history.save_job(create_request(), b"m")
    assert (state_dir() / "runs" / "run1" / "a0.json").is_file()


def test_a_run_is_remembered_with_its_end() -> None:
    """However it ended; while it lasts, it is RUNNING."""
    with history.recording("run1", "count", endpoint="h:1", module="flow.py"):
        (running,) = history.all_runs()
        assert (running.run, running.task, running.phase) == ("run1", "count", "RUNNING")
    with pytest.raises(ZeroDivisionError), history.recording("run2", "count"):
        _ = 1 / 0
    with pytest.raises(KeyboardInterrupt), history.recording("run3", "count"):
        raise KeyboardInterrupt
    phases = [(record.run, record.phase) for record in history.all_runs()]
    assert phases == [("run3", "ABORTED"), ("run2", "FAILED"), ("run1", "SUCCEEDED")]


def test_a_run_without_jobs_is_known() -> None:
    """It may not have started one yet."""
    with history.recording("run1", "count"):
        assert list(history.find_jobs("run1")) == []


def test_jobs_of_an_earlier_release_are_a_run() -> None:
    """It remembered no runs; a damaged one hides no other."""
    history.save_job(create_request(run="run7"), b"m", endpoint="h:1")
    history.save_job(create_request(run="run8"), b"m")
    (state_dir() / "runs" / "run8" / "a0.json").write_text("{")
    (found,) = history.all_runs()
    assert (found.run, found.task, found.endpoint, found.phase) == ("run7", "count", "h:1", "")


def test_a_state_directory_that_cannot_be_written_is_named(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the variable that chooses another."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "file" / "state"))
    message = "^FLYTE_CONNECTORS_STATE_DIR: can't remember the run in .*: Not a directory"
    with pytest.raises(InvalidRequestError, match=message), history.recording("run1", "count"):
        pytest.fail("the block has run")
