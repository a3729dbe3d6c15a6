"""Our functions as functions of the official SDK, which its own entry point, `a0`, calls in a container.

Public, and used here: `flyte.extend.AsyncFunctionTaskTemplate`, whose container arguments name a resolver; and what a
resolver has to be. Not public: how `a0` reads inputs and writes outputs, reports and checkpoints, which stays the SDK's.
"""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path
from typing import Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.function_task import FunctionTask

from flyte_connectors_official.offering.official_fields import official_fields
from flyte_connectors_official.official_references import as_official, as_ours

extend: Any = importlib.import_module("flyte.extend")


@dataclasses.dataclass(kw_only=True)
class OfficialFunction(extend.AsyncFunctionTaskTemplate):  # type: ignore[misc]
    """A function of ours as a task of the official SDK.

    Args:
        ours: Its task.
    """

    ours: FunctionTask[..., Any]

    def __post_init__(self) -> None:
        self.task_resolver = FunctionResolver()
        super().__post_init__()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function in this process."""
        inputs = dict(zip(self.interface.inputs, args, strict=False)) | kwargs
        return as_official(self.ours(**as_ours(inputs)))

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, with our files, folders and tables in place of the SDK's."""
        inputs = dict(zip(self.interface.inputs, args, strict=False)) | kwargs
        return as_official(await self.ours.execute(**as_ours(inputs)))


class FunctionResolver:
    """Finds a function of ours in a container, by its module and name."""

    @property
    def import_path(self) -> str:
        """How `a0` imports this class."""
        return f"{__name__}.{type(self).__name__}"

    def loader_args(self, task: OfficialFunction, root_dir: Path) -> list[str]:  # noqa: ARG002
        """What `load_task` needs.

        Raises:
            InvalidRequestError: the function could not be imported there.
        """
        function = task.ours.function
        if "<" in function.__qualname__ or function.__module__ == "__main__":
            message = "it can't be imported in a container: move it to the top of a module"
            raise InvalidRequestError(message, field=f"task '{task.name}'")
        return ["mod", function.__module__, "instance", function.__qualname__]

    def load_task(self, loader_args: list[str]) -> Any:
        """The task of these arguments."""
        _, module, _, name = loader_args
        return official_function(getattr(importlib.import_module(module), name))


def official_function(task: FunctionTask[..., Any]) -> OfficialFunction:
    """A function of ours as a function of the official SDK."""
    fields = official_fields(task) | {"task_type": "python"}
    return OfficialFunction(ours=task, func=task.function, **fields)
