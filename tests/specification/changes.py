"""What had to be changed in the documents' code, and why; `docs/seeds.md` shows it as a table."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Change(NamedTuple):
    """A part of a block that can't run as printed.

    Attributes:
        old: As printed.
        new: As it runs; `<name>` is put in by the test.
        why: The reason.
    """

    old: str
    new: str
    why: str


_NO_FLYTEKIT = "flytekit is not installed; this is where the name lives here"
_MESSAGES = "flytekit's model classes are the protobuf messages themselves here"
_NO_TO_JSON = "inputs are Python values by name here, not a LiteralMap"

CHANGES: dict[str, tuple[Change, ...]] = {
    "connectors/3_usage": (
        Change(
            'endpoint="https://example-mltrain.com",',
            'endpoint="<endpoint>",',
            "the training service that runs in the test",
        ),
        Change(
            'return "gs://my-bucket/dataset.csv"',
            'return "<dataset>"',
            "a data set that exists",
        ),
    ),
    "connector_app/4_secret_task": (
        Change(
            "super().__init__(...)",
            """super().__init__(
            name=name,
            interface=NativeInterface(
                {k: (v, None) for k, v in inputs.items()} if inputs else {},
                outputs or {},
            ),
            task_type=self._TASK_TYPE,
            image=None,
            **kwargs,
        )""",
            "`...` stands for the arguments of step 2",
        ),
    ),
    "connector_app/5_secret_connector": (
        Change(
            "class BatchJobConnector(AsyncConnector):\n    ...",
            'class BatchJobConnector(AsyncConnector):\n    name = "Batch Job Connector"\n'
            '    task_type_name = "batch_job"\n    metadata_type = BatchJobMetadata\n\n'
            "    async def delete(self, resource_meta: BatchJobMetadata, **kwargs):\n"
            "        pass",
            "`...` stands for the rest of step 1",
        ),
        Change(
            "        # use api_key to authenticate against the external service\n        ...",
            '        job_id = await submit("<service>", api_key, inputs["name"])\n'
            "        return BatchJobMetadata(job_id=job_id, created_at=time.time())",
            "`...` stands for a service's client; the one in the test asks a real HTTP server",
        ),
        Change(
            "    ) -> Resource:\n        ...",
            "    ) -> Resource:\n"
            '        result = await fetch("<service>", api_key, resource_meta.job_id)\n'
            '        return Resource(phase=TaskExecution.SUCCEEDED, outputs={"result": result})',
            "as above",
        ),
    ),
    "connector_framework/1_connector": (
        Change(
            "from flytekit.extend.backend.base_connector import ConnectorRegistry, "
            "AsyncConnectorBase, ResourceMeta, Resource, TaskCategory",
            "from flyte_connectors import ConnectorRegistry, AsyncConnector as "
            "AsyncConnectorBase, ResourceMeta, Resource, TaskCategory",
            _NO_FLYTEKIT,
        ),
        Change(
            "from flytekit.models.core.tasks import TaskTemplate",
            "from flyteidl2.core.tasks_pb2 import TaskTemplate",
            _MESSAGES,
        ),
        Change(
            "from flytekit.models.literals import LiteralMap",
            "from flyteidl2.core.literals_pb2 import LiteralMap",
            _MESSAGES,
        ),
        Change(
            "from flytekit.models.core.execution import TaskExecution",
            "from flyteidl2.core.execution_pb2 import TaskExecution",
            _MESSAGES,
        ),
        Change("{inputs.to_json()}", "{inputs}", _NO_TO_JSON),
    ),
    "connector_framework/2_task": (
        Change(
            "from flytekit import task, workflow\n"
            "from flytekit.extend.backend.base_connector import AsyncConnectorExecutorMixin\n"
            "from flytekit.types.literal import LiteralType\n"
            "from flytekit.models.core.types import TaskTemplate\n"
            "from flytekit.models.interface import TypedInterface\n"
            "from flytekit.models.literals import LiteralMap, Scalar, Primitive, StringValue\n"
            "from flytekit.models.types import SimpleType",
            "from flyte_connectors import AsyncConnectorExecutorMixin, NativeInterface, "
            "TaskEnvironment, TaskTemplate",
            "flytekit is not installed; `flytekit.types.literal` and "
            "`flytekit.models.core.types.TaskTemplate` are not even in it",
        ),
        Change(
            '@task(task_type="my_custom_task_type", task_type_version=1)\n'
            "class MyConnectorTask(AsyncConnectorExecutorMixin):",
            "class MyConnectorTask(AsyncConnectorExecutorMixin, TaskTemplate):",
            "`@task` decorates functions; a task class inherits from a task",
        ),
        Change(
            'super().__init__(\n            task_type="my_custom_task_type",',
            'super().__init__(\n            name="my_connector_task",\n'
            '            task_type="my_custom_task_type",',
            "a task has a name",
        ),
        Change(
            "interface=TypedInterface(\n"
            '                inputs={"input_str": LiteralType(simple=SimpleType.STRING)},\n'
            '                outputs={"output_str": LiteralType(simple=SimpleType.STRING)},',
            "interface=NativeInterface(\n"
            '                inputs={"input_str": str},\n'
            '                outputs={"output_str": str},',
            "interfaces are declared in Python types",
        ),
        Change(
            """    def _get_full_task_template(self) -> TaskTemplate:
        # This method is usually handled by Flytekit's serialization,
        # but for a minimal local example, we might need to mock it.
        # In a real scenario, this task would be decorated with @task
        # and Flytekit would generate the template.
        return TaskTemplate(
            id=None,
            type="my_custom_task_type",
            task_type_version=1,
            interface=self.interface,
            metadata=None,
            custom={},
        )

