"""`run(task, ...)`: one run of a task, and what it came to."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any

from flyte_connectors.connector import Phase
from flyte_connectors.tasks.calls import run_sync
from flyte_connectors.tasks.execution import Execution, executing
from flyte_connectors.tasks.template import TaskTemplate


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that has succeeded; one that fails raises instead.

    Attributes:
        name: Name of the run.
        url: Where its jobs write outputs.
        phase: SUCCEEDED.
    """

    name: str
    url: str
    phase: Phase
    _result: Any = dataclasses.field(repr=False)

    def outputs(self) -> Any:
        """The outputs: nothing, the value, or a named tuple of values."""
        return self._result

    def wait(self) -> None:
        """Return at once: a local run is over before it is returned."""


class _RunFunction:
    """Runs a task: `run(task, x=1)` from plain code, `await run.aio(task, x=1)` from async code.

    Returns:
        The `Run`.

    Raises:
        InvalidRequestError: an input is missing, undeclared or of the wrong type.
        TaskFailedError: the task ended without success.
    """

    def __call__(self, task: TaskTemplate, *args: Any, **kwargs: Any) -> Run:
        return run_sync(self.aio(task, *args, **kwargs))

    async def aio(self, task: TaskTemplate, *args: Any, **kwargs: Any) -> Run:
        """Run a task from async code."""
        inputs = task.interface.bind(task.name, args, kwargs)
        with executing(Execution()) as execution:
            result = await task.execute(**inputs)
        return Run(execution.name, execution.output_prefix, Phase.SUCCEEDED, result)


run = _RunFunction()


def init_from_config(
    path_or_config: str | pathlib.Path | None = None,
    root_dir: pathlib.Path | None = None,
    **_: Any,
) -> None:
    """Do nothing: a local run needs no back end to be configured.

    It exists so that scripts written for the official SDK run unchanged.
    """
