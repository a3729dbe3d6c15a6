"""The plugin's connectors behind the core's call path, as the service and a local run have them.

Requests and replies are the protobuf messages of `flyteidl2.connector`, so values pass the wire
both ways.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
import uuid
from typing import TYPE_CHECKING, Any

from flyte_connectors import DataFrame
from flyte_connectors._calls.guard import CallGuard
from flyte_connectors._dispatch.dispatcher import Dispatcher
from flyte_connectors._registry.table import Registry
from flyte_connectors.connector import TERMINAL_PHASES, Phase
from flyte_connectors_bigquery import (
    BigQueryConfig,
    BigQueryConnector,
    BigQueryCopyConnector,
    BigQueryDryRunConnector,
    BigQueryExtractConnector,
    BigQueryLoadConnector,
    BigQuerySensorConnector,
    BigQueryTask,
)
from flyteidl2.connector import connector_pb2 as pb

from bed.emulator import PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flyte_connectors import TaskTemplate
    from flyte_connectors.client.remote import RemoteService
    from flyteidl2.logs.dataplane.payload_pb2 import LogLine

CONFIG = BigQueryConfig(ProjectID=PROJECT, Location="US", default_dataset="garden")
"""Of the emulator."""

_runs = itertools.count()
_session = uuid.uuid4().hex[:8]


class Calls:
    """Calls the connectors, each for one task: here, or on a service.

    Attributes:
        config: Where tasks may run: the project, and the dataset with the irises.
    """

    def __init__(self, remote: RemoteService | None = None, config: BigQueryConfig = CONFIG) -> None:
        self.dispatcher = remote or _here()
        self.config = config

    def table(self, name: str) -> str:
        """The full name of a table in the dataset."""
        return f"{self.config.ProjectID}.{self.config.default_dataset}.{name}"

    def uri(self, table: str) -> str:
        """The URI of a table in the dataset."""
        return f"bq://{self.config.ProjectID}:{self.config.default_dataset}.{table}"

    def query(
        self,
        sql: str,
        *,
        inputs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, Any] | None = None,
        frame: bool = False,
        **config: Any,
    ) -> BigQueryTask:
        """A task for a query, whose result is its output `results` if `frame`."""
        return BigQueryTask(
            name="query",
            query_template=sql,
            plugin_config=dataclasses.replace(self.config, **config),
            inputs=inputs,
            outputs=outputs,
            output_dataframe_type=DataFrame if frame else None,
        )

    async def create(
        self,
        task: TaskTemplate,
        inputs: Mapping[str, Any] | None = None,
        *,
        run: str | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> Job:
        """Start the task's job, in a new run if none is named; names are this session's own."""
        request = pb.CreateTaskRequest(
            template=task.to_proto(),
            inputs=task.interface.write_inputs(task.name, inputs or {}),
        )
        request.connection.secrets.update(secrets or {})
        execution = request.task_execution_metadata.task_execution_id.node_execution_id
        execution.execution_id.name = f"{run or next(_runs)}-{_session}"
        execution.execution_id.project = "flytesnacks"
        execution.execution_id.domain = "development"
        execution.node_id = "a0"
        created = await self.dispatcher.create(request)
        return Job(self.dispatcher, task, created.resource_meta, dict(secrets or {}))

    async def run(self, task: TaskTemplate, inputs: Mapping[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        """The outputs of the task's job, once it has succeeded."""
        job = await self.create(task, inputs, **options)
        resource = await job.end()
        assert resource.phase == Phase.SUCCEEDED, resource.message
        return task.interface.read_outputs(task.name, resource.outputs)


def _here() -> Dispatcher:
    registry = Registry()
    registry.register(BigQueryConnector())
    registry.register(BigQueryDryRunConnector())
    for connector in (BigQueryLoadConnector, BigQueryExtractConnector, BigQueryCopyConnector):
        registry.register(connector())
    registry.register(BigQuerySensorConnector())
    return Dispatcher(registry, CallGuard())


class Job:
    """One job, as its resource meta finds it again."""

    def __init__(
        self,
        dispatcher: Dispatcher | RemoteService,
        task: TaskTemplate,
        meta: bytes,
        secrets: dict[str, str],
    ) -> None:
        self.dispatcher = dispatcher
        self.task = task
        self.meta = meta
        self.secrets = secrets

    async def get(self) -> pb.Resource:
        """The job's state."""
        request = pb.GetTaskRequest(**self._address())
        request.connection.secrets.update(self.secrets)
        return (await self.dispatcher.get(request)).resource

    async def end(self, seconds: float = 30.0) -> pb.Resource:
        """The job's state at its end."""
        deadline = time.monotonic() + seconds
        while (resource := await self.get()).phase not in TERMINAL_PHASES:
            assert time.monotonic() < deadline, f"still {Phase(resource.phase).name}"
            await asyncio.sleep(0.05)
        return resource

    async def delete(self) -> None:
        """Cancel the job."""
        await self.dispatcher.delete(pb.DeleteTaskRequest(**self._address()))

    async def log(self, token: str = "", lines: int = 0) -> tuple[list[LogLine], str]:
        """One page of the log, and the token of the next."""
        request = pb.GetTaskLogsRequest(token=token, lines=lines, **self._address())
        items = [item async for item in self.dispatcher.get_logs(request)]
        page = [line for item in items for line in item.body.lines]
        return page, "".join(item.header.token for item in items)

    async def metrics(self, *queries: str) -> dict[str, Any]:
        """The job's metrics."""
        request = pb.GetTaskMetricsRequest(queries=queries, **self._address())
        response = await self.dispatcher.get_metrics(request)
        series = {result.metric: result.data["result"][0]["values"] for result in response.results}
        return {metric: float(values[0][1]) for metric, values in series.items()}

    def _address(self) -> dict[str, Any]:
        category = pb.TaskCategory(name=self.task.task_type, version=self.task.task_type_version)
        return {"resource_meta": self.meta, "task_category": category}


class Handmade(BigQueryTask):
    """A task whose `custom` somebody else wrote."""

    def __init__(self, sql: str, custom: dict[str, Any], task_type: str | None = None) -> None:
        super().__init__("handmade", sql, BigQueryConfig(ProjectID=PROJECT))
        self.task_type = task_type or self.task_type
        self._custom = custom

    def custom_config(self, sctx: Any) -> dict[str, Any]:
        return self._custom