""",
            "",
            "a mock, as the page says: nothing calls it, and the task serializes itself",
        ),
        Change(
            "    def execute(self, input_str: str) -> str:",
            "    async def execute(self, input_str: str) -> str:",
            "tasks run in the event loop",
        ),
        Change(
            "outputs_literal_map = super().execute(input_str=input_str)",
            "output = await super().execute(input_str=input_str)",
            "as above",
        ),
        Change(
            "        # Extract the output from the LiteralMap\n"
            '        return outputs_literal_map.literals["output_str"].scalar.primitive.string_value',
            "        return output",
            "the mixin's `execute` returns Python values",
        ),
        Change(
            "@workflow\ndef my_connector_workflow",
            '@TaskEnvironment("my_workflows").task\ndef my_connector_workflow',
            "Flyte 2 has no workflows: tasks call tasks",
        ),
    ),
    "plugin_system/1_executor": (
        Change(
            "from flytekit.core.shim_task import ShimTaskExecutor",
            "from flyte_connectors import ShimTaskExecutor",
            _NO_FLYTEKIT,
        ),
        Change(
            "from flytekit.models.core import tasks as _task_model",
            "from flyteidl2.core import tasks_pb2 as _task_model",
            _MESSAGES,
        ),
    ),
    "plugin_system/2_container_task": (
        Change(
            """from flytekit.core.python_customized_container_task import PythonCustomizedContainerTask
from flytekit.core.resources import Resources
from flytekit.core.interface import Interface
from flytekit.models.core import tasks as _task_model
from flytekit.core.task import TaskMetadata
from flytekit.core.type_engine import TypeEngine
from flytekit.core.context_manager import FlyteContext
from flytekit.models.literals import LiteralMap
from flytekit.models.types import LiteralType
from flytekit.models.core.types import BlobType, BlobTypeFormat
from flytekit.models.types import SimpleType
from flytekit.models.interface import Variable
from flytekit.models.literals import Literal, Scalar, Primitive, StringValue""",
            "from flyte_connectors import NativeInterface as Interface, PythonCustomizedContainerTask",
            "flytekit is not installed; the other imports are unused, and it has no `BlobTypeFormat`",
        ),
    ),
    "plugin_system/3_category": (
        Change(
            "from flytekit.extend.backend.base_connector import TaskCategory",
            "from flyte_connectors import TaskCategory",
            _NO_FLYTEKIT,
        ),
    ),
    "plugin_system/4_connectors": (
        Change(
            "from flytekit.extend.backend.base_connector import SyncConnectorBase, "
            "AsyncConnectorBase, Resource, ResourceMeta",
            "from flyte_connectors import SyncConnector as SyncConnectorBase, "
            "AsyncConnector as AsyncConnectorBase, Resource, ResourceMeta",
            _NO_FLYTEKIT,
        ),
        Change(
            "from flytekit.models.core.tasks import TaskTemplate",
            "from flyteidl2.core.tasks_pb2 import TaskTemplate",
            _MESSAGES,
        ),
        Change(
            "from flytekit.models.literals import LiteralMap",
            "from flyteidl2.core.literals_pb2 import LiteralMap",
            _MESSAGES,
        ),
        Change(
            "from flytekit.models.core.execution import TaskExecution",
            "from flyteidl2.core.execution_pb2 import TaskExecution",
            _MESSAGES,
        ),
        Change("{inputs.to_json()}", "{inputs}", _NO_TO_JSON),
    ),
    "plugin_system/5_register": (
        Change(
            "from flytekit.extend.backend.base_connector import ConnectorRegistry",
            "from flyte_connectors import ConnectorRegistry",
            _NO_FLYTEKIT,
        ),
    ),
}


def table(page: str, blocks: Iterable[str]) -> str:
    """The rows of `docs/seeds.md` for a page: each block, and what was changed in it."""
    rows = ["| block | printed | runs as | why |", "|---|---|---|---|"]
    for block in blocks:
        changes = CHANGES.get(f"{page}/{block}", ())
        rows += [
            f"| `{block}` | {_cell(change.old)} | {_cell(change.new)} | {change.why} |"
            for change in changes
        ] or [f"| `{block}` | | as printed | |"]
    return "\n".join(rows)


def _cell(code: str) -> str:
    """The first line, and how many follow."""
    first, *others = code.strip().splitlines() or [""]
    more = {0: "", 1: " and the next line"}.get(len(others), f" and {len(others)} more lines")
    return f"`{first}`{more}" if first else "nothing"
