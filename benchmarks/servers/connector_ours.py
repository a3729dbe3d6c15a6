"""The trivial connector for our service. Its twin is `connector_peer.py`."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flyte_connectors import AsyncConnector, ConnectorRegistry, Resource, ResourceMeta
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLine, LogLineOriginator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from flyteidl2.connector.connector_pb2 import GetTaskLogsResponse

BLOCK_SECONDS = 0.2
USER = LogLineOriginator.USER  # a look-up that costs as much as the line it is for


@dataclass
class Job(ResourceMeta):
    """The state that the job shall report, and a number."""

    job_id: str


class TrivialConnector(AsyncConnector[Job]):
    """Answers from the meta alone, so that what is measured is the service."""

    name = "Trivial Connector"
    task_type_name = "benchmark"
    metadata_type = Job
    repeatable_create = True  # each create of a load is the same, and none may be answered from memory

    async def create(self, inputs: Mapping[str, Any], **_: Any) -> Job:  # type: ignore[override]
        """Check the three inputs; put the state into the meta."""
        if inputs["ratio"] != 0.5:
            message = "the inputs differ from what the benchmark sends"
            raise ValueError(message)
        return Job(job_id=f"{inputs['state']}-{inputs['rows']}")

    async def get(self, resource_meta: Job, **_: Any) -> Resource:
        """RUNNING, or SUCCEEDED with three outputs."""
        if resource_meta.job_id.startswith("running"):
            return Resource(phase=TaskExecution.RUNNING)
        outputs = {"rows": 1000, "mean": 0.5, "table": "s3://bucket/table"}
        return Resource(phase=TaskExecution.SUCCEEDED, outputs=outputs)

    async def delete(self, resource_meta: Job, **_: Any) -> None:
        """Nothing to cancel."""

    async def get_logs(self, resource_meta: Job, **_: Any) -> AsyncIterator[Any]:
        """10,000 lines one at a time, or 1,000,000 in batches: new ones, or the same again."""
        if resource_meta.job_id.startswith("lines"):
            for number in range(10_000):
                yield LogLine(message=f"line {number}", originator=USER)
        elif resource_meta.job_id.startswith("batches"):
            for _batch in range(1000):
                yield _batch_of_lines()
        else:
            same = _batch_of_lines()
            for _batch in range(1000):
                yield same


class BlockingConnector(TrivialConnector):
    """A vendor's blocking client inside `async def`, as it is often written."""

    name = "Blocking Connector"
    task_type_name = "benchmark_blocking"

    async def create(self, *arguments: Any, **keywords: Any) -> Job:
        """Block the thread."""
        time.sleep(BLOCK_SECONDS)  # noqa: ASYNC251  # the fault whose effect is measured
        return await super().create(*arguments, **keywords)


def _batch_of_lines() -> GetTaskLogsResponse:
    from flyte_connectors.authoring import log_page  # the twin needs nothing like it to start

    (page,) = log_page([f"line {number}" for number in range(1000)], None, originator=USER)
    return page


for _number in range(int(os.environ.get("BENCHMARK_CONNECTORS", "0"))):
    ConnectorRegistry.register(type("More", (TrivialConnector,), {"task_type_name": f"benchmark_{_number}"}))
ConnectorRegistry.register(TrivialConnector())
ConnectorRegistry.register(BlockingConnector())
