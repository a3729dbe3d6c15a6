"""Task environments, and tasks made of functions."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest
from flyte_connectors import NativeInterface, Resources, TaskEnvironment, TaskTemplate
from flyte_connectors.errors import InvalidRequestError, TaskFailedError
from flyte_connectors.tasks.function_task import FunctionTask
from flyte_connectors.tasks.task_plugins import TaskPlugins

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_jobs import JobService
    from flyte_connectors._dispatch.dispatcher import Dispatcher

env = TaskEnvironment("env", image="img", resources=Resources(cpu=1), env_vars={"A": "b"})


@env.task
def double(n: int) -> int:
    """Twice n."""
    return 2 * n


@env.task(name="renamed", retries=2, timeout=dt.timedelta(minutes=1))
async def slow(n: int) -> tuple[int, str]:
    await asyncio.sleep(0)
    return n, str(n)


def test_a_function_becomes_a_task() -> None:
    """With the environment's name before its own, and its settings."""
    assert isinstance(double, FunctionTask)
    assert (double.name, slow.name) == ("env.double", "env.renamed")
    assert double.__doc__ == "Twice n."
    assert (slow.retries, slow.timeout_seconds) == (2, 60)
    assert set(env.tasks) == {"env.double", "env.renamed"}
    container = double.to_proto().container
    assert container.image == "img"
    assert container.resources.requests[0].value == "1"


def test_a_plain_task_is_called_at_once() -> None:
    """In the caller's thread."""
    assert double(3) == 6

    @env.task
    def where() -> int:
        return threading.get_ident()

    assert where() == threading.get_ident()


def test_an_async_task_is_called_from_plain_code() -> None:
    """It runs to its end."""
    assert slow(3) == (3, "3")


async def test_an_async_task_is_awaited_in_async_code() -> None:
    """And a plain one is still a plain call."""
    assert await slow(n=3) == (3, "3")
    assert double(n=3) == 6


@pytest.mark.parametrize("call", [lambda: double("3"), double, lambda: double(m=3)])
def test_inputs_are_checked(call: Callable[[], Any]) -> None:
    """Type, presence and name, as for a connector's task."""
    with pytest.raises(InvalidRequestError, match=r"^inputs\.[nm]: "):
        call()


@pytest.mark.parametrize("result", ["3", None, 3.5])
def test_a_result_is_checked(result: Any) -> None:
    """By the declared type, where the task runs, not where its result is used."""

    @env.task
    def wrong() -> int:
        return result  # type: ignore[no-any-return]

    with pytest.raises(TaskFailedError, match=r"output 'o0' of task 'env\.wrong': expected int"):
        wrong()


@pytest.mark.parametrize("result", [1, (1,), (1, 2, 3), None])
def test_the_number_of_results_is_checked(result: Any) -> None:
    """Also where the function returns no tuple at all."""

    @env.task
    def wrong() -> tuple[int, int]:
        return result  # type: ignore[no-any-return]

    with pytest.raises(TaskFailedError, match=r"task 'env\.wrong' returned \d outputs, 2 declared"):
        wrong()


@pytest.mark.parametrize("result", [1, "text", (1, 2)])
def test_an_undeclared_result_is_named(result: Any) -> None:
    """A function without an annotation of its result declares none."""

    @env.task
    def undeclared(n: int):  # type: ignore[no-untyped-def]
        return result

    with pytest.raises(TaskFailedError, match=r"returned \d outputs, 0 declared"):
        undeclared(1)


async def test_plain_and_async_tasks_call_connectors_tasks(
    client: Dispatcher, service: JobService, make_task: Callable[..., Any]
) -> None:
    """As functions."""
    job = make_task({"n": int})

    @env.task
    async def flow(n: int) -> None:
        await job(n=n)

    @env.task
    def plain_flow(n: int) -> None:
        job(n=n)

    await flow(n=1)
    await plain_flow.execute(n=2)
    assert [given["inputs"]["n"] for given in service.jobs.values()] == [1, 2]


def test_an_environment_of_tasks_that_exist() -> None:
    """Such as a connector's."""
    one, other = (TaskTemplate(name, NativeInterface(), "t") for name in ("one", "other"))
    assert TaskEnvironment.from_task("jobs", one, other).tasks == {"one": one, "other": other}


class Elsewhere(FunctionTask[..., Any]):
    """A function that runs where its configuration says."""

    def __init__(self, function: Callable[..., Any], name: str, plugin_config: Any, **kwargs: Any):
        super().__init__(function, name, task_type="elsewhere", **kwargs)
        self.plugin_config = plugin_config


class Place:
    """Says where."""


def plain(n: int) -> int:
    return n


def test_a_plugins_configuration_decides_what_a_function_becomes() -> None:
    """The environment's, or the task's own."""
    TaskPlugins.register_pythontask_plugin(Place, Elsewhere)
    here, there = Place(), Place()
    both = TaskEnvironment("both", plugin_config=here)
    first, second = both.task(plain), both.task(plugin_config=there, retries=2)(plain)
    assert isinstance(first, Elsewhere)
    assert isinstance(second, Elsewhere)
    assert (first.plugin_config, first.task_type) == (here, "elsewhere")
    assert (second.plugin_config, second.retries) == (there, 2)


def test_a_configuration_that_no_plugin_knows_is_refused() -> None:
    """Where the function is declared."""
    message = "plugin_config: no installed plugin runs functions by a dict"
    with pytest.raises(InvalidRequestError, match=message):
        TaskEnvironment("none", plugin_config={}).task(plain)


async def test_a_function_is_mapped_over_values() -> None:
    """In order, few at a time, and the first failure ends the rest."""
    running, most = 0, 0

    @env.task
    async def halved(n: int, by: int = 2) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(0 if n % 2 == 0 else 60)
        finally:
            running -= 1
        if n < 0:
            raise ValueError("negative")
        return n // by

    assert await halved.map([2, 8, 4, 6], at_once=2, by=1) == [2, 8, 4, 6]
    assert most == 2
    with pytest.raises(ValueError, match="negative"):
        await halved.map([1, -2, 3])
    assert running == 0
