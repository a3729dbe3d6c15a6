"""Connectors as people write them for flytekit: their jobs are files in a folder."""

from __future__ import annotations

import os
import pathlib
import threading
from dataclasses import dataclass
from typing import Any

from flyteidl.admin.agent_pb2 import GetTaskLogsResponse, GetTaskLogsResponseBody
from flyteidl.core.execution_pb2 import TaskExecution, TaskLog
from flytekit import FlyteContextManager, StructuredDataset
from flytekit.core.type_engine import TypeEngine
from flytekit.extend.backend.base_connector import (
    AsyncConnectorBase,
    ConnectorRegistry,
    Resource,
    ResourceMeta,
    SyncConnectorBase,
)
from flytekit.models.literals import LiteralMap
from flytekit.models.task import TaskExecutionMetadata, TaskTemplate

FOLDER = "OFFICIAL_JOBS"


@dataclass
class FileJob(ResourceMeta):
    path: str


class FileConnector(AsyncConnectorBase):
    """Plain functions, which may block."""

    name = "Flytekit Files"

    def __init__(self) -> None:
        super().__init__(task_type_name="flytekit_file", metadata_type=FileJob)

    def create(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None,
        task_execution_metadata: TaskExecutionMetadata | None,
        **kwargs: Any,
    ) -> FileJob:
        assert threading.current_thread() is not threading.main_thread()
        assert inputs is not None
        assert task_execution_metadata is not None
        types = {
            name: TypeEngine.guess_python_type(variable.type)
            for name, variable in task_template.interface.inputs.items()
        }
        context = FlyteContextManager.current_context()
        values = TypeEngine.literal_map_to_kwargs(context, inputs, types)
        run = task_execution_metadata.task_execution_id.node_execution_id.execution_id.name
        path = pathlib.Path(os.environ[FOLDER]) / run
        path.write_text(f"{values['state']} {task_template.custom['rows']} {sorted(kwargs)}")
        return FileJob(str(path))

    def get(self, resource_meta: FileJob, **kwargs: Any) -> Resource:
        text = pathlib.Path(resource_meta.path).read_text()
        if not text.startswith("done"):
            return Resource(phase=TaskExecution.RUNNING)
        return Resource(
            phase=TaskExecution.SUCCEEDED,
            log_links=[TaskLog(uri="https://example.org/job", name="Job")],
            outputs={
                "given": text,
                "ratio": 3,
                "table": StructuredDataset(uri="bq://p:d.t"),
                "undeclared": 1,
            },
            custom_info={"rows": 2},
        )

    def delete(self, resource_meta: FileJob, **kwargs: Any) -> None:
        pathlib.Path(resource_meta.path).unlink(missing_ok=True)

    def get_logs(self, resource_meta: FileJob, **kwargs: Any) -> GetTaskLogsResponse:
        assert not kwargs
        return GetTaskLogsResponse(body=GetTaskLogsResponseBody(results=["one", "two"]))


class Doubler(SyncConnectorBase):
    """A coroutine, which answers with flytekit's literals."""

    name = "Flytekit Doubler"

    def __init__(self) -> None:
        super().__init__(task_type_name="flytekit_double")

    async def do(
        self,
        task_template: TaskTemplate,
        output_prefix: str,
        inputs: LiteralMap | None = None,
        **kwargs: Any,
    ) -> Resource:
        assert inputs is not None
        number = inputs.literals["number"].scalar.primitive.integer
        outputs = await TypeEngine.dict_to_literal_map_pb(
            FlyteContextManager.current_context(), {"double": 2 * number, "undeclared": 1}
        )
        return Resource(phase=TaskExecution.SUCCEEDED, outputs=LiteralMap.from_flyte_idl(outputs))


ConnectorRegistry.register(FileConnector())
ConnectorRegistry.register(Doubler())
