"""A call of a connector's task is a job, and its outputs are the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from fake_jobs import TASK_TYPE, JobService
from flyte_connectors import Phase, Resource, Secret
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.tasks.current_run import CurrentRun, current_run, state_dir, within_run
from flyteidl2.task.common_pb2 import Outputs

if TYPE_CHECKING:
    import pathlib
    from collections.abc import AsyncIterator, Callable

    from flyte_connectors._dispatch.dispatcher import Dispatcher


@pytest.fixture
async def run_here(client: Dispatcher) -> AsyncIterator[CurrentRun]:
    """A run whose jobs go to the fake service."""
    with within_run(CurrentRun(name="r1", client=client)) as execution:
        yield execution


@pytest.mark.parametrize(
    ("outputs", "values", "result"),
    [
        ({}, None, None),
        ({"n": int}, {"n": 3}, 3),
        ({"a": int, "b": str}, {"b": "x", "a": 1}, (1, "x")),
    ],
)
async def test_outputs_are_the_result(  # noqa: PLR0913, PLR0917  (fixtures)
    run_here: CurrentRun,
    service: JobService,
    make_task: Callable[..., Any],
    outputs: dict[str, Any],
    values: Any,
    result: Any,
) -> None:
    """Nothing, one value, or a named tuple; matched by name, not by position."""
    service.states = [Resource(Phase.SUCCEEDED, outputs=values)]
    returned = await make_task(outputs=outputs).execute()
    assert returned == result
    if len(outputs) > 1:
        assert returned._asdict() == values


async def test_a_call_is_a_job(run_here: CurrentRun, service: JobService, make_task: Callable[..., Any]) -> None:
    """With inputs and defaults; each call of a run has a key of its own."""
    task = make_task({"a": int, "b": (str, "x")})
    await task.execute(a=1)
    await task(a=2)
    assert [given["inputs"] for given in service.jobs.values()] == [
        {"a": 1, "b": "x"},
        {"a": 2, "b": "x"},
    ]
    assert [key.split("-")[:2] for key in service.jobs] == [["r1", "a0"], ["r1", "a1"]]


@pytest.mark.parametrize("kwargs", [{}, {"a": "1"}, {"a": 1, "z": 2}])
async def test_bad_inputs_start_nothing(
    run_here: CurrentRun,
    service: JobService,
    make_task: Callable[..., Any],
    kwargs: dict[str, Any],
) -> None:
    """They are found before the connector is asked."""
    with pytest.raises(InvalidRequestError, match=r"^inputs\.[az]: "):
        await make_task({"a": int}).execute(**kwargs)
    assert not service.calls


async def test_outputs_may_be_written_by_the_job(
    run_here: CurrentRun, service: JobService, make_task: Callable[..., Any]
) -> None:
    """Under the output prefix, as for the back end."""
    task = make_task(outputs={"n": int})
    folder = run_here.folder / "a0"
    folder.mkdir(parents=True)
    written = make_task({"n": int}).interface.write_inputs("t", {"n": 7})
    (folder / "outputs.pb").write_bytes(Outputs(literals=written.literals).SerializeToString())
    assert await task.execute() == 7
    (given,) = service.jobs.values()
    assert given["output_prefix"] == folder.as_uri()


async def test_outputs_that_nobody_wrote_are_a_failure(
    run_here: CurrentRun, service: JobService, make_task: Callable[..., Any]
) -> None:
    """The text says where they should have been."""
    with pytest.raises(TaskFailedError, match=r"'count' succeeded, but neither .*/outputs\.pb"):
        await make_task(outputs={"n": int}).execute()


async def test_retries_and_timeout_are_the_tasks(
    run_here: CurrentRun, service: JobService, make_task: Callable[..., Any]
) -> None:
    """A local run does not ignore them."""
    service.states = [Resource(Phase.RETRYABLE_FAILED, "spot"), Resource(Phase.SUCCEEDED)]
    await make_task(retries=1).execute()
    assert len(service.jobs) == 2
    service.states = [Resource(Phase.RUNNING)]
    with pytest.raises(TaskFailedError, match=r"timed out after 0\.05 s"):
        await make_task(timeout=0.05).execute()
    assert len(service.deleted) == 1


async def test_a_call_outside_of_any_run_is_a_run_of_its_own(
    client: Dispatcher, service: JobService, make_task: Callable[..., Any]
) -> None:
    """Its name is new each time."""
    task = make_task()
    await task.execute()
    await task.execute()
    assert len(service.jobs) == 2
    assert current_run().name != current_run().name


async def test_the_template_of_the_request_is_the_tasks(
    run_here: CurrentRun, service: JobService, make_task: Callable[..., Any]
) -> None:
    """The connector sees what a cluster would send."""
    await make_task(secrets=[Secret("db")]).execute()
    (given,) = service.jobs.values()
    template = given["task_template"]
    assert (template.id.name, template.type) == ("count", TASK_TYPE)
    identifier = given["task_execution_metadata"].task_execution_id
    assert identifier.task_id.name == "count"
    assert identifier.node_execution_id.execution_id.domain == "local"


def test_the_state_is_where_the_user_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """A variable, else the XDG base directories."""
    monkeypatch.setenv("FLYTE_CONNECTORS_STATE_DIR", str(tmp_path / "mine"))
    assert state_dir() == tmp_path / "mine"
    monkeypatch.delenv("FLYTE_CONNECTORS_STATE_DIR")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert state_dir() == tmp_path / "flyte-connectors"
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert state_dir() == tmp_path / ".local" / "state" / "flyte-connectors"
