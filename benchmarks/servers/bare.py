"""The limit: grpc.aio and flyteidl2, with everything that the trivial connector does done by hand.

    python bare.py PORT

No routing, no metadata type, no metrics, no error mapping: what remains is the transport, parsing
the request, and building and serialising the reply.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator

import grpc.aio
from flyteidl2.connector.connector_pb2 import (
    CreateTaskRequest,
    CreateTaskResponse,
    DeleteTaskRequest,
    DeleteTaskResponse,
    GetTaskLogsRequest,
    GetTaskLogsResponse,
    GetTaskLogsResponseBody,
    GetTaskRequest,
    GetTaskResponse,
)
from flyteidl2.connector.service_pb2_grpc import (
    AsyncConnectorServiceServicer,
    add_AsyncConnectorServiceServicer_to_server,
)
from flyteidl2.core.execution_pb2 import TaskExecution
from flyteidl2.logs.dataplane.payload_pb2 import LogLineOriginator
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health

BLOCK_SECONDS = 0.2
LINES_PER_MESSAGE = 1000


class BareService(AsyncConnectorServiceServicer):  # type: ignore[misc]  # generated, untyped
    """The four unary calls and the logs of the trivial connector."""

    async def CreateTask(self, request: CreateTaskRequest, _: object) -> CreateTaskResponse:
        """Convert the three inputs; put the state into the meta."""
        inputs = {each.name: each.value.scalar.primitive for each in request.inputs.literals}
        state, rows = inputs["state"].string_value, inputs["rows"].integer
        if inputs["ratio"].float_value != 0.5:
            message = "the inputs differ from what the benchmark sends"
            raise ValueError(message)
        if request.template.type == "benchmark_blocking":
            await asyncio.to_thread(time.sleep, BLOCK_SECONDS)
        return CreateTaskResponse(resource_meta=f'{{"job_id": "{state}-{rows}"}}'.encode())

    async def GetTask(self, request: GetTaskRequest, _: object) -> GetTaskResponse:
        """RUNNING, or SUCCEEDED with three outputs."""
        response = GetTaskResponse()
        resource = response.resource
        if b"running" in request.resource_meta:
            resource.phase = TaskExecution.RUNNING
            return response
        resource.phase = TaskExecution.SUCCEEDED
        # Filled in place: three times as fast as nesting constructors.
        add = resource.outputs.literals.add
        add(name="rows").value.scalar.primitive.integer = 1000
        add(name="mean").value.scalar.primitive.float_value = 0.5
        add(name="table").value.scalar.primitive.string_value = "s3://bucket/table"
        return response

    async def DeleteTask(self, _request: DeleteTaskRequest, _: object) -> DeleteTaskResponse:
        """Nothing to cancel."""
        return DeleteTaskResponse()

    async def GetTaskLogs(
        self, request: GetTaskLogsRequest, _: object
    ) -> AsyncIterator[GetTaskLogsResponse]:
        """10,000 lines gathered into messages, or 1,000,000 from one message built beforehand."""
        if b"lines" in request.resource_meta:
            for start in range(0, 10_000, LINES_PER_MESSAGE):
                yield _log_lines(start)
        else:
            response = _log_lines(0)
            for _ in range(1_000_000 // LINES_PER_MESSAGE):
                yield response


def _log_lines(start: int) -> GetTaskLogsResponse:
    body = GetTaskLogsResponseBody()
    for number in range(start, start + LINES_PER_MESSAGE):
        body.lines.add(message=f"line {number}", originator=LogLineOriginator.USER)
    return GetTaskLogsResponse(body=body)


async def main(port: int) -> None:
    """Serve on 127.0.0.1 until the process is ended."""
    server = grpc.aio.server()
    add_AsyncConnectorServiceServicer_to_server(BareService(), server)
    servicer = health.HealthServicer()
    await servicer.set("", health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
