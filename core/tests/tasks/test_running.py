"""One run of a task, and what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import Phase, Resource, TaskEnvironment, init_from_config, run
from flyte_connectors.errors import InvalidRequestError, TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_jobs import JobService
    from flyte_connectors._dispatch.dispatcher import Dispatcher

env = TaskEnvironment("env")


@env.task
def add(a: int, b: int = 1) -> int:
    return a + b


def test_a_run_from_plain_code() -> None:
    """It is over when it is returned."""
    result = run(add, 1, b=2)
    assert (result.outputs(), result.phase) == (3, Phase.SUCCEEDED)
    result.wait()
    assert result.url.endswith(result.name)


async def test_a_run_from_async_code() -> None:
    """Awaited."""
    assert (await run.aio(add, a=1)).outputs() == 2


def test_runs_have_names_of_their_own() -> None:
    """Which distinguishes their jobs."""
    assert run(add, 1).name != run(add, 1).name


async def test_the_jobs_of_a_run_carry_its_name(
    client: Dispatcher, service: JobService, make_task: Callable[..., Any]
) -> None:
    """One after the other, however deep they are called."""
    job = make_task()

    @env.task
    async def flow() -> None:
        await job()
        await job()

    result = await run.aio(flow)
    assert [key.split("-")[:2] for key in service.jobs] == [
        [result.name[:24], "a0"],
        [result.name[:24], "a1"],
    ]


async def test_a_failed_run_raises(client: Dispatcher, service: JobService, make_task: Callable[..., Any]) -> None:
    """With the job's reason."""
    service.states = [Resource(Phase.FAILED, "no such table")]
    with pytest.raises(TaskFailedError, match="no such table"):
        await run.aio(make_task())


def test_a_bad_input_is_named() -> None:
    """Before anything runs."""
    with pytest.raises(InvalidRequestError, match=r"^inputs\.a: missing"):
        run(add)


def test_a_script_for_the_official_sdk_needs_no_change() -> None:
    """There is no back end to configure."""
    init_from_config("config.yaml", root_dir=None, log_level=10)


def test_the_root_of_the_code_exists() -> None:
    """Modules are to be imported from it."""
    with pytest.raises(InvalidRequestError, match="root_dir: '/nowhere' is not a folder"):
        init_from_config(root_dir="/nowhere")
