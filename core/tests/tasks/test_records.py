"""Jobs that were started are found again."""

from __future__ import annotations

import pathlib

import pytest
from fake_jobs import TASK_TYPE, create_request
from flyte_connectors.errors import JobNotFoundError
from flyte_connectors.tasks import records
from flyte_connectors.tasks.execution import state_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary())
def test_a_job_is_found_by_its_run(meta: bytes) -> None:
    """With everything that requests about it need."""
    saved = records.save(create_request(run="run7"), meta, endpoint="h:1", module="flow.py")
    (found,) = records.find("run7")
    assert found == saved
    assert found.meta == meta
    assert (found.category.name, found.category.version) == (TASK_TYPE, 0)
    assert (found.run, found.action, found.task, found.endpoint) == ("run7", "a0", "count", "h:1")


def test_jobs_come_in_the_order_they_were_started() -> None:
    """The tenth after the ninth."""
    for number in (10, 9, 0):
        request = create_request(run="run7")
        request.task_execution_metadata.task_execution_id.node_execution_id.node_id = f"a{number}"
        records.save(request, b"m")
    assert [job.action for job in records.find("run7")] == ["a0", "a9", "a10"]


def test_a_new_attempt_takes_the_place_of_the_last() -> None:
    """And no draft of the file is left."""
    records.save(create_request(run="run7"), b"first")
    records.save(create_request(run="run7", attempt=1), b"second")
    (found,) = records.find("run7")
    assert found.meta == b"second"
    assert [path.name for path in (state_dir() / "runs" / "run7").iterdir()] == ["a0.json"]


@pytest.mark.parametrize("name", ["unknown", "", "..", "../runs/run7x", "/etc"])
def test_an_unknown_run_says_where_it_was_looked_for(name: str) -> None:
    """And no path leads out of the state directory."""
    records.save(create_request(run="run7"), b"m")
    with pytest.raises(JobNotFoundError, match="is remembered in"):
        records.find(name)


def test_jobs_are_written_where_nothing_was(tmp_path: pathlib.Path) -> None:
    """The first run makes the directory."""
    assert not state_dir().exists()
    records.save(create_request(), b"m")
    assert (state_dir() / "runs" / "run1" / "a0.json").is_file()
