"""Our tasks as tasks of the official SDK, so that `flyte deploy` and `flyte run` take them.

Importing it without the SDK raises a `ModuleNotFoundError` that says so.
"""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

from flyte_connectors.errors import InvalidRequestError
from flyte_connectors.tasks.function_task import FunctionTask
from flyte_connectors.tasks.mixins import AsyncConnectorExecutorMixin, SyncConnectorExecutorMixin
from flyte_connectors.tasks.template import SerializationContext, TaskTemplate
from flyteidl2.core import tasks_pb2
from flyteidl2.core.literals_pb2 import Literal
from google.protobuf import json_format

try:
    engine: Any = importlib.import_module("flyte.types")  # `install_as_flyte` has no such module
    flyte, connectors, extend, models = (
        importlib.import_module(name) for name in ("flyte", "flyte.connectors", "flyte.extend", "flyte.models")
    )
except ModuleNotFoundError:
    _MISSING = f"{__name__} needs the official SDK: pip install flyte"
    raise ModuleNotFoundError(_MISSING, name="flyte") from None

from flyte_connectors_official.offering.official_fields import official_fields
from flyte_connectors_official.offering.official_function import official_function


@dataclasses.dataclass(kw_only=True)
class OfficialTask(connectors.AsyncConnectorExecutorMixin, extend.TaskTemplate):  # type: ignore[misc, name-defined]
    """A task of the official SDK that sends its connector the same as a task of ours.

    Args:
        ours: That task.
    """

    ours: TaskTemplate

    def custom_config(self, sctx: Any) -> dict[str, Any]:
        """What the connector reads from `TaskTemplate.custom`."""
        return json_format.MessageToDict(self._template(sctx).custom)

    def sql(self, sctx: Any) -> tasks_pb2.Sql | None:
        """The SQL statement, if that is what the task is."""
        template = self._template(sctx)
        return template.sql if template.HasField("sql") else None

    def container_args(self, serialize_context: Any) -> list[str]:
        """Arguments of the task's container, if it has one."""
        return list(self._template(serialize_context).container.args)

    async def execute(self, **inputs: Any) -> Any:
        """Run the task through the connector that the SDK's registry has; ours are in it."""
        importlib.import_module("flyte_connectors_official.offering.in_official_service")
        outputs = await super().execute(**inputs)
        if not outputs or not isinstance(outputs[0], Literal):
            return outputs  # from a connector that was written for the SDK
        # Ours answers in the template's order, and there the SDK has sorted the names.
        literals = dict(zip(sorted(self.interface.outputs), outputs, strict=True))
        declared = self.interface.outputs.items()
        read = engine.TypeEngine.to_python_value
        return tuple([await read(literals[name], python_type) for name, python_type in declared])

    def _template(self, sctx: Any) -> tasks_pb2.TaskTemplate:
        names = [field.name for field in dataclasses.fields(SerializationContext)]
        known = {name: value for name in names if (value := getattr(sctx, name)) is not None}
        return self.ours.to_proto(SerializationContext(**known))


def as_official_task(task: TaskTemplate) -> Any:
    """A task of ours as one of the official SDK, for `flyte.TaskEnvironment.from_task`.

    Args:
        task: A task that a connector runs, or a function. Files, folders and tables become those of `flyte.io`.

    Returns:
        The task; that of a function runs in a container, by the SDK's own entry point.

    Raises:
        InvalidRequestError: no connector runs it, or it has a `config`, which the SDK does not send.
    """
    if isinstance(task, AsyncConnectorExecutorMixin | SyncConnectorExecutorMixin):
        if not task.config(SerializationContext()):
            return OfficialTask(ours=task, **official_fields(task))
        message = "the official SDK sends no `config` to connectors: use `custom_config`"
        raise InvalidRequestError(message, field=f"task '{task.name}'")
    if isinstance(task, FunctionTask):
        return official_function(task)
    message = "no connector runs it: inherit from AsyncConnectorExecutorMixin"
    raise InvalidRequestError(message, field=f"task '{task.name}'")
